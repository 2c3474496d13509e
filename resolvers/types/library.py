"""Library: the root of a folder tree."""

from collections.abc import Sequence
from typing import Any

import strawberry
from strawberry import UNSET

from gateway.domain import model
from resolvers.connections import After, Before, page_request
from resolvers.scopes import reading
from resolvers.types.folder import (
    DEEPEST,
    Depth,
    EntryConnection,
    File,
    FirstEntries,
    Folder,
    FolderEntryConnection,
    LastEntries,
    check_walk,
    tree_of,
    walk,
)
from resolvers.types.node import Info, Node, resolved
from resolvers.types.source import Source
from resolvers.types.stored_file import source_of


async def _folders(root: model.Library, info: Info) -> Sequence[model.Folder]:
    return (await tree_of(root, info)).folders


async def _files(root: model.Library, info: Info) -> Sequence[model.File]:
    return (await tree_of(root, info)).files


async def _descendants(
    root: model.Library,
    info: Info,
    *,
    depth: Depth = DEEPEST,
    first: FirstEntries = UNSET,
    after: After = UNSET,
    last: LastEntries = UNSET,
    before: Before = UNSET,
) -> EntryConnection:
    request = page_request(first, after, last, before)
    check_walk(depth, request)  # refused before anything is asked of the source
    tree = await tree_of(root, info)
    return walk(root, tree.folders, tree.files, depth, request, sealing=info.context.ids.cursors)


@strawberry.type(
    description="The root of a folder tree: an organisation's accounting year. Its tree comes in one snapshot: "
    "2 upstream requests, whatever its depth and however many of its fields are asked for."
)
class Library(Node):
    """A view of `gateway.domain.model.Library`."""

    organization: str = resolved(
        lambda root: root.ref.key[0], "The organisation, by its identifier at the source."
    )
    year: str = resolved(lambda root: root.ref.key[1], "The accounting year, by its identifier at the source.")
    source: Source = resolved(source_of, "The upstream system that owns it.")
    folders: list[Folder] | None = reading(
        _folders, "The folders at the root, by name; null when the source fails."
    )
    files: list[File] | None = reading(_files, "The files at the root, by name; null when the source fails.")
    descendants: FolderEntryConnection | None = reading(
        _descendants, "Everything in it as a flat list, each entry with its depth and parent."
    )

    @classmethod
    def is_type_of(cls, obj: Any, _: Any) -> bool:
        """Tell whether a value is shown as a Library."""
        return isinstance(obj, model.Library)
