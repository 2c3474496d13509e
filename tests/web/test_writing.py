"""An answer leaves in one piece: its head goes together with the first piece of its body."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from uvicorn.config import Config
from uvicorn.server import ServerState

from gateway.web.edge import ALWAYS, Edge
from gateway.web.origins import Hosts, Origins
from gateway.web.wire import BoundedProtocol

GET = b"GET /%s HTTP/1.1\r\nHost: a\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Recorded(asyncio.Transport):
    """A connection that keeps what is given to the system, by call."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[bytes] = []
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Keep one piece."""
        self.calls.append(bytes(data))

    def writelines(self, pieces: Any) -> None:
        """Keep what is written at once."""
        self.calls.append(b"".join(pieces))

    def is_closing(self) -> bool:
        """Tell whether the connection was ended."""
        return self.closed

    def close(self) -> None:
        """End the connection."""
        self.closed = True

    def pause_reading(self) -> None:
        """Read on all the same."""

    def resume_reading(self) -> None:
        """Read on."""


async def plain(request: Request) -> Response:
    """Answer with the path and the body."""
    return PlainTextResponse(request.url.path.encode() + await request.body())


async def pieces(request: Request) -> Response:
    """Answer piece by piece: those that the path names, and the last when the test lets it."""
    begin = [piece.encode() for piece in request.path_params["begin"].split("/") if piece]
    return StreamingResponse(_pieces(begin, request.app.state.go_on), media_type="text/plain")


async def _pieces(begin: Sequence[bytes], go_on: asyncio.Event) -> AsyncIterator[bytes]:
    for piece in begin:
        yield piece
    await go_on.wait()
    yield b"last"


async def nothing(request: Request) -> Response:  # noqa: ARG001 - asked for nothing
    """Answer without a body."""
    return Response(status_code=204)


class Broken(Response):
    """An answer that breaks after its head."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG002 - as ASGI has it
        """Send the head alone."""
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        raise RuntimeError("broken")


async def broken(request: Request) -> Response:  # noqa: ARG001 - asked for nothing
    """Break."""
    return Broken(b"never")


APP = Starlette(
    routes=[
        Route("/plain", plain, methods=["GET", "HEAD", "POST"]),
        Route("/pieces/{begin:path}", pieces),
        Route("/nothing", nothing),
        Route("/broken", broken),
    ]
)


@pytest.fixture
async def connection() -> tuple[BoundedProtocol, Recorded]:
    """Make the server's side of one connection."""
    return connected(APP)


def connected(app: Any) -> tuple[BoundedProtocol, Recorded]:
    """Make the server's side of one connection to an application."""
    APP.state.go_on = asyncio.Event()
    config = Config(app, http=BoundedProtocol, log_config=None, ws="none")
    config.load()
    return BoundedProtocol(config, ServerState(), {}), Recorded()


Connection = tuple[BoundedProtocol, Recorded]


async def asked(connection: Connection, *requests: bytes) -> Sequence[bytes]:
    """Send requests in one packet; give what was written, by call, once nothing more happens."""
    protocol, transport = connection
    protocol.connection_made(transport)
    protocol.data_received(b"".join(requests))
    await settled()
    return transport.calls


async def settled() -> None:
    """Let all that can go on do so."""
    for _ in range(50):
        await asyncio.sleep(0)


async def test_an_answer_is_written_at_once(connection: Connection) -> None:
    """A system call and a packet less for each answer."""
    # when
    calls = await asked(connection, GET % b"plain")

    # then
    assert len(calls) == 1
    assert calls[0].startswith(b"HTTP/1.1 200 OK\r\n")
    assert calls[0].endswith(b"\r\n\r\n/plain")


@pytest.mark.parametrize("request_line", [b"GET /plain", b"HEAD /plain", b"GET /nothing", b"GET /pieces/a/b"])
async def test_lines_of_the_edge_are_in_the_head_once(request_line: bytes) -> None:
    """What all answers say is written at the end of the head, whatever kind of answer it is."""
    # given
    connection = connected(Edge(APP, Hosts(["a"]), Origins([], "http://a")))
    APP.state.go_on.set()

    # when
    calls = await asked(connection, *[request_line + b" HTTP/1.1\r\nHost: a\r\n\r\n"] * 2)

    # then
    heads = b"".join(calls).split(b"HTTP/1.1 ")[1:]
    assert len(heads) == 2
    for head in heads:
        lines = head.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]
        assert [lines.count(name + b": " + value) for name, value in ALWAYS] == [1] * len(ALWAYS)


async def test_an_answer_that_says_otherwise_has_its_own_word() -> None:
    """A page that may be kept by browsers says so, and is not contradicted by the edge."""
    # given
    own = PlainTextResponse("fine", headers={"cache-control": "max-age=60"})
    connection = connected(Edge(own, Hosts(["a"]), Origins([], "http://a")))

    # when
    (answer,) = await asked(connection, GET % b"any")

    # then
    said = [line for line in answer.split(b"\r\n") if line.startswith(b"cache-control")]
    assert said == [b"cache-control: max-age=60"]
    assert b"x-content-type-options: nosniff\r\n" in answer


@pytest.mark.parametrize("request_line", [b"HEAD /plain", b"GET /nothing"])
async def test_an_answer_without_a_body_does_not_wait_for_one(
    connection: Connection, request_line: bytes
) -> None:
    """The head is all there is."""
    # when
    calls = await asked(connection, request_line + b" HTTP/1.1\r\nHost: a\r\n\r\n")

    # then
    assert len(calls) == 1
    assert calls[0].endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    ("path", "begun"), [(b"pieces/one", b"3\r\none\r\n"), (b"pieces/", b"")], ids=["a piece", "none yet"]
)
async def test_pieces_go_out_as_they_come(connection: Connection, path: bytes, begun: bytes) -> None:
    """An event stream shows each event when it happens, and its head at once where the first takes its time."""
    # given
    calls = await asked(connection, GET % path)
    before = list(calls)

    # when
    APP.state.go_on.set()
    await settled()

    # then
    assert len(before) == 1
    assert before[0].startswith(b"HTTP/1.1 200 OK\r\n")
    assert before[0].endswith(b"\r\n\r\n" + begun)
    assert b"".join(calls[1:]) == b"4\r\nlast\r\n0\r\n\r\n"


async def test_requests_in_one_packet_are_answered_one_after_the_other(connection: Connection) -> None:
    """Each answer is whole, in the order of the requests."""
    # when
    calls = await asked(connection, GET % b"plain", GET % b"nothing", GET % b"plain")

    # then
    assert [call.split(b"\r\n")[0] for call in calls] == [
        b"HTTP/1.1 200 OK",
        b"HTTP/1.1 204 No Content",
        b"HTTP/1.1 200 OK",
    ]


async def test_who_waits_to_be_told_to_go_on_is_told_at_once(connection: Connection) -> None:
    """`100 Continue` is no head of an answer: the client sends its body only when it has it."""
    # given
    head = b"POST /plain HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"
    before = list(await asked(connection, head))

    # when
    connection[0].data_received(b"abc")
    await settled()

    # then
    assert before == [CONTINUE]
    assert len(connection[1].calls) == 2
    assert connection[1].calls[1].endswith(b"\r\n\r\n/plainabc")


async def test_an_answer_that_breaks_off_shows_its_head_and_ends(connection: Connection) -> None:
    """The client sees that there is less than was announced."""
    # when
    calls = await asked(connection, GET % b"broken")

    # then
    assert b"".join(calls).endswith(b"content-length: 5\r\n\r\n")
    assert connection[1].closed


async def test_a_connection_that_closes_has_got_its_answer(connection: Connection) -> None:
    """The end of the connection comes after what was to be said on it."""
    # when
    calls = await asked(connection, b"HEAD /plain HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")

    # then
    assert calls[0].startswith(b"HTTP/1.1 200 OK\r\n")
    assert connection[1].closed
