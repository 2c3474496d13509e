"""The seam to the HTTP library: a request goes in, an answer or an error of the gateway comes out.

Everything that is foreign is translated here and nowhere else, so that the library can be changed here alone.
"""

import asyncio
import functools
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx

from gateway.domain.errors import BadInput, BadResponse, DeadlineExceeded, Unavailable

USER_AGENT = "attachment-gateway"
CHUNK = 64 * 1024
"""Bytes that a streamed body is read by."""


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request; ``url`` and ``headers`` may hold credentials, so neither is in the repr.

    A body that is a stream is sent once, with the ``Content-Length`` that its headers give, and the answer may take
    as long as the caller waits.
    """

    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | AsyncIterator[bytes] | None = field(default=None, repr=False)

    @property
    def streams(self) -> bool:
        """Whether the body is a stream."""
        return self.body is not None and not isinstance(self.body, bytes)


@dataclass(frozen=True, slots=True)
class Response:
    """A whole answer; header names are in lower case, and ``body`` is already decompressed."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Stream:
    """An answer whose body is still to come; valid inside the context that gave it."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    chunks: AsyncIterator[bytes] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The bounds of one source: seconds, requests at once, and bytes of one answer."""

    connect_timeout: float = 1.0
    try_timeout: float = 3.0
    concurrency: int = 32
    max_body: int = 10 * 1024 * 1024


class Exchange:
    """Sends requests of one source over a connection pool of its own.

    It never follows redirects, keeps no cookies and takes no proxy from the environment. Raises Unavailable,
    DeadlineExceeded or BadResponse, all with the name of the source.
    """

    def __init__(self, source: str, limits: Limits, *, tls: ssl.SSLContext | None = None) -> None:
        self.source = source
        self.limits = limits
        self._timeout = httpx.Timeout(limits.try_timeout, connect=limits.connect_timeout, pool=None)
        self._patient = httpx.Timeout(limits.try_timeout, connect=limits.connect_timeout, pool=None, read=None)
        self._client = _open(limits, tls or _usual_tls())
        # Downloads and uploads have connections of their own: many slow ones hold up nobody's lists.
        self._streams = _open(limits, tls or _usual_tls())

    async def send(self, request: Request, seconds: float) -> Response:
        """Send a request and read the whole answer within the given seconds."""
        try:
            client = self._streams if request.streams else self._client
            async with asyncio.timeout(seconds), self._sent(client, request) as stream:
                body = await self._read(stream)
        except TimeoutError as exc:
            raise DeadlineExceeded("The source did not answer in time.", source=self.source) from exc
        return Response(stream.status, stream.headers, body)

    @asynccontextmanager
    async def stream(self, request: Request) -> AsyncIterator[Stream]:
        """Send a request and hand out the answer while its body arrives; the caller bounds the time."""
        async with self._sent(self._streams, request) as stream:
            yield stream

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()
        await self._streams.aclose()

    @asynccontextmanager
    async def _sent(self, client: httpx.AsyncClient, request: Request) -> AsyncIterator[Stream]:
        try:
            outgoing = client.build_request(
                request.method,
                request.url,
                headers=dict(request.headers),
                content=request.body,
                timeout=self._patient if request.streams else self._timeout,
            )
            incoming = await client.send(outgoing, stream=True)
            try:
                yield Stream(incoming.status_code, incoming.headers, incoming.aiter_bytes(CHUNK))
            finally:
                await incoming.aclose()
        except httpx.TimeoutException as exc:
            raise DeadlineExceeded("The source did not answer in time.", source=self.source) from exc
        except httpx.DecodingError as exc:
            raise BadResponse("The source sent a body that does not decompress.", source=self.source) from exc
        except (httpx.LocalProtocolError, UnicodeEncodeError):
            # Without its cause, which quotes the header and with it perhaps a credential.
            message = "A header of the request holds a character that HTTP does not allow."
            raise BadInput(message, source=self.source) from None
        except httpx.RemoteProtocolError as exc:
            raise Unavailable("The source broke off its answer.", source=self.source) from exc
        except (httpx.TransportError, httpx.InvalidURL) as exc:
            raise Unavailable("The source cannot be reached.", source=self.source) from exc

    async def _read(self, stream: Stream) -> bytes:
        announced = stream.headers.get("content-length", "")
        if announced.isdigit() and int(announced) > self.limits.max_body:
            raise self._too_long()
        body = bytearray()
        async for chunk in stream.chunks:
            body += chunk
            if len(body) > self.limits.max_body:
                raise self._too_long()
        return bytes(body)

    def _too_long(self) -> BadResponse:
        message = f"The source answered more than {self.limits.max_body:,} bytes (setting `max_body`)."
        return BadResponse(message, source=self.source)


@functools.cache
def _usual_tls() -> ssl.SSLContext:
    """Load the certificates once for all sources."""
    return httpx.create_ssl_context(trust_env=False)


def _open(limits: Limits, tls: ssl.SSLContext) -> httpx.AsyncClient:
    pool = httpx.Limits(max_connections=limits.concurrency, max_keepalive_connections=limits.concurrency)
    no_cookies = CookieJar(DefaultCookiePolicy(allowed_domains=[]))  # a session's could win over the credential
    headers = {"User-Agent": USER_AGENT}
    return httpx.AsyncClient(limits=pool, verify=tls, trust_env=False, cookies=no_cookies, headers=headers)
