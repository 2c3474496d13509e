"""`stagedUploadsCreate`: announces files and answers where to send their bytes."""

from collections.abc import Sequence
from typing import Annotated, Any

import strawberry
from strawberry import UNSET

from gateway.context import RequestContext
from gateway.domain.errors import BadInput, GatewayError
from gateway.uploads.service import NewUpload
from gateway.uploads.tickets import OnConflict, UploadMethod
from gateway.writes import Outcome
from resolvers.connections import given
from resolvers.mutations.payloads import KEY, MutationPayload, Payload, Write, outcome_of, uploads_of, write
from resolvers.mutations.upload_targets import UploadTargetInput, find_target
from resolvers.scalars import ByteCount
from resolvers.types.node import Info, resolved
from resolvers.types.staged_upload import StagedUpload, Upload

HEX_DIGITS = frozenset("0123456789abcdef")
SHA256_DIGITS = 64


@strawberry.input(description="One upload.")
class StagedUploadInput:
    """The input of `gateway.uploads.service.NewUpload`."""

    target: UploadTargetInput = strawberry.field(description="Where it goes.")
    name: str = strawberry.field(description="The name, with its extension; 1 to 255 characters.")
    media_type: str = strawberry.field(description="The media type, as `application/pdf`.")
    size: ByteCount = strawberry.field(description="The exact size: the store takes no other.")
    sha256: str | None = strawberry.field(
        default=UNSET, description="The SHA-256 in hex: pins the bytes in the signature of a PUT."
    )
    method: UploadMethod = strawberry.field(
        default=UploadMethod.PUT,
        description="PUT if left out; POST for HTML forms; MULTIPART for large or resumable uploads.",
    )
    on_conflict: OnConflict = strawberry.field(
        default=OnConflict.FAIL, description="What to do when the name is taken."
    )


@strawberry.input(description="Which files are announced.")
class StagedUploadsCreateInput:
    """The input of the mutation."""

    idempotency_key: str = strawberry.field(description=KEY)
    uploads: list[StagedUploadInput] = strawberry.field(description="The files, 1 to 50.")


@strawberry.type(description="What `stagedUploadsCreate` answers.")
class StagedUploadsCreatePayload(MutationPayload):
    """A view of `Payload`."""

    staged_uploads: list[StagedUpload | None] = resolved(
        lambda root: root.results, "The uploads in the order of the input; null where a user error says why."
    )


async def staged_uploads_create(
    root: None,  # noqa: ARG001 - the root has no value
    info: Info,
    *,
    input: Annotated[StagedUploadsCreateInput, strawberry.argument(description="Which files.")],  # noqa: A002
) -> Payload:
    """Announce files: 1 transaction of the journal, and 1 request of the store for each upload in parts."""

    async def do() -> Sequence[Outcome]:
        wanted = [_wanted(item, info.context) for item in input.uploads]
        new = [item for item in wanted if isinstance(item, NewUpload)]
        writer = info.context.writer
        staged = iter(await uploads_of(info).create(new, writer.principal, writer.tenant))
        made = [item if isinstance(item, GatewayError) else next(staged) for item in wanted]
        return [outcome_of(item, lambda found: found.ticket.id) for item in made]

    async def show(outcome: Outcome) -> Any:
        service = uploads_of(info)
        ticket = await service.journal.get(outcome.id or "", info.context.writer.tenant)
        return Upload(ticket)

    work = Write(operation="stagedUploadsCreate", field="uploads", count=len(input.uploads), do=do, show=show)
    return await write(info, input, work)


def _wanted(item: StagedUploadInput, context: RequestContext) -> NewUpload | GatewayError:
    try:
        target, options = find_target(item.target, context)
        return NewUpload(
            target=target,
            name=item.name,
            media_type=item.media_type,
            size=item.size,
            sha256=_sha256(given(item.sha256)),
            method=item.method,
            on_conflict=item.on_conflict,
            options=options,
        )
    except GatewayError as exc:
        return exc


def _sha256(text: str | None) -> str | None:
    lowered = None if text is None else text.lower()
    if lowered is not None and (len(lowered) != SHA256_DIGITS or not HEX_DIGITS.issuperset(lowered)):
        raise BadInput("`sha256` is 64 hex digits.")
    return lowered
