"""`stagedUploadsFinalize`: verifies the bytes and carries them to the source that owns the record."""

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any

import strawberry
from strawberry import UNSET

from gateway.domain.errors import GatewayError
from gateway.domain.refs import Ref
from gateway.uploads.storage import StoredPart
from gateway.writes import Outcome
from resolvers.connections import given
from resolvers.mutations.payloads import MutationPayload, Payload, Write, uploads_of, write
from resolvers.types.node import Info, resolved
from resolvers.types.staged_upload import StagedUpload, find_upload

MARGIN = 0.5
"""Seconds that are left of the operation's time for the answer, when a transfer takes longer."""


@strawberry.input(description="One part that the store took.")
class UploadedPartInput:
    """A part of an upload in parts."""

    number: int = strawberry.field(description="Its number, from 1.")
    etag: str = strawberry.field(description="The `ETag` that the store answered.")


@strawberry.input(description="One upload whose bytes have arrived.")
class StagedUploadFinalizeInput:
    """Which upload."""

    id: strawberry.ID = strawberry.field(description="The upload.")
    parts: list[UploadedPartInput] | None = strawberry.field(
        default=UNSET, description="Its parts, for an upload in parts; all that have arrived if left out."
    )


FINALIZE_KEY = (
    "1 to 255 characters of your choice: for 24 hours the same request with the same key carries nothing twice. "
    "What failed is tried again, with the same key as with a new one."
)


@strawberry.input(description="Which uploads are finalized.")
class StagedUploadsFinalizeInput:
    """The input of the mutation."""

    idempotency_key: str = strawberry.field(description=FINALIZE_KEY)
    uploads: list[StagedUploadFinalizeInput] = strawberry.field(description="The uploads, 1 to 50.")


@strawberry.type(description="What `stagedUploadsFinalize` answers.")
class StagedUploadsFinalizePayload(MutationPayload):
    """A view of `Payload`."""

    staged_uploads: list[StagedUpload | None] = resolved(
        lambda root: root.results,
        "The uploads in the order of the input, as they are now. One that FAILED says why in `problem`, which is no "
        "user error; one that is still SENDING goes on by itself: ask again.",
    )


async def staged_uploads_finalize(
    root: None,  # noqa: ARG001 - the root has no value
    info: Info,
    *,
    input: Annotated[StagedUploadsFinalizeInput, strawberry.argument(description="Which uploads.")],  # noqa: A002
) -> Payload:
    """Finalize uploads; what it costs is told by the adapters of the sources that they go to."""

    async def do() -> Sequence[Outcome]:
        return await asyncio.gather(*(_finalize(item, info) for item in input.uploads))

    async def show(outcome: Outcome) -> Any:
        return await find_upload(Ref.from_text(outcome.id or ""), info)

    work = Write(
        operation="stagedUploadsFinalize",
        field="uploads",
        count=len(input.uploads),
        do=do,
        show=show,
        keep_failures=False,
    )
    return await write(info, input, work)


async def _finalize(item: StagedUploadFinalizeInput, info: Info) -> Outcome:
    parts = [StoredPart(part.number, part.etag.strip('"'), 0) for part in given(item.parts) or ()]
    try:
        upload = await find_upload(info.context.ids.open(item.id), info)
        seconds = max(0.0, info.context.call.remaining() - MARGIN)
        tenant = info.context.writer.tenant
        await uploads_of(info).finalize(upload.ticket.id, tenant, seconds, parts)
    except GatewayError as exc:
        return Outcome(error=exc)
    return Outcome(upload.ref.to_text())
