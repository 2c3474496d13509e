"""`attachmentsLink`: hangs attachments that exist on a record."""

from collections.abc import Sequence
from typing import Annotated, Any

import strawberry
from strawberry import UNSET

from gateway.context import RequestContext
from gateway.domain import model
from gateway.domain.capabilities import Operation
from gateway.domain.errors import BadInput, GatewayError
from gateway.domain.refs import Ref, RefType
from gateway.writes import Outcome
from resolvers.lookups import RecordLookup, find_record
from resolvers.mutations.items import able, identified, read_each
from resolvers.mutations.payloads import (
    KEY,
    MutationPayload,
    Payload,
    Write,
    check_count,
    problem_of,
    refusal,
    write,
)
from resolvers.types.node import Info, resolved
from resolvers.types.record import Record


@strawberry.input(one_of=True, description="The record that attachments are hung on; give exactly one.")
class LinkRecordInput:
    """A record by its identifier, or by what people know of it."""

    id: strawberry.ID | None = strawberry.field(
        default=UNSET, description="The record, by its identifier at the gateway."
    )
    by: RecordLookup | None = strawberry.field(
        default=UNSET, description="The record, by its identifier at its source."
    )


@strawberry.input(description="Which attachments are hung on which record.")
class AttachmentsLinkInput:
    """The input of the mutation."""

    idempotency_key: str = strawberry.field(description=KEY)
    record: LinkRecordInput = strawberry.field(description="The record.")
    attachments: list[strawberry.ID] = strawberry.field(
        description="The attachments, 1 to 50, of the record's source. One that hangs elsewhere is taken from there."
    )


@strawberry.type(description="What `attachmentsLink` answers.")
class AttachmentsLinkPayload(MutationPayload):
    """A view of `Payload`."""

    record: Record | None = resolved(
        lambda root: root.result,
        "The record, with what hung on it before and all that was asked for; null, with nothing hung, where a user "
        "error says why.",
    )


async def attachments_link(
    root: None,  # noqa: ARG001 - the root has no value
    info: Info,
    *,
    input: Annotated[AttachmentsLinkInput, strawberry.argument(description="Which of them, and where.")],  # noqa: A002
) -> Payload:
    """Hang attachments on a record, all or none; writing an equal set again changes nothing."""
    context = info.context
    try:
        check_count("attachments", len(input.attachments))
        record = _record(input.record, context)
    except GatewayError as exc:
        return refusal(exc, context)
    wanted = read_each(input.attachments, lambda text: _attachment(text, record, context))
    refused = {place: found for place, found in enumerate(wanted) if isinstance(found, GatewayError)}
    if refused:
        paths = {place: ["input", "attachments", str(place)] for place in refused}
        return Payload([None], [problem_of(error, paths[place], context) for place, error in refused.items()])
    refs = [found for found in wanted if isinstance(found, Ref)]

    async def do() -> Sequence[Outcome]:
        try:
            await _link(record.ref, refs, context)
        except GatewayError as exc:
            return [Outcome(error=exc)]
        return [Outcome(record.ref.to_text())]

    async def show(_: Outcome) -> model.Record:
        return record

    return await write(info, input, Write(operation="attachmentsLink", field="record", do=do, show=show))


async def _link(record: Ref, attachments: Sequence[Ref], context: RequestContext) -> None:
    adapter: Any = able(record.source, Operation.LINK, context)
    await adapter.link(record, attachments, context.call)


def _record(lookup: LinkRecordInput, context: RequestContext) -> model.Record:
    """Name the record; raises BadInput, BadIdentifier, UnknownSource and Unsupported. No upstream request."""
    if lookup.by:
        return find_record(lookup.by, context)
    if not lookup.id:
        raise BadInput("Give exactly one of `by` and `id`.")
    ref = identified(lookup.id, (RefType.RECORD,), context)
    kind = able(ref.source, Operation.LINK, context).record_kind
    if kind is None:
        raise BadInput("The source has no records.", source=ref.source)
    return model.Record(ref, kind)


def _attachment(text: str, record: model.Record, context: RequestContext) -> Ref:
    ref = identified(text, (RefType.ATTACHMENT,), context)
    if ref.source != record.ref.source:
        raise BadInput("The attachment is of another source than the record.", source=ref.source)
    return ref
