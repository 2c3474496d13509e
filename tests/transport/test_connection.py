"""Tests of one connection: whose an answer is, when it is whole, and what ends it, whatever pieces it comes in."""

import asyncio
import gzip
import time

import pytest

from gateway.transport.connection import LARGEST_HEAD, BrokenOffError, Connection, TooLongError
from gateway.transport.countdown import TICK, Countdown
from gateway.transport.decompression import DecompressionError
from gateway.transport.messages import Response

FINE = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine"
LONG = 60.0
MOST = 1000


class Wire(asyncio.Transport):
    """A transport that keeps what is written, and ends as the event loop's own do: a turn later."""

    def __init__(self, protocol: asyncio.Protocol) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.unsent = 0
        self._protocol = protocol
        self._closing = False
        protocol.connection_made(self)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Keep it."""
        self.written.append(bytes(data))

    def get_write_buffer_size(self) -> int:
        """Tell what the other side has not taken yet."""
        return self.unsent

    def is_closing(self) -> bool:
        """Tell whether it ends."""
        return self._closing

    def abort(self) -> None:
        """End."""
        if not self._closing:
            self._closing = True
            asyncio.get_running_loop().call_soon(self._protocol.connection_lost, None)

    def hang_up(self, error: Exception | None) -> None:
        """End as the other side wants it."""
        self._closing = True
        self._protocol.connection_lost(error)


class Line:
    """A connection over such a transport; ``released`` counts how often it could take another request."""

    def __init__(self, longest: int = MOST) -> None:
        self.countdown = Countdown()
        self.released = 0
        self.forgotten: list[Connection] = []
        self.connection = Connection(self.countdown, self._release, self.forgotten.append, longest)
        self.wire = Wire(self.connection)

    def ask(self, seconds: float = LONG, *, bodiless: bool = False) -> "asyncio.Future[Response]":
        """Send a request."""
        return self.connection.ask(b"request", time.monotonic() + seconds, bodiless=bodiless)

    def hear(self, *pieces: bytes) -> None:
        """Let bytes come, as far as the connection still listens."""
        for piece in pieces:
            if not self.wire.is_closing():
                self.connection.data_received(piece)

    def _release(self, _: Connection) -> None:
        self.released += 1


async def test_it_makes_no_difference_where_packets_begin() -> None:
    """Byte by byte an answer is the same, with hints before it, chunks in it, and compressed."""
    # given
    packed = gzip.compress(b"fine")
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in packed) + b"0\r\nTrailer: x\r\n\r\n"
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: GZIP\r\nTransfer-Encoding: chunked\r\n\r\n"
    text = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + head + chunks

    for pieces in ([text], [bytes([byte]) for byte in text]):
        line = Line()
        answering = line.ask()

        # when
        line.hear(*pieces)

        # then
        assert answering.result().body == b"fine"
        assert "link" not in answering.result().headers
        assert (line.released, line.wire.is_closing()) == (1, False)


@pytest.mark.parametrize(
    "text",
    [
        b"pssst",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nfine",
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfine\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -4\r\n\r\nfine",
        b"HTTP/1.1 200 OK\r\nContent-Length : 4\r\n\r\nfine",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\nfine",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4;\nfine\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nfine\r\n0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: other\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * LARGEST_HEAD,
        b"HTTP/2 200\r\n\r\n",
    ],
)
async def test_what_is_no_http_is_no_answer(text: bytes) -> None:
    """Two lengths, bad chunks, other protocols, heads without end: nobody guesses what was meant."""
    # given
    line = Line()
    answering = line.ask()

    # when
    line.hear(text)

    # then
    assert isinstance(answering.exception(), BrokenOffError)
    assert (line.released, line.wire.is_closing()) == (0, True)


@pytest.mark.parametrize(
    ("head", "whole"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", True),
        (b"HTTP/1.0 200 OK\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\n", False),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n", False),
        (b"HTTP/1.1 200 OK\r\n", False),
        (b"HTTP/1.1 100 Continue\r\n\r\n", False),
    ],
)
@pytest.mark.parametrize("error", [None, ConnectionResetError()])
async def test_a_connection_ends_only_what_nothing_else_ends(
    head: bytes, whole: bool, error: Exception | None
) -> None:
    """Half an answer is none; what goes on to the end is whole there, unless the end was no good one."""
    # given
    line = Line()
    answering = line.ask()
    line.hear(head + b"fine")

    # when
    line.wire.hang_up(error)

    # then
    if whole and error is None:
        assert answering.result().body == b"fine"
    else:
        assert isinstance(answering.exception(), BrokenOffError)
    assert (line.released, len(line.forgotten)) == (0, 1)


@pytest.mark.parametrize(
    "ending", [b"HTTP/1.0 200 OK\r\n", b"HTTP/1.1 200 OK\r\nConnection: close\r\n"], ids=["1.0", "close"]
)
async def test_who_hangs_up_afterwards_is_not_asked_again(ending: bytes) -> None:
    """The server has said that this was the last answer."""
    # given
    line = Line()
    answering = line.ask()

    # when
    line.hear(ending + b"Content-Length: 4\r\n\r\nfine")

    # then
    assert answering.result().body == b"fine"
    assert (line.released, line.wire.is_closing()) == (0, True)


async def test_what_is_left_over_is_in_no_answer() -> None:
    """A second answer in the same packet goes the way of the connection; nothing of it is in the first."""
    # given
    line = Line()
    answering = line.ask()

    # when
    line.hear(FINE + b"HTTP/1.1 500 Stale\r\nX-Stale: yes\r\nContent-Length: 5\r\n\r\nstale")

    # then
    answer = answering.result()
    assert (answer.status, answer.body, "x-stale" in answer.headers) == (200, b"fine", False)
    assert (line.released, line.wire.is_closing()) == (0, True)


async def test_an_answer_to_head_ends_with_its_head() -> None:
    """The next answer is read from its beginning, and a body that comes all the same is nobody's."""
    # given
    line = Line()
    first = line.ask(bodiless=True)
    line.hear(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n")
    second = line.ask()
    line.hear(FINE)

    # when
    third = line.ask(bodiless=True)
    line.hear(FINE)

    # then
    assert [one.result().body for one in (first, second, third)] == [b"", b"fine", b""]
    assert (line.released, line.wire.is_closing()) == (2, True)


async def test_a_request_that_is_still_on_its_way_ends_the_connection() -> None:
    """Who answers early would take the rest of the request for the next one."""
    # given
    line = Line()
    answering = line.ask()
    line.wire.unsent = 1

    # when
    line.hear(FINE)

    # then
    assert answering.result().body == b"fine"
    assert (line.released, line.wire.is_closing()) == (0, True)


async def test_a_server_may_say_what_else_it_speaks() -> None:
    """Apache announces HTTP/2 in its answers, which switches to nothing."""
    # given
    line = Line()
    answering = line.ask()

    # when
    line.hear(
        b"HTTP/1.1 200 OK\r\nUpgrade: h2,h2c\r\nConnection: Upgrade, Keep-Alive\r\nContent-Length: 4\r\n\r\nfine"
    )

    # then
    assert answering.result().body == b"fine"
    assert (line.released, line.wire.is_closing()) == (1, False)


@pytest.mark.parametrize(
    ("body", "coding", "error"),
    [
        (b"x" * (MOST + 1), b"", TooLongError),
        (gzip.compress(b"x" * (MOST + 1)), b"Content-Encoding: gzip\r\n", TooLongError),
        (gzip.compress(b"fine")[:-1], b"Content-Encoding: gzip\r\n", DecompressionError),
        (b"fine", b"Content-Encoding: br\r\n", DecompressionError),
    ],
    ids=["long", "long when it is decompressed", "cut", "wrong"],
)
async def test_a_body_that_cannot_be_used_is_named(body: bytes, coding: bytes, error: type[Exception]) -> None:
    """Too long and badly compressed are told apart, and neither is kept."""
    # given
    line = Line()
    answering = line.ask()

    # when
    line.hear(b"HTTP/1.1 200 OK\r\n" + coding + b"Content-Length: %d\r\n\r\n" % len(body) + body)

    # then
    assert type(answering.exception()) is error
    assert (line.released, line.wire.is_closing()) == (0, True)


async def test_unknown_codings_are_left_as_they_are() -> None:
    """Some servers name a character set there; the body is for the adapter to read."""
    # given
    line = Line()
    answering = line.ask()

    # when
    line.hear(b"HTTP/1.1 200 OK\r\nContent-Encoding: UTF-8\r\nContent-Length: 4\r\n\r\nfine")

    # then
    assert answering.result().body == b"fine"


async def test_time_ends_a_request_and_its_connection() -> None:
    """What comes later would be an answer to nobody."""
    # given
    line = Line()

    # when
    with pytest.raises(TimeoutError):
        await line.ask(0.02)

    # then
    assert (line.released, line.wire.is_closing(), len(line.countdown)) == (0, True, 0)


async def test_the_time_of_one_request_is_not_that_of_the_next() -> None:
    """A connection that answered in time does not end when that time is over."""
    # given
    line = Line()
    first = line.ask(2 * TICK)
    line.hear(FINE)
    second = line.ask()

    # when
    await asyncio.sleep(6 * TICK)
    line.hear(FINE)

    # then
    assert [one.result().body for one in (first, second)] == [b"fine", b"fine"]


async def test_who_leaves_takes_only_his_own_connection() -> None:
    """A caller who is cancelled after his answer has come does not end the request of who came after him."""
    # given
    line = Line()
    first = line.ask()
    line.hear(FINE)
    second = line.ask()

    # when
    line.connection.leave(first)
    line.hear(FINE)
    third = line.ask()
    line.connection.leave(third)

    # then
    assert second.result().body == b"fine"
    assert line.wire.is_closing()


async def test_what_nobody_asked_for_ends_the_connection() -> None:
    """Some servers say 408 to an idle connection, which is no answer to the next request."""
    # given
    line = Line()

    # when
    line.hear(b"HTTP/1.1 408 Request Timeout\r\n\r\n")

    # then
    assert line.wire.is_closing()
