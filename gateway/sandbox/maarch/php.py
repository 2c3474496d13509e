"""What PHP does with values and the imitation has to do alike."""

import json
import re

INTEGER = re.compile(r"[+-]?[0-9]{1,19}")
FILENAME_STOPPERS = re.compile(r"[\\/:*?\"'<>|,]")
CONTROLS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


def encoded(value: object) -> bytes:
    r"""Write JSON as ``json_encode`` does by default: non-ASCII as ``\uXXXX`` and every slash as ``\/``."""
    text = json.dumps(value, separators=(",", ":"))
    return text.replace("/", "\\/").encode("ascii")


def is_empty(value: object) -> bool:
    """Whether ``empty()`` holds: null, false, zero, no items, and the texts ``""`` and ``"0"``."""
    return not value or value == "0"


def is_blank(value: object) -> bool:
    """Whether the validator's ``notEmpty`` refuses a value, which trims texts before it looks."""
    return is_empty(value.strip() if isinstance(value, str) else value)


def is_integer(value: object) -> bool:
    """Whether ``intVal`` takes a value: a whole number or its text, such as ``"103"``."""
    if isinstance(value, str):
        return INTEGER.fullmatch(value) is not None
    return isinstance(value, int) and not isinstance(value, bool)


def text(value: object) -> str:
    """Turn a scalar into the text that a varchar column keeps: ``5`` is ``"5"``, true is ``"1"``."""
    if isinstance(value, bool):
        return "1" if value else ""
    return str(value)


def filename(title: str | None, limit: int = 250) -> str:
    """Make a file name of a title: its first ``limit`` characters, forbidden ones as underscores."""
    return FILENAME_STOPPERS.sub("_", (title or "")[:limit])


def is_header_safe(value: str) -> bool:
    """Whether the HTTP library takes a text as a header: no control characters but the tab."""
    return CONTROLS.search(value) is None
