"""The data sets of the Arrhes sandbox: what the demo shows and what it weighs, and the damaged tree of the tests."""

import hashlib
from collections import Counter

import pytest

from gateway.sandbox.arrhes import seed
from gateway.sandbox.arrhes.state import File, Folder, State


@pytest.fixture(scope="module")
def library() -> State:
    """Make the demo's library once."""
    return seed.seeded()


def level(folders: dict[str, Folder], folder: Folder) -> int:
    """Count the folders from the root down to this one."""
    parent = folder.idFolderParent
    return 1 if parent is None else 1 + level(folders, folders[parent])


def finalized(state: State) -> list[File]:
    """Give the files with contents."""
    return [file for file in state.files.values() if file.storageKey]


def test_has_the_promised_shape(library: State) -> None:
    """The demo's tree has 200 folders on exactly 6 levels and 1,000 files, some of them in the root."""
    # given
    folders = library.folders

    # when
    levels = Counter(level(folders, folder) for folder in folders.values())

    # then
    assert (len(folders), sorted(levels)) == (200, [1, 2, 3, 4, 5, 6])
    assert len(finalized(library)) == 1_000
    assert Counter(file.idFolder is None for file in finalized(library))[True] == seed.ROOT_FILES
    assert {file.idFolder for file in library.files.values()} - {None} == folders.keys()


def test_is_the_same_at_each_start(library: State) -> None:
    """Ids, names and even the order of rows stay: links and screenshots of the demo keep working."""
    # given
    first = (list(library.folders.values()), list(library.files.values()))

    # when
    again = seed.seeded()

    # then
    assert (list(again.folders.values()), list(again.files.values())) == first


def test_sizes_and_hashes_are_those_of_the_contents(library: State) -> None:
    """What a record says is what a download gives, and no two files are the same."""
    # given
    files = finalized(library)

    # when
    bodies = {file.id: library.contents[file.id]() for file in files}

    # then
    assert [file.size for file in files] == [len(bodies[file.id]) for file in files]
    assert [file.hash for file in files] == [hashlib.sha256(bodies[file.id]).hexdigest() for file in files]
    assert len(set(bodies.values())) == len(files)
    assert library.accounts[seed.API_KEY].organization.storage_used == sum(map(len, bodies.values()))


def test_contents_are_of_the_type_that_the_record_says(library: State) -> None:
    """A PDF opens as a PDF: the beginning of every file fits its type and its name."""
    # given
    beginnings = {"application/pdf": b"%PDF-1.4", "image/png": b"\x89PNG\r\n", "text/csv": b"\xef\xbb\xbf"}
    endings = {"application/pdf": ".pdf", "image/png": ".png", "text/csv": ".csv"}

    # when
    wrong = [
        file.name
        for file in finalized(library)
        if not library.contents[file.id]().startswith(beginnings[file.type or ""])
        or not file.name.endswith(endings[file.type or ""])
    ]

    # then
    assert wrong == []


def test_pending_files_have_nothing_of_an_object() -> None:
    """A broken upload leaves a record without type, size and key; how many is the caller's choice."""
    # given
    wanted = 3

    # when
    pending = [file for file in seed.seeded(pending=wanted).files.values() if file.storageKey is None]

    # then
    assert [(file.type, file.size, file.hash) for file in pending] == [(None, None, None)] * wanted


def test_names_are_hard_on_whoever_encodes_them_badly(library: State) -> None:
    """Names have accents, apostrophes and quotation marks, and none is longer than the server lets them be."""
    # given
    names = [file.name for file in library.files.values()]

    # when
    letters = set("".join(names))

    # then
    assert set("éûÉÎœ'«»°") <= letters
    assert max(map(len, names)) <= 256


def test_the_damaged_library_has_cycles_and_orphans() -> None:
    """Tests find two folders in one another, one in itself, and one whose parent is not in the list."""
    # given
    state = seed.damaged()
    listed = {key: one for key, one in state.folders.items() if one.idOrganization == seed.ORGANIZATION}

    # when
    parents = {one.name: listed.get(one.idFolderParent or "") for one in listed.values()}

    # then
    assert {name: parent.name for name, parent in parents.items() if parent} == {
        "Boucle A": "Boucle B",
        "Boucle B": "Boucle A",
        "Soi-même": "Soi-même",
    }
    assert [one.name for one in listed.values() if one.idFolderParent and not parents[one.name]] == ["Orphelin"]
    assert [one.idFolder in listed for one in state.files.values()].count(False) == 1
