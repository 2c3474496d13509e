"""Sends requests whose bodies are at hand over aiohttp's connections and parser, without its session.

Connecting, TLS, the lookup of names, keep-alive and reading are aiohttp's (`TCPConnector`, and llhttp behind it). Its
session would merge headers, cookies, redirects, timers and traces that no source needs, which takes nearly half of
the time (`tests/benchmark/README.md`). What is used here of aiohttp is public, but documented for its own parts:
`pyproject.toml` bounds its version, and `tests/transport/test_exchange_wire.py` tells when something has changed.
"""

import asyncio
import functools
from collections.abc import Mapping
from typing import NamedTuple

from aiohttp import ClientError, ClientRequest, ClientTimeout, InvalidURL, StreamReader, TCPConnector
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

KEPT = 64
"""How many origins are remembered, and how many sets of headers."""
INFORMATIONAL = range(100, 200)
SWITCHING = 101
WITHOUT_BODY = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods whose requests are whole without a length (RFC 9110, 8.6)."""
SCHEMES = ("http", "https")
FRAMING = frozenset({"connection", "content-length", "host", "transfer-encoding"})
"""Headers that say where a request goes and where it ends: two opinions of that smuggle one into another."""
USUAL = {str(name): value for name, value in ClientRequest.DEFAULT_HEADERS.items()}


class BrokenOffError(ClientError):
    """The connection ended, or what came was no HTTP, before there was an answer."""


class Place(NamedTuple):
    """An address: where to go, and what to ask there (the request target of RFC 9112, 3.2.1)."""

    scheme: str
    authority: str
    target: str


class Origin(NamedTuple):
    """Where requests go: what the pool knows it by, and the host as the header names it."""

    request: ClientRequest
    host: str


class Answer:
    """The head of an answer, and its body as it arrives; whoever got it closes it."""

    __slots__ = ("_connection", "content", "headers", "status")

    def __init__(
        self, connection: Connection, status: int, headers: Mapping[str, str], content: StreamReader
    ) -> None:
        self._connection = connection
        self.status = status
        self.headers = headers
        self.content = content

    @property
    def content_length(self) -> int | None:
        """The bytes that are announced for the body; None where nothing is."""
        announced = self.headers.get("Content-Length")
        return None if announced is None else int(announced)  # the parser refuses what is no number

    def close(self) -> None:
        """Give the connection back when the answer has come whole and the request is gone, else end it."""
        transport = self._connection.transport
        if transport is not None and transport.get_write_buffer_size():
            self._connection.close()
        else:
            self._connection.release()  # which ends it unless the answer has come whole


class Pool:
    """The connections of one source, with headers that all its requests have. Belongs to the running event loop."""

    def __init__(
        self, connector: TCPConnector, timeout: ClientTimeout, headers: Mapping[str, str], *, longest_line: int
    ) -> None:
        self._connector = connector
        self._timeout = timeout
        self._usual = {**USUAL, **headers}
        self._longest_line = longest_line
        self._fields = functools.lru_cache(maxsize=KEPT)(self._written_fields)
        self._origin = functools.lru_cache(maxsize=KEPT)(functools.partial(_origin, asyncio.get_running_loop()))

    async def ask(self, method: str, place: Place, headers: Mapping[str, str], body: bytes | None) -> Answer:
        """Send a request and wait for the head of the answer, as long as the caller lets it.

        Headers are written as they are: the caller has checked that HTTP allows them. Raises aiohttp's errors.
        """
        origin = self._origin(place.scheme, place.authority)
        connection, protocol, transport = await self._connected(origin.request)
        try:
            self._expect(protocol, method)
            transport.write(self._written(method, place.target, origin.host, headers, body))
            message, content = await protocol.read()
            while message.code in INFORMATIONAL and message.code != SWITCHING:  # RFC 9110, 15.2
                message, content = await protocol.read()
        except (ClientError, OSError, HttpProcessingError) as exc:
            connection.close()
            raise BrokenOffError from exc
        except BaseException:
            connection.close()
            raise
        return Answer(connection, message.code, message.headers, content)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._connector.close()

    async def _connected(self, request: ClientRequest) -> tuple[Connection, ResponseHandler, asyncio.Transport]:
        """Take a connection that waits, or make one, with what reads it and what writes it.

        Those on which something came unasked are ended.
        """
        while True:
            connection = await self._connector.connect(request, [], self._timeout)
            protocol, transport = connection.protocol, connection.transport
            if protocol is not None and transport is not None and not protocol.should_close:
                return connection, protocol, transport
            connection.close()

    def _expect(self, protocol: ResponseHandler, method: str) -> None:
        protocol.set_response_params(
            skip_payload=method == "HEAD",
            read_until_eof=True,
            max_line_size=self._longest_line,
            max_field_size=self._longest_line,
        )

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
        """Write the headers, which are the same for nearly all requests of a source."""
        given = {name.lower() for name, _ in headers}
        usual = [(name, value) for name, value in self._usual.items() if name.lower() not in given]
        own = [(name, value) for name, value in headers if name.lower() not in FRAMING]
        return "".join([f"{name}: {value}\r\n" for name, value in usual + own])


def _origin(loop: asyncio.AbstractEventLoop, scheme: str, authority: str) -> Origin:
    try:
        url = URL.build(scheme=scheme, authority=authority, encoded=True)
        host = url.host_port_subcomponent if scheme in SCHEMES and url.raw_user is None else None
    except ValueError:
        host = None
    if not host:
        raise InvalidURL(authority)
    return Origin(ClientRequest("GET", url, loop=loop), host)
