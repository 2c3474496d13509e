"""Changes, deletions and text recognition at Arrhes, with the traps of `upstreams.md` 2.4 and 2.6."""

from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime
from typing import TypeVar

import pytest

from gateway.domain.changes import Deletion, DeletionState, FileChange
from gateway.domain.errors import (
    BadInput,
    Conflict,
    GatewayError,
    NotFound,
    OutcomeUnknown,
    QuotaExceeded,
    Unavailable,
)
from gateway.domain.model import File, FileState, Folder
from gateway.domain.refs import Ref
from gateway.sandbox.arrhes import seed
from gateway.sandbox.arrhes.app import create_app
from gateway.sandbox.arrhes.state import State
from gateway.sandbox.server import in_thread
from gateway.sandbox.store import Store
from gateway.sandbox.upstream import Fault
from gateway.transport.call import Call
from gateway.upstreams.arrhes import ArrhesAdapter
from tests.conformance.subject import Place, Subject, Switch, opened
from tests.conformance.uploading import download
from tests.upstreams.arrhes_source import LIBRARY, asked, file_ref, folder_ref, open_arrhes

T = TypeVar("T")
DAY = datetime(2025, 3, 14, tzinfo=UTC)
MISSING = "zzzzzzzzzzzzzzzz"


@pytest.fixture
def state() -> State:
    """Make the demo's library."""
    return seed.seeded()


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    """Run one server for all tests."""
    switch = Switch()
    with in_thread(switch) as origin:
        yield Place(switch, origin)


@pytest.fixture
async def arrhes(place: Place, state: State) -> AsyncIterator[Subject]:
    """Open the adapter on the library, without a store."""
    async with opened(place, create_app(state), open_arrhes) as subject:
        yield subject


@pytest.fixture
async def scanner(place: Place, state: State, store: Store) -> AsyncIterator[Subject]:
    """Open the adapter on the library, with a store."""
    async with opened(place, create_app(state, store), open_arrhes) as subject:
        yield subject


def adapter_of(subject: Subject) -> ArrhesAdapter:
    """Take the adapter as the one it is."""
    assert isinstance(subject.adapter, ArrhesAdapter)
    return subject.adapter


def names(outcomes: Sequence[object]) -> list[object]:
    """Tell files and folders by their names, and errors by their classes."""
    return [one.name if isinstance(one, File | Folder) else type(one) for one in outcomes]


async def update(subject: Subject, *changes: FileChange) -> Sequence[object]:
    """Change files."""
    return await adapter_of(subject).update(changes, Call.lasting(30))


async def delete(subject: Subject, *refs: Ref) -> Sequence[object]:
    """Delete files."""
    return await adapter_of(subject).delete(refs, Call.lasting(30))


def by_method(subject: Subject, method: str) -> list[str]:
    """List what the source was asked for with a method."""
    return [one for one in asked(subject) if one.startswith(method)]


# Files


async def test_a_change_changes_what_it_names(arrhes: Subject, state: State) -> None:
    """The source changes only what it is sent: 1 request, and the file as it is then."""
    # given
    file = next(one for one in state.files.values() if one.reference and one.idFolder)
    before = (file.reference, file.idFolder, file.date)

    # when
    (after,) = await update(arrhes, FileChange(ref=file_ref(file.id), name="Été « 1/2 ».pdf"))

    # then
    assert isinstance(after, File)
    assert (after.ref, after.name, state.files[file.id].name) == (file_ref(file.id), *2 * ("Été « 1/2 ».pdf",))
    assert (file.reference, file.idFolder, file.date) == before
    assert asked(arrhes) == [f"PATCH files/{file.id}"]


async def test_a_file_moves_and_gets_a_reference_and_a_date(arrhes: Subject, state: State) -> None:
    """All at once is one request, and one more to look for the folder."""
    # given
    file, folder = next(iter(state.files)), next(iter(state.folders))
    change = FileChange(ref=file_ref(file), folder=folder_ref(folder), reference="R-1", document_date=DAY)

    # when
    (after,) = await update(arrhes, change)

    # then
    assert isinstance(after, File)
    assert (after.folder_ref, after.reference, after.document_date) == (folder_ref(folder), "R-1", DAY)
    assert asked(arrhes) == ["GET folders", f"PATCH files/{file}"]


async def test_none_clears(arrhes: Subject, state: State) -> None:
    """A file without a folder stands at the root; reference and date may be missing."""
    # given
    file = next(one for one in state.files.values() if one.reference and one.idFolder)
    change = FileChange(ref=file_ref(file.id), folder=None, reference=None, document_date=None)

    # when
    (after,) = await update(arrhes, change)

    # then
    assert isinstance(after, File)
    assert (after.folder_ref, after.reference, after.document_date) == (None, None, None)
    assert asked(arrhes) == [f"PATCH files/{file.id}"]


async def test_a_change_of_nothing_is_a_look(arrhes: Subject, state: State) -> None:
    """The source would note a change that is none."""
    # given
    file = next(one for one in state.files.values() if one.lastUpdatedAt is None)

    # when
    (after,) = await update(arrhes, FileChange(ref=file_ref(file.id)))

    # then
    assert names([after]) == [file.name]
    assert (file.lastUpdatedAt, asked(arrhes)) == (None, [f"GET files/{file.id}"])


async def test_each_change_has_its_own_result(arrhes: Subject, state: State) -> None:
    """What fails does not fail its neighbours, and folders are looked up once for all."""
    # given
    first, second, *_ = state.files
    home, foreign = list(state.folders.values())[:2]
    foreign.idOrganization = seed.OTHER_ORGANIZATION
    changes = [
        FileChange(ref=file_ref(first), folder=folder_ref(home.id), name="Un.pdf"),
        FileChange(ref=file_ref(MISSING), name="Deux.pdf"),
        FileChange(ref=file_ref(second), folder=folder_ref(foreign.id)),
        FileChange(ref=file_ref(second), folder=LIBRARY),
        FileChange(ref=file_ref(second), name="n" * 257),
        FileChange(ref=file_ref(second), reference="a\0b"),
        FileChange(ref=folder_ref(home.id), name="Trois"),
    ]

    # when
    outcomes = await update(arrhes, *changes)

    # then
    assert names(outcomes) == ["Un.pdf", NotFound, NotFound, NotFound, BadInput, BadInput, NotFound]
    assert set(by_method(arrhes, "PATCH")) == {f"PATCH files/{first}", f"PATCH files/{MISSING}"}
    assert asked(arrhes).count("GET folders") == 1


async def test_a_change_may_be_repeated(arrhes: Subject, state: State) -> None:
    """The same change twice is the same file, so a torn answer is no failure."""
    # given
    file = next(iter(state.files))
    arrhes.sandbox.fault = Fault(torn=True, times=1)

    # when
    outcomes = await update(arrhes, FileChange(ref=file_ref(file), name="Neuf.pdf"))

    # then
    assert names(outcomes) == ["Neuf.pdf"]
    assert asked(arrhes) == 2 * [f"PATCH files/{file}"]


async def test_deleting_is_final_and_repeatable(arrhes: Subject, state: State) -> None:
    """What is gone already, or goes while the answer is torn, counts as deleted: 500 means so if no list has it."""
    # given
    first, second, *_ = state.files
    refs = [file_ref(first), file_ref(MISSING), file_ref(second), file_ref(first)]
    arrhes.sandbox.fault = Fault(torn=True, only=lambda one: one.path.endswith(second), times=1)

    # when
    outcomes = await delete(arrhes, *refs)

    # then
    assert outcomes == [Deletion(ref, DeletionState.DELETED) for ref in refs]
    assert {first, second}.isdisjoint(state.files)
    assert by_method(arrhes, "DELETE").count(f"DELETE files/{first}") == 1
    assert (
        await adapter_of(arrhes).deletion(Deletion(refs[0], DeletionState.DELETED), Call.lasting(30))
        == outcomes[0]
    )


async def test_a_fault_is_not_taken_for_a_deletion(arrhes: Subject, state: State) -> None:
    """A 500 for a file that the list has, or a wrong address, deletes nothing and says so."""
    # given
    first, second, *_ = state.files
    faults = [(first, 500), (second, 404)]

    # when
    outcomes = []
    for file, status in faults:
        arrhes.sandbox.fault = Fault(status=status, only=lambda one: one.method == "DELETE")
        outcomes += await delete(arrhes, file_ref(file))
    outcomes += await delete(arrhes, folder_ref(next(iter(state.folders))))

    # then
    assert names(outcomes) == [Unavailable, NotFound, NotFound]
    assert {first, second} <= state.files.keys()


# Text recognition


def scan_of(state: State, media_type: str = "application/pdf") -> str:
    """Find a finished file of a type."""
    return next(one.id for one in state.files.values() if one.storageKey and one.type == media_type)


async def recognized(subject: Subject, file: str, seconds: float = 30) -> File | GatewayError:
    """Have a text file made."""
    try:
        return await adapter_of(subject).recognize_text(file_ref(file), Call.lasting(seconds))
    except GatewayError as exc:
        return exc


async def test_a_scan_gets_a_text_file_beside_it(scanner: Subject, state: State) -> None:
    """It is a new file of the same folder, ready to be downloaded."""
    # given
    scan = state.files[scan_of(state)]

    # when
    file = await recognized(scanner, scan.id)

    # then
    assert isinstance(file, File)
    assert (file.name, file.media_type) == (f"{scan.name.removesuffix('.pdf')}.md", "text/markdown")
    assert (file.state, file.folder_ref) == (FileState.AVAILABLE, folder_ref(scan.idFolder or ""))
    assert asked(scanner) == [f"GET files/{scan.id}", f"POST files/{scan.id}/ocr"]
    assert scan.name.encode() in await download(scanner, file.ref)


async def test_why_there_is_no_text(scanner: Subject, state: State) -> None:
    """No bytes yet, the wrong type, no such file, and no pages left are told apart."""
    # given
    pending = next(one.id for one in state.files.values() if one.storageKey is None)
    files = [pending, scan_of(state, "text/csv"), MISSING]

    # when
    outcomes = [await recognized(scanner, file) for file in files]
    state.accounts[seed.API_KEY].organization.ocr_pages = 0
    outcomes.append(await recognized(scanner, scan_of(state)))

    # then
    assert names(outcomes) == [Conflict, BadInput, NotFound, QuotaExceeded]


async def test_a_lost_text_file_is_not_made_again(scanner: Subject, state: State) -> None:
    """Each try costs a page, so it is for the caller to look first."""
    # given
    scan, files = scan_of(state), len(state.files)
    scanner.sandbox.fault = Fault(torn=True, only=lambda one: one.method == "POST")

    # when
    outcome = await recognized(scanner, scan)

    # then
    assert isinstance(outcome, OutcomeUnknown)
    assert len(state.files) == files + 1
    assert len(by_method(scanner, "POST")) == 1


async def test_recognition_may_take_its_time(place: Place, state: State, store: Store) -> None:
    """It lasts longer than other requests may: the call's time counts, not that of one try."""
    # given
    scan = scan_of(state)
    app = create_app(state, store)

    # when
    async with opened(place, app, lambda origin: open_arrhes(origin, try_timeout=2.0)) as subject:
        subject.sandbox.fault = Fault(delay=3.0, only=lambda one: one.path.endswith("/ocr"))
        outcome = await recognized(subject, scan, seconds=60)

    # then
    assert isinstance(outcome, File)
