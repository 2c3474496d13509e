"""Streams of bytes on their way out: cut to measure and written as base64, in memory that does not grow with them."""

from base64 import b64encode
from collections.abc import AsyncIterator
from dataclasses import dataclass

from gateway.domain.errors import Conflict


def base64_length(size: int) -> int:
    """Tell how many bytes so many bytes are in base64, padding included (RFC 4648, 4)."""
    return (size + 2) // 3 * 4


async def base64_of(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Write a stream as one text of padded base64 in the standard alphabet, without line breaks."""
    rest = b""
    async for chunk in chunks:
        data = rest + chunk
        end = len(data) - len(data) % 3
        rest = data[end:]
        yield b64encode(data[:end])
    yield b64encode(rest)


async def between(head: bytes, chunks: AsyncIterator[bytes], tail: bytes = b"") -> AsyncIterator[bytes]:
    """Put a text before a stream, and one behind it."""
    yield head
    async for chunk in chunks:
        yield chunk
    yield tail


class Measured:
    """A stream of a known number of bytes, which is handed out in parts of chosen lengths.

    One that has fewer or more bytes raises Conflict: what was staged is not what was announced.
    """

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = memoryview(b"")

    async def part(self, size: int) -> AsyncIterator[bytes]:
        """Give the next ``size`` bytes; raises Conflict where the stream ends before."""
        missing = size
        while missing:
            if not self._rest:
                self._rest = memoryview(await self._next())
            piece, self._rest = self._rest[:missing], self._rest[missing:]
            missing -= len(piece)
            yield bytes(piece)

    async def end(self) -> None:
        """Make sure that nothing is left; raises Conflict otherwise."""
        left = len(self._rest)
        async for chunk in self._chunks:
            left += len(chunk)
            if left:
                break
        if left:
            raise Conflict("The staged file has more bytes than it was announced with.")

    async def _next(self) -> bytes:
        async for chunk in self._chunks:
            return chunk
        raise Conflict("The staged file has fewer bytes than it was announced with.")


async def whole(chunks: AsyncIterator[bytes], size: int) -> AsyncIterator[bytes]:
    """Pass on a stream of so many bytes; raises Conflict for one of another length, after the last byte at most.

    What is put behind it is not sent then, so a request that ends with a tail never looks complete.
    """
    measured = Measured(chunks)
    async for piece in measured.part(size):
        yield piece
    await measured.end()


@dataclass(frozen=True, slots=True)
class Body:
    """A request's body as a stream, and how many bytes it has."""

    length: int
    chunks: AsyncIterator[bytes]


def base64_between(head: bytes, staged: Measured, size: int, tail: bytes = b"") -> Body:
    """Write the next ``size`` bytes of a file as base64 between two texts."""
    return Body(len(head) + base64_length(size) + len(tail), between(head, base64_of(staged.part(size)), tail))
