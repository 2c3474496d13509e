"""Builds the folder tree of a library from the flat lists of its source, whatever they hold."""

import weakref
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from gateway.domain.model import Branch, File, Folder, Library, Placement
from gateway.domain.refs import Ref
from gateway.domain.snapshot import MARK, Snapshot

ROOM = 512
"""Bytes that the written forms of a tree may take for each of its entries: about as many as its lists have."""
LEAST_ROOM = 8 * MARK
"""What any tree may take, of however few entries."""


@dataclass(frozen=True, slots=True)
class Tree:
    """One snapshot of a library: every folder has its branch, every file its folder.

    Who goes up from an entry holds the tree meanwhile; a request does so by its loaders.
    """

    library: Library
    folders: Snapshot[Folder]
    """Those at the root, by name."""
    files: Snapshot[File]
    """Those at the root, by name."""
    folder_by_ref: dict[Ref, Folder]
    all_files: tuple[File, ...]
    """Those on all levels, as the source lists them."""


@dataclass(frozen=True, slots=True)
class TreeEntry:
    """One folder or file below another folder; ``depth`` is 1 for a direct child."""

    node: Folder | File
    depth: int
    parent: Folder | None


def build_tree(library: Library, folders: Iterable[Folder], files_of: "FilesOf") -> Tree:
    """Link folders and files into a tree.

    Folders that lie on a cycle, or whose parent is not there, stand at the root and say so in their placement
    (`upstreams.md` 2.4: the source checks neither). Lists are sorted by name, because the source's order is the
    accident of its storage (2.6, 13).

    ``files_of`` makes the files once the folders are there, so that each refers to its folder from the start.
    """
    by_ref = {folder.ref: folder for folder in folders}
    on_cycle = _folders_on_cycles(by_ref)
    roots = [folder for folder in by_ref.values() if not _hang(folder, by_ref, on_cycle)]
    files = tuple(files_of(by_ref))
    root_files: list[File] = []
    for file in files:
        folder = file.folder
        (root_files if folder is None else branch_of(folder).files).append(file)
    for folder in by_ref.values():
        branch = branch_of(folder)
        branch.folders.sort(key=_by_name)
        branch.files.sort(key=_by_name)
    roots.sort(key=_by_name)
    root_files.sort(key=_by_name)
    room = LEAST_ROOM + ROOM * (len(by_ref) + len(files))
    return Tree(library, Snapshot.of(roots, room), Snapshot.of(root_files, room), by_ref, files)


FilesOf = Callable[[dict[Ref, Folder]], Iterable[File]]


def branch_of(folder: Folder) -> Branch:
    """Give the branch of a folder that came from a tree; asking it of another is a defect."""
    if folder.branch is None:
        raise LookupError("The folder was loaded without its tree.")
    return folder.branch


def ancestors(folder: Folder) -> list[Folder]:
    """List the folders above one, the root first."""
    above: list[Folder] = []
    parent = branch_of(folder).parent
    while parent is not None:
        above.append(parent)
        parent = branch_of(parent).parent
    return above[::-1]


def descendants(
    folders: Sequence[Folder], files: Sequence[File], depth: int, parent: Folder | None = None
) -> Iterator[TreeEntry]:
    """Walk down from the given children, folders before files, each folder followed by what is below it.

    ``parent`` is whose children they are, None for those of a library; ``depth`` is how many levels are walked. The
    walk keeps its own stack: a tree of any depth does not recurse.
    """
    stack: list[Iterator[TreeEntry]] = [_level(folders, files, parent, 1)]
    while stack:
        entry = next(stack[-1], None)
        if entry is None:
            stack.pop()
            continue
        yield entry
        if isinstance(entry.node, Folder) and entry.depth < depth:
            below = branch_of(entry.node)
            stack.append(_level(below.folders, below.files, entry.node, entry.depth + 1))


def _level(
    folders: Sequence[Folder], files: Sequence[File], parent: Folder | None, depth: int
) -> Iterator[TreeEntry]:
    for folder in folders:
        yield TreeEntry(folder, depth, parent)
    for file in files:
        yield TreeEntry(file, depth, parent)


def _by_name(node: Folder | File) -> tuple[str, str, tuple[str, ...]]:
    return (node.name.casefold(), node.name, node.ref.key)


def _hang(folder: Folder, by_ref: dict[Ref, Folder], on_cycle: set[Ref]) -> bool:
    """Hang a folder below its parent; say whether it has one."""
    branch = branch_of(folder)
    if folder.parent_ref is None:
        return False
    if folder.ref in on_cycle:
        branch.placement = Placement.CYCLE
        return False
    parent = by_ref.get(folder.parent_ref)
    if parent is None:
        branch.placement = Placement.ORPHAN
        return False
    branch.above = weakref.ref(parent)
    branch_of(parent).folders.append(folder)
    return True


def _folders_on_cycles(by_ref: dict[Ref, Folder]) -> set[Ref]:
    """Find the folders that are their own ancestors, in one pass over all."""
    on_cycle: set[Ref] = set()
    seen_in: dict[Ref, int] = defaultdict(int)
    for walk, start in enumerate(by_ref, start=1):
        path: list[Ref] = []
        ref: Ref | None = start
        while ref in by_ref and not seen_in[ref]:
            seen_in[ref] = walk
            path.append(ref)
            ref = by_ref[ref].parent_ref
        if ref in by_ref and seen_in[ref] == walk:
            on_cycle.update(path[path.index(ref) :])
    return on_cycle
