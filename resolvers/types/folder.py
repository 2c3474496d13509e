"""Folder and File: the nodes of a library's tree, and the flat list of what is below a folder."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import strawberry
from strawberry import UNSET

from gateway.domain import model
from gateway.domain.errors import BadInput, NotFound
from gateway.domain.model import FileState, Placement
from gateway.domain.paging import Page, PageRequest, Sealing, paginate, scope
from gateway.domain.refs import Ref
from gateway.domain.tree import Tree, TreeEntry, ancestors, branch_of, descendants
from resolvers.connections import After, Before, Connection, Edge, Ends, PageInfo, page_request
from resolvers.scopes import reading
from resolvers.types.details import ArrhesDetails
from resolvers.types.node import Info, Node, resolved
from resolvers.types.source import Source
from resolvers.types.stored_file import StoredFile, source_of

if TYPE_CHECKING:
    from resolvers.types.library import Library

LazyLibrary = Annotated["Library", strawberry.lazy("resolvers.types.library")]

DEEPEST = 15
LARGEST_WALK = 1000

Depth = Annotated[int, strawberry.argument(description="How many levels down, 1 to 15.")]
FirstEntries = Annotated[int | None, strawberry.argument(description="How many from the start, 1 to 1000.")]
LastEntries = Annotated[int | None, strawberry.argument(description="How many from the end, 1 to 1000.")]


# Folders in their tree


async def in_tree(folder: model.Folder, info: Info) -> model.Folder:
    """Give a folder with its branch: itself where it has one, else from the tree of its library (2 requests)."""
    if folder.branch is not None:
        return folder
    tree = await info.context.loaders.trees.load(folder.library.ref)
    found = tree.folder_by_ref.get(folder.ref)
    if found is None:
        raise NotFound("The folder is not in its library any more.", source=folder.ref.source)
    return found


def _folders(root: model.Folder, info: Info) -> Any:
    return root.branch.folders if root.branch else _loaded_folders(root, info)


def _files(root: model.Folder, info: Info) -> Any:
    return root.branch.files if root.branch else _loaded_files(root, info)


async def _loaded_folders(root: model.Folder, info: Info) -> Sequence[model.Folder]:
    return branch_of(await in_tree(root, info)).folders


async def _loaded_files(root: model.Folder, info: Info) -> Sequence[model.File]:
    return branch_of(await in_tree(root, info)).files


async def _parent(root: model.Folder, info: Info) -> model.Folder | None:
    return branch_of(await in_tree(root, info)).parent


async def _placement(root: model.Folder, info: Info) -> Placement:
    return branch_of(await in_tree(root, info)).placement


async def _ancestors(root: model.Folder, info: Info) -> list[model.Folder]:
    return ancestors(await in_tree(root, info))


async def _descendants(
    root: model.Folder,
    info: Info,
    *,
    depth: Depth = DEEPEST,
    first: FirstEntries = UNSET,
    after: After = UNSET,
    last: LastEntries = UNSET,
    before: Before = UNSET,
) -> "EntryConnection":
    request = page_request(first, after, last, before)
    check_walk(depth, request)  # refused before anything is asked of the source
    folder = await in_tree(root, info)
    below = branch_of(folder)
    return walk(folder, below.folders, below.files, depth, request, sealing=info.context.ids.cursors)


# The flat list of what is below a folder


class WalkedEdge(Edge[Any], frozen=True):
    """An edge that also says where its node stands."""

    depth: int
    parent: model.Folder | None


EntryConnection = Connection[Any]


def check_walk(depth: int, request: PageRequest) -> None:
    """Refuse what no walk can have, by BadInput: a depth or a size outside its bounds."""
    if not 1 <= depth <= DEEPEST:
        raise BadInput(f"`depth` must be 1 to {DEEPEST}.")
    request.size(LARGEST_WALK)


def walk(
    top: model.Folder | model.Library,
    folders: Sequence[model.Folder],
    files: Sequence[model.File],
    depth: int,
    request: PageRequest,
    *,
    sealing: Sealing,
) -> EntryConnection:
    """List what is below a folder or library, one page of it. Raises BadInput and BadCursor."""
    parent = top if isinstance(top, model.Folder) else None
    entries = list(descendants(folders, files, depth, parent))
    page: Page[TreeEntry] = paginate(
        entries,
        request,
        key=lambda entry: (entry.node.ref.type.value, entry.node.ref.key),
        ordered=False,
        sealing=sealing,
        belongs_to=scope("descendants", top.ref, depth),
        most=LARGEST_WALK,
    )
    edges = [
        WalkedEdge(entry.node, page, index, entry.depth, entry.parent) for index, entry in enumerate(page.items)
    ]
    return Connection(edges, Ends(page), page.total)


# Files in their tree


def _folder(root: model.File, info: Info) -> Any:
    folder = root.folder
    return _loaded_folder(root.folder_ref, info) if folder is None and root.folder_ref else folder


async def _loaded_folder(ref: Ref, info: Info) -> model.Folder | None:
    entry = await info.context.loaders.entries.load(ref)
    return entry if isinstance(entry, model.Folder) else None


@strawberry.type(description="A file in a folder tree.")
class File(StoredFile):
    """A view of `gateway.domain.model.File`."""

    folder: Annotated["Folder", strawberry.lazy("resolvers.types.folder")] | None = reading(
        _folder,
        "The folder that holds it; null at the root. One upstream request for a file that came "
        "without its tree.",
        loaded="folder",
        lasting=True,
    )
    library: LazyLibrary = strawberry.field(description="The tree it belongs to.")
    reference: str | None = strawberry.field(description="The owner's reference.")
    document_date: datetime | None = strawberry.field(description="The date of the document, not of the file.")
    checksum: str | None = strawberry.field(description="The checksum its owner stored, as it was given.")
    state: FileState = strawberry.field(description="Whether its bytes have arrived.")
    details: ArrhesDetails | None = strawberry.field(description="What only its kind of source knows.")

    @classmethod
    def is_type_of(cls, obj: Any, _: Any) -> bool:
        """Tell whether a value is shown as a File."""
        return isinstance(obj, model.File)


@strawberry.type(
    description="A folder of a library. Below a library nothing costs a further request; "
    "a folder that came alone takes its library's 2 requests for its neighbours."
)
class Folder(Node):
    """A view of `gateway.domain.model.Folder`."""

    name: str = strawberry.field(description="The name.")
    library: LazyLibrary = strawberry.field(description="The tree it belongs to.")
    source: Source = resolved(source_of, "The upstream system that owns it.")
    created_at: datetime | None = strawberry.field(description="When it was created, where the source tells.")
    updated_at: datetime | None = strawberry.field(
        description="When it was last changed, where the source tells."
    )
    created_by: str | None = strawberry.field(description="The user at the source who created it.")
    updated_by: str | None = strawberry.field(description="The user at the source who changed it last.")
    parent: Annotated["Folder", strawberry.lazy("resolvers.types.folder")] | None = reading(
        _parent, "The folder that holds it; null at the root."
    )
    placement: Placement | None = reading(_placement, "Whether it stands where its source says.")
    folders: list[Annotated["Folder", strawberry.lazy("resolvers.types.folder")]] | None = reading(
        _folders, "The folders directly in it, by name; null when the source fails.", lasting=True
    )
    files: list[File] | None = reading(
        _files, "The files directly in it, by name; null when the source fails.", lasting=True
    )
    ancestors: list[Annotated["Folder", strawberry.lazy("resolvers.types.folder")]] | None = reading(
        _ancestors, "The folders above it, the root first; null when the source fails."
    )
    descendants: Annotated["FolderEntryConnection", strawberry.lazy("resolvers.types.folder")] | None = reading(
        _descendants,
        "Everything below it as a flat list, each entry with its depth and parent.",
    )

    @classmethod
    def is_type_of(cls, obj: Any, _: Any) -> bool:
        """Tell whether a value is shown as a Folder."""
        return isinstance(obj, model.Folder)


FolderEntry = Annotated[
    File | Folder, strawberry.union("FolderEntry", description="What stands in a folder: a file or a folder.")
]


@strawberry.type(description="One file or folder below another folder.")
class FolderEntryEdge:
    """Relay's edge, with the place of its node."""

    node: FolderEntry = strawberry.field(description="The file or folder.")
    cursor: str = strawberry.field(description="Its place in the list.")
    depth: int = strawberry.field(description="How many levels down it stands: 1 is directly in it.")
    parent: Folder | None = strawberry.field(description="The folder that holds it; null at the root.")


@strawberry.type(
    description="A page of what is below a folder: folders before files, each followed by its own."
)
class FolderEntryConnection:
    """Relay's connection."""

    edges: list[FolderEntryEdge] = strawberry.field(description="The entries of the page.")
    page_info: PageInfo = strawberry.field(description="Where the page stands in the list.")
    total_count: int = strawberry.field(description="How many there are on all pages.")


async def tree_of(library: model.Library, info: Info) -> Tree:
    """Load the tree of a library: 2 upstream requests, once per request of a client."""
    return await info.context.loaders.trees.load(library.ref)
