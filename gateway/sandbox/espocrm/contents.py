"""Bytes of attachments: uploaded ones in temporary files, seeded ones made on demand; and PHP's lenient base64."""

import binascii
import string
import tempfile
import threading
import weakref
from collections.abc import Iterable, Iterator
from typing import Protocol

WINDOW = 1 << 18
"""Bytes that are looked at, decoded or sent at once."""

IN_MEMORY = 1 << 18
"""Bytes up to which an uploaded file stays out of the file system."""

ALPHABET = (string.ascii_letters + string.digits + "+/").encode()
NOT_ALPHABET = bytes(code for code in range(256) if code not in ALPHABET)


class Contents(Protocol):
    """Something that has bytes, and hands them out in pieces."""

    @property
    def size(self) -> int:
        """Number of bytes."""

    def pieces(self) -> Iterator[bytes]:
        """Give the bytes from the start, at most ``WINDOW`` at once."""


class Uploaded:
    """Bytes that a client sent: append-only, in memory while small, in a temporary file beyond."""

    def __init__(self) -> None:
        self.size = 0
        self._lock = threading.Lock()
        self._file = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 - lives as long as this
        weakref.finalize(self, self._file.close)

    def append(self, pieces: Iterable[bytes]) -> None:
        """Write more bytes behind those that are here."""
        with self._lock:
            self._file.seek(self.size)
            for piece in pieces:
                self._file.write(piece)
                self.size += len(piece)

    def pieces(self) -> Iterator[bytes]:
        """Give the bytes from the start; several readers don't disturb each other."""
        position = 0
        while piece := self._read(position):
            yield piece
            position += len(piece)

    def _read(self, position: int) -> bytes:
        with self._lock:
            self._file.seek(position)
            return self._file.read(WINDOW)


def windows(view: memoryview) -> Iterator[bytes]:
    """Cut a buffer into pieces, so that a large one is never copied whole."""
    for start in range(0, len(view), WINDOW):
        yield bytes(view[start : start + WINDOW])


def between_commas(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Give what stands between the first comma and the second, or the end; nothing where there is no comma.

    The real server splits at every comma and takes the second part, so a comma inside the MIME type of a data
    URI spoils the file without an error.
    """
    commas = 0
    for piece in pieces:
        rest = piece
        while rest and commas < 2:
            part, comma, rest = rest.partition(b",")
            if commas == 1 and part:
                yield part
            commas += len(comma)


def lenient_base64(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Decode base64 as PHP does when it is not strict: whatever is not of the alphabet is skipped.

    So the URL-safe ``-`` and ``_`` get lost, and broken text gives fewer bytes instead of an error.
    """
    carry = b""
    for piece in pieces:
        clean = carry + piece.translate(None, NOT_ALPHABET)
        whole = len(clean) - len(clean) % 4
        carry = clean[whole:]
        yield binascii.a2b_base64(clean[:whole])
    if len(carry) > 1:
        yield binascii.a2b_base64(carry + b"=" * (4 - len(carry)))
