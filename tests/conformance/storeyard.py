"""A store under test, and the things that clients and attackers do to it."""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import urlsplit

import httpx

from gateway.uploads.bucket import BucketClient
from gateway.uploads.storage import StagingStore, StoreSettings
from gateway.uploads.targets import StagedTarget

ORIGIN = "https://uploads.example"
"""A web page that the store lets upload."""
FOREIGN = "https://evil.example"
"""One that nobody told the store about."""

REFUSED = frozenset({400, 403})
"""How stores say no to what was not signed."""


def now() -> datetime:
    """Tell the time that signatures are made with."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Yard:
    """A store with a prepared bucket, seen by the gateway, by its administrator and by a client.

    ``lists_uploads`` says whether the store lists uploads in parts below a prefix (MinIO does for whole keys only).
    """

    settings: StoreSettings
    admin: BucketClient = field(repr=False)
    store: StagingStore
    client: httpx.AsyncClient
    lists_uploads: bool = True

    def key(self) -> str:
        """Make a key that no other test uses."""
        return self.store.new_key("tenant")

    async def send(self, target: StagedTarget, body: bytes, **changed: str) -> httpx.Response:
        """Do what a client does with a target; ``changed`` headers or form fields replace the right ones.

        The underscores of their names stand for hyphens, and an empty one is left out.
        """
        changes = {name.replace("_", "-"): value for name, value in changed.items()}
        if target.method == "POST":
            fields = _with(target.parameters, changes)
            return await self.client.post(target.url, data=fields, files={"file": ("a name.txt", body)})
        headers = _with({**target.headers, "content-length": str(len(body))}, changes)
        return await self.client.put(target.url, content=body, headers=headers)

    async def preflight(self, target: StagedTarget, origin: str = ORIGIN) -> httpx.Response:
        """Ask what a browser asks before it sends."""
        asked = {"origin": origin, "access-control-request-method": target.method}
        if target.headers:
            asked["access-control-request-headers"] = ",".join(sorted(target.headers))
        return await self.client.options(target.url, headers=asked)

    async def exists(self, key: str) -> bool:
        """Whether the administrator finds an object."""
        found = await asyncio.to_thread(
            lambda: list(self.admin.list_objects(bucket_name=self.settings.bucket, prefix=key))
        )
        return bool(found)

    async def put(self, key: str, body: bytes) -> None:
        """Put an object as the administrator, over whatever is there."""
        url = self.admin.presigned_put_object(bucket_name=self.settings.bucket, object_name=key)
        (await self.client.put(url, content=body)).raise_for_status()


async def break_off(target: StagedTarget, body: bytes, sent: int) -> None:
    """Send the first bytes of a PUT, and reset the connection as a phone does that loses its network."""
    parts = urlsplit(target.url)
    assert parts.hostname is not None
    _, writer = await asyncio.open_connection(parts.hostname, parts.port)
    lines = [
        f"PUT {parts.path}?{parts.query} HTTP/1.1",
        f"Host: {parts.netloc}",
        f"Content-Length: {len(body)}",
        *(f"{name}: {value}" for name, value in target.headers.items()),
    ]
    writer.write("\r\n".join([*lines, "", ""]).encode() + body[:sent])
    await writer.drain()
    writer.transport.abort()


def swapped(target: StagedTarget, pattern: str, replacement: str) -> StagedTarget:
    """Give the target with something else in its URL, as an attacker who has no key would write it."""
    url, count = re.subn(pattern, replacement, target.url)
    assert count == 1, f"{pattern} is not in the URL"
    return StagedTarget(target.method, url, target.headers, target.parameters, target.expires_at)


def exposed(response: httpx.Response) -> set[str]:
    """Give the headers, in lower case, that a page may read; ``*`` is all of them."""
    return {
        name.strip().lower() for name in response.headers.get("access-control-expose-headers", "").split(",")
    }


def _with(given: Mapping[str, str], changes: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in {**given, **changes}.items() if value}
