"""The seam to the HTTP library: a request goes in, an answer or an error of the gateway comes out.

Everything that is foreign is translated here and nowhere else, so that the library can be changed here alone.
"""

import asyncio
import functools
import re
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import certifi
import msgspec
from aiohttp import (
    ClientConnectorError,
    ClientError,
    ClientHandlerType,
    ClientOSError,
    ClientPayloadError,
    ClientRequest,
    ClientResponse,
    ClientResponseError,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    ServerDisconnectedError,
    TCPConnector,
    ThreadedResolver,
)
from aiohttp.abc import ResolveResult
from aiohttp.http_exceptions import ContentEncodingError
from yarl import URL

from gateway.domain.errors import BadInput, BadResponse, DeadlineExceeded, GatewayError, Unavailable
from gateway.transport.countdown import Countdown
from gateway.transport.headers import NO_HEADERS, Received
from gateway.transport.networks import RefusedAddressError, guarded_socket
from gateway.transport.pool import KEPT, Answer, BrokenOffError, Place, Pool

USER_AGENT = "attachment-gateway"
CHUNK = 64 * 1024
"""Bytes that a streamed body is read by, and the most that a header of an answer may have."""

SMALL = 1024 * 1024
"""Bytes that a body may decompress to from however few; a longer one is at most ``RATIO`` times what was sent."""
RATIO = 100

STALLED = 30.0
"""Seconds that a streamed answer may bring nothing; a reader who is slow himself does not count."""
KEEP_ALIVE = 4.0
"""Seconds that an idle connection is kept: fewer than the five after which Apache and Node hang up unasked."""

HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
HEADER_VALUE = re.compile(r"(?:[!-~](?:[\t -~]*[!-~])?)?")
"""RFC 9110, 5.5, without the obsolete bytes beyond ASCII."""

PLAIN_URL = re.compile(r"[!#-;=?-~]+")
"""An address that is sent as it is written; the library encodes what is in any other."""
ADDRESS = re.compile(r"(https?)://([0-9A-Za-z.:-]+)(/[!$-;=?-~]*)")
"""The form of nearly all: a host by its name or number, and a path. Others are left to the library."""


class Request(msgspec.Struct, frozen=True):
    """One HTTP request; ``url`` and ``headers`` may hold credentials, so neither is in the repr.

    A body that is a stream is sent once, with the ``Content-Length`` that its headers give, and the answer may take
    as long as the caller waits.
    """

    method: str
    url: str
    headers: Mapping[str, str] = NO_HEADERS
    body: bytes | AsyncIterator[bytes] | None = None

    @property
    def streams(self) -> bool:
        """Whether the body is a stream."""
        return self.body is not None and not isinstance(self.body, bytes)

    def __repr__(self) -> str:
        return f"Request({self.method!r}, …)"


class Response(msgspec.Struct, frozen=True):
    """A whole answer; header names are in lower case, and ``body`` is already decompressed."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def __repr__(self) -> str:
        return f"Response({self.status}, …)"


class Stream(msgspec.Struct, frozen=True):
    """An answer whose body is still to come; valid inside the context that gave it."""

    status: int
    headers: Mapping[str, str]
    chunks: AsyncIterator[bytes]

    def __repr__(self) -> str:
        return f"Stream({self.status}, …)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The bounds of one source: seconds, requests at once, and bytes of one answer."""

    connect_timeout: float = 1.0
    try_timeout: float = 3.0
    concurrency: int = 32
    max_body: int = 10 * 1024 * 1024


class Exchange:
    """Sends requests of one source over a connection pool of its own.

    It never follows redirects, sends nothing twice, keeps no cookies and takes no proxy from the environment. Raises
    Unavailable, DeadlineExceeded, BadResponse or BadInput, all with the name of the source, and whatever a streamed
    body raises itself. Connections belong to the event loop of the first request.

    ``private`` is None where the operator chose the host. Where the source did, it says whether private addresses may
    be connected to; a connection to one that may not raises BadResponse.
    """

    def __init__(
        self, source: str, limits: Limits, *, tls: ssl.SSLContext | None = None, private: bool | None = None
    ) -> None:
        self.source = source
        self.limits = limits
        self._tls = tls
        self._private = private
        self._timeout = ClientTimeout(None, sock_connect=limits.connect_timeout)
        self._while_streaming = ClientTimeout(None, sock_connect=limits.connect_timeout, sock_read=STALLED)
        self._countdown = Countdown()
        self._are_allowed = functools.lru_cache(maxsize=KEPT)(_are_allowed)
        self._pool: Pool | None = None
        self._slow: ClientSession | None = None
        """Downloads and uploads have connections of their own: many slow ones hold up nobody's lists."""

    async def send(self, request: Request, seconds: float) -> Response:
        """Send a request and read the whole answer within the given seconds."""
        if request.body is not None and not isinstance(request.body, bytes):
            return await self._upload(request, request.body, seconds)
        if self._pool is None:
            self._pool = self._open_pool()
        self._check_headers(request)
        place = self._place(request.url)
        try:
            with self._countdown.timeout(seconds):
                return await self._whole(
                    await self._pool.ask(request.method, place, request.headers, request.body)
                )
        except (ClientError, OSError) as exc:
            raise self._translated(exc) from None

    @asynccontextmanager
    async def stream(self, request: Request) -> AsyncIterator[Stream]:
        """Send a request and hand out the answer while its body arrives; the caller bounds the time of its head.

        A body that brings nothing for ``STALLED`` seconds raises DeadlineExceeded.
        """
        try:
            answer = await self._answer(request, request.body, self._while_streaming)
        except (ClientError, OSError) as exc:
            raise self._translated(exc) from None
        try:
            yield Stream(answer.status, Received(answer.headers), self._pieces(answer))
        finally:
            answer.close()

    async def aclose(self) -> None:
        """Close the connections."""
        if self._pool is not None:
            await self._pool.aclose()
        if self._slow is not None:
            await self._slow.close()

    async def _upload(self, request: Request, chunks: AsyncIterator[bytes], seconds: float) -> Response:
        """Send a body that is a stream: all of it may take its time, but each piece no longer than one try."""
        stalled = asyncio.timeout(None)
        body = _Body(chunks, _announced(request.headers), stalled, self.limits.try_timeout)
        try:
            async with asyncio.timeout(seconds), stalled:
                return await self._whole(await self._answer(request, body, self._timeout))
        except (ClientError, OSError) as exc:
            raise body.failure or self._translated(exc) from None

    async def _answer(
        self, request: Request, body: "bytes | _Body | AsyncIterator[bytes] | None", patience: ClientTimeout
    ) -> ClientResponse:
        """Send a request by the session and wait for the head of the answer, which the caller has to close."""
        self._check_headers(request)
        return await self._carriers().request(
            request.method,
            self._url(request.url),
            headers=request.headers,
            data=body,
            timeout=patience,
            allow_redirects=False,
        )

    def _check_headers(self, request: Request) -> None:
        """Raise BadInput for a header that HTTP does not allow."""
        if not self._are_allowed(tuple(request.headers.items())):
            message = "A header of the request holds a character that HTTP does not allow."
            raise BadInput(message, source=self.source)

    def _url(self, text: str) -> URL:
        """Parse an address; raises Unavailable."""
        try:
            return URL(text, encoded=PLAIN_URL.fullmatch(text) is not None)
        except ValueError:
            raise self._unreachable() from None

    def _place(self, text: str) -> Place:
        """Part an address into where to go and what to ask there; raises Unavailable."""
        plain = ADDRESS.fullmatch(text)
        if plain is not None:
            return Place(plain[1], plain[2], plain[3])
        url = self._url(text)
        return Place(url.scheme, url.raw_authority, url.raw_path_qs)

    async def _whole(self, answer: Answer | ClientResponse) -> Response:
        """Read the body as far as it may be long."""
        try:
            if (answer.content_length or 0) > self.limits.max_body:
                raise self._too_long()
            chunks, size, content = [], 0, answer.content
            while not content.at_eof():
                chunk = content.read_nowait() if content.is_eof() else await content.readany()
                chunks.append(chunk)
                size += len(chunk)
                if size > self.limits.max_body:
                    raise self._too_long()
                if size > SMALL:
                    self._check_ratio(answer, size)
        finally:
            answer.close()  # the connection, unless the whole answer is there
        return Response(answer.status, Received(answer.headers), b"".join(chunks))

    async def _pieces(self, answer: ClientResponse) -> AsyncIterator[bytes]:
        size = 0
        try:
            async for chunk in answer.content.iter_chunked(CHUNK):
                size += len(chunk)
                if size > SMALL:
                    self._check_ratio(answer, size)
                yield chunk
        except (ClientError, OSError) as exc:
            raise self._translated(exc) from None

    def _carriers(self) -> ClientSession:
        if self._slow is None:
            self._slow = self._open_session()
        return self._slow

    def _open_pool(self) -> Pool:
        return Pool(self._connector(), self._timeout, {"User-Agent": USER_AGENT}, longest_line=CHUNK)

    def _open_session(self) -> ClientSession:
        return ClientSession(
            connector=self._connector(),
            cookie_jar=DummyCookieJar(),  # a session's cookie could win over the credential
            headers={"User-Agent": USER_AGENT},
            skip_auto_headers=("Content-Type",),
            middlewares=(_once,),
            max_line_size=CHUNK,
            max_field_size=CHUNK,
        )

    def _connector(self) -> TCPConnector:
        """Make what opens and keeps connections, which takes a running loop."""
        return TCPConnector(
            limit=self.limits.concurrency,
            ssl=self._tls or _usual_tls(),
            resolver=_Resolver(self.limits.connect_timeout),
            keepalive_timeout=KEEP_ALIVE,
            socket_factory=None if self._private is None else guarded_socket(private=self._private),
        )

    def _translated(self, exc: Exception) -> GatewayError:
        """Name an error of the library, without its words: they quote addresses, headers and answers."""
        if isinstance(getattr(exc, "os_error", None), RefusedAddressError):
            message = "The source points at an address that is refused (setting `private_links`)."
            return BadResponse(message, source=self.source)
        if isinstance(exc, TimeoutError) or isinstance(getattr(exc, "os_error", None), TimeoutError):
            return DeadlineExceeded("The source did not answer in time.", source=self.source)
        if isinstance(exc.__cause__, ContentEncodingError):
            return BadResponse("The source sent a body that does not decompress.", source=self.source)
        if isinstance(exc, ClientPayloadError | ClientResponseError | BrokenOffError):
            return Unavailable("The source broke off its answer.", source=self.source)
        return self._unreachable()

    def _check_ratio(self, answer: Answer | ClientResponse, size: int) -> None:
        """Stop a body that a few compressed bytes blow up; the library decompresses it piece by piece."""
        if size > RATIO * answer.content.total_raw_bytes:
            raise BadResponse("The source sent a body that decompresses to far too much.", source=self.source)

    def _unreachable(self) -> Unavailable:
        return Unavailable("The source cannot be reached.", source=self.source)

    def _too_long(self) -> BadResponse:
        message = f"The source answered more than {self.limits.max_body:,} bytes (setting `max_body`)."
        return BadResponse(message, source=self.source)


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


@functools.cache
def _usual_tls() -> ssl.SSLContext:
    """Load the certificates once for all sources."""
    context = ssl.create_default_context(cafile=certifi.where())
    context.set_alpn_protocols(["http/1.1"])
    return context


def _are_allowed(headers: tuple[tuple[str, str], ...]) -> bool:
    return all(HEADER_NAME.fullmatch(name) and HEADER_VALUE.fullmatch(value) for name, value in headers)


def _announced(headers: Mapping[str, str]) -> int | None:
    """Read the length that a request's headers announce."""
    lengths = (int(value) for name, value in headers.items() if name.lower() == "content-length")
    return next(lengths, None)
