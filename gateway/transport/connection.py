"""One connection to a source: a request goes out, its answer comes in, and then the next (HTTP/1.1, RFC 9112).

What comes is read by llhttp, by way of httptools, as uvicorn does on the gateway's other side. An answer belongs to
the request before it and to no other: what comes unasked, breaks HTTP or is too long ends the connection, and so does
a caller who leaves.
"""

import asyncio
from collections.abc import Callable

from httptools import HttpParserCallbackError, HttpParserError, HttpParserUpgrade, HttpResponseParser

from gateway.transport.countdown import Countdown
from gateway.transport.decompression import Decompression, coding_of
from gateway.transport.headers import Received
from gateway.transport.messages import Response

LARGEST_HEAD = 64 * 1024
"""Bytes of a head that is not complete; one read of the socket may come on top before it is noticed."""
MOST_HEADERS = 500
WIRED = 2
"""How many times as many bytes a body may take on the wire as it may have: chunks have sizes, and extensions."""
LARGEST_UNSEEN = 64 * 1024
"""Bytes of a request that is taken to have left when its answer is there; TLS does not tell what is on its way."""
FINAL = 200
"""The first status that is no hint of what is to come (RFC 9110, 15.2)."""
SWITCHING = 101
CODING = b"content-encoding"
CODING_LENGTH = len(CODING)
LENGTH = b"content-length"
DELIMITING = frozenset({LENGTH, b"transfer-encoding"})
"""Headers that say where a body ends; one without them ends with the connection (RFC 9112, 6.3)."""


class BrokenOffError(Exception):
    """The connection ended before the answer was whole, or what came is no HTTP."""


class TooLongError(Exception):
    """The body is longer than it may be."""


class Connection(asyncio.Protocol):
    """One connection, for one request at a time.

    ``release`` is called each time that the connection can take another request, and ``forget`` when it has ended.
    ``longest`` is how many bytes a body may have, decompressed.
    """

    __slots__ = (
        "_answering",
        "_bodiless",
        "_chunks",
        "_countdown",
        "_decompression",
        "_ended",
        "_forget",
        "_headers",
        "_keeps",
        "_longest",
        "_loop",
        "_parser",
        "_received",
        "_release",
        "_sent",
        "_size",
        "_status",
        "_transport",
        "_whole",
        "idle_since",
        "tick",
    )

    def __init__(
        self,
        countdown: Countdown,
        release: Callable[["Connection"], None],
        forget: Callable[["Connection"], None],
        longest: int,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._countdown = countdown
        self._release = release
        self._forget = forget
        self._longest = longest
        self._answering: asyncio.Future[Response] | None = None
        self._decompression: Decompression | None = None
        self._ended = False
        self.tick = 0
        """When the time of the running request is over (`gateway.transport.countdown`)."""
        self.idle_since = self._loop.time()
        self._begin()

    @property
    def is_idle(self) -> bool:
        """Whether no request runs."""
        return self._answering is None

    @property
    def is_open(self) -> bool:
        """Whether a request can be sent; it may still turn out that the other side has hung up."""
        return not self._transport.is_closing()

    def ask(self, request: bytes, deadline: float, *, bodiless: bool = False) -> "asyncio.Future[Response]":
        """Send a request and give the answer to come: at the ``deadline`` of ``time.monotonic`` it is TimeoutError.

        ``bodiless`` is that there is no body whatever the head of the answer announces, as after HEAD. Whoever gives
        up calls ``leave``. The answer may be BrokenOffError, TooLongError, or an error of `decompression`.
        """
        answering = self._answering = self._loop.create_future()
        self._bodiless = bodiless
        self._received = 0
        self._sent = len(request)
        self._countdown.start(self, deadline)
        self._transport.write(request)
        return answering

    def leave(self, answering: "asyncio.Future[Response]") -> None:
        """End the connection, unless it has answered meanwhile and may be somebody else's."""
        if self._answering is answering:
            self._end()
            self.abort()
        elif answering.done() and not answering.cancelled():
            answering.exception()  # which nobody wants to know

    def expire(self) -> None:
        """Give up: the time is over."""
        self._fail(TimeoutError())

    def abort(self) -> None:
        """End the connection at once."""
        self._transport.abort()

    # What the event loop says

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to listen, no stricter than servers are that end lines by a line feed alone."""
        self._transport: asyncio.Transport = transport  # type: ignore[assignment] # that of a stream
        self._parser = HttpResponseParser(self)
        self._parser.set_dangerous_leniencies(
            lenient_optional_cr_before_lf=True, lenient_spaces_after_chunk_size=True
        )

    def data_received(self, data: bytes) -> None:
        """Read what has come."""
        if self._answering is None:
            self.abort()
            return
        self._received += len(data)
        try:
            self._parser.feed_data(data)
        except HttpParserCallbackError as exc:
            self._break(exc.__context__ or exc)
        except (HttpParserError, HttpParserUpgrade):
            self._break(BrokenOffError())
        else:
            if self._whole:
                self._finish()
            elif self._received > LARGEST_HEAD:
                self._check_length()

    def eof_received(self) -> None:
        """Take note that the other side has said that this is all; over TLS anybody could have cut the line."""
        self._ended = True

    def connection_lost(self, exc: Exception | None) -> None:
        """End; a body that nothing else ends is whole if the other side said so."""
        if self._answering is not None:
            if exc is None and self._ended and self._ends_with_connection():
                self._finish()
            else:
                self._reject(BrokenOffError())
        del self._parser  # the two hold each other
        self._forget(self)

    # What the parser says

    def on_message_begin(self) -> None:
        """Take note of another answer, which nobody has asked for once one is whole."""
        if self._whole:
            raise BrokenOffError

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; what comes after the body is none that anybody could have acted on."""
        if not self._status:
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """See what follows the head."""
        self._status = self._parser.get_status_code()
        if len(self._headers) > MOST_HEADERS:
            raise BrokenOffError
        if self._status < FINAL:
            return
        if self._bodiless:
            self._whole = True  # and not to be used again: nobody knows whether a body comes all the same
            return
        for name, _ in self._headers:
            if len(name) == CODING_LENGTH and name.lower() == CODING:
                self._expect_compressed()
                return

    def on_body(self, data: bytes) -> None:
        """Keep some of the body."""
        if self._whole:
            raise BrokenOffError
        if self._decompression is None:
            self._keep(data)
        else:
            for piece in self._decompression.feed(data):
                self._keep(piece)

    def on_message_complete(self) -> None:
        """See whether this is the answer, or a hint before it."""
        if self._status >= FINAL:
            self._whole = True
            self._keeps = not self._bodiless and self._parser.should_keep_alive()
        elif self._status == SWITCHING:  # to what nobody asked for
            raise BrokenOffError
        else:
            self._begin()

    # What comes of it

    def _begin(self) -> None:
        """Expect the head of an answer, and hold nothing of the one before."""
        self._status = self._size = 0
        self._headers: list[tuple[bytes, bytes]] = []
        self._chunks: list[bytes] = []
        self._decompression = None
        self._whole = self._keeps = False

    def _expect_compressed(self) -> None:
        coding = coding_of(value for name, value in self._headers if name.lower() == CODING)
        self._decompression = Decompression(coding) if coding else None

    def _keep(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size > self._longest:
            raise TooLongError
        self._chunks.append(piece)

    def _check_length(self) -> None:
        """Bound what is no body, which is not kept but may go on for ever, and wait for no body that is too long."""
        if not self._status:
            self._fail(BrokenOffError())
        elif self._received > LARGEST_HEAD + WIRED * self._longest or self._announced() > self._longest:
            self._fail(TooLongError())

    def _announced(self) -> int:
        """Tell the bytes that the body is to have on the wire; 0 where nothing is said."""
        return next((int(value) for name, value in self._headers if name.lower() == LENGTH), 0)

    def _ends_with_connection(self) -> bool:
        return self._status >= FINAL and not any(name.lower() in DELIMITING for name, _ in self._headers)

    def _break(self, error: BaseException) -> None:
        """Take no more of what comes: it belongs to no answer, or to one that is broken."""
        if self._whole:
            self._keeps = False
            self._finish()
        else:
            self._fail(error)

    def _finish(self) -> None:
        """Answer, and take the next request unless something of this one is left on either way."""
        try:
            if self._decompression is not None:
                self._decompression.check_end()
        except Exception as exc:  # noqa: BLE001 - it is the answer
            self._fail(exc)
            return
        answering = self._end()
        response = Response(self._status, Received(self._headers), b"".join(self._chunks))
        keeps = self._keeps and not self._is_sending()
        self._begin()
        if keeps:
            self.idle_since = self._loop.time()
            self._release(self)
        else:
            self.abort()
        if not answering.done():
            answering.set_result(response)

    def _is_sending(self) -> bool:
        """Tell whether some of the request may be on its way: the server could take it for the next one."""
        if self._transport.get_write_buffer_size():
            return True
        return self._sent > LARGEST_UNSEEN and self._transport.get_extra_info("sslcontext") is not None

    def _fail(self, error: BaseException) -> None:
        """Answer with an error, and end the connection."""
        self._reject(error)
        self.abort()

    def _reject(self, error: BaseException) -> None:
        answering = self._end()
        self._begin()
        if not answering.done():
            answering.set_exception(error)

    def _end(self) -> "asyncio.Future[Response]":
        """Be no one's any more."""
        answering = self._answering
        if answering is None:
            raise RuntimeError("no request runs")
        self._answering = None
        self._countdown.remove(self)
        return answering
