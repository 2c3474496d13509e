"""Tests of one connection: whose an answer is, when it is whole, and what ends it, whatever pieces it comes in."""

import asyncio
import gzip
import time

import pytest

from gateway.transport.connection import (
    LARGEST_HEAD,
    LARGEST_UNSEEN,
    MOST_HEADERS,
    BrokenOffError,
    Connection,
    TooLongError,
)
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
        self.encrypted = False
        self._protocol = protocol
        self._closing = False
        protocol.connection_made(self)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Keep it."""
        self.written.append(bytes(data))

    def get_write_buffer_size(self) -> int:
        """Tell what the other side has not taken yet."""
        return self.unsent

    def get_extra_info(self, name: str, default: object = None) -> object:
        """Tell whether there is TLS on it."""
        return self if self.encrypted and name == "sslcontext" else default

    def is_closing(self) -> bool:
        """Tell whether it ends."""
        return self._closing

    def abort(self) -> None:
        """End."""
        if not self._closing:
            self._closing = True
            asyncio.get_running_loop().call_soon(self._protocol.connection_lost, None)

    def hang_up(self, error: Exception | None = None, *, said: bool = True) -> None:
        """End, as the other side has ``said``, or without a word."""
        if said:
            self._protocol.eof_received()
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
        b"HTTP/1.1 200 OK\r\n" + b"X: x\r\n" * (MOST_HEADERS + 1) + b"\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * (LARGEST_HEAD // 16),
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
@pytest.mark.parametrize(("error", "said"), [(None, True), (None, False), (ConnectionResetError(), True)])
async def test_a_connection_ends_only_what_nothing_else_ends(
    head: bytes, whole: bool, error: Exception | None, said: bool
) -> None:
    """Half an answer is none; what goes on to the end is whole there, unless the line was cut."""
    # given
    line = Line()
    answering = line.ask()
    line.hear(head + b"fine")

    # when
    line.wire.hang_up(error, said=said)

    # then
    if whole and said and error is None:
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


@pytest.mark.parametrize("body", [b"", b"fine"])
async def test_an_answer_to_head_ends_with_its_head(body: bytes) -> None:
    """A body that comes all the same is nobody's, so the connection has had its last request."""
    # given
    line = Line()
    answering = line.ask(bodiless=True)

    # when
    line.hear(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n" + body)

    # then
    assert answering.result().body == b""
    assert (line.released, line.wire.is_closing()) == (0, True)


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


@pytest.mark.parametrize(("size", "kept"), [(LARGEST_UNSEEN, 1), (LARGEST_UNSEEN + 1, 0)])
async def test_a_large_request_over_tls_ends_the_connection(size: int, kept: int) -> None:
    """Encrypted bytes are given away at once, so nobody can tell that all of them have left."""
    # given
    line = Line()
    line.wire.encrypted = True
    answering = line.connection.ask(b"x" * size, time.monotonic() + LONG)

    # when
    line.hear(FINE)

    # then
    assert answering.result().body == b"fine"
    assert line.released == kept


async def test_nothing_of_an_answer_is_held() -> None:
    """A connection that waits for the next request, or has ended, keeps no body in memory."""
    # given
    kept, ended = Line(), Line()

    # when
    for line, text in ((kept, FINE), (ended, FINE[:-1])):
        line.ask()
        line.hear(text)
    ended.connection.expire()

    # then
    assert [line.connection._chunks for line in (kept, ended)] == [[], []]
    assert [line.connection._headers for line in (kept, ended)] == [[], []]


async def test_what_follows_a_body_is_no_header() -> None:
    """Trailers may say what they like: where an answer points was said in its head."""
    # given
    line = Line()
    answering = line.ask()
    head = b"HTTP/1.1 200 OK\r\nLink: a \t\r\nlink:  b\r\nTransfer-Encoding: chunked\r\n\r\n"

    # when
    line.hear(head + b"4\r\nfine\r\n0\r\nLink: c\r\n\r\n")

    # then
    assert answering.result().headers["link"] == "a, b"


@pytest.mark.parametrize(
    "more", [b"X: x\r\n", b"1;x=" + b"x" * 100 + b"\r\nx\r\n"], ids=["trailers", "extensions"]
)
async def test_what_is_no_body_does_not_go_on_for_ever(more: bytes) -> None:
    """Trailers and the extensions of chunks count for the length of an answer, too."""
    # given
    line = Line()
    answering = line.ask()
    end = b"0\r\n" if more.startswith(b"X") else b""

    # when
    line.hear(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + end, *[more * 100] * 1000)

    # then
    assert isinstance(answering.exception(), TooLongError)
    assert line.wire.is_closing()


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


async def test_nobody_waits_for_a_body_that_is_announced_as_too_long() -> None:
    """What cannot be used is not fetched, but for what has come with its beginning."""
    # given
    line = Line(longest=4 * LARGEST_HEAD)
    answering = line.ask()

    # when
    line.hear(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (4 * LARGEST_HEAD + 1) + bytes(LARGEST_HEAD))

    # then
    assert isinstance(answering.exception(), TooLongError)
    assert line.wire.is_closing()


@pytest.mark.parametrize("coding", [b"UTF-8", b"", b"identity", b"gzip, br"])
async def test_unknown_codings_are_left_as_they_are(coding: bytes) -> None:
    """Some servers name a character set there; the body is for the adapter to read."""
    # given
    line = Line()
    answering = line.ask()

    # when
    line.hear(b"HTTP/1.1 200 OK\r\nContent-Encoding: " + coding + b"\r\nContent-Length: 4\r\n\r\nfine")

    # then
    assert answering.result().body == b"fine"


@pytest.mark.parametrize(
    "lines", [b"Content-Encoding: gzip \r\n", b"Content-Encoding: gzip\r\ncontent-encoding: identity\r\n"]
)
async def test_a_coding_is_found_however_it_is_written(lines: bytes) -> None:
    """With blanks behind it, or beside one that is none."""
    # given
    line, body = Line(), gzip.compress(b"fine")
    answering = line.ask()

    # when
    line.hear(b"HTTP/1.1 200 OK\r\n" + lines + b"Content-Length: %d\r\n\r\n" % len(body) + body)

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
