"""The store behind its SDK: names for its failures, constant memory, and nothing secret in any text."""

import asyncio
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import msgspec
import pytest

from gateway.domain.errors import GatewayError, NotFound, StorageUnavailable
from gateway.domain.secret import Secret
from gateway.sandbox.server import in_thread, listen
from gateway.sandbox.store import Store
from gateway.sandbox.upstream import Fault, SandboxUpstream
from gateway.uploads import s3
from gateway.uploads.bucket import prepare
from gateway.uploads.s3 import PAGE
from gateway.uploads.storage import StagingStore, StoreSettings, object_key
from gateway.uploads.targets import part_target
from tests.uploads.carrying import until
from tests.uploads.weak_store import weak_store

SETTINGS: dict[str, Any] = {
    "endpoint": "http://127.0.0.1:9000",
    "bucket": "uploads",
    "signer_access_key": "signer-access",
    "signer_secret_key": Secret("signer-secret"),
    "reader_access_key": "reader-access",
    "reader_secret_key": Secret("reader-secret"),
}
XML = {"content-type": "application/xml"}
MANY = 20_000


@pytest.fixture
async def staging(store: Store) -> AsyncIterator[StagingStore]:
    """Open a bucket of the embedded store."""
    opened = StagingStore(store.settings(f"test-{uuid4().hex}"))
    yield opened
    await opened.aclose()


@pytest.fixture
def troubled(store: Store) -> Iterator[tuple[SandboxUpstream, str]]:
    """Put a proxy before the store that can be told to misbehave."""
    proxy = SandboxUpstream("store", weak_store(store, set()))
    with in_thread(proxy, date_header=False) as origin:
        yield proxy, origin


def put(store: Store, settings: StoreSettings, key: str, body: bytes) -> None:
    """Put an object as the administrator."""
    store.client().put_object(bucket_name=settings.bucket, object_name=key, data=Zeros(body), length=len(body))


class Zeros:
    """A body that the SDK reads, without a second copy of it."""

    def __init__(self, body: bytes) -> None:
        self._body = memoryview(body)

    def read(self, size: int) -> bytes:
        """Give the next bytes."""
        piece, self._body = self._body[:size], self._body[size:]
        return bytes(piece)


def test_keys_are_unguessable_and_tell_nothing() -> None:
    """No two keys are equal, and what the tenant is called is in none."""
    # when
    keys = {object_key("staging", "ville-de-lyon") for _ in range(MANY)}

    # then
    assert len(keys) == MANY
    assert len({key.rsplit("/", 1)[1] for key in keys}) == MANY
    assert len({key.split("/")[1] for key in keys}) == 1
    assert all(key.startswith("staging/") and len(key.rsplit("/", 1)[1]) == 32 for key in keys)
    assert not any("lyon" in key for key in keys)


@pytest.mark.parametrize(
    "wrong",
    [
        {"endpoint": "127.0.0.1:9000"},
        {"endpoint": "ftp://127.0.0.1"},
        {"endpoint": "http://user:password@127.0.0.1"},
        {"public_endpoint": "https://files.example/path"},
        {"public_endpoint": "https://"},
        {"prefix": "a/b"},
        {"prefix": ""},
        {"expires": 0},
        {"expires": 604_801},
    ],
    ids=str,
)
def test_settings_that_cannot_work_are_refused(wrong: dict[str, Any]) -> None:
    """A mistake is told at the start, with the key's name and without what may be a password."""
    # given
    given = SETTINGS | wrong

    # when
    with pytest.raises(ValueError, match=f"`{next(iter(wrong))}`") as raised:
        StoreSettings(**given)

    # then
    assert "password@" not in str(raised.value)


def test_settings_show_no_secret_and_need_one_endpoint() -> None:
    """The public endpoint is the internal one unless it is told apart."""
    # when
    settings = StoreSettings(**(SETTINGS | {"endpoint": "http://127.0.0.1:9000/"}))

    # then
    assert settings.public_endpoint == settings.endpoint == "http://127.0.0.1:9000"
    assert "signer-secret" not in repr(settings)


def test_preparing_twice_changes_nothing(store: Store) -> None:
    """The step that makes the bucket may run at each start."""
    # given
    bucket, client = f"test-{uuid4().hex}", store.client()

    # when
    taken = [prepare(client, bucket, ["https://a.example"], store.region) for _ in range(2)]

    # then
    assert taken == [True, True]
    assert client.bucket_exists(bucket_name=bucket)


async def test_fifty_megabytes_cost_one_chunk(store: Store, staging: StagingStore) -> None:
    """Reading holds a piece of the object at a time, however large it is."""
    # given
    key, size = staging.new_key("tenant"), 50_000_000
    put(store, staging.settings, key, bytes(size))
    etag = (await staging.stat(key)).etag
    tracemalloc.start()

    # when
    async with staging.open(key, etag) as chunks:
        read = sum([len(chunk) async for chunk in chunks])
    digest = await staging.digest(key, etag)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    # then
    assert (read, digest.size) == (size, size)
    assert peak < 4 * 1024 * 1024


@pytest.mark.slow
async def test_a_listing_of_many_pages_is_complete(store: Store, staging: StagingStore) -> None:
    """More objects than one answer of the store holds are all listed, and none twice."""
    # given
    keys = [f"staging/many/{number:04}" for number in range(PAGE + 5)]
    for key in keys:
        put(store, staging.settings, key, b"x")
    later = datetime.now(UTC) + timedelta(minutes=5)

    # when
    async with aclosing(staging.list_objects(later, "staging/many/")) as listed:
        found = [one.key async for one in listed]

    # then
    assert found == keys


async def test_parts_and_uploads_of_many_pages_are_complete(
    staging: StagingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More parts or uploads than one answer of the store holds are all listed, and none twice."""
    # given
    monkeypatch.setattr(s3, "PAGE", 2)
    later = datetime.now(UTC) + timedelta(minutes=5)
    uploads = [await begun(staging, f"staging/{number}") for number in range(5)]
    async with httpx.AsyncClient(trust_env=False) as client:
        for number in range(1, 6):
            target = part_target(staging.settings, *uploads[0], number, size=4, now=datetime.now(UTC))
            (await client.put(target.url, content=b"part")).raise_for_status()

    # when
    parts = await staging.list_parts(*uploads[0])
    unfinished = await staging.list_multiparts(later)

    # then
    assert [(part.number, part.size) for part in parts] == [(number, 4) for number in range(1, 6)]
    assert sorted((one.key, one.upload_id) for one in unfinished) == uploads


async def begun(staging: StagingStore, key: str) -> tuple[str, str]:
    """Begin an upload in parts, and give its key and id."""
    return key, await staging.create_multipart(key, "text/plain")


async def test_a_reader_that_goes_away_leaves_no_work(store: Store, staging: StagingStore) -> None:
    """Leaving in the middle of an object, or being cancelled, frees the connection; the store works on."""
    # given
    key = staging.new_key("tenant")
    put(store, staging.settings, key, bytes(5_000_000))
    etag = (await staging.stat(key)).etag

    reading: list[int] = []

    async def read_slowly() -> None:
        async with staging.open(key, etag) as chunks:
            async for chunk in chunks:
                reading.append(len(chunk))
                await asyncio.Event().wait()

    # when
    async with staging.open(key, etag) as chunks:
        first = await anext(chunks)
    tasks = [asyncio.create_task(read_slowly()) for _ in range(20)]
    await until(lambda: reading)
    for task in tasks:
        task.cancel()
    gone = await asyncio.gather(*tasks, return_exceptions=True)

    # then
    assert len(first) > 0
    assert {type(one) for one in gone} == {asyncio.CancelledError}
    assert (await staging.digest(key, etag)).size == 5_000_000


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (
            Fault(status=503, body=b"<Error><Code>SlowDown</Code></Error>", headers=XML),
            "asks for fewer requests",
        ),
        (Fault(status=500, body=b"<html>secret-of-the-body</html>"), "has a fault of its own"),
        (Fault(status=502), "has a fault of its own"),
        (Fault(status=200, body=b"{not xml"), "has a fault of its own"),
        (
            Fault(status=403, body=b"<Error><Code>SignatureDoesNotMatch</Code></Error>", headers=XML),
            "gateway's keys",
        ),
        (Fault(status=403, body=b"<Error><Code>RequestTimeTooSkewed</Code></Error>", headers=XML), "clocks"),
        (Fault(status=404, body=b"<Error><Code>NoSuchBucket</Code></Error>", headers=XML), "no bucket"),
        (
            Fault(status=507, body=b"<Error><Code>XMinioStorageFull</Code></Error>", headers=XML),
            "XMinioStorageFull",
        ),
        (Fault(status=500, body=b"<Error><Code>a key: staging/1</Code></Error>", headers=XML), "no code"),
    ],
    ids=["busy", "HTML", "empty", "no XML", "keys", "clock", "bucket", "full", "odd code"],
)
async def test_failures_have_one_name(
    store: Store, troubled: tuple[SandboxUpstream, str], fault: Fault, expected: str
) -> None:
    """Whatever a store answers, callers see StorageUnavailable with a sentence that holds nothing of it."""
    # given
    proxy, origin = troubled
    settings = msgspec.structs.replace(
        store.settings(f"test-{uuid4().hex}"), endpoint=origin, public_endpoint=origin
    )
    staging = StagingStore(settings)
    proxy.fault = fault

    # when
    with pytest.raises(StorageUnavailable, match=expected) as raised:
        await staging.create_multipart("staging/secret-key", "text/plain")
    await staging.aclose()

    # then
    told = f"{raised.value!r} {raised.value.__context__!r} {raised.value.__cause__!r}"
    assert not [text for text in ("secret", origin, "staging/") if text in told]
    assert raised.value.retryable


@pytest.mark.parametrize(
    ("header", "seconds"), [({"retry-after": "7"}, 7.0), ({}, 1.0)], ids=["told", "not told"]
)
async def test_a_busy_store_says_when_to_come_back(
    troubled: tuple[SandboxUpstream, str], header: dict[str, str], seconds: float
) -> None:
    """A store that is asked too much is not asked again at once, and its Retry-After reaches the caller."""
    # given
    proxy, origin = troubled
    staging = StagingStore(StoreSettings(**(SETTINGS | {"endpoint": origin})))
    proxy.fault = Fault(status=503, body=b"<Error><Code>SlowDown</Code></Error>", headers=XML | header)

    # when
    told = await failure(staging.create_multipart("staging/key", "text/plain"))
    await staging.aclose()

    # then
    assert told.retry_after == seconds
    assert len(proxy.requests) == 1


async def test_a_store_that_is_down_is_told() -> None:
    """No connection is the same failure, of whatever is asked, and soon; no address is in its text."""
    # given
    with listen() as free:
        endpoint = f"http://127.0.0.1:{free.getsockname()[1]}"
    staging = StagingStore(StoreSettings(**(SETTINGS | {"endpoint": endpoint})))
    now = datetime.now(UTC)

    async def listing() -> None:
        async for _ in staging.list_objects(now):
            pytest.fail("a store that is down lists nothing")

    async def opening() -> None:
        async with staging.open("staging/key", "etag"):
            pytest.fail("a store that is down opens nothing")

    # when
    failures = [
        await failure(asked)
        for asked in (
            staging.stat("staging/key"),
            staging.digest("staging/key", "etag"),
            staging.remove("staging/key"),
            staging.create_multipart("staging/key", "text/plain"),
            staging.list_parts("staging/key", "upload"),
            staging.complete("staging/key", "upload", []),
            staging.abort("staging/key", "upload"),
            staging.list_multiparts(now),
            listing(),
            opening(),
        )
    ]
    await staging.aclose()

    # then
    assert {type(one) for one in failures} == {StorageUnavailable}
    assert not [one for one in failures if "127.0.0.1" in repr(one) or one.__context__]


async def failure(asked: Any) -> GatewayError:
    """Await what must fail, and give the failure."""
    with pytest.raises(GatewayError) as raised:
        await asked
    return raised.value


async def test_a_body_that_ends_too_soon_is_told(
    store: Store, troubled: tuple[SandboxUpstream, str], staging: StagingStore
) -> None:
    """A connection that breaks in the middle of an object is a failure, never a shorter object."""
    # given
    proxy, origin = troubled
    key = staging.new_key("tenant")
    put(store, staging.settings, key, bytes(1_000_000))
    etag = (await staging.stat(key)).etag
    head = {"etag": f'"{etag}"', "content-length": "1000000"}
    near = StagingStore(msgspec.structs.replace(staging.settings, endpoint=origin))
    proxy.fault = Fault(status=200, body=b"too short", headers=head)

    # when
    told = await failure(near.digest(key, etag))
    await near.aclose()

    # then
    assert isinstance(told, StorageUnavailable)


async def test_what_is_not_there_is_not_found(staging: StagingStore) -> None:
    """A missing object is NotFound for whoever reads; removing and aborting what isn't there is none."""
    # given
    key = staging.new_key("tenant")

    # when
    told = [await failure(asked) for asked in (staging.stat(key), staging.digest(key, "etag"))]
    await staging.remove(key)
    await staging.abort(key, "no-upload")

    # then
    assert {type(one) for one in told} == {NotFound}
    assert not [one for one in told if key in str(one)]
