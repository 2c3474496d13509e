"""`foldersUpdate`: renames and moves folders."""

from collections.abc import Sequence
from typing import Annotated

import strawberry
from strawberry import UNSET

from gateway.context import RequestContext
from gateway.domain.capabilities import Operation
from gateway.domain.changes import FolderChange
from gateway.writes import Outcome
from resolvers.mutations.files_update import check_change, new_name, new_place
from resolvers.mutations.items import FOLDER, Results, hand_over, identified, read_each
from resolvers.mutations.payloads import KEY, MutationPayload, Payload, Write, write
from resolvers.types.folder import Folder
from resolvers.types.node import Info, resolved


@strawberry.input(
    description="What changes of one folder: give at least one property. What is left out stays as it is."
)
class FolderUpdateInput:
    """The input of `gateway.domain.changes.FolderChange`."""

    id: strawberry.ID = strawberry.field(description="The folder.")
    name: str | None = strawberry.field(
        default=UNSET, description="The new name, 1 to 255 characters, never null."
    )
    parent: strawberry.ID | None = strawberry.field(
        default=UNSET,
        description="The folder it moves to, with all that is in it; null moves it to the root of its library. "
        "A move into itself, or into what is in it, is refused with CONFLICT.",
    )


@strawberry.input(description="Which folders change, and what of them.")
class FoldersUpdateInput:
    """The input of the mutation."""

    idempotency_key: str = strawberry.field(description=KEY)
    folders: list[FolderUpdateInput] = strawberry.field(description="The folders, 1 to 50.")


@strawberry.type(description="What `foldersUpdate` answers.")
class FoldersUpdatePayload(MutationPayload):
    """A view of `Payload`."""

    folders: list[Folder | None] = resolved(
        lambda root: root.results,
        "The folders as they are now, in the order of the input; null where a user error says why.",
    )


async def folders_update(
    root: None,  # noqa: ARG001 - the root has no value
    info: Info,
    *,
    input: Annotated[FoldersUpdateInput, strawberry.argument(description="Which folders, and what.")],  # noqa: A002
) -> Payload:
    """Change folders; what it costs is told by the adapters of their sources."""
    results, context = Results(info), info.context

    async def do() -> Sequence[Outcome]:
        return results.keep(
            await hand_over(
                read_each(input.folders, lambda item: _change(item, context)),
                lambda change: change.ref,
                Operation.CHANGE_FOLDERS,
                lambda adapter, changes: adapter.update_folders(changes, context.call),
                context,
            )
        )

    work = Write(operation="foldersUpdate", field="folders", count=len(input.folders), do=do, show=results.show)
    return await write(info, input, work)


def _change(item: FolderUpdateInput, context: RequestContext) -> FolderChange:
    ref = identified(item.id, FOLDER, context)
    check_change(ref, item.name, item.parent)
    return FolderChange(ref=ref, name=new_name(item.name), parent=new_place(item.parent, ref, context))
