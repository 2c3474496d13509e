"""Keeps secrets out of what is logged: by how they look, by what they are called, and by their own texts.

Everything that Python logs goes through it, whichever library logs it and wherever it ends up, and so do exceptions
with their tracebacks. What is taken out leaves an ellipsis.
"""

import functools
import logging
import re
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from gateway.domain.secret import living_texts

GONE = "…"
SHORTEST = 5
"""Characters of a secret that is known by its text; shorter ones would be found in every other word."""

_HEADERS = r"(?:[\w-]{0,40}-)?authorization(?:-code)?|(?:set-)?cookie"
_FIELDS = (
    r"x-amz-(?:signature|credential|security-token)|awsaccesskeyid|signature|sig|policy|encodedfile"
    r"|[\w-]{0,40}(?:token|secret|password|passwd|api[_-]?key|secret[_-]?key|content_key|id_keys)"
)
_SEPARATOR = r"(?:(?:\\?[\"'])?\s*(?:[:=]|%3D)\s*|\\?[\"']\s*,\s*(?=b?[\"']))"
PATTERNS = (
    re.compile(
        r"data:(?P<gone>(?:[\w.+-]{1,64}/[\w.+-]{1,64}[^,\s\"']{0,64}|;base64),[^\s\"'<>)]+)", re.IGNORECASE
    ),
    re.compile(rf"\b(?:{_HEADERS}){_SEPARATOR}(?:b?[\"'])?(?P<gone>[^\r\n\"']+)", re.IGNORECASE),
    re.compile(rf"(?<![\w-])(?:{_FIELDS}){_SEPARATOR}b?\\?[\"'](?P<gone>[^\"'\r\n]+)", re.IGNORECASE),
    re.compile(rf"(?<![\w-])(?:{_FIELDS}){_SEPARATOR}(?P<gone>[^\s&,;\"'\\)}}\]<>#]+)", re.IGNORECASE),
    re.compile(
        r"\b(?:Basic|Bearer|Digest|Negotiate)\s+(?P<gone>(?=[\w.~+/=-]*[\d=])[\w.~+/=-]{6,})",
        re.IGNORECASE,
    ),
    re.compile(r"(?<=://)(?P<gone>[^\s/@:\"']*:[^\s/@\"']+)(?=@)"),
    re.compile(r"\b(?P<gone>eyJ[\w-]+\.[\w-]+\.[\w-]*)"),
    re.compile(r"(?<=/content/)(?P<gone>[\w%-]{16,})"),
)
"""What secrets look like; the group is what is taken out, what stands around it stays."""
SCHEME = re.compile(r"^(?:Basic|Bearer) ")
RUN = re.compile(r"[\w+/-]{48,}={0,2}|[\w+/-]{22,}={1,2}(?![\w=])", re.ASCII)
"""What may be Base64: the contents of a file, a sealed link, a digest."""
LETTERS_PER_SLASH = 24
"""Base64 has a slash in 64 letters; paths, which are left as they are, have many more."""


def redacted(text: str) -> str:
    """Give a text without the secrets in it.

    All rules look at the text as it came: taking one secret out cannot hide the name by which another is known.
    """
    left, end = [], 0
    for start, stop in _merged(sorted(_secret_spans(text))):
        left += [text[end:start], GONE]
        end = stop
    return "".join([*left, text[end:]]) if left else text


def _secret_spans(text: str) -> Iterator[tuple[int, int]]:
    """Find what is to be taken out, by every rule."""
    known = _known(living_texts())
    if known is not None:
        yield from (found.span(1) for found in known.finditer(text))
    for pattern in PATTERNS:
        yield from (found.span("gone") for found in pattern.finditer(text))
    yield from (found.span() for found in RUN.finditer(text) if _is_contents(found[0]))


def _merged(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Make one of spans that overlap, given in their order."""
    merged: list[tuple[int, int]] = []
    for start, stop in spans:
        if merged and start < merged[-1][1]:
            merged[-1] = merged[-1][0], max(stop, merged[-1][1])
        else:
            merged.append((start, stop))
    return merged


def _is_contents(run: str) -> bool:
    """Tell Base64 from a path and from a plain word."""
    return run.count("/") * LETTERS_PER_SLASH <= len(run) and re.search(r"[0-9A-Z]", run) is not None


@functools.lru_cache(maxsize=4)
def _known(texts: frozenset[str]) -> re.Pattern[str] | None:
    """Make a pattern of the secrets' own texts, the longest first, that finds those which overlap too."""
    forms = {form for text in texts for form in _forms(text) if len(form) >= SHORTEST}
    found = "|".join(map(re.escape, sorted(forms, key=len, reverse=True)))
    return re.compile(f"(?=({found}))") if forms else None


def _forms(text: str) -> set[str]:
    """Give a secret as it may be written, and the secret parts of one that is an address, a header or a list."""
    pieces = (part for part in re.split(r"[\s,]+", text) if len(part) > 2 * SHORTEST)
    parts = {text, SCHEME.sub("", text), *pieces}
    if "://" in text:
        parts = {_password(text)}
    return {form for part in parts if part for form in (part, quote(part, safe=""), repr(part)[1:-1])}


def _password(url: str) -> str:
    try:
        return unquote(urlsplit(url).password or "")
    except ValueError:
        return url


# Where it is done


def install() -> None:
    """Redact whatever is logged from now on, and what Python says of exceptions that nobody caught."""
    make = logging.getLogRecordFactory()
    if not isinstance(make, _Factory):
        logging.setLogRecordFactory(_Factory(make))
    sys.excepthook = _say
    threading.excepthook = lambda died: _say(died.exc_type, died.exc_value, died.exc_traceback)
    sys.unraisablehook = lambda lost: _say(lost.exc_type, lost.exc_value, lost.exc_traceback)


class _Factory:
    """Makes the records of logs without secrets."""

    def __init__(self, make: Callable[..., logging.LogRecord]) -> None:
        self.make = make

    def __call__(self, *args: Any, **kwargs: Any) -> logging.LogRecord:
        record = self.make(*args, **kwargs)
        _clean(record)
        return record


def _clean(record: logging.LogRecord) -> None:
    """Take the secrets out of a record: of its parts where that is enough, else of the text that they make."""
    if isinstance(record.args, tuple):
        record.args = tuple(redacted(arg) if isinstance(arg, str) else arg for arg in record.args)
    try:
        text = record.getMessage()
    except (
        TypeError,
        ValueError,
        KeyError,
    ):  # a mistake of who logs, which logging would print with all it was given
        text = f"{record.msg} {record.args}"
        record.args = ()
    safe = redacted(text)
    if safe != text or not record.args:
        record.msg, record.args = safe, ()
    if record.exc_info and record.exc_info[0]:
        record.exc_text = redacted("".join(traceback.format_exception(*record.exc_info)).rstrip("\n"))
        record.exc_info = None  # or a handler would write it anew
    if record.stack_info:
        record.stack_info = redacted(record.stack_info)


def _say(kind: type[BaseException], value: BaseException | None, trace: Any) -> None:
    if not issubclass(kind, SystemExit):
        sys.stderr.write(redacted("".join(traceback.format_exception(kind, value, trace))))
