"""The Arrhes adapter: the shared suite, and the traps of `upstreams.md` 2.4 and 2.6."""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import ClassVar

import httpx
import pytest
from starlette.types import ASGIApp

from gateway.domain.errors import BadResponse, Conflict, NotFound, Unavailable
from gateway.domain.model import File, FileState, Folder, Placement
from gateway.domain.refs import Ref, RefType
from gateway.domain.tree import Tree, branch_of
from gateway.sandbox.arrhes import seed
from gateway.sandbox.arrhes.app import create_app
from gateway.sandbox.arrhes.state import State
from gateway.sandbox.server import in_thread
from gateway.sandbox.store import Store
from gateway.sandbox.upstream import Fault
from gateway.transport.call import Call
from gateway.upstreams.arrhes import ArrhesAdapter
from tests.conformance.adapter_suite import AdapterSuite
from tests.conformance.comparison import changed
from tests.conformance.subject import Damaged, Place, Samples, Subject, Switch, fetched, listed, opened
from tests.upstreams.arrhes_source import (
    LIBRARY,
    SOURCE,
    asked,
    damaged_library,
    file_ref,
    folder_ref,
    library,
    open_arrhes,
    samples_of,
)


@pytest.fixture
def state() -> State:
    """Make the demo's library, with one file of an awkward name."""
    return library()


class TestArrhes(AdapterSuite):
    """The shared suite."""

    requests_for_50: ClassVar[int] = 2
    secrets: ClassVar[tuple[str, ...]] = (seed.API_KEY,)
    required_fields: ClassVar[tuple[str, ...]] = ("id", "name", "idOrganization", "createdAt")

    @pytest.fixture
    def app(self, state: State) -> ASGIApp:
        """Serve the library without a store: links are a test of their own."""
        return create_app(state)

    @pytest.fixture
    def samples(self, state: State) -> Samples:
        """Choose from the library."""
        return samples_of(state)

    @pytest.fixture
    def damaged(self) -> Damaged:
        """Serve a damaged library."""
        return damaged_library()

    def open_adapter(self, origin: str) -> ArrhesAdapter:
        """Open the adapter."""
        return open_arrhes(origin)


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    """Run one server for the traps."""
    switch = Switch()
    with in_thread(switch) as origin:
        yield Place(switch, origin)


@pytest.fixture
async def arrhes(place: Place, state: State) -> AsyncIterator[Subject]:
    """Open the adapter on the library, without a store."""
    async with opened(place, create_app(state), open_arrhes) as subject:
        yield subject


async def test_a_tree_is_two_requests(arrhes: Subject, state: State) -> None:
    """Folders on 6 levels and a thousand files cost two lists, however deep one looks."""
    # given
    library = LIBRARY

    # when
    (tree,) = await listed(arrhes, [library])

    # then
    assert isinstance(tree, Tree)
    assert (len(tree.folder_by_ref), len(tree.all_files)) == (len(state.folders), len(state.files))
    assert sorted(asked(arrhes)) == ["GET files", "GET folders"]


async def test_an_id_is_in_the_path_and_in_the_query(arrhes: Subject, state: State) -> None:
    """Servers read one or the other, so both are sent and are equal."""
    # given
    file, folder = next(iter(state.files)), next(iter(state.folders))

    # when
    await fetched(arrhes, [file_ref(file)])
    await fetched(arrhes, [folder_ref(folder)])

    # then
    assert asked(arrhes) == [f"GET files/{file}", f"GET folders/{folder}"]
    assert [one.query for one in arrhes.sandbox.requests] == [f"idFile={file}", f"idFolder={folder}"]


async def test_an_unknown_id_is_confirmed_by_the_list(arrhes: Subject) -> None:
    """The server answers 500 for it, so the list has to tell it from a fault."""
    # given
    missing = file_ref("zzzzzzzzzzzzzzzz")

    # when
    (outcome,) = await fetched(arrhes, [missing])

    # then
    assert isinstance(outcome, NotFound)
    assert asked(arrhes) == ["GET files/zzzzzzzzzzzzzzzz", "GET files"]


async def test_a_fault_is_not_taken_for_an_unknown_id(arrhes: Subject, state: State) -> None:
    """A 500 for a file that the list has is a fault of the server."""
    # given
    file = next(iter(state.files))
    arrhes.sandbox.fault = Fault(status=500, only=lambda one: one.path.endswith(file))

    # when
    (outcome,) = await fetched(arrhes, [file_ref(file)])

    # then
    assert isinstance(outcome, Unavailable)


async def test_several_files_are_one_list(arrhes: Subject, state: State) -> None:
    """The server has no other batch: two files cost as much as a thousand."""
    # given
    files = [file_ref(one) for one in list(state.files)[:100]]

    # when
    entries = await fetched(arrhes, files)

    # then
    assert [one.ref for one in entries if isinstance(one, File)] == files
    assert asked(arrhes) == ["GET files"]


async def test_objects_of_another_organization_are_refused(place: Place, state: State) -> None:
    """The key decides whose files come, whatever the path says: a wrong key must not show them under our name."""
    # given
    for one in list(state.files.values())[:3]:
        one.idOrganization = seed.OTHER_ORGANIZATION
    file = next(iter(state.files))

    # when
    async with opened(
        place, create_app(state), lambda origin: open_arrhes(origin, seed.OTHER_API_KEY)
    ) as subject:
        outcomes = [*await fetched(subject, [file_ref(file)]), *await listed(subject, [LIBRARY])]

    # then
    assert [type(one) for one in outcomes] == [BadResponse, BadResponse]


async def test_another_organizations_library_is_not_asked_for(arrhes: Subject) -> None:
    """The server would answer with our own files, so the question is not put."""
    # given
    parents = [
        changed(LIBRARY, key=(seed.OTHER_ORGANIZATION, seed.YEAR)),
        changed(LIBRARY, key=(seed.ORGANIZATION,)),
        Ref(SOURCE, RefType.RECORD, LIBRARY.key),
    ]

    # when
    outcomes = await listed(arrhes, parents)

    # then
    assert [type(one) for one in outcomes] == [NotFound] * 3
    assert asked(arrhes) == []


async def test_every_year_is_a_library_of_the_same_files(arrhes: Subject) -> None:
    """The server ignores the year, so a file has one identity whichever library it was found in."""
    # given
    other = changed(LIBRARY, key=(seed.ORGANIZATION, "1789"))

    # when
    trees = [one for one in await listed(arrhes, [LIBRARY, other]) if isinstance(one, Tree)]

    # then
    assert [tree.library.ref for tree in trees] == [LIBRARY, other]
    assert {file.ref for file in trees[0].all_files} == {file.ref for file in trees[1].all_files}


async def test_the_order_of_the_lists_does_not_matter(place: Place, state: State) -> None:
    """Rows come as they lie in the database; the tree is by name all the same."""
    # given
    turned = library()
    turned.files = dict(reversed(turned.files.items()))
    turned.folders = dict(reversed(turned.folders.items()))

    # when
    names = []
    for one in (state, turned):
        async with opened(place, create_app(one), open_arrhes) as subject:
            (tree,) = await listed(subject, [LIBRARY])
            assert isinstance(tree, Tree)
            files = [[file.name for file in branch_of(folder).files] for folder in tree.folders]
            names.append(([folder.name for folder in tree.folders], [file.ref for file in tree.files], files))

    # then
    assert names[0] == names[1]
    assert names[0][0] == sorted(names[0][0], key=str.casefold)


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("2026-11-22 05:40:45+00", datetime(2026, 11, 22, 5, 40, 45, tzinfo=UTC)),
        ("2026-11-22 05:40:45+02", datetime(2026, 11, 22, 3, 40, 45, tzinfo=UTC)),
        ("2026-11-22T05:40:45.250Z", datetime(2026, 11, 22, 5, 40, 45, 250_000, tzinfo=UTC)),
        (None, None),
    ],
)
async def test_times_keep_their_offset(
    arrhes: Subject, state: State, written: str | None, moment: datetime | None
) -> None:
    """PostgreSQL writes a space and two digits; whichever offset it is, the moment is the same in UTC."""
    # given
    file = next(iter(state.files.values()))
    file.date = file.lastUpdatedAt = written

    # when
    (entry,) = await fetched(arrhes, [file_ref(file.id)])

    # then
    assert isinstance(entry, File)
    assert (entry.document_date, entry.updated_at) == (moment, moment)


async def test_a_file_without_bytes_is_pending(arrhes: Subject, state: State) -> None:
    """What a broken upload left behind is shown as such, without a size or a made-up one."""
    # given
    file = next(one for one in state.files.values() if one.storageKey is None)

    # when
    (entry,) = await fetched(arrhes, [file_ref(file.id)])

    # then
    assert isinstance(entry, File)
    assert (entry.state, entry.size, entry.checksum) == (FileState.PENDING, None, None)


async def test_every_documented_field_is_read(arrhes: Subject, state: State) -> None:
    """Nothing that the server tells of a file or a folder is lost."""
    # given
    wire = next(one for one in state.files.values() if one.idFolder and one.lastUpdatedBy and one.reference)
    parent = state.folders[wire.idFolder or ""]

    # when
    file, folder = await fetched(arrhes, [file_ref(wire.id), folder_ref(parent.id)])

    # then
    assert isinstance(file, File)
    assert isinstance(folder, Folder)
    assert (file.name, file.size, file.media_type) == (wire.name, wire.size, wire.type)
    assert (file.checksum, file.reference, file.folder_ref) == (wire.hash, wire.reference, folder.ref)
    assert (file.details.storage_key, file.details.organization_id) == (wire.storageKey, seed.ORGANIZATION)
    assert (file.details.created_by, file.details.updated_by) == (seed.USER, seed.USER)
    assert (folder.name, folder.created_by) == (parent.name, seed.USER)
    assert folder.parent_ref == (folder_ref(parent.idFolderParent) if parent.idFolderParent else None)


async def test_damaged_folders_stand_at_the_root(place: Place) -> None:
    """Cycles and orphans are shown where they can be found, with the files that are in them."""
    # given
    damaged = damaged_library()

    # when
    async with opened(place, damaged.app, open_arrhes) as subject:
        (tree,) = await listed(subject, [damaged.library])

    # then
    assert isinstance(tree, Tree)
    shown = {
        folder.name: (branch_of(folder).placement, len(branch_of(folder).files)) for folder in tree.folders
    }
    assert shown == {
        "Sain": (Placement.IN_PLACE, 1),
        "Boucle A": (Placement.CYCLE, 1),
        "Boucle B": (Placement.CYCLE, 1),
        "Soi-même": (Placement.CYCLE, 1),
        "Orphelin": (Placement.ORPHAN, 1),
    }
    assert len(tree.files) == 1


# Signed links


async def test_a_signed_link_needs_no_credential(place: Place, state: State, store: Store) -> None:
    """It gives the file's bytes to whoever has it, for an hour, and the adapter says until when."""
    # given
    file = next(one for one in state.files.values() if one.storageKey)
    expected = state.contents[file.id]()

    # when
    async with opened(place, create_app(state, store), open_arrhes) as subject:
        link = await subject.adapter.sign(file_ref(file.id), Call.lasting(30))  # type: ignore[attr-defined]
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(link.url)

    # then
    assert (answer.status_code, answer.content) == (200, expected)
    assert link.expires_at is not None
    assert timedelta(minutes=55) < link.expires_at - datetime.now(UTC) <= timedelta(hours=1)
    assert link.url not in repr(link)
    assert asked(subject) == [f"POST files/{file.id}/download-url"]


async def test_a_pending_file_has_no_link(place: Place, state: State, store: Store) -> None:
    """Its bytes have not arrived: that is a conflict, which may pass, and no missing file."""
    # given
    file = next(one for one in state.files.values() if one.storageKey is None)

    # when
    async with opened(place, create_app(state, store), open_arrhes) as subject:
        with pytest.raises(Conflict) as conflict:
            await subject.adapter.sign(file_ref(file.id), Call.lasting(30))  # type: ignore[attr-defined]

    # then
    assert conflict.value.source == SOURCE


@pytest.mark.parametrize(
    "ref", [file_ref("zzzzzzzzzzzzzzzz"), folder_ref("zzzzzzzzzzzzzzzz"), file_ref("a/b"), LIBRARY]
)
async def test_what_is_not_there_has_no_link(place: Place, state: State, store: Store, ref: Ref) -> None:
    """An unknown file, and what is no file at all, is not found."""
    # given
    app = create_app(state, store)

    # when
    async with opened(place, app, open_arrhes) as subject:
        with pytest.raises(NotFound) as missing:
            await subject.adapter.sign(ref, Call.lasting(30))  # type: ignore[attr-defined]

    # then
    assert missing.value.source == SOURCE
