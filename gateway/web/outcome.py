"""What an operation gave, and how it is written into the answers of all who asked for it."""

import asyncio
import hashlib
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import msgspec
from graphql import GraphQLError
from starlette.datastructures import Headers
from starlette.responses import Response

from gateway.web.codings import WORTHWHILE, compress, preferred_coding
from gateway.web.edge import Pairs
from gateway.web.negotiation import RESPONSE_JSON
from resolvers.errors import present

LONG = 64 * 1024
"""Bytes from which compressing takes so long that it is done beside the loop."""
TAG_BYTES = 16
VARY = b"Accept, Accept-Encoding, Authorization"
REVALIDATED = b"private, no-cache"
"""A query by GET may be kept by its client, who asks each time whether it is still right."""
OK, NOT_MODIFIED, BAD_REQUEST = 200, 304, 400


@dataclass(slots=True)
class Outcome:
    """What an operation gave to everybody who asked for it; only its errors are written for each of them."""

    data: Any
    errors: list[GraphQLError]
    executed: bool
    extensions: dict[str, Any]
    _written: dict[str, bytes] = field(default_factory=dict)
    _tag: str = ""

    @property
    def is_whole(self) -> bool:
        """Whether it is an answer without any error."""
        return self.executed and not self.errors

    def body(self, request_id: str) -> bytes:
        """Write the answer of one request; one without errors is written once for all."""
        found = self._written.get("")
        if found is not None:
            return found
        body: dict[str, Any] = {"data": self.data} if self.executed else {}
        if self.errors:
            body["errors"] = present(self.errors, request_id)
        if self.extensions:
            body["extensions"] = self.extensions
        written = msgspec.json.encode(body)
        if not self.errors:
            self._written[""] = written
        return written

    async def coded(self, body: bytes, coding: str) -> bytes:
        """Compress a body of this outcome; one without errors is compressed once for all."""
        found = self._written.get(coding)
        if found is None:
            if len(body) > LONG:
                found = await asyncio.to_thread(compress, body, coding)
            else:
                found = compress(body, coding)
            if not self.errors:
                self._written[coding] = found
        return found

    def tag(self, body: bytes) -> str:
        """Give the weak entity tag of a body: codings of one answer share it (RFC 9110, 8.8.1)."""
        if not self._tag:
            self._tag = f'W/"{hashlib.blake2b(body, digest_size=TAG_BYTES).hexdigest()}"'
        return self._tag


class Written(Response):
    """A response whose body and headers are bytes already, as most are: it has nothing to look up and to encode."""

    def __init__(self, body: bytes, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        self.status_code = status
        self.body = body
        self.raw_headers = headers
        self.background = None


async def answer(
    outcome: Outcome, headers: Headers, request_id: str, media_type: str, *, tagged: bool
) -> Response:
    """Write the answer to one request, whose headers say what its client accepts and has already.

    ``tagged`` is for queries by GET: they get an entity tag, and 304 without a body where the client has the answer.
    """
    body = outcome.body(request_id)
    status = BAD_REQUEST if not outcome.executed and media_type == RESPONSE_JSON else OK
    said = [*_usual(media_type)]
    if tagged and outcome.is_whole:
        tag = outcome.tag(body)
        said += [(b"etag", tag.encode("ascii")), (b"cache-control", REVALIDATED)]
        if _has(headers.get("if-none-match", ""), tag):
            return Written(b"", NOT_MODIFIED, said)
    coding = preferred_coding(headers.get("accept-encoding", "")) if len(body) >= WORTHWHILE else None
    if coding is not None:
        body = await outcome.coded(body, coding)
        said.append((b"content-encoding", coding.encode("ascii")))
    return Written(body, status, [*said, (b"content-length", b"%d" % len(body))])


@cache
def _usual(media_type: str) -> Pairs:
    """Write the headers that all answers of a type have; there are two types."""
    return ((b"content-type", f"{media_type}; charset=utf-8".encode("ascii")), (b"vary", VARY))


def _has(known: str, tag: str) -> bool:
    """Compare weakly, as RFC 9110, 13.1.2 wants for `If-None-Match`."""
    opaque = tag.removeprefix("W/")
    return any(one.strip() in ("*", tag, opaque) for one in known.split(",")) if known else False
