"""Tests of kept connections: each answer is for the request that it follows, and for no other."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from gateway.domain.errors import Unavailable
from gateway.transport import pool
from gateway.transport.exchange import Exchange
from gateway.transport.messages import Request

ON_BOTH_LOOPS = True
"""They treat sockets differently (`conftest.py`)."""
FINE = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine"
FRAMING = (b"host", b"content-length", b"transfer-encoding", b"connection")
ENDING = (b"Content-Length:", b"Transfer-Encoding:")
STALE = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstale"


@dataclass
class Server:
    """What a server saw: the heads of requests by the number of their connection; and an order to say more."""

    origin: str = ""
    heads: list[tuple[int, bytes]] = field(default_factory=list)
    connections: int = 0
    writers: list[asyncio.StreamWriter] = field(default_factory=list)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    """Whether the client has ended a connection."""

    @property
    def used(self) -> list[int]:
        """The number of the connection that each request came by."""
        return [number for number, _ in self.heads]


@asynccontextmanager
async def serving(*replies: bytes) -> AsyncIterator[Server]:
    """Answer the requests in their order with these replies; bodies are not read.

    What does not say where it ends goes on to the end of the connection.
    """
    left = list(replies)
    server = Server()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.connections += 1
        number = server.connections
        server.writers.append(writer)
        try:
            while left:
                server.heads.append((number, await reader.readuntil(b"\r\n\r\n")))
                reply = left.pop(0)
                writer.write(reply)
                if not any(sign in reply for sign in ENDING):
                    return
            await reader.read()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            server.ended.set()
            writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as listener:
        server.origin = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
        yield server


async def texts(exchange: Exchange, requests: Sequence[Request]) -> list[bytes]:
    """Send requests one after the other and give the bodies of their answers."""
    return [(await exchange.send(request, 5)).body for request in requests]


async def test_connections_are_kept(exchange: Exchange) -> None:
    """The next request needs no handshake."""
    # given
    async with serving(FINE, FINE, FINE) as server:
        # when
        bodies = await texts(exchange, [Request("GET", f"{server.origin}/{n}") for n in range(3)])

    # then
    assert (bodies, server.used) == ([b"fine"] * 3, [1, 1, 1])


async def test_connections_are_not_kept_for_long(exchange: Exchange, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that has been idle for as long as servers wait is closed, whether somebody asks again or not."""
    # given
    monkeypatch.setattr(pool, "KEEP_ALIVE", 0.1)
    async with serving(FINE, FINE) as server:
        first = await texts(exchange, [Request("GET", server.origin)])

        # when
        await asyncio.wait_for(server.ended.wait(), 5)
        second = await texts(exchange, [Request("GET", server.origin)])

    # then
    assert (first, second, server.used) == ([b"fine"], [b"fine"], [1, 2])


async def test_what_is_closed_keeps_no_connection(exchange: Exchange) -> None:
    """A source that is closed leaves nothing open at the other end."""
    # given
    async with serving(FINE) as server:
        await texts(exchange, [Request("GET", server.origin)])

        # when
        await exchange.aclose()

        # then
        await asyncio.wait_for(server.ended.wait(), 5)
        with pytest.raises(Unavailable):
            await exchange.send(Request("GET", server.origin), 5)


async def test_what_is_closed_answers_nothing_by_halves(exchange: Exchange) -> None:
    """An answer that goes on to the end of its connection does not end where the gateway hangs up."""
    # given
    async with flowing(b"HTTP/1.1 200 OK\r\n\r\nhalf of the bo") as origin:
        asking = asyncio.create_task(exchange.send(Request("GET", origin), 5))
        await asyncio.sleep(0.1)

        # when
        await exchange.aclose()

        # then
        with pytest.raises(Unavailable):
            await asking


@asynccontextmanager
async def flowing(text: bytes) -> AsyncIterator[str]:
    """Say something, and then nothing for as long as the client waits."""

    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(text)
        await reader.read()
        writer.close()

    async with await asyncio.start_server(say, "127.0.0.1", 0) as listener:
        yield f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"


async def test_a_name_is_looked_up_once_for_many_connections(
    exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There are few threads that look names up, and one silent name server must not take all of them."""
    # given
    loop, asked = asyncio.get_running_loop(), list[str]()
    genuine = loop.getaddrinfo

    async def counted(host: str, *rest: Any, **named: Any) -> Any:
        asked.append(host)
        await asyncio.sleep(0.01)
        return await genuine(host, *rest, **named)

    monkeypatch.setattr(loop, "getaddrinfo", counted)
    async with serving(*[FINE] * 10) as server:
        origin = server.origin.replace("127.0.0.1", "localhost")

        # when
        await asyncio.gather(*(exchange.send(Request("GET", origin), 5) for _ in range(10)))

    # then
    assert (asked.count("localhost"), server.connections) == (1, 10)


async def test_each_request_has_a_connection_of_its_own(exchange: Exchange) -> None:
    """Requests at once do not wait for each other, and their connections serve those that follow."""
    # given
    async with serving(*[FINE] * 20) as server:
        # when
        for _ in range(2):
            await asyncio.gather(*(exchange.send(Request("GET", server.origin), 5) for _ in range(10)))

    # then
    assert sorted(server.used[:10]) == list(range(1, 11))
    assert server.connections == 10


async def test_what_comes_with_an_answer_answers_nothing(exchange: Exchange) -> None:
    """A server that sends two answers at once does not answer the next request before it is asked."""
    # given
    async with serving(FINE + STALE, FINE) as server:
        # when
        bodies = await texts(exchange, [Request("GET", server.origin)] * 2)

    # then
    assert (bodies, server.used) == ([b"fine"] * 2, [1, 2])


async def test_what_comes_between_requests_answers_nothing(exchange: Exchange) -> None:
    """Some servers send 408 on a connection that nobody uses; it is no answer to who uses it next."""
    # given
    async with serving(FINE, FINE) as server:
        first = await texts(exchange, [Request("GET", server.origin)])
        server.writers[0].write(STALE)
        await asyncio.sleep(0.1)

        # when
        second = await texts(exchange, [Request("GET", server.origin)])

    # then
    assert (first, second, server.used) == ([b"fine"], [b"fine"], [1, 2])


async def test_hints_before_an_answer_are_passed_over(exchange: Exchange) -> None:
    """RFC 9110, 15.2: any number of informational answers may come first."""
    # given
    hints = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    async with serving(hints + FINE, FINE) as server:
        # when
        bodies = await texts(exchange, [Request("GET", server.origin)] * 2)

    # then
    assert (bodies, server.used) == ([b"fine"] * 2, [1, 1])


async def test_an_answer_to_head_has_no_body(exchange: Exchange) -> None:
    """What is announced does not come, nobody waits for it, and the connection has had its last request."""
    # given
    async with serving(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n", FINE) as server:
        # when
        bodies = await texts(exchange, [Request("HEAD", server.origin), Request("GET", server.origin)])

    # then
    assert (bodies, server.used) == ([b"", b"fine"], [1, 2])


async def test_an_early_answer_ends_the_connection(exchange: Exchange) -> None:
    """A server that refuses before it has read everything would read the rest as the next request."""
    # given
    refusal = b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n"
    async with serving(refusal, FINE) as server:
        # when
        refused = await exchange.send(Request("POST", server.origin, body=b"x" * 32_000_000), 5)
        bodies = await texts(exchange, [Request("GET", server.origin)])

    # then
    assert (refused.status, bodies, server.used) == (413, [b"fine"], [1, 2])


@pytest.mark.parametrize(
    "head", [b"Content-Encoding: gzip\r\nTransfer-Encoding: chunked", b"Content-Encoding: gzip"]
)
async def test_bodies_come_as_they_were_meant(exchange: Exchange, head: bytes) -> None:
    """Compressed, in chunks, or to the end of the connection."""
    # given
    packed = gzip.compress(b"fine")
    body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(packed), packed) if b"chunked" in head else packed
    async with serving(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n" + body, FINE) as server:
        # when
        answer = await exchange.send(Request("GET", server.origin), 5)

    # then
    assert answer.body == b"fine"


async def test_a_request_is_written_as_http_wants(exchange: Exchange) -> None:
    """Named host, announced length, and no header twice where the caller has his own."""
    # given
    async with serving(FINE, FINE, FINE) as server:
        requests = [
            Request("GET", f"{server.origin}/a?b=c#d", {"accept": "text/xml"}),
            Request("DELETE", server.origin),
            Request("POST", server.origin, {"Content-Type": "application/json"}, b"{}"),
        ]

        # when
        await texts(exchange, requests)

    # then
    host = server.origin.removeprefix("http://").encode()
    heads = [head.decode().removesuffix("\r\n\r\n").split("\r\n") for _, head in server.heads]
    assert [lines[0] for lines in heads] == ["GET /a?b=c HTTP/1.1", "DELETE / HTTP/1.1", "POST / HTTP/1.1"]
    assert all(lines[1] == f"Host: {host.decode()}" for lines in heads)
    assert [line for line in heads[0] if line.lower().startswith("accept:")] == ["accept: text/xml"]
    lengths = [[line for line in lines if line.startswith("Content-Length")] for lines in heads]
    assert lengths == [[], ["Content-Length: 0"], ["Content-Length: 2"]]


async def test_nobody_else_says_where_a_request_ends(exchange: Exchange) -> None:
    """A length, a coding or a host from elsewhere could hide a second request in the first."""
    # given
    smuggled = {
        "content-length": "99",
        "Transfer-Encoding": "chunked",
        "HOST": "elsewhere",
        "Connection": "close",
    }
    async with serving(FINE, FINE) as server:
        # when
        await texts(exchange, [Request("GET", server.origin, smuggled)])
        await texts(exchange, [Request("POST", server.origin, smuggled, b"{}")])

    # then
    names = [
        [line.partition(b":")[0].lower() for line in head.split(b"\r\n")[1:-2]] for _, head in server.heads
    ]
    assert [[name for name in found if name in FRAMING] for found in names] == [
        [b"host"],
        [b"host", b"content-length"],
    ]
    assert b"elsewhere" not in server.heads[0][1]
    assert b"Content-Length: 2\r\n" in server.heads[1][1]


@pytest.mark.parametrize(
    "address",
    ["http://jo:secret@{}/", "ws://{}/", "tcp://{}/", "//{}/", "http://{}:1/", "http://{}\0.example/"],
)
async def test_only_plain_addresses_are_asked(exchange: Exchange, address: str) -> None:
    """A name and password in an address are nobody's credential, and other schemes are no HTTP."""
    # given
    async with serving(FINE) as server:
        # when
        with pytest.raises(Unavailable) as caught:
            await exchange.send(Request("GET", address.format(server.origin.removeprefix("http://"))), 5)

    # then
    assert server.connections == 0
    assert "secret" not in str(caught.value)
