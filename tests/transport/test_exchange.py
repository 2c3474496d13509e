"""Tests of the seam to the HTTP library, over real sockets."""

import asyncio
import gzip
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from starlette.responses import PlainTextResponse, RedirectResponse, StreamingResponse
from starlette.responses import Response as Answer

from gateway.domain.errors import BadInput, BadResponse, DeadlineExceeded, GatewayError, Unavailable
from gateway.sandbox.server import in_thread, listen
from gateway.sandbox.upstream import SandboxUpstream
from gateway.transport.exchange import Exchange
from gateway.transport.messages import Limits, Request

ON_BOTH_LOOPS = True
"""They treat sockets differently (`conftest.py`)."""
SMALL = Limits(max_body=1000, connect_timeout=10.0)


@pytest.fixture
async def exchange() -> AsyncIterator[Exchange]:
    """Open an exchange that takes a thousand bytes."""
    exchange = Exchange("source", SMALL)
    yield exchange
    await exchange.aclose()


@asynccontextmanager
async def speaking(reply: bytes) -> AsyncIterator[str]:
    """Serve raw bytes to whoever connects, and hang up."""

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(reply)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(speak, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def flowing(count: int) -> AsyncIterator[bytes]:
    """Give a body in pieces, so that its length is not announced."""
    for _ in range(count):
        yield b"x" * 100


async def test_an_answer_comes_whole(exchange: Exchange, sandbox: SandboxUpstream, origin: str) -> None:
    """Status, headers in lower case, and the decompressed body up to the last allowed byte."""
    # given
    body = gzip.compress(b"x" * 1000)
    sandbox.app = Answer(body, 203, {"Content-Encoding": "gzip", "X-Thing": "1"})

    # when
    response = await exchange.send(Request("GET", f"{origin}/a"), 5)

    # then
    assert (response.status, response.headers["x-thing"], response.body) == (203, "1", b"x" * 1000)


@pytest.mark.parametrize("how", ["announced", "flowing", "compressed"])
async def test_too_long_a_body_is_cut_off(
    exchange: Exchange, sandbox: SandboxUpstream, origin: str, how: str
) -> None:
    """A thousand bytes are a thousand bytes, however they come; the setting is named."""
    # given
    sandbox.app = {
        "announced": PlainTextResponse("x" * 1001),
        "flowing": StreamingResponse(flowing(11)),
        "compressed": Answer(gzip.compress(b"x" * 1_000_000), headers={"Content-Encoding": "gzip"}),
    }[how]

    # when
    with pytest.raises(BadResponse) as bad:
        await exchange.send(Request("GET", f"{origin}/a"), 5)

    # then
    assert "1,000 bytes" in bad.value.message
    assert "max_body" in bad.value.message


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (b"", Unavailable),
        (b"pssst", Unavailable),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\npssst", Unavailable),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\npssst", Unavailable),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\npssst", BadResponse),
    ],
)
async def test_a_broken_answer_is_translated(
    exchange: Exchange, reply: bytes, error: type[GatewayError]
) -> None:
    """Nothing foreign leaves the exchange, and nothing of the answer stands in the error."""
    # given
    async with speaking(reply) as origin:
        # when
        with pytest.raises(error) as failure:
            await exchange.send(Request("GET", f"{origin}/a?token=pssst"), 5)

    # then
    assert failure.value.source == "source"
    assert "pssst" not in f"{failure.value} {failure.value!r}"


async def test_nobody_there_is_unavailable(exchange: Exchange) -> None:
    """A refused connection may pass by itself."""
    # given
    with listen() as listener:
        request = Request("GET", f"http://127.0.0.1:{listener.getsockname()[1]}/?token=pssst")

    # when
    with pytest.raises(Unavailable) as failure:
        await exchange.send(request, 5)

    # then
    assert "pssst" not in "".join(traceback.format_exception(failure.value))


@pytest.mark.parametrize(
    "url",
    ["http://", "ftp://127.0.0.1/", "http://a b/", "nothing", f"http://{'a' * 64}.example/", "http://a..b/"],
)
async def test_what_is_no_address_is_unavailable(exchange: Exchange, url: str) -> None:
    """A wrong setting is an error of ours too, not one of the library's."""
    # given
    request = Request("GET", url)

    # when
    with pytest.raises(GatewayError) as failure:
        await exchange.send(request, 5)

    # then
    assert failure.value.source == "source"


async def test_silence_ends_in_time(exchange: Exchange) -> None:
    """An answer that never comes, or never ends, is not waited for past the given seconds."""
    # given
    async with speaking(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n") as origin:
        # when
        with pytest.raises((DeadlineExceeded, Unavailable)):
            await exchange.send(Request("GET", origin), 0.2)

    # then
    with in_thread(SandboxUpstream("slow", StreamingResponse(endless()))) as slow:
        with pytest.raises(DeadlineExceeded) as late:
            await exchange.send(Request("GET", slow), 0.2)
        assert late.value.retryable


async def endless() -> AsyncIterator[bytes]:
    """Give a byte now and then, so that no read ever times out."""
    while True:
        yield b"x"
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("credential", ["pssst\n", "pssst\r\nX: 1", "psssté\N{EURO SIGN}", "pssst\0"])
async def test_a_header_that_http_does_not_allow_shows_nothing(exchange: Exchange, credential: str) -> None:
    """A key that was pasted with its line end is refused without being quoted, in the log neither."""
    # given
    request = Request("GET", "http://127.0.0.1:9/", {"Authorization": f"Bearer {credential}"})

    # when
    with pytest.raises(GatewayError) as failure:
        await exchange.send(request, 5)

    # then
    assert type(failure.value) in (BadInput, Unavailable)
    assert "pssst" not in "".join(traceback.format_exception(failure.value))


async def test_redirects_are_not_followed(exchange: Exchange, sandbox: SandboxUpstream, origin: str) -> None:
    """Not even to the same place: a redirect is an answer that the adapter has to understand."""
    # given
    sandbox.app = RedirectResponse(f"{origin}/b")

    # when
    response = await exchange.send(Request("GET", f"{origin}/a"), 5)

    # then
    assert response.status == 307
    assert [one.path for one in sandbox.requests] == ["/a"]


async def test_cookies_are_not_kept(exchange: Exchange, sandbox: SandboxUpstream, origin: str) -> None:
    """A session's cookie could win over the credential, or carry one request's session into another's."""
    # given
    sandbox.app = PlainTextResponse("fine", headers={"Set-Cookie": "session=1; Path=/"})

    # when
    for _ in range(2):
        await exchange.send(Request("GET", f"{origin}/a"), 5)

    # then
    assert [one.headers.get("cookie") for one in sandbox.requests] == [None, None]


async def test_the_environment_sends_nothing_elsewhere(
    sandbox: SandboxUpstream, origin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy of the machine, or its .netrc, would show the credential to somebody else."""
    # given
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    exchange = Exchange("source", SMALL)

    # when
    response = await exchange.send(Request("GET", f"{origin}/a"), 5)
    await exchange.aclose()

    # then
    assert response.body == b"fine"
    assert len(sandbox.requests) == 1


def test_nothing_shows_a_credential() -> None:
    """Requests and answers can be logged as they are."""
    # given
    request = Request("GET", "http://a/?token=pssst", {"Authorization": "pssst"}, b"pssst")

    # when
    shown = repr(request)

    # then
    assert shown == "Request('GET', …)"
