"""`stagedUploadPartsSign`: signs further parts of an upload in parts, and lists those that arrived."""

from typing import Annotated

import strawberry

from gateway.domain.errors import GatewayError
from resolvers.mutations.payloads import MutationPayload, Payload, problem_of, uploads_of
from resolvers.scalars import ByteCount
from resolvers.types.node import Info, resolved
from resolvers.types.staged_upload import StagedUpload, StagedUploadTarget, Upload, find_upload


@strawberry.input(description="Which parts are signed.")
class StagedUploadPartsSignInput:
    """The input of the mutation. Signing has no effect that could be doubled, so it takes no key."""

    id: strawberry.ID = strawberry.field(description="The upload.")
    numbers: list[int] = strawberry.field(description="The numbers of the parts, from 1; at most 100.")


@strawberry.type(description="A part that the store has.")
class UploadedPart:
    """A view of `gateway.uploads.storage.StoredPart`."""

    number: int = strawberry.field(description="Its number, from 1.")
    size: ByteCount = strawberry.field(description="Its size.")
    etag: str = strawberry.field(description="Its `ETag`.")


@strawberry.type(description="What `stagedUploadPartsSign` answers.")
class StagedUploadPartsSignPayload(MutationPayload):
    """A view of `Payload`, whose results are the upload, the targets and the parts."""

    staged_upload: StagedUpload | None = resolved(lambda root: root.results[0], "The upload.")
    targets: list[StagedUploadTarget] = resolved(
        lambda root: root.results[1], "Where to send the parts, in the order of the numbers."
    )
    parts: list[UploadedPart] = resolved(
        lambda root: root.results[2], "The parts that have arrived, by number."
    )


async def staged_upload_parts_sign(
    root: None,  # noqa: ARG001 - the root has no value
    info: Info,
    *,
    input: Annotated[StagedUploadPartsSignInput, strawberry.argument(description="Which parts.")],  # noqa: A002
) -> Payload:
    """Sign parts: 1 request of the store."""
    try:
        upload = await find_upload(info.context.ids.open(input.id), info)
        tenant = info.context.writer.tenant
        ticket, targets, parts = await uploads_of(info).sign_parts(upload.ticket.id, tenant, input.numbers)
    except GatewayError as exc:
        return Payload([None, [], []], [problem_of(exc, ["input"], info.context)])
    return Payload([Upload(ticket), targets, parts], [])
