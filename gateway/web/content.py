"""`/content/<sealed>`: carries a file's bytes from its source to a browser, in constant memory."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.types import Scope

from gateway.domain.errors import DeadlineExceeded, GatewayError, NotFound, Unsupported
from gateway.domain.model import Attachment, File
from gateway.links import ContentLinks
from gateway.transport.call import Call
from gateway.upstreams.base import Adapter, Content, SupportsContent
from gateway.web.disguises import BYTES, peeked, served_type

STATUS_OF: Mapping[str, int] = {
    "BAD_INPUT": 400,
    "CREDENTIAL_MISSING": 401,
    "NOT_FOUND": 404,
    "UNKNOWN_SOURCE": 404,
    "UNSUPPORTED": 404,
    "CONFLICT": 409,
    "RATE_LIMITED": 503,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
BAD_GATEWAY = 502
ONE_RANGE = re.compile(r"bytes=(\d+-\d*|-\d+)")
SAFE_HEADERS: Mapping[str, str] = {
    "x-content-type-options": "nosniff",
    "content-security-policy": "default-src 'none'; sandbox",
    "cache-control": "private, no-store",
    "referrer-policy": "no-referrer",
}


SourcesOf = Callable[[str, Scope], Mapping[str, Adapter] | None]


class ContentEndpoint:
    """Serves sealed links: the link is the permission, so nothing else is asked for.

    Only a source that is asked with its users' credentials wants one here too, in the same header. ``sources_of``
    gives the sources of a tenant as the sender of a request sees them.

    Costs the requests of `fetch` for the name and of `open` for the bytes. ``deadline`` in seconds bounds the time
    until the bytes begin to flow.
    """

    def __init__(self, sources_of: SourcesOf, links: ContentLinks, deadline: float) -> None:
        self._sources_of = sources_of
        self._links = links
        self._deadline = deadline

    async def serve(self, request: Request) -> Response:
        """Answer one request for bytes, or for one range of them."""
        stack = AsyncExitStack()
        try:
            return await self._open(request, stack)
        except GatewayError as exc:
            await stack.aclose()
            status = STATUS_OF.get(exc.code, BAD_GATEWAY)
            return PlainTextResponse(exc.message, status, SAFE_HEADERS)
        except BaseException:
            await stack.aclose()
            raise

    async def _open(self, request: Request, stack: AsyncExitStack) -> Response:
        tenant, ref = self._links.open(request.path_params["token"])
        adapter = (self._sources_of(tenant, request.scope) or {}).get(ref.source)
        if not isinstance(adapter, SupportsContent):
            raise Unsupported("The bytes cannot be had from this source.", source=ref.source)
        call = Call.lasting(self._deadline)
        found = (await adapter.fetch([ref], call))[0]
        if isinstance(found, GatewayError):
            raise found
        if not isinstance(found, Attachment | File):
            raise NotFound("There is no such file.", source=ref.source)
        wanted = _one_range(request.headers.get("range")) if adapter.supports_range else None
        headers = _file_headers(found, ranges=adapter.supports_range)
        if request.method == "HEAD":  # nothing is opened: at Maarch every read of bytes writes history
            answer = Response(None, 200, headers)
            del answer.headers["content-length"]  # of a file nobody has counted (RFC 9110, 8.6)
            return answer
        content = await stack.enter_async_context(adapter.open(ref, call, wanted))
        try:
            async with asyncio.timeout(call.remaining()):
                head, chunks = await peeked(content.chunks)
        except TimeoutError as exc:
            raise DeadlineExceeded("The source did not send the file in time.", source=ref.source) from exc
        whole = content.content_range is None
        headers |= _content_headers(content) | {
            "content-type": served_type(found.media_type, head) if whole else BYTES
        }
        return StreamingResponse(_until_closed(chunks, stack), 200 if whole else 206, headers)


def content_disposition(name: str) -> str:
    """Write a name for saving by RFC 6266: an ASCII one for old clients, and the real one in UTF-8.

    Control and bidi characters and path separators become `_`, so that no name reaches out of its header or folder.
    """
    safe = "".join("_" if _is_hostile(character) else character for character in name).strip(". ") or "file"
    plain = "".join(character if character.isascii() else "_" for character in safe)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(safe, safe='')}"


def _is_hostile(character: str) -> bool:
    return character in '/\\"%' or not (character.isprintable() or character == " ")


def _file_headers(file: Attachment | File, *, ranges: bool) -> dict[str, str]:
    # A name and a type are whatever their uploader chose, so nothing is shown in a page (`upstreams.md` 5.7). The
    # type is known when the first bytes are: a HEAD and a part of a file do without it (RFC 9110, 9.3.2).
    return {
        **SAFE_HEADERS,
        "content-disposition": content_disposition(file.name),
        "accept-ranges": "bytes" if ranges else "none",
    }


def _content_headers(content: Content) -> dict[str, str]:
    headers: dict[str, str] = {}
    if content.size is not None:
        headers["content-length"] = str(content.size)
    if content.content_range:
        headers["content-range"] = content.content_range
    return headers


def _one_range(header: str | None) -> str | None:
    """Give the `Range` header when it asks for one range of bytes; several are answered in full (RFC 9110, 14.2)."""
    return header if header and ONE_RANGE.fullmatch(header) else None


async def _until_closed(chunks: AsyncIterator[bytes], stack: AsyncExitStack) -> AsyncIterator[bytes]:
    async with stack:
        async for chunk in chunks:
            yield chunk
