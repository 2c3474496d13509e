"""The server's side of HTTP/1.1, with bounds that uvicorn leaves out, and answers in one piece.

The parser (llhttp by way of httptools) takes heads of any size and waits for ever for the rest of a request. Here a
head has a bound in bytes and in headers (431), and a request has to arrive in time (408). What is malformed is
answered by 400 and the end of the connection, which is the parser's and uvicorn's own doing.

uvicorn writes the head of an answer as soon as it has it, so each answer would take two system calls and two packets.
"""

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from gateway.web.edge import ADDED

LARGEST_HEAD = 64 * 1024
"""Bytes of the request line and all headers; one read of the socket may come on top before it is noticed."""
MOST_HEADERS = 100
SMALL = 8 * 1024
"""Bytes of a head that need no weighing. The library that answers WebSockets breaks on longer lines."""
BODIES = frozenset({b"content-length", b"transfer-encoding"})
LINE_END = b"\r\n"
LINE = 256
"""What a line may hold beside its value."""
PATIENCE = 30.0
"""Seconds that a request may take to arrive, and a new connection to send its first."""


class QuietSocket(WebSocketsSansIOProtocol):
    """One WebSocket. A handshake that the application refused is complete, and no mistake of it to log."""

    async def send(self, message: Any) -> None:
        """Send what the application says."""
        await super().send(message)
        if self.initial_response is not None and self.close_sent:
            self.handshake_complete = True


class HeadTooLargeError(Exception):
    """A head is over the bounds; raised where the parser calls back, which gives it on as an error of its own."""


class Writing:
    """The transport of one answer, as far as that uses it.

    The head waits for the first piece of the body, as ASGI lets it, but no longer than a turn of the loop.
    https://asgi.readthedocs.io/en/latest/specs/www.html#response-start-send-event
    """

    __slots__ = ("_added", "_cycle", "_head", "_loop", "_transport")

    def __init__(self, cycle: RequestResponseCycle, loop: asyncio.AbstractEventLoop) -> None:
        self._cycle: RequestResponseCycle | None = cycle
        """None once the answer has begun: the two hold each other, and would be left to the garbage collector."""
        self._transport = cycle.transport
        self._loop = loop
        self._head = b""
        self._added = b""

    def add(self, lines: bytes) -> None:
        """Put lines at the end of the head that is about to be written; each ends with its line end."""
        self._added = lines

    def write(self, data: bytes) -> None:
        """Keep the head, which is the first that is written once the answer has started; write all else."""
        if self._head:
            head, self._head = self._head, b""
            self._transport.writelines((head, data))
        elif self._cycle is not None and self._cycle.response_started:
            self._cycle, self._head = None, data[: -len(LINE_END)] + self._added + LINE_END
            self._loop.call_soon(self.flush)
        else:
            self._transport.write(data)

    def flush(self) -> None:
        """Write the head, if it still waits: there is no body, or it takes its time."""
        if self._head:
            self.write(b"")

    def is_closing(self) -> bool:
        """Tell whether the connection ends."""
        return self._transport.is_closing()

    def close(self) -> None:
        """End the connection when all is written."""
        self.flush()
        self._transport.close()


class BoundedProtocol(HttpToolsProtocol):
    """One connection. Costs no timer for requests that arrive in one piece."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._chunk = 0
        self._received = 0
        self._arriving = False
        self._too_large = False
        self._timer: asyncio.TimerHandle | None = None
        self._writing: Writing | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Give bytes to the parser; what it keeps of an unfinished head is counted as well."""
        self._chunk = len(data)
        self._received += self._chunk
        super().data_received(data)
        if not (self._arriving or self._is_answered()):
            return
        if self._is_in_head() and self._received > LARGEST_HEAD:
            self._too_large = True
            self.send_400_response("The head of this request is too large.")
            return
        if self._timer is None:
            self._wait()

    def on_message_begin(self) -> None:
        """Begin to count a request."""
        super().on_message_begin()
        self._arriving = True
        self._received = self._chunk  # some of which may belong to the request before

    def on_headers_complete(self) -> None:
        """Weigh a complete head, unless all that has come is small anyway."""
        if len(self.headers) > MOST_HEADERS or (self._received > SMALL and self._is_too_large()):
            self._too_large = True
            raise HeadTooLargeError
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Stop waiting: the request is here."""
        self._arriving = False
        if self._timer is not None:
            self._stop_waiting()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """See that all of an answer is written; the next one may begin."""
        if self._writing is not None:
            self._writing.flush()
        super().on_response_complete()

    def handle_websocket_upgrade(self) -> None:
        """Stop waiting: from here on the WebSocket minds its own time.

        The library that answers handshakes knows GET without a body alone, and keeps others for ever.
        """
        self._arriving = False
        self._stop_waiting()
        has_body = any(name in BODIES and value != b"0" for name, value in self.headers)
        if self.scope["method"] != "GET" or has_body:
            self.send_400_response("A WebSocket is opened by a GET without a body.")
        else:
            super().handle_websocket_upgrade()

    def send_400_response(self, msg: str) -> None:
        """Refuse what cannot be parsed, or is too large to be, and close."""
        self._arriving = False
        self._refuse(431 if self._too_large else 400, msg)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._writing = Writing(cycle, self.loop)
        scope: dict[str, Any] = cast("dict[str, Any]", cycle.scope)
        scope["extensions"] = {**scope.get("extensions", {}), ADDED: self._writing.add}
        cycle.transport = cast("asyncio.Transport", self._writing)
        super()._start_asgi_task(cycle, app)

    def _is_answered(self) -> bool:
        """Tell whether what came belongs to no request: empty lines, which may come before one and are ignored."""
        cycle: Any = self.cycle
        return cycle is not None and bool(cycle.response_complete)

    def _is_in_head(self) -> bool:
        cycle: Any = self.cycle
        return cycle is None or cycle.scope is not self.scope

    def _is_too_large(self) -> bool:
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        longest = max([len(self.url), *(len(value) for _, value in self.headers)])
        return size > LARGEST_HEAD or (longest > SMALL - LINE and self.parser.should_upgrade())

    def _wait(self) -> None:
        self._timer = self.loop.call_later(PATIENCE, self._give_up)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up(self) -> None:
        """End a connection whose request has not arrived in time."""
        self._timer = None
        if not self.transport.is_closing():
            self._refuse(408, "The request did not arrive in time.")

    def _refuse(self, status: int, message: str) -> None:
        """Answer and close; where an answer has begun there is nothing left to say."""
        cycle: Any = self.cycle  # None until the first head is complete
        if cycle is None or cycle.response_complete or not cycle.response_started:
            body = message.encode("ascii")
            head = b"content-type: text/plain; charset=utf-8\r\nconnection: close\r\ncontent-length: "
            self.transport.write(STATUS_LINE[status] + head + str(len(body)).encode() + b"\r\n\r\n" + body)
        self.transport.close()
