"""Requests to addresses that a source handed us: without credentials, and only where the operator allows.

Sources answer with signed links to object stores (`upstreams.md` 2.4, 4.4) and with download addresses on other
hosts (3.6). None of them may see a credential, and none may be followed to a place the operator did not name.
"""

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from gateway.domain.errors import BadResponse
from gateway.transport.call import Call, TracedRequest
from gateway.transport.client import UNCHANGED, streamed
from gateway.transport.exchange import Exchange, Request, Response, Stream


@dataclass(frozen=True, slots=True)
class Egress:
    """The door to foreign addresses of one source.

    ``hosts`` are the allowed ones as ``host`` or ``host:port``, compared whole; ``exchange`` has no credential.
    """

    source: str
    hosts: frozenset[str]
    exchange: Exchange

    def check(self, url: str) -> str:
        """Give the URL back if it may be followed; raises BadResponse otherwise, without quoting it."""
        try:
            parts = urlsplit(url)
            host, port = (parts.hostname or "").lower(), parts.port
        except ValueError as exc:
            raise self._refusal() from exc
        allowed = host in self.hosts or (port is not None and f"{host}:{port}" in self.hosts)
        plain = parts.scheme == "http" and port is not None and f"{host}:{port}" in self.hosts
        if not allowed or "@" in parts.netloc or not (parts.scheme == "https" or plain):
            raise self._refusal()
        return url

    @asynccontextmanager
    async def stream(
        self, url: str, call: Call, headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[Stream]:
        """Get an allowed foreign address; redirects are not followed."""
        request = Request("GET", self.check(url), {**UNCHANGED, **(headers or {})})
        async with streamed(self.exchange, request, call) as stream:
            yield stream

    async def put(
        self, url: str, call: Call, headers: Mapping[str, str], body: AsyncIterator[bytes]
    ) -> Response:
        """Put a body at an allowed foreign address, once; redirects are not followed.

        ``headers`` hold its ``Content-Length``. It has the call's whole time.
        """
        request = Request("PUT", self.check(url), headers, body)
        started, status = time.monotonic(), None
        try:
            response = await self.exchange.send(request, call.remaining())
            status = response.status
        finally:
            ms = round((time.monotonic() - started) * 1000, 3)
            call.note(TracedRequest(self.source, request.method, urlsplit(request.url).path, status, ms))
        return response

    def _refusal(self) -> BadResponse:
        message = "The source points at a host that its setting `link_hosts` does not allow."
        return BadResponse(message, source=self.source)
