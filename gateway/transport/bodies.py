"""Request bodies that are too large to hold: a file between a head and a tail, as it is or in Base64.

Every piece of a body is made from one chunk of the file, so what is held is some times a chunk, whatever the size.
The tail goes last: a file that turns out wrong at its end leaves a request that no server takes for whole.
"""

import re
from binascii import b2a_base64
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from gateway.domain.errors import Conflict

PIECE = 3 * 16 * 1024
"""Bytes that are encoded at a time: a multiple of three, because Base64 makes four characters of three bytes."""

HEADER_BREAKERS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""What no name may hold that goes into a header: control characters, other line breaks, halves of characters."""
LOOKS_ESCAPED = re.compile("%(22|0d|0a)", re.IGNORECASE)
"""What servers take for a quote or a line break that a browser escaped, so that it would not come back the same."""


def base64_length(size: int) -> int:
    """Tell how many characters so many bytes have in Base64, padding included."""
    return (size + 2) // 3 * 4


async def exactly(chunks: AsyncIterator[bytes], size: int) -> AsyncGenerator[bytes, None]:
    """Pass on a file of so many bytes; raises Conflict, before any byte too many goes out, for one of another size.

    HTTP would send what is missing or too much as part of something else, or call it a fault of the header.
    """
    left = size
    async for chunk in chunks:
        left -= len(chunk)
        if left < 0:
            break
        yield chunk
    if left:
        raise Conflict("The staged file is not as long any more as it was when it was checked.")


async def in_base64(chunks: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    """Encode a file in the standard alphabet, padded, without line breaks (RFC 4648, 4)."""
    rest = b""
    async with aclosing(chunks):
        async for chunk in chunks:
            for start in range(0, len(chunk), PIECE):
                held = rest + chunk[start : start + PIECE]
                whole = len(held) - len(held) % 3
                rest = held[whole:]
                yield b2a_base64(held[:whole], newline=False)
    yield b2a_base64(rest, newline=False)


async def framed(head: bytes, chunks: AsyncGenerator[bytes, None], tail: bytes) -> AsyncGenerator[bytes, None]:
    """Put a file between a head and a tail."""
    yield head
    async with aclosing(chunks):
        async for chunk in chunks:
            if chunk:
                yield chunk
    yield tail


# multipart/form-data


def is_sendable(name: str) -> bool:
    """Tell whether a file's name survives a ``filename`` parameter.

    Servers cut paths off, and undo what browsers escape (RFC 7578, 4.2; the HTML standard's ``multipart/form-data``),
    so a name with a slash, a backslash or such an escape would come back as another one.
    """
    return bool(name) and not (
        "/" in name or "\\" in name or HEADER_BREAKERS.search(name) or LOOKS_ESCAPED.search(name)
    )


def part_head(boundary: str, name: str, media_type: str, filename: str | None = None) -> bytes:
    """Write the delimiter and the headers of a part; ``filename`` has to be sendable.

    Quotes are percent-encoded as browsers do, and other characters are UTF-8 as they are, because servers know no
    ``filename*`` here (RFC 7578, 4.2).
    """
    disposition = f'form-data; name="{name}"'
    if filename is not None:
        disposition += '; filename="{}"'.format(filename.replace('"', "%22"))
    lines = (f"--{boundary}", f"Content-Disposition: {disposition}", f"Content-Type: {media_type}", "", "")
    return "\r\n".join(lines).encode()


def multipart_end(boundary: str) -> bytes:
    """Write the line break after the last part, and the closing delimiter."""
    return f"\r\n--{boundary}--\r\n".encode()
