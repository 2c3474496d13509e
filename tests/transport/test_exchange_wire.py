"""Tests of what goes over the wire: nothing twice, nothing that nobody waits for, bodies and addresses unchanged."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from starlette.requests import ClientDisconnect
from starlette.requests import Request as Incoming
from starlette.types import Receive, Scope, Send

from gateway.domain.errors import BadInput, Conflict, DeadlineExceeded, GatewayError, Unavailable
from gateway.sandbox.upstream import SandboxUpstream
from gateway.transport.exchange import Exchange
from gateway.transport.messages import Limits, Request, Response

ON_BOTH_LOOPS = True
"""They treat sockets differently (`conftest.py`)."""


@dataclass
class Connection:
    """When a request came, and when the client hung up or had its reply."""

    came: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)


@asynccontextmanager
async def listening(reply: bytes = b"") -> AsyncIterator[tuple[str, list[bytes], Connection]]:
    """Take the head of every request, send the reply, and hang up; without a reply wait until the client does.

    Gives the origin, the heads, and what happened to the last connection.
    """
    heads: list[bytes] = []
    connection = Connection()

    async def listen_to(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        connection.came.set()
        writer.write(reply)
        if not reply:
            await reader.read()
        connection.left.set()
        writer.close()

    server = await asyncio.start_server(listen_to, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", heads, connection


async def pieces(*texts: bytes, failure: Exception | None = None) -> AsyncIterator[bytes]:
    """Give a body in these pieces, and then perhaps an error."""
    for text in texts:
        yield text
    if failure:
        raise failure


def upload(origin: str, body: AsyncIterator[bytes], length: int) -> Request:
    """Make a request whose body is a stream."""
    return Request("PUT", f"{origin}/a", {"Content-Length": str(length)}, body)


@pytest.mark.parametrize("streamed", [False, True])
async def test_nobody_waits_so_nothing_runs(exchange: Exchange, streamed: bool) -> None:
    """A cancelled caller takes the connection with him, whether he waits for an answer or for room to send."""
    # given
    async with listening() as (origin, _, connection):
        body = pieces(*[b"x" * 100_000] * 100)
        request = upload(origin, body, 10_000_000) if streamed else Request("GET", origin)
        caller = asyncio.create_task(exchange.send(request, 60))
        await asyncio.wait_for(connection.came.wait(), 5)

        # when
        caller.cancel()
        await asyncio.wait([caller])
        await asyncio.wait_for(connection.left.wait(), 5)

    # then
    assert caller.cancelled()


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "POST"])
async def test_nothing_is_sent_twice(exchange: Exchange, method: str) -> None:
    """The library's own second try would hide from the trace, and deletes what is deleted already."""
    # given
    async with listening(b"HTTP/1.1") as (origin, heads, _):
        # when
        with pytest.raises(Unavailable):
            await exchange.send(Request(method, origin), 5)

    # then
    assert len(heads) == 1


@pytest.mark.parametrize("length", [5, 7])
async def test_a_body_of_another_length_is_never_whole(
    exchange: Exchange, sandbox: SandboxUpstream, origin: str, length: int
) -> None:
    """A body that is shorter or longer than announced fails before its last piece is sent."""
    # given
    received: list[bytes] = []

    async def keep(scope: Scope, receive: Receive, _: Send) -> None:
        with suppress(ClientDisconnect):
            received.append(await Incoming(scope, receive).body())

    sandbox.app = keep

    # when
    with pytest.raises(BadInput):
        await exchange.send(upload(origin, pieces(b"abc", b"def"), length), 5)

    # then
    assert received == []


async def test_a_body_that_breaks_says_why(exchange: Exchange, origin: str) -> None:
    """What went wrong with the staged file is the error, not that the source did not get it."""
    # given
    failure = Conflict("The staged file is gone.")
    request = upload(origin, pieces(b"abc", failure=failure), 6)

    # when
    with pytest.raises(Conflict) as raised:
        await exchange.send(request, 5)

    # then
    assert raised.value is failure


async def test_a_source_that_takes_no_more_is_late() -> None:
    """A piece of a body that nobody takes within one try's time ends the upload, whatever time is left."""
    # given
    exchange = Exchange("source", Limits(try_timeout=0.3))
    deaf = socket.create_server(("127.0.0.1", 0))
    origin = f"http://127.0.0.1:{deaf.getsockname()[1]}"
    body = pieces(*[b"x" * 1_000_000] * 100)

    # when
    with pytest.raises(DeadlineExceeded):
        await asyncio.wait_for(exchange.send(upload(origin, body, 100_000_000), 60), 30)

    # then
    await exchange.aclose()
    deaf.close()


async def test_a_name_is_looked_up_in_the_time_of_a_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """A silent name server takes no more of a call than a host that does not answer."""
    # given
    exchange = Exchange("source", Limits(connect_timeout=0.1))
    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", lambda *_, **__: asyncio.sleep(60))

    # when
    with pytest.raises(DeadlineExceeded):
        await asyncio.wait_for(exchange.send(Request("GET", "http://source.example/"), 60), 10)

    # then
    await exchange.aclose()


async def test_headers_of_an_answer_can_be_read(exchange: Exchange) -> None:
    """A header that comes twice is one list, and bytes that are no UTF-8 are Latin-1, never half a character."""
    # given
    reply = (
        b"HTTP/1.1 200 OK\r\nLink: a\r\nlink: b\r\nX-Old: \xe9\r\nX-New: \xc3\xa9\r\nContent-Length: 0\r\n\r\n"
    )
    async with listening(reply) as (origin, _, _):
        # when
        response = await exchange.send(Request("GET", origin), 5)

    # then
    assert [response.headers[name] for name in ("link", "x-old", "x-new")] == ["a, b", "é", "é"]


async def test_an_address_is_sent_as_it_is_written(exchange: Exchange) -> None:
    """A signature breaks when what it signs is encoded anew; what HTTP does not allow is encoded all the same."""
    # given
    async with listening(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n") as (
        origin,
        heads,
        _,
    ):
        # when
        await exchange.send(Request("GET", f"{origin}/a%2fb/%41/../c?sig=%2f'+x=|"), 5)
        await exchange.send(Request("GET", f"{origin}/a b/é"), 5)

    # then
    lines = [head.split(b"\r\n")[0] for head in heads]
    assert lines == [b"GET /a%2fb/%41/../c?sig=%2f'+x=| HTTP/1.1", b"GET /a%20b/%C3%A9 HTTP/1.1"]
    assert b"content-type" not in heads[0].lower()


@pytest.mark.parametrize(("name", "trusted"), [("localhost", True), ("localhost", False), ("elsewhere", True)])
async def test_certificates_are_verified(tmp_path: Path, name: str, trusted: bool) -> None:
    """A source is who it says it is: its certificate names it, and is signed by somebody who is trusted."""
    # given
    certificate = self_signed(tmp_path, name)
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    serving.load_cert_chain(certificate)
    tls = ssl.create_default_context(cafile=str(certificate)) if trusted else None
    exchange = Exchange("source", Limits(), tls=tls)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=serving)
    request = Request(
        "GET", f"https://localhost:{server.sockets[0].getsockname()[1]}/", {"Authorization": "pssst"}
    )

    # when
    outcome: Response | GatewayError
    try:
        outcome = await exchange.send(request, 5)
    except GatewayError as exc:
        outcome = exc
    await exchange.aclose()
    server.close()

    # then
    assert (type(outcome) is Response) is (trusted and name == "localhost")
    assert isinstance(outcome, Response | Unavailable)


def self_signed(folder: Path, name: str) -> Path:
    """Make a certificate for a host, with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    plain = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    text = key.private_bytes(serialization.Encoding.PEM, *plain)
    path = folder / "certificate.pem"
    path.write_bytes(text + certificate.public_bytes(serialization.Encoding.PEM))
    return path
