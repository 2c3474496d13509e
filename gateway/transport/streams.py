"""Requests and answers whose bodies are streams, by aiohttp: downloads, and uploads piece by piece.

They are few and take long, so what a session of the library costs does not matter. Lists and single objects, of
which there are many, go by the source's own connections (`gateway/transport/pool.py`).
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Mapping

from aiohappyeyeballs import AddrInfoType
from aiohttp import (
    ClientConnectorError,
    ClientHandlerType,
    ClientOSError,
    ClientRequest,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    ServerDisconnectedError,
    TCPConnector,
    ThreadedResolver,
)
from aiohttp.abc import ResolveResult
from yarl import URL

from gateway.domain.errors import BadInput
from gateway.transport.connection import BrokenOffError, TooLongError
from gateway.transport.decompression import RATIO, SMALL, InflatedError
from gateway.transport.headers import Received, check_headers
from gateway.transport.messages import Limits, Request, Response
from gateway.transport.pool import KEEP_ALIVE

CHUNK = 64 * 1024
"""Bytes that a streamed body is read by, and the most that a header of an answer may have."""
STALLED = 30.0
"""Seconds that a streamed answer may bring nothing; a reader who is slow himself does not count."""


class Streams:
    """The connections of one source for bodies that are streams. Belongs to the running event loop.

    It never follows redirects, sends nothing twice, keeps no cookies and takes no proxy from the environment.
    """

    def __init__(
        self,
        limits: Limits,
        headers: Mapping[str, str],
        tls: ssl.SSLContext,
        open_socket: Callable[[AddrInfoType], socket.socket] | None,
    ) -> None:
        self._limits = limits
        self._while_sending = ClientTimeout(None, sock_connect=limits.connect_timeout)
        self._while_reading = ClientTimeout(None, sock_connect=limits.connect_timeout, sock_read=STALLED)
        connector = TCPConnector(
            limit=limits.concurrency,
            ssl=tls,
            resolver=_Resolver(limits.connect_timeout),
            keepalive_timeout=KEEP_ALIVE,
            socket_factory=open_socket,
        )
        self._session = ClientSession(
            connector=connector,
            cookie_jar=DummyCookieJar(),  # a session's cookie could win over the credential
            headers=headers,
            skip_auto_headers=("Content-Type",),
            middlewares=(_once,),
            max_line_size=CHUNK,
            max_field_size=CHUNK,
        )

    async def download(self, request: Request, url: URL) -> ClientResponse:
        """Send a request and wait for the head of the answer, which the caller has to close."""
        return await self._answer(request, url, request.body, self._while_reading)

    async def pieces(self, answer: ClientResponse) -> AsyncIterator[bytes]:
        """Give a body as it arrives; a piece that is not there within ``STALLED`` seconds is TimeoutError."""
        size = 0
        async for chunk in answer.content.iter_chunked(CHUNK):
            size += len(chunk)
            _check_ratio(answer, size)
            yield chunk

    async def upload(
        self, request: Request, url: URL, chunks: AsyncIterator[bytes], seconds: float
    ) -> Response:
        """Send a body that is a stream: all of it may take its time, but each piece no longer than one try.

        What is wrong with the body itself is raised as it is.
        """
        stalled = asyncio.timeout(None)
        body = _Body(chunks, _announced(request.headers), stalled, self._limits.try_timeout)
        try:
            async with asyncio.timeout(seconds), stalled:
                return await self.whole(await self._answer(request, url, body, self._while_sending))
        except Exception:
            if body.failure is not None:
                raise body.failure from None
            raise

    async def whole(self, answer: ClientResponse) -> Response:
        """Read a body as far as it may be long; raises TooLongError and InflatedError."""
        try:
            if (answer.content_length or 0) > self._limits.max_body:
                raise TooLongError
            chunks, size = [], 0
            async for chunk in answer.content.iter_any():
                chunks.append(chunk)
                size += len(chunk)
                if size > self._limits.max_body:
                    raise TooLongError
                _check_ratio(answer, size)
        finally:
            answer.close()  # the connection, unless the whole answer is there
        return Response(answer.status, Received(answer.raw_headers), b"".join(chunks))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._session.close()

    async def _answer(
        self,
        request: Request,
        url: URL,
        body: "bytes | _Body | AsyncIterator[bytes] | None",
        patience: ClientTimeout,
    ) -> ClientResponse:
        check_headers(request.headers.items())
        return await self._session.request(
            request.method, url, headers=request.headers, data=body, timeout=patience, allow_redirects=False
        )


class _Body:
    """A streamed body on its way: of the length announced, and taken piece by piece in time.

    Each piece waits for the next, so that whatever is wrong with a body is known before its last byte is sent.
    ``failure`` is what went wrong, which the library would hide.
    """

    def __init__(
        self, chunks: AsyncIterator[bytes], announced: int | None, stalled: asyncio.Timeout, patience: float
    ) -> None:
        self.failure: Exception | None = None
        self._chunks = chunks
        self._announced = announced
        self._stalled = stalled
        self._patience = patience

    async def __aiter__(self) -> AsyncIterator[bytes]:
        now = asyncio.get_running_loop().time
        try:
            async for piece in self._measured():
                self._stalled.reschedule(now() + self._patience)
                yield piece
                self._stalled.reschedule(None)
        except Exception as exc:
            self.failure = exc
            raise

    async def _measured(self) -> AsyncIterator[bytes]:
        size, piece = 0, b""
        async for following in self._chunks:
            yield piece
            piece = following
            size += len(piece)
        if self._announced not in (None, size):
            raise BadInput("The body of the request has not the length that it was announced with.")
        yield piece


class _Resolver(ThreadedResolver):
    """Looks a host's name up in the time of a connection, which the library's own timeout leaves out."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Find the addresses of a host; raises TimeoutError."""
        async with asyncio.timeout(self._seconds):
            return await super().resolve(host, port, family)


async def _once(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
    """Keep the library from sending a request again by itself: what may be repeated is for the client to know."""
    try:
        return await handler(request)
    except ClientConnectorError:
        raise
    except (ClientOSError, ServerDisconnectedError) as exc:
        raise BrokenOffError from exc


def _announced(headers: Mapping[str, str]) -> int | None:
    """Read the length that a request's headers announce."""
    lengths = (int(value) for name, value in headers.items() if name.lower() == "content-length")
    return next(lengths, None)


def _check_ratio(answer: ClientResponse, size: int) -> None:
    """Stop a body that a few compressed bytes blow up; the library decompresses it piece by piece."""
    if size > SMALL and size > RATIO * answer.content.total_raw_bytes:
        raise InflatedError
