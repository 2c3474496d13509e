"""`foldersDelete`: deletes folders."""

from collections.abc import Sequence
from typing import Annotated

import strawberry

from gateway.domain.capabilities import Operation
from gateway.domain.changes import FolderDeletion
from gateway.domain.refs import Ref
from gateway.writes import Outcome
from resolvers.mutations.items import FOLDER, hand_over, identified, read_each
from resolvers.mutations.payloads import KEY, MutationPayload, Payload, Write, outcome_of, write
from resolvers.types.node import Info, resolved


@strawberry.input(description="Which folders are deleted.")
class FoldersDeleteInput:
    """The input of the mutation."""

    idempotency_key: str = strawberry.field(description=KEY)
    ids: list[strawberry.ID] = strawberry.field(description="The folders, 1 to 50.")
    with_contents: bool = strawberry.field(
        default=False,
        description="Whether folders go that hold anything: their sub-folders go too, at every level, and the files "
        "of all of them move to the root of the library. Without it such a folder stays, with CONFLICT.",
    )


@strawberry.type(description="What `foldersDelete` answers.")
class FoldersDeletePayload(MutationPayload):
    """A view of `Payload`."""

    deleted_folder_ids: list[strawberry.ID | None] = resolved(
        lambda root: root.results,
        "The folders that are gone, in the order of the input, without the sub-folders that went with them; "
        "null where a user error says why.",
    )


async def folders_delete(
    root: None,  # noqa: ARG001 - the root has no value
    info: Info,
    *,
    input: Annotated[FoldersDeleteInput, strawberry.argument(description="Which folders.")],  # noqa: A002
) -> Payload:
    """Delete folders; what it costs is told by the adapters of their sources."""
    context = info.context

    def deletion(text: str) -> FolderDeletion:
        return FolderDeletion(ref=identified(text, FOLDER, context), with_contents=input.with_contents)

    async def do() -> Sequence[Outcome]:
        gone = await hand_over(
            read_each(input.ids, deletion),
            lambda folder: folder.ref,
            Operation.CHANGE_FOLDERS,
            lambda adapter, folders: adapter.delete_folders(folders, context.call),
            context,
        )
        return [outcome_of(ref, lambda found: found.to_text()) for ref in gone]

    async def show(outcome: Outcome) -> str:
        return context.ids.seal(Ref.from_text(outcome.id or ""))

    work = Write(operation="foldersDelete", field="ids", count=len(input.ids), do=do, show=show)
    return await write(info, input, work)
