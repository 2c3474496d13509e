"""HTTP libraries as Exchanges that all do the same.

That is a total deadline, the library's connect and read timeouts, a bounded pool, no redirects, cookies or proxies,
and a body that is read piece by piece so that it can be cut off.
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx

from gateway.domain.errors import BadResponse
from gateway.transport.exchange import USER_AGENT, Exchange
from gateway.transport.messages import Limits, Request, Response


class Httpx(Exchange):
    """httpx, over the transport of a library."""

    def __init__(self, source: str, limits: Limits, **options: Any) -> None:
        super().__init__(source, limits, **options)
        self._http = httpx.AsyncClient(
            transport=self.transport(),
            timeout=httpx.Timeout(limits.try_timeout, connect=limits.connect_timeout, pool=None),
            trust_env=False,
            headers={"User-Agent": USER_AGENT},
        )

    def transport(self) -> httpx.AsyncBaseTransport:
        """Open httpx's own."""
        most = self.limits.concurrency
        return httpx.AsyncHTTPTransport(
            trust_env=False, limits=httpx.Limits(max_connections=most, max_keepalive_connections=most)
        )

    async def send(self, request: Request, seconds: float) -> Response:
        """Send a request and read the answer."""
        outgoing = self._http.build_request(request.method, request.url, headers=dict(request.headers))
        async with asyncio.timeout(seconds):
            incoming = await self._http.send(outgoing, stream=True)
            try:
                body = await bounded(incoming.aiter_bytes(64 * 1024), self.limits.max_body)
            finally:
                await incoming.aclose()
        return Response(incoming.status_code, incoming.headers, body)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()


class HttpxAiohttp(Httpx):
    """httpx over aiohttp."""

    def transport(self) -> httpx.AsyncBaseTransport:
        """Open that of httpx-aiohttp."""
        from httpx_aiohttp import AiohttpTransport  # noqa: PLC0415 - may be missing

        return AiohttpTransport(limits=httpx.Limits(max_connections=self.limits.concurrency))


class AiohttpSession(Exchange):
    """aiohttp by its session, as its documentation has it; it is what the gateway's own streams go by."""

    async def send(self, request: Request, seconds: float) -> Response:
        """Send a request and read the answer."""
        streams = self._carriers()
        async with asyncio.timeout(seconds):
            return await streams.whole(await streams.download(request, self._url(request.url)))


class HttpxPyreqwest(Httpx):
    """httpx over pyreqwest, whose timeouts are those of its own client."""

    def transport(self) -> httpx.AsyncBaseTransport:
        """Open that of pyreqwest."""
        from pyreqwest.compatibility.httpx import HttpxTransport  # noqa: PLC0415 - may be missing

        return HttpxTransport(pyreqwest_client(self.limits))


class Pyreqwest(Exchange):
    """pyreqwest's own API."""

    def __init__(self, source: str, limits: Limits, **options: Any) -> None:
        super().__init__(source, limits, **options)
        self._http = pyreqwest_client(limits)

    async def send(self, request: Request, seconds: float) -> Response:
        """Send a request and read the answer."""
        outgoing = self._http.request(request.method, request.url).headers(dict(request.headers))
        async with asyncio.timeout(seconds), outgoing.build_streamed() as incoming:
            body = await bounded(pieces(incoming.body_reader), self.limits.max_body)
        return Response(incoming.status, dict(incoming.headers.items()), body)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.close()


class Pyqwest(Exchange):
    """pyqwest's own API."""

    def __init__(self, source: str, limits: Limits, **options: Any) -> None:
        from pyqwest import Client, HTTPTransport, HTTPVersion, Proxy  # noqa: PLC0415 - may be missing

        super().__init__(source, limits, **options)
        self._transport = HTTPTransport(
            connect_timeout=limits.connect_timeout,
            read_timeout=limits.try_timeout,
            pool_max_idle_per_host=limits.concurrency,
            max_connections_per_address=limits.concurrency,
            proxy=Proxy("http://nowhere.invalid", no_proxy="0.0.0.0/0,::/0,*"),
            http_version=HTTPVersion.HTTP1,
            tls_include_system_certs=True,
            use_system_dns=True,
            follow_redirects=False,
            enable_otel=False,
        )
        self._http = Client(self._transport)

    async def send(self, request: Request, seconds: float) -> Response:
        """Send a request and read the answer."""
        outgoing = self._http.stream(request.method, request.url, headers=dict(request.headers))
        async with asyncio.timeout(seconds), outgoing as incoming:
            body = await bounded(incoming.content, self.limits.max_body)
        return Response(incoming.status, dict(incoming.headers.items()), body)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._transport.aclose()


def pyreqwest_client(limits: Limits) -> Any:
    """Open a client of pyreqwest."""
    from pyreqwest.client import ClientBuilder  # noqa: PLC0415 - may be missing

    return (
        ClientBuilder()
        .user_agent(USER_AGENT)
        .no_proxy()
        .referer(False)
        .follow_redirects(False)
        .max_connections(limits.concurrency)
        .pool_max_idle_per_host(limits.concurrency)
        .connect_timeout(timedelta(seconds=limits.connect_timeout))
        .read_timeout(timedelta(seconds=limits.try_timeout))
        .build()
    )


async def pieces(reader: Any) -> AsyncIterator[Any]:
    """Read a body of pyreqwest."""
    while (piece := await reader.read_chunk()) is not None:
        yield piece


async def bounded(chunks: AsyncIterator[Any], most: int) -> bytes:
    """Read a body that may have so many bytes."""
    found, size = [], 0
    async for chunk in chunks:
        found.append(chunk)
        size += len(chunk)
        if size > most:
            raise BadResponse("too long")
    return b"".join(found)


CANDIDATES: dict[str, tuple[type[Exchange], str]] = {
    "httpx": (Httpx, "httpx"),
    "httpx over aiohttp": (HttpxAiohttp, "httpx_aiohttp"),
    "httpx over pyreqwest": (HttpxPyreqwest, "pyreqwest"),
    "pyreqwest": (Pyreqwest, "pyreqwest"),
    "pyqwest": (Pyqwest, "pyqwest"),
    "aiohttp": (AiohttpSession, "aiohttp"),
    "the gateway's own": (Exchange, "httptools"),
}
