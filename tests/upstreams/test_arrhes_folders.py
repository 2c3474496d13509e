"""Folders of Arrhes, which takes cycles, and whose folders take the ones below them along (`upstreams.md` 2.4)."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import TypeVar

import pytest

from gateway.domain.changes import FolderChange, FolderDeletion, NewFolder
from gateway.domain.errors import (
    BadInput,
    Conflict,
    NotFound,
    OutcomeUnknown,
    Unavailable,
)
from gateway.domain.model import File, Folder
from gateway.sandbox.arrhes import seed
from gateway.sandbox.arrhes.app import create_app
from gateway.sandbox.arrhes.state import State
from gateway.sandbox.server import in_thread
from gateway.sandbox.upstream import Fault
from gateway.transport.call import Call
from gateway.upstreams.arrhes import ArrhesAdapter
from tests.conformance.comparison import changed
from tests.conformance.subject import Place, Subject, Switch, opened
from tests.upstreams.arrhes_source import LIBRARY, asked, file_ref, folder_ref, open_arrhes

T = TypeVar("T")
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


def adapter_of(subject: Subject) -> ArrhesAdapter:
    """Take the adapter as the one it is."""
    assert isinstance(subject.adapter, ArrhesAdapter)
    return subject.adapter


def names(outcomes: Sequence[object]) -> list[object]:
    """Tell files and folders by their names, and errors by their classes."""
    return [one.name if isinstance(one, File | Folder) else type(one) for one in outcomes]


async def create(subject: Subject, *folders: NewFolder) -> Sequence[object]:
    """Make folders."""
    return await adapter_of(subject).create_folders(folders, Call.lasting(30))


async def move(subject: Subject, *changes: FolderChange) -> Sequence[object]:
    """Change folders."""
    return await adapter_of(subject).update_folders(changes, Call.lasting(30))


async def raze(subject: Subject, *folders: FolderDeletion) -> Sequence[object]:
    """Delete folders."""
    return await adapter_of(subject).delete_folders(folders, Call.lasting(30))


def by_method(subject: Subject, method: str) -> list[str]:
    """List what the source was asked for with a method."""
    return [one for one in asked(subject) if one.startswith(method)]


def leaf_of(state: State) -> str:
    """Find a folder without folders."""
    parents = {one.idFolderParent for one in state.folders.values()}
    return next(one for one in state.folders if one not in parents)


def root_of(state: State) -> str:
    """Find a folder at the root."""
    return next(one.id for one in state.folders.values() if one.idFolderParent is None)


async def test_folders_are_made_where_they_are_wanted(arrhes: Subject, state: State) -> None:
    """One list for all, to look for the parents, and a request each."""
    # given
    parent = next(iter(state.folders))
    new = [
        NewFolder(library=LIBRARY, parent=folder_ref(parent), name="Été"),
        NewFolder(library=LIBRARY, parent=None, name="Eau"),
    ]

    # when
    inner, outer = await create(arrhes, *new)

    # then
    assert isinstance(inner, Folder)
    assert isinstance(outer, Folder)
    assert (inner.name, inner.parent_ref, inner.library.ref) == ("Été", folder_ref(parent), LIBRARY)
    assert (outer.name, outer.parent_ref) == ("Eau", None)
    assert asked(arrhes) == ["GET folders", "POST folders", "POST folders"]


async def test_folders_are_not_made_just_anywhere(arrhes: Subject, state: State) -> None:
    """Another organization's folder, an unknown one, and another's library are not found; a name is checked."""
    # given
    foreign = next(iter(state.folders.values()))
    foreign.idOrganization = seed.OTHER_ORGANIZATION
    elsewhere = changed(LIBRARY, key=(seed.OTHER_ORGANIZATION, seed.YEAR))
    new = [
        NewFolder(library=LIBRARY, parent=folder_ref(foreign.id), name="A"),
        NewFolder(library=LIBRARY, parent=folder_ref(MISSING), name="B"),
        NewFolder(library=elsewhere, parent=None, name="C"),
        NewFolder(library=LIBRARY, parent=None, name=""),
    ]

    # when
    outcomes = await create(arrhes, *new)

    # then
    assert names(outcomes) == [NotFound, NotFound, NotFound, BadInput]
    assert asked(arrhes) == ["GET folders"]


async def test_a_folder_whose_answer_is_lost_is_found(arrhes: Subject, state: State) -> None:
    """It is the one of the name and the place that was not there before; no second one is made."""
    # given
    folders = len(state.folders)
    arrhes.sandbox.fault = Fault(torn=True, only=lambda one: one.method == "POST")

    # when
    outcomes = await create(arrhes, *2 * [NewFolder(library=LIBRARY, parent=None, name="Achats")])

    # then
    assert names(outcomes) == ["Achats", "Achats"]
    assert len({one.ref for one in outcomes if isinstance(one, Folder)}) == 2
    assert len(state.folders) == folders + 2
    assert len(by_method(arrhes, "POST")) == 2


async def test_a_folder_that_was_not_made_is_a_fault(arrhes: Subject, state: State) -> None:
    """Where the list shows that nothing happened, the caller may try again."""
    # given
    folders = len(state.folders)
    arrhes.sandbox.fault = Fault(status=503, only=lambda one: one.method == "POST")

    # when
    outcomes = await create(arrhes, NewFolder(library=LIBRARY, parent=None, name="Neuf"))

    # then
    assert names(outcomes) == [Unavailable]
    assert len(state.folders) == folders
    assert asked(arrhes) == ["GET folders", "POST folders", "GET folders"]


async def test_a_folder_that_nobody_can_look_for_is_unknown(arrhes: Subject) -> None:
    """Without the list nobody knows, and another try could make a second one."""

    # given
    def after_the_list(_: object) -> bool:
        return len(arrhes.sandbox.requests) > 1

    arrhes.sandbox.fault = Fault(status=500, only=after_the_list)

    # when
    outcomes = await create(arrhes, NewFolder(library=LIBRARY, parent=None, name="Neuf"))

    # then
    assert names(outcomes) == [OutcomeUnknown]


async def test_folders_are_renamed_and_moved(arrhes: Subject, state: State) -> None:
    """A new name leaves the place, a new place the name, and no change is no request."""
    # given
    leaf, root = leaf_of(state), root_of(state)
    name, parent = state.folders[leaf].name, state.folders[leaf].idFolderParent
    changes = [
        FolderChange(ref=folder_ref(root), name="Neuf"),
        FolderChange(ref=folder_ref(leaf)),
        FolderChange(ref=folder_ref(leaf), parent=None),
        FolderChange(ref=folder_ref(leaf), parent=folder_ref(root)),
    ]

    # when
    outcomes = await move(arrhes, *changes)

    # then
    assert names(outcomes) == ["Neuf", name, name, name]
    assert [one.parent_ref for one in outcomes if isinstance(one, Folder)] == [
        None,
        folder_ref(parent or ""),
        None,
        folder_ref(root),
    ]
    assert asked(arrhes) == ["GET folders", f"PATCH folders/{root}", *2 * [f"PATCH folders/{leaf}"]]


async def test_no_folder_moves_into_itself(arrhes: Subject, state: State) -> None:
    """The source would take it, and the folder with all that is in it would hang on nothing."""
    # given
    leaf = leaf_of(state)
    parent = state.folders[leaf].idFolderParent or ""
    top = state.folders[parent].idFolderParent or ""
    before = {one.id: one.idFolderParent for one in state.folders.values()}
    changes = [
        FolderChange(ref=folder_ref(leaf), parent=folder_ref(leaf)),
        FolderChange(ref=folder_ref(parent), parent=folder_ref(leaf)),
        FolderChange(ref=folder_ref(top), parent=folder_ref(leaf), name="Neuf"),
    ]

    # when
    outcomes = await move(arrhes, *changes)

    # then
    assert names(outcomes) == 3 * [Conflict]
    assert {one.id: one.idFolderParent for one in state.folders.values()} == before
    assert asked(arrhes) == ["GET folders"]


async def test_two_moves_make_no_cycle_together(arrhes: Subject, state: State) -> None:
    """Each is right by itself, in one list or in two at once: whichever comes second is a Conflict."""
    # given
    one, other, third, fourth = [
        folder.id for folder in state.folders.values() if folder.idFolderParent is None
    ][:4]

    def swap(first: str, second: str) -> list[FolderChange]:
        return [
            FolderChange(ref=folder_ref(first), parent=folder_ref(second)),
            FolderChange(ref=folder_ref(second), parent=folder_ref(first)),
        ]

    # when
    together = await move(arrhes, *swap(one, other))
    at_once = await asyncio.gather(*(move(arrhes, change) for change in swap(third, fourth)))

    # then
    assert [type(outcome) for outcome in together] == [Folder, Conflict]
    assert [type(outcome) for (outcome,) in at_once] == [Folder, Conflict]


async def test_what_is_not_there_does_not_move(arrhes: Subject, state: State) -> None:
    """Unknown folders, another organization's, and what is no folder: found out without a change."""
    # given
    leaf, foreign = leaf_of(state), root_of(state)
    state.folders[foreign].idOrganization = seed.OTHER_ORGANIZATION
    changes = [
        FolderChange(ref=folder_ref(MISSING), name="A"),
        FolderChange(ref=folder_ref(leaf), parent=folder_ref(foreign)),
        FolderChange(ref=folder_ref(leaf), parent=LIBRARY),
        FolderChange(ref=file_ref(next(iter(state.files))), name="A"),
    ]

    # when
    outcomes = await move(arrhes, *changes)

    # then
    assert names(outcomes) == 4 * [NotFound]
    assert asked(arrhes) == ["GET folders"]


async def test_a_damaged_tree_can_be_mended(place: Place) -> None:
    """A folder on a cycle is moved out of it, and its cycle does not keep others from moving or going."""
    # given
    state = seed.damaged()
    boucle_a, boucle_b, sain = (folder_ref(one.ljust(16, "0")) for one in ("bouclea", "boucleb", "sain"))

    # when
    async with opened(place, create_app(state), open_arrhes) as subject:
        refused = await move(subject, FolderChange(ref=boucle_a, parent=boucle_b))
        mended = await move(
            subject, FolderChange(ref=boucle_a, parent=None), FolderChange(ref=sain, parent=boucle_b)
        )
        razed = await raze(subject, FolderDeletion(ref=folder_ref("soi".ljust(16, "0")), with_contents=True))

    # then
    assert names(refused) == [Conflict]
    assert names(mended) == ["Boucle A", "Sain"]
    assert razed == [folder_ref("soi".ljust(16, "0"))]


async def test_a_folder_that_holds_anything_stays(arrhes: Subject, state: State) -> None:
    """Without the flag nothing goes, and the error says how much would have."""
    # given
    root = root_of(state)
    below = {root}
    for _ in range(seed.LEVELS):
        below |= {one.id for one in state.folders.values() if one.idFolderParent in below}
    files = [one for one in state.files.values() if one.idFolder in below]

    # when
    (outcome,) = await raze(arrhes, FolderDeletion(ref=folder_ref(root)))

    # then
    assert isinstance(outcome, Conflict)
    assert f"{len(below) - 1:,} folders and {len(files):,} files" in outcome.message
    assert sorted(asked(arrhes)) == ["GET files", "GET folders"]
    assert root in state.folders


async def test_with_the_flag_it_goes_the_sources_way(arrhes: Subject, state: State) -> None:
    """Folders below go with it, and all their files are kept at the root."""
    # given
    root, files = root_of(state), set(state.files)
    inner = next(one.id for one in state.folders.values() if one.idFolderParent == root)
    held = [one.id for one in state.files.values() if one.idFolder == inner]

    # when
    outcomes = await raze(
        arrhes, FolderDeletion(ref=folder_ref(root), with_contents=True), FolderDeletion(ref=folder_ref(inner))
    )

    # then
    assert outcomes[0] == folder_ref(root)
    assert isinstance(outcomes[1], NotFound)
    assert {root, inner}.isdisjoint(state.folders)
    assert held
    assert [state.files[one].idFolder for one in held] == len(held) * [None]
    assert set(state.files) == files
    assert by_method(arrhes, "DELETE") == [f"DELETE folders/{root}"]


async def test_what_was_emptied_before_can_go(arrhes: Subject, state: State) -> None:
    """Each deletion of a list sees what the ones before it did; a torn answer is no failure."""
    # given
    parent = NewFolder(library=LIBRARY, parent=None, name="A")
    (outer,) = await create(arrhes, parent)
    assert isinstance(outer, Folder)
    (inner,) = await create(arrhes, changed(parent, parent=outer.ref))
    assert isinstance(inner, Folder)
    arrhes.sandbox.fault = Fault(torn=True, only=lambda one: one.method == "DELETE", times=1)

    # when
    outcomes = await raze(arrhes, FolderDeletion(ref=inner.ref), FolderDeletion(ref=outer.ref))

    # then
    assert outcomes == [inner.ref, outer.ref]
    assert {inner.ref.key[0], outer.ref.key[0]}.isdisjoint(state.folders)


@pytest.mark.parametrize("change", ["create", "move", "raze"])
async def test_a_list_that_does_not_come_fails_each(arrhes: Subject, state: State, change: str) -> None:
    """Errors are values here too; nothing is changed unseen, and an empty list costs nothing."""
    # given
    leaf = folder_ref(leaf_of(state))
    act: dict[str, Callable[[], object]] = {
        "create": lambda: create(arrhes, *2 * [NewFolder(library=LIBRARY, parent=None, name="A")]),
        "move": lambda: move(arrhes, *2 * [FolderChange(ref=leaf, name="A")]),
        "raze": lambda: raze(arrhes, *2 * [FolderDeletion(ref=leaf, with_contents=True)]),
    }
    arrhes.sandbox.fault = Fault(status=500, only=lambda one: one.method == "GET")

    # when
    outcomes = await act[change]()  # type: ignore[misc]
    nothing = [*await create(arrhes), *await move(arrhes), *await raze(arrhes)]

    # then
    assert names(outcomes) == [Unavailable, Unavailable]
    assert nothing == []
    assert [one for one in asked(arrhes) if not one.startswith("GET")] == []
