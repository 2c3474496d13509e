"""`foldersCreate`: makes folders in a library, below another folder or at its root."""

import asyncio
from collections.abc import Sequence
from typing import Annotated

import strawberry
from strawberry import UNSET

from gateway.domain import model
from gateway.domain.capabilities import Operation
from gateway.domain.changes import NewFolder
from gateway.domain.errors import BadInput, GatewayError, NotFound
from gateway.domain.refs import Ref
from gateway.uploads.naming import check_name
from gateway.writes import Outcome
from resolvers.lookups import LibraryLookup, find_library
from resolvers.mutations.items import FOLDER, Results, able, hand_over, identified
from resolvers.mutations.payloads import KEY, MutationPayload, Payload, Write, write
from resolvers.types.folder import Folder
from resolvers.types.node import Info, resolved


@strawberry.input(one_of=True, description="What a new folder stands in; give exactly one.")
class FolderParentInput:
    """A folder, or the root of a library."""

    folder: strawberry.ID | None = strawberry.field(
        default=UNSET, description="A folder. Finding its library costs one upstream request for all of them."
    )
    library: LibraryLookup | None = strawberry.field(default=UNSET, description="The root of a library.")


@strawberry.input(description="One new folder.")
class FolderCreateInput:
    """The input of `gateway.domain.changes.NewFolder`."""

    name: str = strawberry.field(description="Its name, 1 to 255 characters; two folders may have the same.")
    parent: FolderParentInput = strawberry.field(description="What it stands in.")


@strawberry.input(description="Which folders are made.")
class FoldersCreateInput:
    """The input of the mutation."""

    idempotency_key: str = strawberry.field(description=KEY)
    folders: list[FolderCreateInput] = strawberry.field(description="The folders, 1 to 50.")


@strawberry.type(description="What `foldersCreate` answers.")
class FoldersCreatePayload(MutationPayload):
    """A view of `Payload`."""

    folders: list[Folder | None] = resolved(
        lambda root: root.results, "The folders in the order of the input; null where a user error says why."
    )


async def folders_create(
    root: None,  # noqa: ARG001 - the root has no value
    info: Info,
    *,
    input: Annotated[FoldersCreateInput, strawberry.argument(description="Which folders.")],  # noqa: A002
) -> Payload:
    """Make folders; never done twice, since the source would make twins."""
    results, context = Results(info), info.context

    async def do() -> Sequence[Outcome]:
        return results.keep(
            await hand_over(
                await asyncio.gather(*(_wanted(item, info) for item in input.folders)),
                lambda new: new.library,
                Operation.CHANGE_FOLDERS,
                lambda adapter, folders: adapter.create_folders(folders, context.call),
                context,
            )
        )

    work = Write(
        operation="foldersCreate",
        field="folders",
        count=len(input.folders),
        do=do,
        show=results.show,
        repeatable=False,
    )
    return await write(info, input, work)


async def _wanted(item: FolderCreateInput, info: Info) -> NewFolder | GatewayError:
    try:
        check_name(item.name)
        library, parent = await _place(item.parent, info)
    except GatewayError as exc:
        return exc
    return NewFolder(library=library, parent=parent, name=item.name)


async def _place(lookup: FolderParentInput, info: Info) -> tuple[Ref, Ref | None]:
    """Find the library and the folder that a new folder stands in."""
    if lookup.library:
        able(lookup.library.source, Operation.CHANGE_FOLDERS, info.context)
        return find_library(lookup.library, info.context).ref, None
    if not lookup.folder:
        raise BadInput("Give exactly one of `folder` and `library`.")
    ref = identified(lookup.folder, FOLDER, info.context)
    able(ref.source, Operation.CHANGE_FOLDERS, info.context)
    folder = await info.context.loaders.entries.load(ref)
    if not isinstance(folder, model.Folder):
        raise NotFound("There is no such folder, or it may not be seen.", source=ref.source)
    return folder.library.ref, ref
