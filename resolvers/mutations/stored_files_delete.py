"""`storedFilesDelete`: deletes attachments and files, and follows deletions that take their time."""

from collections.abc import Sequence
from typing import Annotated, Any, cast

import strawberry

from gateway.domain.capabilities import Operation
from gateway.domain.changes import Deletion, DeletionState
from gateway.domain.errors import GatewayError
from gateway.domain.refs import Ref
from gateway.writes import Outcome
from resolvers.enums import described
from resolvers.mutations.items import STORED_FILE, able, hand_over, identified, read_each
from resolvers.mutations.payloads import KEY, MutationPayload, Payload, Write, write
from resolvers.types.node import Info, resolved

described(
    DeletionState,
    "StoredFileDeletionState",
    "How far a deletion has come.",
    {
        DeletionState.DELETED: "It is gone.",
        DeletionState.DELETING: "Its source has accepted the wish and works on it; until it has, it shows the file.",
    },
)


@strawberry.input(description="Which attachments and files are deleted.")
class StoredFilesDeleteInput:
    """The input of the mutation."""

    idempotency_key: str = strawberry.field(description=KEY)
    ids: list[strawberry.ID] = strawberry.field(
        description="The attachments and files, 1 to 50, of any sources. One that is gone already counts as deleted."
    )


def _deleted_id(root: Deletion, info: Info) -> strawberry.ID:
    return strawberry.ID(info.context.ids.seal(root.ref))


@strawberry.type(description="The deletion of one attachment or file.")
class StoredFileDeletion:
    """A view of `gateway.domain.changes.Deletion`."""

    deleted_id: strawberry.ID = resolved(
        _deleted_id, "The identifier of what is deleted, to drop it from your cache."
    )
    state: DeletionState = strawberry.field(
        description="How far it has come. DELETING is followed by sending the same request with the same key again: "
        "it deletes nothing again, and asks the source once for each that was DELETING."
    )


@strawberry.type(description="What `storedFilesDelete` answers.")
class StoredFilesDeletePayload(MutationPayload):
    """A view of `Payload`."""

    deletions: list[StoredFileDeletion | None] = resolved(
        lambda root: root.results, "The deletions in the order of the input; null where a user error says why."
    )


async def stored_files_delete(
    root: None,  # noqa: ARG001 - the root has no value
    info: Info,
    *,
    input: Annotated[StoredFilesDeleteInput, strawberry.argument(description="Which files.")],  # noqa: A002
) -> Payload:
    """Delete files; what it costs is told by the adapters of their sources."""
    context = info.context
    just_now: set[str] = set()

    async def do() -> Sequence[Outcome]:
        deletions = await hand_over(
            read_each(input.ids, lambda text: identified(text, STORED_FILE, context)),
            lambda ref: ref,
            Operation.DELETE,
            lambda adapter, refs: adapter.delete(refs, context.call),
            context,
        )
        outcomes = [_outcome(deletion) for deletion in deletions]
        just_now.update(outcome.id for outcome in outcomes if outcome.id)
        return outcomes

    async def show(outcome: Outcome) -> Deletion:
        ref = Ref.from_text(outcome.id or "")
        deletion = Deletion(ref, DeletionState[outcome.facts["state"]], outcome.facts["task"])
        if deletion.state is DeletionState.DELETED or outcome.id in just_now:
            return deletion
        adapter: Any = able(ref.source, Operation.DELETE, context)
        return cast("Deletion", await adapter.deletion(deletion, context.call))

    work = Write(operation="storedFilesDelete", field="ids", count=len(input.ids), do=do, show=show)
    return await write(info, input, work)


def _outcome(deletion: Deletion | GatewayError) -> Outcome:
    """Keep what a deletion can be asked by."""
    if isinstance(deletion, GatewayError):
        return Outcome(error=deletion)
    return Outcome(deletion.ref.to_text(), {"state": deletion.state.name, "task": deletion.task})
