"""The questions that the doctor asks an object store; each one gives a weakness in a sentence, or None."""

import hashlib
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import urlencode
from uuid import uuid4

import httpx

from gateway.domain.errors import StorageUnavailable
from gateway.domain.secret import Secret
from gateway.uploads.forgery import FORMS, forged
from gateway.uploads.presign import presign
from gateway.uploads.storage import StagingStore, StoreSettings
from gateway.uploads.targets import StagedTarget, object_url, post_target, put_target

BODY = b"hello"
OTHER = b"jello"
SHA256 = hashlib.sha256(BODY).hexdigest()
TYPE = "text/plain"
TIMEOUT = 15.0
"""Seconds for one request."""
SKEW = timedelta(seconds=30)
"""How far two clocks may be apart: a tenth of the usual life of a signed URL."""
READABLE = frozenset({"etag", "location"})
STRANGER = "https://page.invalid"
"""A page that nobody configures: RFC 2606 keeps the name free."""


@dataclass(frozen=True, slots=True)
class Keys:
    """One pair of keys."""

    access_key: str
    secret_key: Secret


@dataclass(frozen=True, slots=True)
class Bench:
    """The store as the gateway and as a client see it, and the keys of what was put, which are removed at the end."""

    settings: StoreSettings
    store: StagingStore
    client: httpx.AsyncClient
    keys: list[str] = field(default_factory=list)

    def key(self) -> str:
        """Make the key of a throw-away object."""
        self.keys.append(f"{self.settings.prefix}/doctor/{uuid4()}")
        return self.keys[-1]

    def target(self, key: str, *, age: timedelta = timedelta()) -> StagedTarget:
        """Sign a PUT of BODY that is ``age`` old."""
        moment = datetime.now(UTC) - age
        return put_target(self.settings, key, size=len(BODY), media_type=TYPE, sha256=SHA256, now=moment)

    def form(self, key: str) -> StagedTarget:
        """Sign a form for as many bytes as BODY has, and one more."""
        sizes = range(len(BODY), len(BODY) + 2)
        return post_target(self.settings, key, sizes=sizes, media_type=TYPE, now=datetime.now(UTC))

    async def send(
        self, target: StagedTarget, body: bytes = BODY, changes: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """Do what the target says, with other headers or form fields where ``changes`` has some."""
        if target.method == "POST":
            fields = {**target.parameters, **(changes or {})}
            return await self.client.post(target.url, data=fields, files={"file": ("file", body)})
        return await self.client.put(target.url, content=body, headers={**target.headers, **(changes or {})})

    async def as_signer(
        self, method: str, key: str, query: Mapping[str, str] | None = None, content: bytes = b""
    ) -> httpx.Response:
        """Do with the signer's key what no target is for; the empty ``key`` is the bucket."""
        settings = self.settings
        keys = Keys(settings.signer_access_key, settings.signer_secret_key)
        return await self.client.request(method, self._signed(method, key, query, keys), content=content)

    async def as_reader(self, key: str, headers: Mapping[str, str]) -> httpx.Response:
        """Read an object with the reader's key."""
        keys = Keys(self.settings.reader_access_key, self.settings.reader_secret_key)
        return await self.client.get(self._signed("GET", key, None, keys), headers=dict(headers))

    def _signed(self, method: str, key: str, query: Mapping[str, str] | None, keys: Keys) -> str:
        settings = self.settings
        url = object_url(settings, key) if key else f"{settings.public_endpoint}/{settings.bucket}"
        return presign(
            method,
            f"{url}?{urlencode(query)}" if query else url,
            access_key=keys.access_key,
            secret_key=keys.secret_key.reveal(),
            region=settings.region,
            expires=settings.expires,
            signed_headers={},
            now=datetime.now(UTC),
        )


@asynccontextmanager
async def opened(settings: StoreSettings) -> AsyncIterator[Bench]:
    """Open a store to ask it, and remove in the end what was put, as far as the store lets us."""
    store = StagingStore(settings)
    async with httpx.AsyncClient(timeout=TIMEOUT, trust_env=False) as client:
        bench = Bench(settings, store, client)
        try:
            yield bench
        finally:
            await _clean(bench)
            await store.aclose()


async def _clean(bench: Bench) -> None:
    for key in bench.keys:
        try:
            await bench.store.remove(key)
        except StorageUnavailable:
            # A store that is down, or whose reader may not remove, was reported by the first check.
            return


async def works(bench: Bench) -> str | None:
    """Whether an object can be put by the signer, and read and removed by the reader."""
    key = bench.key()
    answer = await bench.send(bench.target(key))
    if not answer.is_success:
        return f"An upload through a signed URL is refused (HTTP {answer.status_code})."
    found = await bench.store.stat(key)
    digest = await bench.store.digest(key, found.etag)
    await bench.store.remove(key)
    if (digest.sha256, found.media_type) != (SHA256, TYPE):
        return "What was uploaded comes back as something else."
    return None


async def signatures(bench: Bench) -> str | None:
    """Whether a URL works with another signature, or for another key."""
    key, other = bench.key(), bench.key()
    target = bench.target(key)
    for url in (
        re.sub(r"Signature=\w{8}", "Signature=00000000", target.url),
        target.url.replace(key, other),
    ):
        changed = StagedTarget("PUT", url, target.headers, {}, target.expires_at)
        if (await bench.send(changed)).is_success:
            return "A URL with a changed signature or key is taken: signatures are not checked."
    return None


async def expiry(bench: Bench) -> str | None:
    """Whether a URL works after its end."""
    late = timedelta(seconds=bench.settings.expires + 1) + SKEW
    if (await bench.send(bench.target(bench.key(), age=late))).is_success:
        return "A URL is taken after its end, so every URL works for ever."
    return None


async def exact_bytes(bench: Bench) -> str | None:
    """Whether a URL takes another length, type or content than the announced one."""
    attempts: tuple[tuple[str, bytes, dict[str, str]], ...] = (
        ("length", BODY + b"!", {}),
        ("type", BODY, {"content-type": "text/html"}),
        ("bytes", OTHER, {}),
    )
    ignored = [
        what
        for what, body, changes in attempts
        if (await bench.send(bench.target(bench.key()), body, changes)).is_success
    ]
    if ignored:
        return f"A URL takes something else than was signed: {', '.join(ignored)}. Verify all of it when finalizing."
    return None


async def once(bench: Bench) -> str | None:
    """Whether ``If-None-Match: *`` keeps a URL from working twice."""
    target = bench.target(bench.key())
    if [(await bench.send(target)).is_success for _ in range(2)] == [True, True]:
        return "If-None-Match is ignored: until its end a URL replaces what was uploaded before."
    return None


async def forms(bench: Bench) -> str | None:
    """Whether a form's policy is kept; a store that takes no forms at all is weak in another way."""
    if not (await bench.send(bench.form(bench.key()))).is_success:
        return "POST forms are not taken, so browsers that use them cannot upload."
    attempts: tuple[tuple[str, bytes, dict[str, str]], ...] = (
        ("size", BODY + b"!!", {}),
        ("type", BODY, {"Content-Type": "text/html"}),
        ("key", BODY, {"key": bench.key()}),
    )
    ignored = [
        what
        for what, body, changes in attempts
        if (await bench.send(bench.form(bench.key()), body, changes)).is_success
    ]
    return f"The policy of a POST form is ignored: {', '.join(ignored)}." if ignored else None


async def copies(bench: Bench) -> str | None:
    """Whether a PUT's URL with an unsigned copy source copies what the holder can't read (CVE-2026-97731)."""
    source, copy = bench.key(), bench.key()
    await bench.send(bench.target(source))
    empty = put_target(bench.settings, copy, size=0, media_type=TYPE, now=datetime.now(UTC))
    header = {"x-amz-copy-source": f"/{bench.settings.bucket}/{source}"}
    if (await bench.send(empty, b"", header)).is_success and (await bench.store.stat(copy)).size:
        return "An unsigned x-amz-copy-source is obeyed: a URL copies any object that the signer may read."
    return None


async def trailers(bench: Bench) -> str | None:
    """Whether knowing an access key is enough to write (CVE-2026-40344, CVE-2026-41145)."""
    settings = bench.settings
    taken = []
    for form in FORMS:
        request = forged(
            form,
            object_url(settings, bench.key()),
            access_key=settings.signer_access_key,
            region=settings.region,
            now=datetime.now(UTC),
        )
        if (await bench.client.send(request)).is_success:
            taken.append(form)
    if not taken:
        return None
    return (
        f"STREAMING-UNSIGNED-PAYLOAD-TRAILER is taken without a valid signature ({', '.join(taken)}): everybody who "
        "has seen a signed URL can write. Let a proxy refuse this x-amz-content-sha256."
    )


async def swaps(bench: Bench) -> str | None:
    """Whether ``If-Match`` keeps the gateway from carrying another object than the verified one."""
    key = bench.key()
    await bench.send(bench.target(key))
    verified = await bench.store.stat(key)
    await bench.as_signer("PUT", key, content=OTHER)
    if (await bench.as_reader(key, {"if-match": f'"{verified.etag}"'})).is_success:
        return "If-Match is ignored: what is carried is held to the verified ETag by the gateway alone."
    return None


async def split_keys(bench: Bench) -> str | None:
    """Whether the signer's key is good for more than writing below the prefix."""
    if bench.settings.signer_access_key == bench.settings.reader_access_key:
        return (
            "Signer and reader are one key: a flaw in signed URLs is then a way to read what others uploaded."
        )
    key, outside = bench.key(), f"outside-{uuid4()}"
    await bench.send(bench.target(key))
    can = [
        what
        for what, done in (
            ("read", await bench.as_signer("GET", key)),
            ("list", await bench.as_signer("GET", "", {"list-type": "2", "max-keys": "1"})),
            ("write outside of the prefix", await bench.send(bench.target(outside))),
        )
        if done.is_success
    ]
    if "write outside of the prefix" in can:
        await bench.as_signer("DELETE", outside)
    return f"The signer's key can {', '.join(can)}; it needs to write below the prefix only." if can else None


async def cross_origin(bench: Bench) -> str | None:
    """Whether the configured pages may upload and read what they need, and no other page may."""
    if not bench.settings.origins:
        return None
    for origin in bench.settings.origins:
        target = bench.target(bench.key())
        asked = await _preflight(bench, target, origin)
        if asked.headers.get("access-control-allow-origin") not in {origin, "*"}:
            return f"Pages of {origin} may not upload: the bucket has no CORS rule for them."
        answer = await bench.send(target, BODY, {"origin": origin})
        names = answer.headers.get("access-control-expose-headers", "")
        exposed = {name.strip().lower() for name in names.split(",")}
        if "*" not in exposed and READABLE - exposed:
            hidden = ", ".join(sorted(READABLE - exposed))
            return f"Pages of {origin} cannot read {hidden}: the CORS rule has to expose them."
    stranger = await _preflight(bench, bench.target(bench.key()), STRANGER)
    if stranger.headers.get("access-control-allow-origin") in {STRANGER, "*"}:
        return "Every page may use a signed URL that it gets hold of: the CORS rule names no origins."
    return None


async def _preflight(bench: Bench, target: StagedTarget, origin: str) -> httpx.Response:
    headers = {
        "origin": origin,
        "access-control-request-method": target.method,
        "access-control-request-headers": ",".join(sorted(target.headers)),
    }
    return await bench.client.options(target.url, headers=headers)


async def clock(bench: Bench) -> str | None:
    """Whether the store's Date is ours, give or take half a minute."""
    answer = await bench.client.options(object_url(bench.settings, bench.key()))
    if "date" not in answer.headers:
        return "The store tells no Date, so its clock cannot be compared."
    skew = parsedate_to_datetime(answer.headers["date"]) - datetime.now(UTC)
    if abs(skew) > SKEW:
        where = "ahead" if skew > timedelta() else "behind"
        return f"The store's clock is {abs(skew).total_seconds():.0f} seconds {where}: URLs live shorter or longer."
    return None
