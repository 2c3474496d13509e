"""Uploads to Arrhes: the shared suite on a real store, and the traps of its four steps (`upstreams.md` 2.4, 2.6)."""

import hashlib
import tracemalloc
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import ClassVar

import pytest
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp

from gateway.domain.capabilities import Operation
from gateway.domain.errors import (
    BadResponse,
    Forbidden,
    NotFound,
    Unavailable,
    Unsupported,
)
from gateway.domain.refs import Ref
from gateway.sandbox.arrhes import seed
from gateway.sandbox.arrhes.app import create_app
from gateway.sandbox.arrhes.state import State
from gateway.sandbox.server import in_thread
from gateway.sandbox.store import Store
from gateway.sandbox.upstream import Fault, SandboxUpstream
from gateway.transport.call import Call
from gateway.upstreams.arrhes import ArrhesAdapter
from gateway.upstreams.base import capabilities
from tests.conformance.subject import Place, Subject, Switch, opened
from tests.conformance.upload_suite import UploadSuite
from tests.conformance.uploading import (
    Journal,
    attempt,
    download,
    some_bytes,
    staged,
    uploading,
)
from tests.upstreams.arrhes_source import (
    LIBRARY,
    asked,
    folder_ref,
    library,
    open_arrhes,
)
from tests.upstreams.arrhes_store import Front, front_of, fronted, item_of, opened_with_store, unique

LARGEST = 50_000_000
MOST_MEMORY = 8 * 1024 * 1024
"""Bytes that an upload may hold at once, whatever its size."""


@pytest.fixture
def state() -> State:
    """Make the demo's library."""
    return library()


@pytest.fixture(scope="module")
def front(store: Store) -> Iterator[Front]:
    """Run one front of the store for all tests."""
    with front_of(store) as front:
        yield front


class TestArrhesUploads(UploadSuite):
    """The shared suite."""

    limit: ClassVar[int] = 4_000
    secrets: ClassVar[tuple[str, ...]] = (seed.API_KEY,)

    @pytest.fixture
    def app(self, state: State, store: Store, front: Front) -> ASGIApp:
        """Serve the library with a store."""
        front.reset()
        self.host = front.host
        return create_app(state, fronted(store, front))

    @pytest.fixture
    def target(self) -> Ref:
        """Upload to the root."""
        return LIBRARY

    @pytest.fixture
    def stored(self, state: State) -> Callable[[], int]:
        """Count the records, with bytes or without."""
        return lambda: len(state.files)

    @pytest.fixture
    def foreign(self, front: Front) -> SandboxUpstream:
        """Show what the store is sent."""
        return front.sandbox

    def open_adapter(self, origin: str) -> ArrhesAdapter:
        """Open the adapter with the limit of the suite."""
        return open_arrhes(origin, link_hosts=(self.host,), max_upload=self.limit)

    def contents(self, size: int) -> bytes:
        """Make other bytes each time, because no two files of a library have the same."""
        return unique(size)


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    """Run one server for the traps."""
    switch = Switch()
    with in_thread(switch) as origin:
        yield Place(switch, origin)


@pytest.fixture
async def arrhes(place: Place, state: State, store: Store, front: Front) -> AsyncIterator[Subject]:
    """Open the adapter on the library, with the store behind its front."""
    async with opened_with_store(place, state, store, front) as subject:
        yield subject


def used(state: State) -> int:
    """Tell how many bytes count as stored."""
    return state.accounts[seed.API_KEY].organization.storage_used


# The four steps


async def test_an_upload_is_four_requests(arrhes: Subject, state: State, front: Front) -> None:
    """A record, a signed URL, the bytes, and the end; the store sees the bytes and no credential."""
    # given
    contents, before = unique(2_000), used(state)

    # when
    ref = await attempt(arrhes, item_of(contents), contents)

    # then
    assert isinstance(ref, Ref)
    (file,) = ref.key
    assert asked(arrhes) == ["POST files", f"POST files/{file}/upload-url", f"POST files/{file}/finalize"]
    (put,) = front.sandbox.requests
    assert (put.method, put.headers["content-length"], put.headers["content-type"]) == (
        "PUT",
        "2000",
        "application/pdf",
    )
    assert {"authorization", "cookie", "transfer-encoding"}.isdisjoint(put.headers)
    assert (state.files[file].type, state.files[file].size) == ("application/pdf", 2_000)
    assert (state.files[file].hash, state.files[file].reference) == (
        hashlib.sha256(contents).hexdigest(),
        None,
    )
    assert used(state) - before == 2_000


async def test_a_file_goes_into_its_folder_with_its_reference(arrhes: Subject, state: State) -> None:
    """The folder is looked for first, because the server would take anybody's."""
    # given
    folder, contents = next(iter(state.folders)), unique(20)
    item = item_of(contents, folder_ref(folder), options={"reference": "FA-2025-1"})

    # when
    ref = await attempt(arrhes, item, contents)

    # then
    assert isinstance(ref, Ref)
    assert asked(arrhes)[:2] == ["GET folders", "POST files"]
    file = state.files[ref.key[0]]
    assert (file.idFolder, file.reference) == (folder, "FA-2025-1")


async def test_another_organizations_folder_is_not_found(arrhes: Subject, state: State) -> None:
    """The server takes it as a parent, and the file would be lost from sight."""
    # given
    folder, contents = next(iter(state.folders.values())), unique(20)
    folder.idOrganization = seed.OTHER_ORGANIZATION

    # when
    outcome = await attempt(arrhes, item_of(contents, folder_ref(folder.id)), contents)

    # then
    assert isinstance(outcome, NotFound)
    assert asked(arrhes) == ["GET folders"]


async def test_the_id_is_noted_before_the_bytes_go(arrhes: Subject, front: Front) -> None:
    """Whoever cannot write down what he made goes no further, so that it is found again."""
    # given
    contents = unique(20)

    async def full(_: object) -> None:
        raise Unavailable("The journal is away.")

    # when
    with pytest.raises(Unavailable) as failure:
        await uploading(arrhes).upload(item_of(contents), staged(contents), Call.lasting(30), full)

    # then
    assert failure.value.message == "The journal is away."
    assert (asked(arrhes), list(front.sandbox.requests)) == (["POST files"], [])


async def test_the_steps_are_noted(arrhes: Subject) -> None:
    """A reconciliation finds the record by its id."""
    # given
    contents, journal = unique(20), Journal()

    # when
    ref = await attempt(arrhes, item_of(contents), contents, journal)

    # then
    assert isinstance(ref, Ref)
    assert journal.kept == {"file_id": ref.key[0], "put": "done"}


async def test_an_expired_url_is_renewed(arrhes: Subject, state: State, front: Front) -> None:
    """A URL lives for a minute: who waited longer asks for another one, and sends the bytes from their beginning."""
    # given
    contents, delays = unique(2_000), iter([timedelta(), timedelta(minutes=2)])
    state.clock = lambda: datetime.now(UTC) - next(delays, timedelta())

    # when
    ref = await attempt(arrhes, item_of(contents), contents)

    # then
    assert isinstance(ref, Ref)
    assert [one.partition("/")[0] + one[-11:] for one in asked(arrhes)].count("POST files/upload-url") == 2
    assert [one.method for one in front.sandbox.requests] == ["PUT", "PUT"]
    assert await download(arrhes, ref) == contents


async def test_a_url_that_never_works_is_given_up(arrhes: Subject, state: State, front: Front) -> None:
    """After the second refusal nothing of the upload is left."""
    # given
    contents, before = unique(20), dict(state.files)
    state.clock = lambda: datetime.now(UTC) - timedelta(minutes=2)

    # when
    outcome = await attempt(arrhes, item_of(contents), contents)

    # then
    assert isinstance(outcome, Forbidden)
    assert [one.method for one in front.sandbox.requests] == ["PUT", "PUT"]
    assert state.files == before


# Where the bytes go


async def test_bytes_go_to_named_hosts_only(place: Place, state: State, store: Store, front: Front) -> None:
    """A server that names another store is not obeyed; the record is taken away by the reconciliation."""
    # given
    contents, before = unique(20), dict(state.files)

    # when
    async with opened_with_store(place, state, store, front, link_hosts=("store.invalid",)) as subject:
        journal = Journal()
        outcome = await attempt(subject, item_of(contents), contents, journal)
        found = await uploading(subject).reconcile(item_of(contents, notes=journal.kept), Call.lasting(30))

    # then
    assert isinstance(outcome, BadResponse)
    assert "link_hosts" in outcome.message
    assert (found, state.files, list(front.sandbox.requests)) == (None, before, [])


async def test_without_a_store_there_are_no_uploads(place: Place, state: State) -> None:
    """The capability says so before anybody tries, and a try costs no request."""
    # given
    app = create_app(state)

    # when
    async with opened(place, app, lambda origin: open_arrhes(origin, link_hosts=())) as subject:
        upload = {one.operation: one for one in capabilities(subject.adapter)}[Operation.UPLOAD]
        outcome = await attempt(subject, item_of(b"x"), b"x")

    # then
    assert isinstance(outcome, Unsupported)
    assert (upload.supported, upload.reason, upload.max_bytes) == (False, outcome.message, None)
    assert asked(subject) == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_the_store_cannot_send_the_bytes_elsewhere(arrhes: Subject, front: Front, status: int) -> None:
    """A redirect of the store is no reason to show the file to anybody else."""
    # given
    contents = unique(20)
    stranger = SandboxUpstream("stranger", PlainTextResponse("ok"))

    # when
    with in_thread(stranger) as origin:
        front.sandbox.fault = Fault(status=status, headers={"location": f"{origin}/elsewhere"})
        outcome = await attempt(arrhes, item_of(contents), contents)

    # then
    assert isinstance(outcome, Unavailable)
    assert list(stranger.requests) == []


# Size


@pytest.mark.slow
async def test_the_largest_file_takes_little_memory(place: Place, state: State, store: Store) -> None:
    """50,000,000 bytes are carried a piece at a time."""
    # given
    piece = some_bytes(50_000)
    digest = hashlib.sha256(piece * (LARGEST // len(piece))).hexdigest()
    item = item_of(b"", size=LARGEST, sha256=digest)

    @asynccontextmanager
    async def opening() -> AsyncIterator[AsyncIterator[bytes]]:
        async def pieces() -> AsyncIterator[bytes]:
            for _ in range(LARGEST // len(piece)):
                yield bytes(bytearray(piece))  # a copy each, as if it came from a store

        yield pieces()

    # when
    app = create_app(state, store)
    async with opened(place, app, lambda origin: open_arrhes(origin, link_hosts=(store.endpoint,))) as subject:
        tracemalloc.start()
        try:
            ref = await uploading(subject).upload(item, opening, Call.lasting(120), Journal())
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        arrived = hashlib.sha256(await download(subject, ref)).hexdigest()

    # then
    assert arrived == digest
    assert piece.__sizeof__() < peak < MOST_MEMORY
