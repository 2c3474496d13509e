"""`stagedUploadResolve`: a person decides an upload whose outcome at the source is not known."""

from collections.abc import Sequence
from typing import Annotated, Any

import strawberry
from strawberry import UNSET

from gateway.domain.errors import GatewayError
from gateway.domain.refs import Ref
from gateway.writes import Outcome
from resolvers.connections import given
from resolvers.mutations.items import STORED_FILE, identified
from resolvers.mutations.payloads import KEY, MutationPayload, Payload, Write, uploads_of, write
from resolvers.types.node import Info, resolved
from resolvers.types.staged_upload import StagedUpload, find_upload


@strawberry.input(description="What became of an upload at its source, as a person found out.")
class StagedUploadResolveInput:
    """The input of the mutation."""

    idempotency_key: str = strawberry.field(description=KEY)
    id: strawberry.ID = strawberry.field(description="The upload, whose state is UNKNOWN.")
    result: strawberry.ID | None = strawberry.field(
        default=UNSET,
        description="The file that it became; left out when it became none, and the gateway then carries it again.",
    )


@strawberry.type(description="What `stagedUploadResolve` answers.")
class StagedUploadResolvePayload(MutationPayload):
    """A view of `Payload`."""

    staged_upload: StagedUpload | None = resolved(
        lambda root: root.result, "The upload; null where a user error says why."
    )


async def staged_upload_resolve(
    root: None,  # noqa: ARG001 - the root has no value
    info: Info,
    *,
    input: Annotated[StagedUploadResolveInput, strawberry.argument(description="What became of it.")],  # noqa: A002
) -> Payload:
    """Decide an upload: 1 upstream request to see that the result is there."""

    async def do() -> Sequence[Outcome]:
        try:
            upload = await find_upload(info.context.ids.open(input.id), info)
            result = given(input.result)
            ref = None if result is None else identified(result, STORED_FILE, info.context)
            await uploads_of(info).resolve(upload.ticket.id, info.context.writer.tenant, ref)
        except GatewayError as exc:
            return [Outcome(error=exc)]
        return [Outcome(upload.ref.to_text())]

    async def show(outcome: Outcome) -> Any:
        return await find_upload(Ref.from_text(outcome.id or ""), info)

    work = Write(operation="stagedUploadResolve", field="id", do=do, show=show)
    return await write(info, input, work)
