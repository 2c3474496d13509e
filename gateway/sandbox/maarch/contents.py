"""Bytes of attachments: made when asked for, or uploaded as Base64 and kept in a temporary file.

Uploads go to the disk piece by piece, so a 50 MB file is never held as bytes besides the text it came in.
"""

import base64
import os
import re
import string
import tempfile
import weakref
from collections.abc import Callable, Iterator
from typing import IO, Protocol

from gateway.sandbox.maarch.formats import SNIFFED

PIECE = 1 << 20
"""Characters or bytes that are handled at a time."""

ALPHABET = (string.ascii_letters + string.digits + "+/").encode()
STANDARD = bytes.maketrans(b"-_", b"+/")
FOREIGN = bytes(code for code in range(256) if code not in ALPHABET)
STRICT_PREFIX = re.compile(r"[A-Za-z0-9+/\s]*={0,2}")


class Content(Protocol):
    """Bytes that can be read any number of times."""

    @property
    def size(self) -> int:
        """How many bytes."""

    def pieces(self) -> Iterator[bytes]:
        """Give the bytes piece by piece; each call starts at the beginning."""


class Made:
    """Bytes that a function makes at each reading; the function has to be deterministic."""

    def __init__(self, make: Callable[[], bytes]) -> None:
        self._make = make

    @property
    def size(self) -> int:
        """How many bytes; makes them to know."""
        return len(self._make())

    def pieces(self) -> Iterator[bytes]:
        """Give all bytes at once."""
        yield self._make()


class Kept:
    """Bytes in a temporary file without a name, which goes when the last reference does."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the attachment
        weakref.finalize(self, self._file.close)
        self.size = sum(self._file.write(piece) for piece in pieces)
        self._file.flush()

    def pieces(self) -> Iterator[bytes]:
        """Read the file from its beginning, without moving the position that other readers share."""
        for offset in range(0, self.size, PIECE):
            yield os.pread(self._file.fileno(), PIECE, offset)


def read(content: Content) -> bytes:
    """Give all bytes of a content as one."""
    return b"".join(content.pieces())


def head(content: Content) -> bytes:
    """Give the first bytes of a content, enough to sniff its type."""
    return next(content.pieces(), b"")[:SNIFFED]


def head_of_base64(text: str) -> bytes:
    """Decode the beginning of a Base64 text strictly, up to the first foreign character.

    This is what the type is sniffed from: of ``data:text/plain;base64,...`` it sees the four letters
    ``data`` only (recorded: such a text is accepted).
    """
    match = STRICT_PREFIX.match(text[: SNIFFED * 4 // 3])
    prefix = re.sub(r"[\s=]", "", match.group()) if match else ""
    return _decoded(prefix.encode())


def decoded_base64(text: str) -> Iterator[bytes]:
    """Decode a Base64 text leniently, piece by piece: foreign characters are skipped, ``-_`` mean ``+/``."""
    rest = b""
    for start in range(0, len(text), PIECE):
        piece = text[start : start + PIECE].encode("ascii", "ignore")
        rest += piece.translate(STANDARD).translate(None, FOREIGN)
        whole = len(rest) - len(rest) % 4
        yield base64.b64decode(rest[:whole])
        rest = rest[whole:]
    yield _decoded(rest)


def _decoded(characters: bytes) -> bytes:
    """Decode what may end within a group of four; one character alone holds no byte."""
    if len(characters) % 4 == 1:
        characters = characters[:-1]
    return base64.b64decode(characters + b"=" * (-len(characters) % 4))
