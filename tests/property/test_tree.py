"""A library's tree is right whatever its source says of parents: cycles, orphans, twins and any depth."""

import gc
import weakref
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.domain.details import ArrhesDetails
from gateway.domain.model import Branch, File, FileState, Folder, Library, Placement
from gateway.domain.refs import Ref, RefType
from gateway.domain.tree import Tree, TreeEntry, ancestors, branch_of, build_tree, descendants

LIBRARY = Library(Ref("books", RefType.LIBRARY, ("acme", "2025")))
WHEN = datetime(2025, 3, 14, tzinfo=UTC)
DEEP = 10_000
MISSING = "missing"

patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""A busy machine takes its time, which says nothing about the code."""

ids = st.integers(0, 24).map(str)
names = st.sampled_from(["a", "A", "b", "é", "Été", "10", "9", ""])
parent_ids = st.none() | ids | st.just(MISSING)
folder_rows = st.dictionaries(ids, st.tuples(parent_ids, names), max_size=25)
"""What a source says: the parent and the name of each folder. Parents may be anything, the folder itself too."""
file_rows = st.dictionaries(st.integers(100, 130).map(str), st.tuples(parent_ids, names), max_size=15)

Rows = dict[str, tuple[str | None, str]]


def folder_ref(native_id: str | None) -> Ref | None:
    """Refer to a folder."""
    return None if native_id is None else Ref("books", RefType.FOLDER, (native_id,))


def folder(native_id: str, parent_id: str | None, name: str) -> Folder:
    """Make a folder as an adapter does."""
    return Folder(
        ref=Ref("books", RefType.FOLDER, (native_id,)),
        name=name,
        library=LIBRARY,
        parent_ref=folder_ref(parent_id),
        created_at=WHEN,
        updated_at=None,
        created_by=None,
        updated_by=None,
        branch=Branch(),
    )


def file(native_id: str, folder_id: str | None, name: str, folders: dict[Ref, Folder]) -> File:
    """Make a file as an adapter does: it refers to its folder, where that is there."""
    ref = folder_ref(folder_id)
    return File(
        ref=Ref("books", RefType.FILE, (native_id,)),
        name=name,
        size=None,
        media_type=None,
        created_at=WHEN,
        updated_at=None,
        library=LIBRARY,
        folder_ref=ref,
        document_date=None,
        checksum=None,
        reference=None,
        state=FileState.PENDING,
        details=ArrhesDetails(native_id, "acme", None, None, None, None),
        kept_in=weakref.ref(folders[ref]) if ref in folders else None,
    )


def tree_of(folders: Rows, files: Rows | None = None) -> Tree:
    """Build the tree of what a source says."""
    return build_tree(
        LIBRARY,
        [folder(native_id, parent_id, name) for native_id, (parent_id, name) in folders.items()],
        lambda by_ref: [
            file(native_id, folder_id, name, by_ref) for native_id, (folder_id, name) in (files or {}).items()
        ],
    )


def walked(tree: Tree, depth: int = DEEP) -> list[TreeEntry]:
    """Walk down a tree from its root."""
    return list(descendants(tree.folders, tree.files, depth))


def is_on_cycle(native_id: str, rows: Rows) -> bool:
    """Tell, the slow and plain way, whether a folder is its own ancestor."""
    above = rows[native_id][0]
    for _ in rows:
        if above == native_id:
            return True
        if above not in rows:
            return False
        above = rows[above][0]
    return False


def expected_placement(native_id: str, rows: Rows) -> Placement:
    """Tell where a folder should stand."""
    parent_id = rows[native_id][0]
    if is_on_cycle(native_id, rows):
        return Placement.CYCLE
    return Placement.ORPHAN if parent_id is not None and parent_id not in rows else Placement.IN_PLACE


def native(nodes: Iterable[Folder | File]) -> list[str]:
    """List the native identifiers."""
    return [node.ref.key[0] for node in nodes]


@patient
@given(folder_rows, file_rows)
def test_everything_is_reached_exactly_once(folders: Rows, files: Rows) -> None:
    """Nothing that the source holds is lost, and nothing shows twice, whatever parents it names."""
    # given what a source says
    tree = tree_of(folders, files)

    # when the tree is walked from its root
    reached = Counter(native(entry.node for entry in walked(tree)))

    # then each folder and each file comes once
    assert reached == Counter([*folders, *files])


@patient
@given(folder_rows)
def test_placement_is_right(folders: Rows) -> None:
    """Folders on a cycle and folders without their parent say so; all others stand where the source says."""
    # given what a source says
    tree = tree_of(folders)

    # when each folder's place is looked at
    found = {ref.key[0]: branch_of(one).placement for ref, one in tree.folder_by_ref.items()}

    # then it is what following the parents one by one gives
    assert found == {native_id: expected_placement(native_id, folders) for native_id in folders}


@patient
@given(folder_rows)
def test_only_what_is_in_place_hangs_below_its_parent(folders: Rows) -> None:
    """A folder's parent is the one its source names, or it stands at the root."""
    # given what a source says
    tree = tree_of(folders)

    # when each folder's parent is taken down
    parents = {
        ref.key[0]: above.ref.key[0] if (above := branch_of(one).parent) else None
        for ref, one in tree.folder_by_ref.items()
    }

    # then it is the named one for those in place, and none for the others
    assert parents == {
        native_id: parent_id if expected_placement(native_id, folders) is Placement.IN_PLACE else None
        for native_id, (parent_id, _) in folders.items()
    }
    assert set(native(tree.folders)) == {
        native_id for native_id, parent_id in parents.items() if parent_id is None
    }


@patient
@given(folder_rows, file_rows)
def test_descendants_come_in_order_and_with_their_depth(folders: Rows, files: Rows) -> None:
    """Folders come before files, each by name and followed by its own, one level deeper than what holds it."""
    # given a tree
    tree = tree_of(folders, files)

    # when it is walked
    entries = walked(tree)

    # then it is what a plain recursion gives
    assert [(entry.node.ref, entry.depth, entry.parent) for entry in entries] == list(
        by_recursion(tree.folders, tree.files, None, 1)
    )


def by_recursion(
    folders: Sequence[Folder], files: Sequence[File], parent: Folder | None, depth: int
) -> Iterable[tuple[Ref, int, Folder | None]]:
    """Walk small trees the plain way, in the order that the schema promises."""
    for one in sorted(folders, key=lambda node: (node.name.casefold(), node.name, node.ref.key)):
        yield one.ref, depth, parent
        yield from by_recursion(branch_of(one).folders, branch_of(one).files, one, depth + 1)
    for other in sorted(files, key=lambda node: (node.name.casefold(), node.name, node.ref.key)):
        yield other.ref, depth, parent


@patient
@given(folder_rows, file_rows, st.integers(1, 6))
def test_a_shallow_walk_is_the_top_of_the_deep_one(folders: Rows, files: Rows, depth: int) -> None:
    """`depth` cuts levels off and changes nothing else."""
    # given a tree
    tree = tree_of(folders, files)

    # when it is walked some levels down
    shallow = walked(tree, depth)

    # then those are the entries of the whole walk that are no deeper
    assert shallow == [entry for entry in walked(tree) if entry.depth <= depth]


@patient
@given(folder_rows, st.randoms(use_true_random=False))
def test_the_order_of_the_source_changes_nothing(folders: Rows, random: Random) -> None:
    """A source's lists come in the accidental order of its storage, and two equal queries give equal answers."""
    # given the same rows in another order
    rows = list(folders.items())
    random.shuffle(rows)

    # when both are walked
    one, other = walked(tree_of(folders)), walked(tree_of(dict(rows)))

    # then the walks are the same
    assert [(entry.node.ref, entry.depth) for entry in one] == [
        (entry.node.ref, entry.depth) for entry in other
    ]


def test_a_very_deep_chain_needs_no_recursion() -> None:
    """Ten thousand levels are an odd library, but no reason to fall over."""
    # given a chain of folders, the deepest first, with a file at its end
    last = str(DEEP - 1)
    rows: Rows = {
        str(level): (str(level - 1) if level else None, f"level {level}") for level in reversed(range(DEEP))
    }

    # when the tree is built, walked down, and climbed from its end
    tree = tree_of(rows, {"end": (last, "end.pdf")})
    entries = walked(tree, DEEP + 1)
    above = ancestors(tree.folder_by_ref[Ref("books", RefType.FOLDER, (last,))])

    # then each level is one deeper than the one before, and the ancestors are all others, the root first
    assert [entry.depth for entry in entries] == list(range(1, DEEP + 2))
    assert native(above) == [str(level) for level in range(DEEP - 1)]


def test_a_very_long_cycle_needs_no_recursion() -> None:
    """A cycle of ten thousand folders puts all of them at the root."""
    # given folders that each lie in the next, and the last in the first
    rows: Rows = {str(level): (str((level + 1) % DEEP), f"level {level}") for level in range(DEEP)}

    # when the tree is built
    tree = tree_of(rows)

    # then all stand at the root and say why
    assert len(tree.folders) == DEEP
    assert {branch_of(one).placement for one in tree.folders} == {Placement.CYCLE}


def test_a_tree_is_freed_with_its_last_user() -> None:
    """Nothing is left to the garbage collector, which would keep several large trees in memory until it looks."""
    # given a tree with a file in a folder in a folder, of which somebody still holds the lower folder and the file
    tree = tree_of({"top": (None, "top"), "in": ("top", "in")}, {"end": ("in", "end.pdf")})
    inner, end = tree.folder_by_ref[Ref("books", RefType.FOLDER, ("in",))], tree.all_files[0]
    top = weakref.ref(tree.folders[0])
    assert (end.folder, branch_of(inner).parent) == (inner, top())

    # when nobody holds the tree any more, and the collector does not look
    gc.disable()
    try:
        del tree
        left = top()
    finally:
        gc.enable()

    # then the upper folder is gone; who asks for it is not told that there is none
    assert left is None
    assert branch_of(inner).files == [end]
    with pytest.raises(LookupError):
        _ = branch_of(inner).parent


def test_a_file_whose_folder_is_gone_still_says_which_it_was() -> None:
    """Then it is loaded by its reference, like the folder of a file that came alone."""
    # given
    tree = tree_of({"top": (None, "top")}, {"end": ("top", "end.pdf")})
    (end,) = tree.all_files

    # when
    del tree

    # then
    assert (end.folder, end.folder_ref) == (None, folder_ref("top"))
