"""The connections of one source: opened when they are needed, kept for the next request, and not for long."""

import asyncio
import functools
import socket
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from aiohappyeyeballs import AddrInfoType, start_connection

from gateway.transport.connection import BrokenOffError, Connection
from gateway.transport.countdown import Countdown
from gateway.transport.decompression import ACCEPTED
from gateway.transport.headers import check_headers
from gateway.transport.messages import Limits, Response
from gateway.transport.origin import Origin

KEPT = 64
"""How many origins are remembered, and how many sets of headers."""
KEEP_ALIVE = 4.0
"""Seconds after which an idle connection is not used again: Apache and Node hang up after five."""
SECOND_ADDRESS = 0.25
"""Seconds after which the next address of a host is tried as well (RFC 8305, 5)."""
TURNS = 5
"""Turns of the loop in which an aborted connection has ended, that of TLS and the one below it."""
WITHOUT_BODY = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods whose requests are whole without a length (RFC 9110, 8.6)."""
FRAMING = frozenset({"connection", "content-length", "host", "transfer-encoding"})
"""Headers that say where a request goes and where it ends: two opinions of that smuggle one into another."""
USUAL = {"Accept": "*/*", "Accept-Encoding": ACCEPTED}


class Place(NamedTuple):
    """An address: where to go, and what to ask there (the request target of RFC 9112, 3.2.1)."""

    scheme: str
    authority: str
    target: str


class Pool:
    """The connections of one source, with headers that all its requests have. Belongs to the running event loop.

    How many there are is for the callers to bound: each request has one, and idle ones are taken first.
    ``open_socket`` may refuse the address of a host by an OSError.
    """

    def __init__(
        self,
        limits: Limits,
        countdown: Countdown,
        headers: Mapping[str, str],
        tls: ssl.SSLContext,
        open_socket: Callable[[AddrInfoType], socket.socket] | None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._limits = limits
        self._countdown = countdown
        self._usual = {**USUAL, **headers}
        self._tls = tls
        self._open_socket = open_socket
        self._fields = functools.lru_cache(maxsize=KEPT)(self._written_fields)
        self._origin = functools.lru_cache(maxsize=KEPT)(Origin)
        self._open: set[Connection] = set()
        self._sweeping: asyncio.TimerHandle | None = None
        self._closed = False

    async def ask(
        self, method: str, place: Place, headers: Mapping[str, str], body: bytes | None, seconds: float
    ) -> Response:
        """Send a request and wait for the whole answer within the given seconds.

        Raises BadHeaderError, NoOriginError, OSError (TimeoutError is one) where there is no connection, and what
        `Connection.ask` raises.
        """
        deadline = time.monotonic() + seconds
        origin = self._origin(place.scheme, place.authority)
        request = self._written(method, place.target, origin.named, headers, body)
        connection = self._kept(origin) or await self._opened(origin, deadline)
        answering = connection.ask(request, deadline, bodiless=method == "HEAD")
        try:
            return await answering
        except BaseException:
            connection.leave(answering)
            raise
        finally:
            del answering  # which would hold its error, which holds this frame

    async def aclose(self) -> None:
        """Close the connections, and open and keep none any more."""
        self._closed = True
        if self._sweeping is not None:
            self._sweeping.cancel()
        for connection in self._open:
            connection.abort()
        for _ in range(TURNS):
            await asyncio.sleep(0)

    # Connections

    def _kept(self, origin: Origin) -> Connection | None:
        """Take the connection that was used last, unless it has ended or may be about to."""
        oldest = self._loop.time() - KEEP_ALIVE
        while origin.idle:
            connection = origin.idle.pop()
            if connection.is_open and connection.idle_since > oldest:
                return connection
        return None

    async def _opened(self, origin: Origin, deadline: float) -> Connection:
        """Connect, within the time of a connection: the name, the address and TLS together."""
        seconds = min(self._limits.connect_timeout, deadline - time.monotonic())
        async with asyncio.timeout(seconds):
            opened = await self._connected(await origin.addresses())
            _, connection = await self._loop.create_connection(
                lambda: self._new_connection(origin),
                sock=opened,
                ssl=self._tls if origin.encrypted else None,
                server_hostname=origin.host if origin.encrypted else None,
            )
        if self._closed:
            connection.abort()
        if not connection.is_open:  # or somebody spoke before he was asked, or hung up
            raise BrokenOffError
        self._open.add(connection)
        return connection

    async def _connected(self, addresses: Sequence[AddrInfoType]) -> socket.socket:
        """Connect to the first of the addresses that answers."""
        try:
            return await start_connection(
                addresses,
                happy_eyeballs_delay=SECOND_ADDRESS,
                loop=self._loop,
                socket_factory=self._open_socket,
            )
        except RuntimeError as exc:  # uvloop's word for some of the errors of sockets
            raise ConnectionError from exc

    def _new_connection(self, origin: Origin) -> Connection:
        release, forget = (functools.partial(method, origin) for method in (self._release, self._forget))
        return Connection(self._countdown, release, forget, self._limits.max_body)

    def _release(self, origin: Origin, connection: Connection) -> None:
        if self._closed:
            connection.abort()
            return
        origin.idle.append(connection)
        if self._sweeping is None:
            self._sweeping = self._loop.call_later(KEEP_ALIVE, self._sweep)

    def _forget(self, origin: Origin, connection: Connection) -> None:
        self._open.discard(connection)
        if connection in origin.idle:
            origin.idle.remove(connection)

    def _sweep(self) -> None:
        """Close what has been idle for too long, and look again as long as there is anything left."""
        oldest = self._loop.time() - KEEP_ALIVE
        for connection in self._open:
            if connection.is_idle and connection.idle_since <= oldest:
                connection.abort()
        self._sweeping = self._loop.call_later(KEEP_ALIVE, self._sweep) if self._open else None

    # Requests

    def _written(
        self, method: str, target: str, host: str, headers: Mapping[str, str], body: bytes | None
    ) -> bytes:
        """Write a request; a header that the caller gives stands in place of the usual one, but for `FRAMING`."""
        fields = self._fields(tuple(headers.items()))
        length = (
            f"Content-Length: {len(body or b'')}\r\n" if body is not None or method not in WITHOUT_BODY else ""
        )
        head = f"{method} {target} HTTP/1.1\r\nHost: {host}\r\n{fields}{length}\r\n".encode("ascii")
        return head + body if body else head

    def _written_fields(self, headers: tuple[tuple[str, str], ...]) -> str:
        """Check and write the headers, which are the same for nearly all requests of a source."""
        check_headers(headers)
        given = {name.lower() for name, _ in headers}
        usual = [(name, value) for name, value in self._usual.items() if name.lower() not in given]
        own = [(name, value) for name, value in headers if name.lower() not in FRAMING]
        return "".join([f"{name}: {value}\r\n" for name, value in usual + own])
