"""The seam to the network: a request goes in, an answer or an error of the gateway comes out.

Everything that is foreign is translated here and nowhere else, so that what lies below can be changed here alone.
"""

import functools
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import certifi
from aiohttp import ClientError, ClientPayloadError, ClientResponse, ClientResponseError
from aiohttp.http_exceptions import ContentEncodingError
from yarl import URL

from gateway.domain.errors import BadInput, BadResponse, DeadlineExceeded, GatewayError, Unavailable
from gateway.transport.connection import BrokenOffError, TooLongError
from gateway.transport.countdown import Countdown
from gateway.transport.decompression import DecompressionError, InflatedError
from gateway.transport.headers import BadHeaderError, Received
from gateway.transport.messages import Limits, Request, Response, Stream
from gateway.transport.networks import RefusedAddressError, guarded_socket
from gateway.transport.origin import NoOriginError
from gateway.transport.pool import Place, Pool
from gateway.transport.streams import Streams

USER_AGENT = "attachment-gateway"
OWN_HEADERS = {"User-Agent": USER_AGENT}

PLAIN_URL = re.compile(r"[!#-;=?-~]+")
"""An address that is sent as it is written; the library encodes what is in any other."""
ADDRESS = re.compile(r"(https?)://([0-9A-Za-z.:-]+)(/[!$-;=?-~]*)")
"""The form of nearly all: a host by its name or number, and a path. Others are left to the library."""

FOREIGN = (
    OSError,  # TimeoutError is one
    ClientError,
    BadHeaderError,
    BrokenOffError,
    DecompressionError,
    InflatedError,
    NoOriginError,
    TooLongError,
)
"""What may go wrong below."""


class Exchange:
    """Sends requests of one source over connections of its own.

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
        self._open_socket = None if private is None else guarded_socket(private=private)
        self._countdown = Countdown()
        self._pool: Pool | None = None
        self._streams: Streams | None = None
        """Downloads and uploads have connections of their own: many slow ones hold up nobody's lists."""

    async def send(self, request: Request, seconds: float) -> Response:
        """Send a request and read the whole answer within the given seconds."""
        body = request.body
        try:
            if body is not None and not isinstance(body, bytes):
                return await self._carriers().upload(request, self._url(request.url), body, seconds)
            pool = self._pool or self._open_pool()
            return await pool.ask(request.method, self._place(request.url), request.headers, body, seconds)
        except FOREIGN as exc:
            raise self._translated(exc) from None

    @asynccontextmanager
    async def stream(self, request: Request) -> AsyncIterator[Stream]:
        """Send a request and hand out the answer while its body arrives; the caller bounds the time of its head.

        A body that brings nothing for ``STALLED`` seconds raises DeadlineExceeded.
        """
        try:
            answer = await self._carriers().download(request, self._url(request.url))
        except FOREIGN as exc:
            raise self._translated(exc) from None
        try:
            yield Stream(answer.status, Received(answer.raw_headers), self._pieces(answer))
        finally:
            answer.close()

    async def aclose(self) -> None:
        """Close the connections."""
        if self._pool is not None:
            await self._pool.aclose()
        if self._streams is not None:
            await self._streams.aclose()

    async def _pieces(self, answer: ClientResponse) -> AsyncIterator[bytes]:
        try:
            async for piece in self._carriers().pieces(answer):
                yield piece
        except FOREIGN as exc:
            raise self._translated(exc) from None

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

    def _open_pool(self) -> Pool:
        self._pool = Pool(
            self.limits, self._countdown, OWN_HEADERS, self._tls or _usual_tls(), self._open_socket
        )
        return self._pool

    def _carriers(self) -> Streams:
        if self._streams is None:
            self._streams = Streams(self.limits, OWN_HEADERS, self._tls or _usual_tls(), self._open_socket)
        return self._streams

    def _translated(self, exc: Exception) -> GatewayError:
        """Name what went wrong below, without its words: they quote addresses, headers and answers."""
        cause = getattr(exc, "os_error", exc)  # what the library's own error stands for
        if isinstance(cause, RefusedAddressError):
            return self._bad("The source points at an address that is refused (setting `private_links`).")
        if isinstance(exc, TimeoutError) or isinstance(cause, TimeoutError):
            return DeadlineExceeded("The source did not answer in time.", source=self.source)
        if isinstance(exc, BadHeaderError):
            message = "A header of the request holds a character that HTTP does not allow."
            return BadInput(message, source=self.source)
        if isinstance(exc, TooLongError):
            return self._bad(
                f"The source answered more than {self.limits.max_body:,} bytes (setting `max_body`)."
            )
        if isinstance(exc, InflatedError):
            return self._bad("The source sent a body that decompresses to far too much.")
        if isinstance(exc, DecompressionError) or isinstance(exc.__cause__, ContentEncodingError):
            return self._bad("The source sent a body that does not decompress.")
        if isinstance(exc, ClientPayloadError | ClientResponseError | BrokenOffError):
            return Unavailable("The source broke off its answer.", source=self.source)
        return self._unreachable()

    def _bad(self, message: str) -> BadResponse:
        return BadResponse(message, source=self.source)

    def _unreachable(self) -> Unavailable:
        return Unavailable("The source cannot be reached.", source=self.source)


@functools.cache
def _usual_tls() -> ssl.SSLContext:
    """Load the certificates once for all sources."""
    context = ssl.create_default_context(cafile=certifi.where())
    context.set_alpn_protocols(["http/1.1"])
    return context
