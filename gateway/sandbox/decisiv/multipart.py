"""A strict reader of ``multipart/form-data`` (RFC 7578, RFC 2046) that keeps no more than one chunk in memory."""

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass

PARAMETER = re.compile(r';[ \t]*([a-z*]+)="((?:[^"\\]|\\.)*)"', re.IGNORECASE)
BOUNDARY = re.compile(
    r"multipart/form-data\s*;.*?\bboundary=(?:\"([^\"]{1,70})\"|([^\s;\"]{1,70}))", re.IGNORECASE
)
HEADERS_LIMIT = 8_192
"""Bytes that the headers of one part may have."""

ENCODINGS = {"", "7bit", "8bit", "binary", "base64"}


class MultipartError(Exception):
    """The body is not what ``multipart/form-data`` permits."""


@dataclass(frozen=True, slots=True)
class PartHead:
    """What stands before the bytes of a part; ``base64`` tells that they are encoded so."""

    name: str
    filename: str | None
    base64: bool


class PartEnd:
    """The last byte of a part has been seen."""


Event = PartHead | bytes | PartEnd


def boundary_of(content_type: str) -> bytes:
    """Take the boundary out of a Content-Type; raises MultipartError where there is none."""
    match = BOUNDARY.match(content_type)
    if match is None:
        raise MultipartError("A multipart/form-data body with a boundary is expected")
    return (match[1] or match[2]).encode("latin-1")


class MultipartReader:
    """Turns chunks of a body into heads, bytes and ends of parts; ``close`` after the last chunk."""

    def __init__(self, boundary: bytes) -> None:
        self._delimiter = b"\r\n--" + boundary
        # The first delimiter has no line break of its own, so one is put before it.
        self._buffer = b"\r\n"
        self._step = self._preamble
        self._decoder: Base64Decoder | None = None
        self.finished = False

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """Take a chunk and tell what it completes; raises MultipartError."""
        self._buffer += chunk
        while (events := self._step()) is not None:
            yield from events

    def close(self) -> None:
        """Check that the closing delimiter came; raises MultipartError for a body that was cut off."""
        if not self.finished:
            raise MultipartError("The multipart body ends before its closing delimiter")

    def _preamble(self) -> list[Event] | None:
        found = self._buffer.find(self._delimiter)
        if found < 0:
            self._buffer = self._buffer[-len(self._delimiter) :]
            return None
        self._buffer = self._buffer[found + len(self._delimiter) :]
        self._step = self._after_delimiter
        return []

    def _after_delimiter(self) -> list[Event] | None:
        if len(self._buffer) < 2:
            return None
        mark, self._buffer = self._buffer[:2], self._buffer[2:]
        if mark == b"--":
            self.finished = True
            self._step = self._epilogue
        elif mark == b"\r\n":
            self._step = self._headers
        else:
            raise MultipartError("A delimiter is followed by something else than a line break")
        return []

    def _headers(self) -> list[Event] | None:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0 and len(self._buffer) <= HEADERS_LIMIT:
            return None
        if end < 0 or end > HEADERS_LIMIT:
            raise MultipartError("The headers of a part are too long")
        head = part_head(self._buffer[:end])
        self._buffer = self._buffer[end + 4 :]
        self._decoder = Base64Decoder() if head.base64 else None
        self._step = self._content
        return [head]

    def _content(self) -> list[Event] | None:
        found = self._buffer.find(self._delimiter)
        if found >= 0:
            last, self._buffer = self._buffer[:found], self._buffer[found + len(self._delimiter) :]
            self._step = self._after_delimiter
            return [*self._decoded(last, final=True), PartEnd()]
        safe = len(self._buffer) - len(self._delimiter) + 1
        if safe <= 0:
            return None
        ready, self._buffer = self._buffer[:safe], self._buffer[safe:]
        return self._decoded(ready, final=False)

    def _epilogue(self) -> list[Event] | None:
        self._buffer = b""
        return None

    def _decoded(self, data: bytes, *, final: bool) -> list[Event]:
        content = self._decoder.decode(data, final=final) if self._decoder else data
        return [content] if content else []


class Base64Decoder:
    """Decodes base64 piece by piece; line breaks are skipped, anything else outside the alphabet is refused."""

    def __init__(self) -> None:
        self._rest = b""

    def decode(self, data: bytes, *, final: bool) -> bytes:
        """Decode what is complete; raises MultipartError."""
        self._rest += data.translate(None, b"\r\n \t")
        whole = len(self._rest) if final else len(self._rest) // 4 * 4
        ready, self._rest = self._rest[:whole], self._rest[whole:]
        try:
            return base64.b64decode(ready, validate=True)
        except binascii.Error as error:
            raise MultipartError("A part is not the base64 that it claims to be") from error


def part_head(block: bytes) -> PartHead:
    """Read the headers of a part; raises MultipartError where the disposition has no name."""
    try:
        lines = block.decode("utf-8").split("\r\n")
    except UnicodeDecodeError as error:
        raise MultipartError("The headers of a part are not UTF-8") from error
    headers = {
        name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)
    }
    disposition = headers.get("content-disposition", "")
    parameters = {name.lower(): _unquoted(value) for name, value in PARAMETER.findall(disposition)}
    encoding = headers.get("content-transfer-encoding", "").lower()
    if not disposition.lower().startswith("form-data") or "name" not in parameters or encoding not in ENCODINGS:
        raise MultipartError("A part has no usable Content-Disposition or Content-Transfer-Encoding")
    return PartHead(parameters["name"], parameters.get("filename"), encoding == "base64")


def _unquoted(value: str) -> str:
    """Undo both ways of quoting that clients use: backslashes of RFC 2045, percent signs of the HTML standard."""
    plain = re.sub(r'\\(["\\])', r"\1", value)
    return plain.replace("%22", '"').replace("%0D", "\r").replace("%0A", "\n")
