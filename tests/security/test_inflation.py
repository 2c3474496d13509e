"""Bodies that a few compressed bytes blow up: they are given up early, and never in memory as a whole."""

import asyncio
import resource
import zlib
from collections.abc import AsyncIterator, Callable

import brotli
import pytest
from starlette.responses import Response, StreamingResponse

from gateway.domain.errors import BadResponse
from gateway.sandbox.server import in_thread
from gateway.sandbox.upstream import SandboxUpstream
from gateway.transport.decompression import RATIO, SMALL
from gateway.transport.exchange import Exchange
from gateway.transport.messages import Limits, Request

MIB = 1024 * 1024
GIB = 1024 * MIB
MOST_MEMORY = 32 * MIB


PRESSES: dict[str, Callable[[], Callable[[bytes], bytes]]] = {
    "gzip": lambda: zlib.compressobj(9, zlib.DEFLATED, 31).compress,
    "deflate": lambda: zlib.compressobj(9, zlib.DEFLATED, 15).compress,
    "br": lambda: brotli.Compressor(quality=1).process,
}
"""How bytes are pressed, in each of the codings that the client understands."""


def bomb(encoding: str, size: int, sent: list[int]) -> Callable[[], Response]:
    """Answer so many zeros, compressed a thousand times; ``sent`` tells how many bytes of them went out."""

    async def pieces() -> AsyncIterator[bytes]:
        press, zeros = PRESSES[encoding](), bytes(MIB)
        for _ in range(size // MIB):
            piece = press(zeros)
            sent.append(len(piece))
            yield piece
            await asyncio.sleep(0)  # so that it is noticed when nobody reads any more

    return lambda: StreamingResponse(pieces(), headers={"content-encoding": encoding})


async def _ask(exchange: Exchange, url: str, read: list[int] | None) -> None:
    """Get an address, piece by piece where the lengths of the pieces are asked for."""
    request = Request("GET", url)
    if read is None:
        await exchange.send(request, 30)
        return
    async with exchange.stream(request) as stream:
        async for chunk in stream.chunks:
            read.append(len(chunk))


async def _serve(make: Callable[[], Response], *connection: object) -> None:
    await make()(*connection)  # type: ignore[arg-type]


@pytest.mark.parametrize("encoding", sorted(PRESSES))
@pytest.mark.parametrize("streamed", [True, False])
async def test_a_bomb_is_given_up(encoding: str, *, streamed: bool) -> None:
    """Ten gigabytes in ten megabytes: a typed error after some megabytes of each, in constant memory."""
    # given
    sent: list[int] = []
    make = bomb(encoding, 10 * GIB, sent)
    upstream = SandboxUpstream("source", lambda *connection: _serve(make, *connection))
    read: list[int] = []
    with in_thread(upstream) as origin:
        exchange = Exchange("source", Limits(max_body=2 * GIB))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

        # when
        with pytest.raises(BadResponse) as refused:
            await _ask(exchange, f"{origin}/a", read if streamed else None)
        await exchange.aclose()

    # then
    assert "decompresses" in refused.value.message
    assert sum(read) < 8 * MIB
    assert sum(sent) < 10 * MIB
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before < MOST_MEMORY


async def test_what_compresses_well_is_read() -> None:
    """Lists of a source shrink to a twentieth; even what shrinks a thousand times is read while it is small."""
    # given
    small = bytes(SMALL)
    large = b"".join(b'{"id": %d, "name": "Facture"},' % number for number in range(100_000))
    bodies = [small, large]
    press = [zlib.compress(body, 9) for body in bodies]
    assert len(small) > RATIO * len(press[0])
    upstream = SandboxUpstream("source", Response())
    found = []
    with in_thread(upstream) as origin:
        exchange = Exchange("source", Limits())

        # when
        for body in press:
            upstream.app = Response(body, headers={"content-encoding": "deflate"})
            found.append((await exchange.send(Request("GET", f"{origin}/a"), 30)).body)
        await exchange.aclose()

    # then
    assert found == bodies
