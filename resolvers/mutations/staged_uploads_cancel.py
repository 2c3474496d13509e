"""`stagedUploadsCancel`: ends uploads that are not under way."""

from collections.abc import Sequence
from typing import Annotated, Any

import strawberry

from gateway.domain.errors import GatewayError
from gateway.domain.refs import Ref
from gateway.writes import Outcome
from resolvers.mutations.payloads import KEY, MutationPayload, Payload, Write, uploads_of, write
from resolvers.types.node import Info, resolved
from resolvers.types.staged_upload import StagedUpload, find_upload


@strawberry.input(description="Which uploads are ended.")
class StagedUploadsCancelInput:
    """The input of the mutation."""

    idempotency_key: str = strawberry.field(description=KEY)
    ids: list[strawberry.ID] = strawberry.field(description="The uploads, 1 to 50.")


@strawberry.type(description="What `stagedUploadsCancel` answers.")
class StagedUploadsCancelPayload(MutationPayload):
    """A view of `Payload`."""

    staged_uploads: list[StagedUpload | None] = resolved(
        lambda root: root.results,
        "The uploads in the order of the input; those that had ended stay as they were.",
    )


async def staged_uploads_cancel(
    root: None,  # noqa: ARG001 - the root has no value
    info: Info,
    *,
    input: Annotated[StagedUploadsCancelInput, strawberry.argument(description="Which uploads.")],  # noqa: A002
) -> Payload:
    """End uploads and take their bytes away. No upstream request."""

    async def do() -> Sequence[Outcome]:
        return [await _cancel(text, info) for text in input.ids]

    async def show(outcome: Outcome) -> Any:
        return await find_upload(Ref.from_text(outcome.id or ""), info)

    work = Write(operation="stagedUploadsCancel", field="ids", count=len(input.ids), do=do, show=show)
    return await write(info, input, work)


async def _cancel(text: str, info: Info) -> Outcome:
    try:
        upload = await find_upload(info.context.ids.open(text), info)
        await uploads_of(info).cancel(upload.ticket.id, info.context.writer.tenant)
    except GatewayError as exc:
        return Outcome(error=exc)
    return Outcome(upload.ref.to_text())
