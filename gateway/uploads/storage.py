"""The object store that uploads pass through: any S3 server, asked in worker threads.

Two pairs of keys keep apart what a leak could do. The *signer* only writes below the prefix: its access key stands
in every signed URL. The *reader* looks, reads, lists and removes, and never leaves the gateway.
"""

import asyncio
import hashlib
import secrets
from base64 import b64decode
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import TypeVar
from urllib.parse import urlsplit
from uuid import uuid4

import msgspec
from minio.datatypes import Object, Part
from urllib3.response import BaseHTTPResponse

from gateway.domain.errors import BadInput, Conflict, GatewayError, NotFound
from gateway.domain.secret import Secret
from gateway.uploads.s3 import PAGE, S3Client, attempt

T = TypeVar("T")

CHUNK = 256 * 1024
"""Bytes in memory at once for each object that is being read."""
SNIFFED = 4096
"""Bytes from an object's start that tell what it is."""
SHA256_BYTES = 32


class StoreSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The ``[store]`` table: an S3 server, its bucket and two pairs of keys.

    ``endpoint`` is the origin, ``http://host:port``, that the gateway reaches; ``public_endpoint`` the one that
    browsers reach, by default the same. ``origins`` are the web pages that may upload. ``expires`` is how many
    seconds a signed URL lives, ``concurrency`` how many requests the gateway has running. ``accepted_weaknesses``
    names the checks of ``attachment-gateway doctor`` in spite of which production may start. Raises ValueError for an
    endpoint with a path, for a prefix with more than letters, digits and ``-``, and for a life outside 1 s to 7 d.
    """

    endpoint: str
    bucket: str
    signer_access_key: str
    signer_secret_key: Secret
    reader_access_key: str
    reader_secret_key: Secret
    public_endpoint: str = ""
    region: str = "us-east-1"
    prefix: str = "staging"
    origins: tuple[str, ...] = ()
    expires: int = 300
    concurrency: int = 8
    accepted_weaknesses: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Fill in the public endpoint, and check what no type says."""
        msgspec.structs.force_setattr(self, "public_endpoint", self.public_endpoint or self.endpoint)
        for name in ("endpoint", "public_endpoint"):
            address = getattr(self, name).rstrip("/")
            msgspec.structs.force_setattr(self, name, address)
            parts = urlsplit(address)
            if parts.scheme not in {"http", "https"} or f"{parts.scheme}://{parts.netloc}" != address:
                raise ValueError(f"`{name}` must be http:// or https://, a host and a port, and nothing behind")
            if "@" in parts.netloc or not parts.hostname:
                raise ValueError(f"`{name}` must have a host, and no user or password")
        if not self.prefix.replace("-", "").isalnum() or not self.prefix.isascii():
            raise ValueError("`prefix` must be letters, digits and '-'")
        if not 1 <= self.expires <= 7 * 24 * 3600:
            raise ValueError("`expires` must be 1 to 604,800 seconds")


@dataclass(frozen=True, slots=True)
class StoredObject:
    """What the store says of one object.

    ``size`` is in bytes and ``etag`` without its quotes. ``sha256`` is in hex; None where the uploader gave none or
    the store keeps none, and for objects made of parts, whose checksum is one of checksums.
    """

    size: int
    etag: str
    media_type: str
    sha256: str | None
    last_modified: datetime


@dataclass(frozen=True, slots=True)
class ListedObject:
    """One object of a listing; ``size`` is in bytes."""

    key: str
    size: int
    last_modified: datetime


@dataclass(frozen=True, slots=True)
class StoredPart:
    """One part of an upload: ``number`` counts from 1, ``size`` is in bytes."""

    number: int
    etag: str
    size: int


@dataclass(frozen=True, slots=True)
class UnfinishedUpload:
    """An upload in parts that was neither completed nor aborted."""

    key: str
    upload_id: str
    begun_at: datetime


@dataclass(frozen=True, slots=True)
class Digest:
    """What reading an object once tells: its SHA-256 in hex, its size, and its first 4,096 bytes."""

    sha256: str
    size: int
    head: bytes


def object_key(prefix: str, tenant: str) -> str:
    """Make the key of a new object: unguessable, and with nothing in it that the uploader chose.

    ``{prefix}/{hash of the tenant}/{uuid}/{128 random bits}``; the hash groups objects for lifecycle rules and
    hides the tenant's name.
    """
    owner = hashlib.blake2b(tenant.encode(), digest_size=8).hexdigest()
    return f"{prefix}/{owner}/{uuid4()}/{secrets.token_hex(16)}"


class StagingStore:
    """The store behind its SDK; every method costs one request unless it says otherwise.

    Failures are NotFound, Conflict, BadInput and StorageUnavailable, and hold no key, address or signature. A
    cancelled caller is free at once; the request that it leaves ends by itself.
    """

    def __init__(self, settings: StoreSettings) -> None:
        self.settings = settings
        self._bucket = settings.bucket
        self._signer = _client(settings, settings.signer_access_key, settings.signer_secret_key)
        self._reader = _client(settings, settings.reader_access_key, settings.reader_secret_key)
        self._threads = ThreadPoolExecutor(settings.concurrency, thread_name_prefix="store")

    async def aclose(self) -> None:
        """Stop taking work; what runs comes to its end."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._signer.close()
        self._reader.close()

    def new_key(self, tenant: str) -> str:
        """Make the key of a new object of a tenant; no request."""
        return object_key(self.settings.prefix, tenant)

    # Objects

    async def stat(self, key: str) -> StoredObject:
        """Tell size, ETag, type and checksum of an object; raises NotFound."""
        asked = {"x-amz-checksum-mode": "ENABLED"}
        return await self._run(
            lambda: _stored(self._reader.stat_object(self._bucket, key, extra_headers=dict(asked)))
        )

    @asynccontextmanager
    async def open(self, key: str, etag: str) -> AsyncIterator[AsyncIterator[bytes]]:
        """Read an object piece by piece, in constant memory; one request.

        Raises NotFound, and Conflict where the object is not the one with this ETag: whoever holds a signed POST
        form may have put another one in its place after it was looked at. That is asked of the store by
        ``If-Match`` and checked in its answer, for a store that ignores the condition.
        """
        response = await self._run(lambda: self._get(key, etag))
        try:
            yield self._chunks(response)
        finally:
            self._close(response)

    async def digest(self, key: str, etag: str) -> Digest:
        """Read an object once and give its SHA-256 and its first bytes; raises like ``open``."""
        return await self._run(lambda: _digested(self._get(key, etag)))

    async def remove(self, key: str) -> None:
        """Remove an object; that it wasn't there is no failure."""
        await self._run(lambda: self._reader.remove_object(self._bucket, key))

    async def list_objects(
        self, older_than: datetime, prefix: str | None = None
    ) -> AsyncIterator[ListedObject]:
        """List objects that were last written before a moment, by key; one request per 1,000 that are there.

        ``prefix`` is a whole beginning of the key, by default the configured one.
        """
        beginning = f"{self.settings.prefix}/" if prefix is None else prefix
        found = self._reader.list_objects(self._bucket, prefix=beginning, recursive=True)
        while page := await self._run(lambda: list(islice(found, PAGE))):
            for one in page:
                if one.last_modified is not None and one.last_modified < older_than:
                    yield ListedObject(one.object_name or "", one.size or 0, one.last_modified)

    # Uploads in parts

    async def create_multipart(self, key: str, media_type: str) -> str:
        """Start an upload in parts and give its id, which ``targets.part_target`` needs."""
        return await self._run(lambda: self._signer.create_multipart(self._bucket, key, media_type))

    async def list_parts(self, key: str, upload_id: str) -> list[StoredPart]:
        """List the parts that have arrived, by number; one request per 1,000. Raises NotFound."""
        parts = await self._run(lambda: self._reader.all_parts(self._bucket, key, upload_id))
        return [StoredPart(part.part_number, part.etag, part.size or 0) for part in parts]

    async def complete(self, key: str, upload_id: str, parts: Sequence[StoredPart]) -> StoredObject:
        """Make one object of the parts, and tell what it is: two requests.

        It may be repeated: where the upload is gone because it was completed before, the object is told. Raises
        NotFound where there is neither upload nor object, and BadInput where the parts don't make a whole.
        """
        chosen = [Part(part.number, part.etag) for part in sorted(parts, key=lambda part: part.number)]
        try:
            await self._run(lambda: self._signer.complete_multipart(self._bucket, key, upload_id, chosen))
        except NotFound:
            # SeaweedFS says NoSuchUpload of a part with a wrong ETag, too.
            if await self._is_open(key, upload_id):
                raise BadInput("The parts do not make a whole: one is missing or has another ETag.") from None
        return await self.stat(key)

    async def abort(self, key: str, upload_id: str) -> None:
        """Throw the parts of an upload away; that it is over already is no failure."""
        try:
            await self._run(lambda: self._reader.abort_multipart(self._bucket, key, upload_id))
        except NotFound:
            return

    async def list_multiparts(self, older_than: datetime, prefix: str | None = None) -> list[UnfinishedUpload]:
        """List the uploads in parts that were begun before a moment and never ended; one request per 1,000.

        MinIO lists them only where ``prefix`` is a whole key, so a sweep has to ask for the keys that it knows
        besides the configured prefix, which is the default.
        """
        beginning = f"{self.settings.prefix}/" if prefix is None else prefix
        uploads = await self._run(lambda: self._reader.all_multiparts(self._bucket, beginning, older_than))
        return [
            UnfinishedUpload(one.object_name or "", one.upload_id or "", one.initiated_time or older_than)
            for one in uploads
        ]

    # Inside

    async def _run(self, work: Callable[[], T]) -> T:
        """Do blocking work in a thread of the store's own, and raise what it found under the gateway's names."""
        found = await asyncio.get_running_loop().run_in_executor(self._threads, attempt, work)
        if isinstance(found, GatewayError):
            raise found
        return found

    async def _is_open(self, key: str, upload_id: str) -> bool:
        try:
            await self.list_parts(key, upload_id)
        except NotFound:
            return False
        return True

    def _get(self, key: str, etag: str) -> BaseHTTPResponse:
        response = self._reader.get_object(self._bucket, key, request_headers={"If-Match": f'"{etag}"'})
        if response.headers.get("etag", "").strip('"') != etag:
            response.close()
            raise Conflict("The uploaded object is not the one that was looked at before.")
        return response

    def _close(self, response: BaseHTTPResponse) -> None:
        """Let go of an answer, whose connection is dropped where bytes are left.

        In a thread: after a cancelled read another one may still hold the answer, and closing waits for that.
        """
        try:
            self._threads.submit(_release, response)
        except RuntimeError:
            # The store is closed, so no thread reads any more.
            _release(response)

    async def _chunks(self, response: BaseHTTPResponse) -> AsyncIterator[bytes]:
        while chunk := await self._run(lambda: response.read(CHUNK)):
            yield chunk


def _client(settings: StoreSettings, access_key: str, secret_key: Secret) -> S3Client:
    return S3Client(settings.endpoint, access_key, secret_key, settings.region, settings.concurrency)


def _stored(found: Object) -> StoredObject:
    headers = found.metadata or {}
    return StoredObject(
        size=found.size or 0,
        etag=found.etag or "",
        media_type=found.content_type or "application/octet-stream",
        sha256=_hex(headers.get("x-amz-checksum-sha256")),
        last_modified=found.last_modified or datetime.fromtimestamp(0, UTC),
    )


def _hex(checksum: str | None) -> str | None:
    """Turn the store's base64 into hex; ``…-3``, a checksum of three checksums, is none of the contents."""
    if not checksum or "-" in checksum:
        return None
    raw = b64decode(checksum)
    return raw.hex() if len(raw) == SHA256_BYTES else None


def _digested(response: BaseHTTPResponse) -> Digest:
    digest, size, head = hashlib.sha256(), 0, b""
    try:
        for chunk in _pieces(response):
            digest.update(chunk)
            size += len(chunk)
            head += chunk[: SNIFFED - len(head)] if len(head) < SNIFFED else b""
    finally:
        _release(response)
    return Digest(digest.hexdigest(), size, head)


def _release(response: BaseHTTPResponse) -> None:
    response.close()
    response.release_conn()


def _pieces(response: BaseHTTPResponse) -> Iterator[bytes]:
    while chunk := response.read(CHUNK):
        yield chunk
