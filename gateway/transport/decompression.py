"""Bodies of answers that come compressed (RFC 9110, 8.4.1): piece by piece, and never far beyond what may be kept."""

import zlib
from collections.abc import Iterable, Iterator
from typing import Protocol

import brotli

ACCEPTED = "gzip, deflate, br"
"""What sources may compress with."""
PIECE = 64 * 1024
"""Bytes that are decompressed at once."""
SMALL = 1024 * 1024
"""Bytes that a body may decompress to from however few; a longer one is at most ``RATIO`` times what was sent."""
RATIO = 100
MOST_MEMBERS = 100
"""How many bodies of gzip may follow each other in one: each costs a copy of those behind it."""
GZIP, ZLIB, BARE = 31, 15, -15
"""How zlib is told what it will find around the compressed bytes."""
DEFLATED, LOW = 8, 0x0F
"""The lower half of zlib's first byte (RFC 1950, 2.2); servers that mean "deflate" to the letter send none."""


class DecompressionError(Exception):
    """A body is not what it says that it is."""


class InflatedError(Exception):
    """A few bytes would become far too many."""


class Unpacker(Protocol):
    """One body in one coding."""

    @property
    def ended(self) -> bool:
        """Whether all has come."""

    def unpack(self, data: bytes) -> Iterator[bytes]:
        """Decompress the next bytes in pieces; raises the errors of the library."""


class Decompression:
    """One body on its way, in one of the codings of `CODINGS`."""

    def __init__(self, coding: str) -> None:
        self._unpacker = CODINGS[coding]()
        self._sent = 0
        self._size = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Decompress the next bytes in pieces; raises DecompressionError, and InflatedError before it is too late."""
        self._sent += len(data)
        try:
            for piece in self._unpacker.unpack(data):
                self._size += len(piece)
                if self._size > SMALL and self._size > RATIO * self._sent:
                    raise InflatedError
                yield piece
        except (zlib.error, brotli.error) as exc:
            raise DecompressionError from exc

    def check_end(self) -> None:
        """Raise DecompressionError where a body ended early; one without a byte is a whole one."""
        if self._sent and not self._unpacker.ended:
            raise DecompressionError


class _Gzip:
    """Gzip, of which a body may have several one after the other, and zeros behind (RFC 1952, 2.2)."""

    def __init__(self) -> None:
        self._machine = zlib.decompressobj(GZIP)
        self._members = 1

    @property
    def ended(self) -> bool:
        return self._machine.eof

    def unpack(self, data: bytes) -> Iterator[bytes]:
        while data := data.lstrip(b"\0") if self._machine.eof else data:
            if self._machine.eof:
                self._begin()
            yield self._machine.decompress(data, PIECE)
            data = self._machine.unused_data or self._machine.unconsumed_tail

    def _begin(self) -> None:
        self._members += 1
        if self._members > MOST_MEMBERS:
            raise DecompressionError
        self._machine = zlib.decompressobj(GZIP)


class _Deflate:
    """What is called "deflate": zlib's form, or the bare one that older servers send."""

    def __init__(self) -> None:
        self._machine = zlib.decompressobj(ZLIB)
        self._begun = False

    @property
    def ended(self) -> bool:
        return self._machine.eof

    def unpack(self, data: bytes) -> Iterator[bytes]:
        if data and not self._begun:
            self._begun = True
            if data[0] & LOW != DEFLATED:
                self._machine = zlib.decompressobj(BARE)
        piece = b""
        while (data or len(piece) == PIECE) and not self._machine.eof:  # a full piece may have left some behind
            piece = self._machine.decompress(data, PIECE)
            yield piece
            data = self._machine.unconsumed_tail


class _Brotli:
    """Brotli (RFC 7932)."""

    def __init__(self) -> None:
        self._machine = brotli.Decompressor()

    @property
    def ended(self) -> bool:
        return bool(self._machine.is_finished())

    def unpack(self, data: bytes) -> Iterator[bytes]:
        piece = self._machine.process(data, output_buffer_limit=PIECE)
        while piece:  # it may hold some back even when it would accept more
            yield piece
            piece = b"" if self.ended else self._machine.process(b"", output_buffer_limit=PIECE)


CODINGS: dict[str, type[Unpacker]] = {"gzip": _Gzip, "x-gzip": _Gzip, "deflate": _Deflate, "br": _Brotli}
"""Those that are accepted, and the older name of one (RFC 9110, 8.4.1.3)."""


def coding_of(values: Iterable[bytes]) -> str | None:
    """Read `Content-Encoding`, perhaps of several lines; None where the body is to be left as it is.

    So it is with codings that were not accepted, and with what is none: some servers name a character set there.
    """
    named = b",".join(values).decode("latin-1").lower().split(",")
    codings = {name.strip() for name in named} - {"", "identity"}
    return next(iter(codings & CODINGS.keys()), None) if len(codings) == 1 else None
