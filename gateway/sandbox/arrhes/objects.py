"""The object store behind the Arrhes sandbox: the embedded S3 server, with URLs signed as the real server does."""

import asyncio
import io
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from minio.error import S3Error

from gateway.sandbox.store import Store
from gateway.uploads.presign import presign


@dataclass(frozen=True, slots=True)
class Stat:
    """What a HEAD of an object says."""

    type: str
    size: int


@dataclass(frozen=True, slots=True)
class Objects:
    """One bucket of a running store."""

    store: Store
    bucket: str

    def make_bucket(self) -> None:
        """Create the bucket where it does not exist; blocks for one or two requests."""
        client = self.store.client()
        if not client.bucket_exists(bucket_name=self.bucket):
            client.make_bucket(bucket_name=self.bucket)

    def signed(
        self,
        method: str,
        key: str,
        *,
        expires: int,
        now: datetime,
        query: Mapping[str, object],
        length: int | None = None,
    ) -> str:
        """Sign a URL for ``expires`` seconds; with ``length`` it takes a body of exactly so many bytes."""
        given = "&".join(f"{name}={value}" for name, value in query.items())
        return presign(
            method,
            f"{self.store.url}/{self.bucket}/{key}?X-Amz-Content-Sha256=UNSIGNED-PAYLOAD&{given}",
            access_key=self.store.admin.access_key,
            secret_key=self.store.admin.secret_key,
            region=self.store.region,
            expires=expires,
            signed_headers={} if length is None else {"content-length": str(length)},
            now=now,
        )

    async def stat(self, key: str) -> Stat | None:
        """Ask for an object's type and size; None where there is none."""
        return await asyncio.to_thread(self._stat, key)

    async def put(self, key: str, contents: bytes, media_type: str) -> None:
        """Store an object."""
        await asyncio.to_thread(
            self.store.client().put_object,
            bucket_name=self.bucket,
            object_name=key,
            data=io.BytesIO(contents),
            length=len(contents),
            content_type=media_type,
        )

    async def get(self, key: str) -> bytes:
        """Read an object whole."""
        return await asyncio.to_thread(self._get, key)

    def _stat(self, key: str) -> Stat | None:
        try:
            found = self.store.client().stat_object(bucket_name=self.bucket, object_name=key)
        except S3Error as error:
            if error.code == "NoSuchKey":
                return None
            raise
        return Stat(found.content_type or "", found.size or 0)

    def _get(self, key: str) -> bytes:
        answer = self.store.client().get_object(bucket_name=self.bucket, object_name=key)
        try:
            return bytes(answer.read())
        finally:
            answer.close()
            answer.release_conn()
