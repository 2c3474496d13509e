"""A proxy that makes weak what a good store does well: each weakness alone, on top of the real server.

What the store refuses, the proxy does with the administrator's keys where it has that weakness; so whoever looks
finds a bad store that really stores.
"""

import io
import re
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qs

import httpx
from minio.commonconfig import CopySource
from minio.datatypes import Object
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.sandbox.store import Store

HOP = frozenset({"connection", "content-length", "transfer-encoding", "keep-alive"})
METHODS = ["GET", "PUT", "POST", "DELETE", "OPTIONS", "HEAD"]
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Made once, as reading the system's certificates for each request takes longer than all the rest."""
OLDER_THAN_ITS_LIFE = timedelta(seconds=300)
WEAKNESSES = (
    "signatures",
    "expiry",
    "exact bytes",
    "once",
    "forms",
    "copy source",
    "unsigned trailers",
    "swapped objects",
    "split keys",
    "cors",
    "clock",
)


def weak_store(store: Store, weaknesses: set[str]) -> Starlette:
    """Make a proxy of the store that has these weaknesses, which are named like the doctor's checks."""

    async def answer(request: Request) -> Response:
        body = await request.body()
        raw_path = request.scope["raw_path"].decode("latin-1")
        async with httpx.AsyncClient(base_url=store.url, trust_env=False, verify=NO_TLS) as client:
            headers = [(name, value) for name, value in request.headers.items() if name not in HOP]
            url = f"{raw_path}?{request.url.query}" if request.url.query else raw_path
            # The Host header stays the proxy's, which is the one that was signed.
            given = await client.request(request.method, url, content=body, headers=headers)
        if given.status_code >= 400 and _attempt(request, body, given.status_code) in weaknesses:
            return _done(store, request, body)
        return _passed_on(given, weaknesses)

    return Starlette(routes=[Route("/{path:path}", answer, methods=METHODS)])


def _attempt(request: Request, body: bytes, status: int) -> str:
    """Tell what somebody tried when the store refused him."""
    query = parse_qs(request.url.query)
    key = request.url.path.split("/", 2)[-1]
    tried: list[tuple[str, Callable[[], bool]]] = [
        ("copy source", lambda: "x-amz-copy-source" in request.headers),
        ("unsigned trailers", lambda: "x-amz-trailer" in request.headers),
        ("forms", lambda: request.method == "POST"),
        ("swapped objects", lambda: status == 412 and request.method == "GET"),
        ("once", lambda: status == 412),
        ("split keys", lambda: request.method == "GET" or not key.startswith("staging/")),
        ("nothing that a signed URL is for", lambda: "X-Amz-Signature" not in query),
        ("expiry", lambda: _age(query) > OLDER_THAN_ITS_LIFE),
        ("exact bytes", lambda: body != b"hello" or request.headers.get("content-type") == "text/html"),
    ]
    return next((name for name, holds in tried if holds()), "signatures")


def _age(query: dict[str, list[str]]) -> timedelta:
    signed_at = datetime.strptime(query["X-Amz-Date"][0], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    return datetime.now(UTC) - signed_at


def _done(store: Store, request: Request, body: bytes) -> Response:
    """Do what the store refused, with the administrator's keys."""
    bucket, _, key = request.url.path.strip("/").partition("/")
    place: dict[str, Any] = {"bucket_name": bucket, "object_name": key}
    admin = store.client()
    if request.method == "GET":
        return Response(admin.get_object(**place).data if key else b"a listing")
    if request.method == "DELETE":
        admin.remove_object(**place)
    elif source := request.headers.get("x-amz-copy-source"):
        admin.copy_object(**place, source=CopySource(*source.strip("/").split("/", 1)))
    elif request.method == "POST":
        found = re.search(rb'name="key"\r\n\r\n([^\r]+)', body)
        assert found
        admin.put_object(bucket_name=bucket, object_name=found[1].decode(), data=io.BytesIO(b"?"), length=1)
        return Response(status_code=201)
    else:
        admin.put_object(**place, data=io.BytesIO(body), length=len(body))
    return Response()


def _passed_on(given: httpx.Response, weaknesses: set[str]) -> Response:
    headers = {name: value for name, value in given.headers.items() if name not in HOP}
    if "cors" in weaknesses:
        headers = {name: value for name, value in headers.items() if not name.startswith("access-control-")}
    if "clock" in weaknesses:
        headers["date"] = format_datetime(datetime.now(UTC) + timedelta(minutes=2), usegmt=True)
    return Response(given.content, given.status_code, headers)


def contents(store: Store, bucket: str) -> list[Object]:
    """List all that is in a bucket."""
    return list(store.client().list_objects(bucket_name=bucket, recursive=True))
