"""Requests to addresses that a source handed us: without credentials, and only where the operator allows.

Sources answer with signed links to object stores (`upstreams.md` 2.4, 4.4) and with download addresses on other
hosts (3.6). None of them may see a credential, and none may be followed to a place the operator did not name.
"""

import re
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from gateway.domain.errors import BadResponse
from gateway.transport.call import Call, TracedRequest
from gateway.transport.client import UNCHANGED, SourceClient, streamed
from gateway.transport.exchange import Exchange
from gateway.transport.messages import Request, Response, Stream

REDIRECTS = frozenset({301, 302, 303, 307, 308})
MOST_REDIRECTS = 2
AUTHORITY = re.compile(r"[A-Za-z0-9.:\[\]-]+")
"""A host and a port in letters that every reader takes for the same: no user, no zone, nothing encoded."""
ODD = re.compile(r"[\x00-\x1f\x7f\\]")
"""What some readers of addresses drop and others read on at."""


@dataclass(frozen=True, slots=True)
class Egress:
    """The door to foreign addresses of one source.

    ``hosts`` are the allowed ones as ``host`` or ``host:port``, compared whole. With ``private`` they may have
    private addresses, and be asked without TLS where their port is named; ``exchange`` has no credential and has to
    refuse other addresses by itself, when a name has become one.
    """

    source: str
    hosts: frozenset[str]
    exchange: Exchange
    private: bool = False

    def check(self, url: str) -> str:
        """Give the URL back if it may be followed; raises BadResponse otherwise, without quoting it."""
        try:
            parts = urlsplit(url)
            host, port = (parts.hostname or "").lower(), parts.port
        except ValueError as exc:
            raise self._refusal() from exc
        named = port is not None and f"{host}:{port}" in self.hosts
        spoken = parts.scheme == "https" or (parts.scheme == "http" and named and self.private)
        odd = not AUTHORITY.fullmatch(parts.netloc) or ODD.search(url)
        if odd or not spoken or not (named or host in self.hosts):
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


@dataclass(frozen=True, slots=True)
class Addresses:
    """Follows the addresses that a source hands us: its own with its credential, others through the door.

    ``own`` are headers for the source alone, which may hold credentials too.
    """

    client: SourceClient
    egress: Egress

    @asynccontextmanager
    async def stream(
        self, url: str, call: Call, headers: Mapping[str, str], own: Mapping[str, str]
    ) -> AsyncIterator[Stream]:
        """Get an address, over two redirects at most, each of which is judged like the first address.

        1 request and 1 more for each redirect. Raises BadResponse for an address that may not be followed.
        """
        for _ in range(MOST_REDIRECTS + 1):
            async with self._one(url, call, headers, own) as stream:
                if stream.status not in REDIRECTS:
                    yield stream
                    return
                url = self._target(url, stream)
        raise BadResponse("The source redirects from one address to the next.", source=self.egress.source)

    def _one(
        self, url: str, call: Call, headers: Mapping[str, str], own: Mapping[str, str]
    ) -> AbstractAsyncContextManager[Stream]:
        if self.client.owns(url):
            return self.client.stream(self.client.path_of(url), call, headers={**headers, **own})
        return self.egress.stream(url, call, headers)

    def _target(self, url: str, stream: Stream) -> str:
        try:
            return urljoin(url, stream.headers["location"])
        except (KeyError, ValueError) as exc:
            raise BadResponse("The source redirects to no address.", source=self.egress.source) from exc
