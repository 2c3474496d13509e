"""``attachment-gateway upload``: reads where files go, uploads one after the other, and shows how far they are."""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO
from uuid import uuid4

import httpx

from gateway.upload_client import CARRYING, HASHING, TIMEOUT, UploadClient, UploadError

KINDS: Mapping[str, str] = {"mail": "MAARCH", "case": "DECISIV", "library": "ARRHES", "entity": "ESPOCRM"}
"""The kind of source that each target is at; a folder's identifier says its source itself."""
FIELDS: Mapping[str, Sequence[str]] = {
    "mail": ("resId",),
    "case": ("caseId",),
    "folder": ("id",),
    "library": ("organization", "year"),
    "entity": ("type", "recordId", "field"),
}
"""What stands behind the colon, by the names of `UploadTargetInput`."""
FORMS = "mail:NUMBER, case:ID, folder:ID, library:ORGANIZATION/YEAR or entity:TYPE/ID/FIELD"
KEY = "ATTACHMENT_GATEWAY_API_KEY"
"""The variable that holds the API key or token, because everybody on a machine sees what stands in a command line."""
INTERRUPTED = 130
"""The exit status after Ctrl-C, as shells have it."""
WIDTH = 24
"""Characters of the bar."""


class MistakeError(ValueError):
    """A mistake of the command line's, told in one line."""


def parse_target(text: str) -> tuple[str, dict[str, Any]]:
    """Read ``--to`` as a field of `UploadTargetInput` and what is in it, but for the source; raises MistakeError."""
    kind, _, rest = text.partition(":")
    names = FIELDS.get(kind)
    values = rest.split("/", len(names) - 1) if names else []
    if names is None or len(names) != len(values) or not all(values):
        raise MistakeError(f"--to {text!r} is no target: {FORMS}")
    if kind != "mail":
        return kind, dict(zip(names, values, strict=True))
    if not (rest.isascii() and rest.isdecimal()):
        raise MistakeError(f"--to {text!r} is no mail: mail:NUMBER")
    return kind, {"resId": int(rest)}


def check_flags(kind: str, source: str | None, internal: bool | None) -> None:
    """Refuse flags that don't go with a target; raises MistakeError."""
    if kind == "case" and internal is None:
        raise MistakeError("a case needs --internal or --not-internal: both parties see what is not internal")
    if kind != "case" and internal is not None:
        raise MistakeError("--internal and --not-internal are for cases")
    if kind == "folder" and source is not None:
        raise MistakeError("a folder's identifier says its source: leave --source out")


def choose_source(kind: str, sources: Sequence[tuple[str, str]]) -> str:
    """Give the only source that has such targets; raises MistakeError where there is none, or a choice."""
    names = [name for name, its_kind in sources if its_kind == KINDS[kind]]
    if not names:
        raise MistakeError(f"the gateway has no source of the kind {KINDS[kind]}, where a {kind} is")
    if len(names) > 1:
        raise MistakeError(f"several sources have a {kind}: choose one with --source: {', '.join(names)}")
    return names[0]


def run_upload(arguments: argparse.Namespace) -> int:
    """Upload the files; 1 where any of them failed, 130 where it was interrupted. Raises MistakeError."""
    kind, values = parse_target(arguments.to)
    check_flags(kind, arguments.source, arguments.internal)
    with httpx.Client(timeout=TIMEOUT) as http:
        client = UploadClient(arguments.url, http, arguments.run_name or uuid4().hex, key=_key(os.environ))
        try:
            target = {kind: values | _rest_of_target(kind, arguments, client)}
            return max([_upload(client, path, target, arguments.on_conflict) for path in arguments.files])
        except UploadError as exc:
            return _failed("sources", exc)
        except KeyboardInterrupt:
            again = f"the same command with --run {client.run} goes on from there"
            _say(sys.stderr, f"attachment-gateway: interrupted; {again}")
            return INTERRUPTED


def _key(environ: Mapping[str, str]) -> str:
    """Read the API key or token for the gateway from a variable, or from the file that its ``_FILE`` names."""
    file = environ.get(f"{KEY}_FILE")
    try:
        return Path(file).read_text("utf-8").strip() if file else environ.get(KEY, "")
    except (OSError, UnicodeDecodeError) as exc:
        raise MistakeError(
            f"{KEY}_FILE cannot be read: {getattr(exc, 'strerror', None) or 'not UTF-8'}"
        ) from None


def _rest_of_target(kind: str, arguments: argparse.Namespace, client: UploadClient) -> dict[str, Any]:
    """Give what flags say of a target, and its source, for which the gateway is asked where no flag names it."""
    rest = {"internal": arguments.internal} if kind == "case" else {}
    if kind == "folder":
        return rest
    return rest | {"source": arguments.source or choose_source(kind, client.sources())}


def _upload(client: UploadClient, path: Path, target: dict[str, Any], on_conflict: str) -> int:
    show = _Bar(path.name) if sys.stderr.isatty() else _Lines(path.name)
    try:
        size, result = client.upload(path, target, on_conflict.upper(), show)
    except UploadError as exc:
        show.end()
        return _failed(path.name, exc)
    show.end()
    _say(sys.stdout, f"{path.name}: uploaded, {size:,} bytes{f', {result}' if result else ''}")
    return 0


def _failed(what: str, error: UploadError) -> int:
    _say(sys.stderr, f"attachment-gateway: {what}: {error}")
    return 1


def _say(stream: TextIO, text: str) -> None:
    stream.write(_printable(text) + "\n")
    stream.flush()


def _printable(text: str) -> str:
    """Take out what would move a terminal's cursor: names of files may hold anything."""
    return "".join(sign if sign.isprintable() else "?" for sign in text)


@dataclass(slots=True)
class _Lines:
    """Says each step once, for logs and pipes; hashing is not worth a line."""

    name: str
    step: str = HASHING

    def __call__(self, step: str, _: int, total: int) -> None:
        if step != self.step:
            self.step = step
            _say(sys.stdout, f"{self.name}: {total:,} bytes {step}")

    def end(self) -> None:
        """Leave nothing behind."""


@dataclass(slots=True)
class _Bar:
    """Draws how far the present step is into one line of a terminal."""

    name: str
    drawn: str = ""

    def __call__(self, step: str, done: int, total: int) -> None:
        share = done / total if total else float(step != CARRYING)
        bar = "#" * int(share * WIDTH)
        line = f"{self.name[:30]}  [{bar:-<{WIDTH}}] {share:4.0%} of {total:,} bytes {step}"
        if line != self.drawn:
            self.drawn = line
            self._write("\r\x1b[K" + _printable(line))

    def end(self) -> None:
        """Take the line away."""
        self._write("\r\x1b[K")

    def _write(self, text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()
