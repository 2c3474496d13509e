"""Uploads to Arrhes whose answers are lost: what is there is found, what is half-made goes, nothing is made twice."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from gateway.domain.changes import UploadItem
from gateway.domain.errors import OutcomeUnknown, Unavailable
from gateway.domain.refs import Ref
from gateway.sandbox.arrhes import seed
from gateway.sandbox.arrhes.state import File, State, new_id, timestamp
from gateway.sandbox.server import in_thread
from gateway.sandbox.store import Store
from gateway.sandbox.upstream import Fault, SandboxUpstream, SeenRequest
from gateway.transport.call import Call
from tests.conformance.subject import Place, Subject, Switch, eventually, listed
from tests.conformance.uploading import Journal, attempt, carried, download, uploading
from tests.upstreams.arrhes_source import LIBRARY, asked, file_ref, folder_ref, library
from tests.upstreams.arrhes_store import Front, front_of, item_of, opened_with_store, unique

STEPS = {
    "the record": ("POST", "/files"),
    "the URL": ("POST", "/upload-url"),
    "the bytes": ("PUT", ""),
    "the end": ("POST", "/finalize"),
}


@pytest.fixture
def state() -> State:
    """Make the demo's library."""
    return library()


@pytest.fixture(scope="module")
def front(store: Store) -> Iterator[Front]:
    """Run one front of the store for all tests."""
    with front_of(store) as front:
        yield front


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


def chosen(step: str) -> Callable[[SeenRequest], bool]:
    """Choose the request of a step."""
    method, ending = STEPS[step]
    return lambda one: one.method == method and one.path.endswith(ending)


def server_of(step: str, arrhes: Subject, front: Front) -> SandboxUpstream:
    """Tell which server takes a step."""
    return front.sandbox if step == "the bytes" else arrhes.sandbox


def half_made(state: State, item: UploadItem, age: timedelta = timedelta(), **changes: str) -> File:
    """Add the record that an upload would have made so long ago."""
    file = File(
        id=new_id(),
        idOrganization=seed.ORGANIZATION,
        idFolder=None,
        reference=None,
        name=item.name,
        storageKey=None,
        type=None,
        size=None,
        createdAt=timestamp(item.started_at - age),
        hash=item.sha256,
    )
    for name, value in changes.items():
        setattr(file, name, value)
    state.files[file.id] = file
    return file


async def reconcile(subject: Subject, item: UploadItem) -> Ref | None:
    """Find out what an attempt did."""
    return await uploading(subject).reconcile(item, Call.lasting(30))


# Each of the four steps


@pytest.mark.parametrize("fault", ["torn", "500", "503"])
@pytest.mark.parametrize("step", STEPS)
async def test_one_file_comes_of_it(arrhes: Subject, state: State, front: Front, step: str, fault: str) -> None:
    """Whichever answer is lost or a fault: one file, counted once, and nothing half-made."""
    # given
    contents, files, bytes_used = unique(3_000), len(state.files), used(state)
    struck = Fault(torn=True) if fault == "torn" else Fault(status=int(fault))
    struck.only, struck.times = chosen(step), 1
    server_of(step, arrhes, front).fault = struck

    # when
    ref = await carried(arrhes, item_of(contents), contents)

    # then
    assert isinstance(ref, Ref)
    assert struck.times == 0
    assert (len(state.files), used(state)) == (files + 1, bytes_used + 3_000)
    assert await download(arrhes, ref) == contents


async def test_finalize_is_not_sent_twice(arrhes: Subject, state: State) -> None:
    """Its torn answer is made good by a look at the list: another one would count the bytes once more."""
    # given
    contents, bytes_used = unique(3_000), used(state)
    arrhes.sandbox.fault = Fault(torn=True, only=chosen("the end"))

    # when
    ref = await carried(arrhes, item_of(contents), contents)

    # then
    assert isinstance(ref, Ref)
    (file,) = ref.key
    assert asked(arrhes) == [
        "POST files",
        f"POST files/{file}/upload-url",
        f"POST files/{file}/finalize",
        "GET files",
    ]
    assert used(state) == bytes_used + 3_000


@pytest.mark.parametrize("step", ["the record", "the end"])
async def test_posts_are_not_repeated_by_themselves(arrhes: Subject, step: str) -> None:
    """Not even for a 503, which is retried elsewhere: the attempt ends, and what it did is looked into."""
    # given
    contents = unique(20)
    arrhes.sandbox.fault = Fault(status=503, only=chosen(step))

    # when
    outcome = await attempt(arrhes, item_of(contents), contents)

    # then
    assert isinstance(outcome, Unavailable)
    assert [chosen(step)(one) for one in arrhes.sandbox.requests].count(True) == 1


async def test_signing_is_repeated(arrhes: Subject) -> None:
    """To have a URL signed changes nothing, so a busy moment ends no upload."""
    # given
    contents = unique(20)
    arrhes.sandbox.fault = Fault(status=503, only=chosen("the URL"), times=2)

    # when
    outcome = await attempt(arrhes, item_of(contents), contents)

    # then
    assert isinstance(outcome, Ref)
    assert [chosen("the URL")(one) for one in arrhes.sandbox.requests].count(True) == 3


# Reconciling


async def test_a_half_made_record_goes(arrhes: Subject, state: State) -> None:
    """The attempt noted its id, and nothing came after: 1 request to see it, 1 to delete it."""
    # given
    item = item_of(b"x")
    file = half_made(state, item)

    # when
    found = await reconcile(arrhes, item_of(b"x", notes={"file_id": file.id}))

    # then
    assert found is None
    assert file.id not in state.files
    assert asked(arrhes) == ["GET files", f"DELETE files/{file.id}"]


async def test_a_record_is_found_without_a_note(arrhes: Subject, state: State) -> None:
    """A process that dies between the first step and its note leaves a record that only its hash tells."""
    # given
    item = item_of(b"x")
    file = half_made(state, item)

    # when
    found = await reconcile(arrhes, item)

    # then
    assert (found, file.id in state.files) == (None, False)


async def test_a_note_of_an_earlier_attempt_hides_nothing(arrhes: Subject, state: State) -> None:
    """Notes outlive the attempt that made them: its record is gone, that of the next attempt may be there."""
    # given
    item = item_of(b"x", notes={"file_id": "zzzzzzzzzzzzzzzz"})
    file = half_made(state, item)

    # when
    found = await reconcile(arrhes, item)

    # then
    assert (found, file.id in state.files) == (None, False)


@pytest.mark.parametrize("changes", [{"name": "Autre.pdf"}, {"reference": "FA-1"}, {"storageKey": "k"}])
async def test_somebody_elses_file_stays(arrhes: Subject, state: State, changes: dict[str, str]) -> None:
    """The same bytes alone prove nothing: an attempt without a note never finished a file."""
    # given
    item = item_of(b"x")
    file = half_made(state, item, **changes)

    # when
    found = await reconcile(arrhes, item)

    # then
    assert found is None
    assert file.id in state.files


async def test_a_record_of_another_ticket_stays(arrhes: Subject, state: State) -> None:
    """What belongs to another upload is not taken, however equal it is."""
    # given
    item = item_of(b"x")
    file = half_made(state, item)

    # when
    found = await reconcile(arrhes, item_of(b"x", claimed=frozenset({file_ref(file.id)})))

    # then
    assert found is None
    assert file.id in state.files


async def test_an_equal_record_from_just_before_is_a_doubt(arrhes: Subject, state: State) -> None:
    """A clock may be wrong by so much; nothing is deleted on a guess."""
    # given
    item = item_of(b"x")
    file = half_made(state, item, timedelta(seconds=30))

    # when
    with pytest.raises(OutcomeUnknown):
        await reconcile(arrhes, item)

    # then
    assert file.id in state.files


async def test_an_old_record_is_another_ones(arrhes: Subject, state: State) -> None:
    """What was there an hour before the attempt began is not its work."""
    # given
    item = item_of(b"x")
    file = half_made(state, item, timedelta(hours=1))

    # when
    found = await reconcile(arrhes, item)

    # then
    assert found is None
    assert file.id in state.files


async def test_a_list_that_does_not_come_proves_nothing(arrhes: Subject) -> None:
    """None would mean that the file is sent again."""
    # given
    journal, contents = Journal(), unique(20)
    ref = await attempt(arrhes, item_of(contents), contents, journal)
    arrhes.sandbox.fault = Fault(status=500)

    # when
    with pytest.raises(Unavailable):
        await reconcile(arrhes, item_of(contents, notes=journal.kept))

    # then
    arrhes.sandbox.fault = None
    assert await reconcile(arrhes, item_of(contents, notes=journal.kept)) == ref


async def test_a_list_from_before_proves_nothing(arrhes: Subject) -> None:
    """A reader's list that is still under way may be older than the attempt, so its answer is not shared."""
    # given
    item, hold = item_of(b"x"), threading.Event()
    await listed(arrhes, [LIBRARY])  # the first request of all goes alone
    arrhes.sandbox.requests.clear()
    held = Fault(hold=hold, only=lambda one: one.path.endswith("/files"), times=1)
    arrhes.sandbox.fault = held
    reader = asyncio.create_task(listed(arrhes, [LIBRARY]))
    assert await eventually(lambda: held.times == 0)

    # when
    found = await reconcile(arrhes, item)
    waiting = not reader.done()
    hold.set()
    await reader

    # then
    assert (found, waiting) == (None, True)
    assert asked(arrhes).count("GET files") == 2


async def test_a_lost_record_in_a_folder_is_found(arrhes: Subject, state: State) -> None:
    """The folder is part of what the record has to equal."""
    # given
    folder, contents = next(iter(state.folders)), unique(20)
    item = item_of(contents, folder_ref(folder), started_at=datetime.now(UTC))
    arrhes.sandbox.fault = Fault(torn=True, only=chosen("the record"), times=1)
    files = len(state.files)

    # when
    ref = await carried(arrhes, item, contents)

    # then
    assert isinstance(ref, Ref)
    assert len(state.files) == files + 1
    assert state.files[ref.key[0]].idFolder == folder
