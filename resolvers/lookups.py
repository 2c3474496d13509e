"""Lookups: how clients name records, libraries and places by what people know of them."""

import strawberry

from gateway.context import RequestContext
from gateway.domain import model
from gateway.domain.errors import BadInput
from gateway.domain.model import RecordKind
from gateway.domain.refs import LONGEST_PART, Ref, RefType

SOURCE = "The source, by the name that its operator gave it."


@strawberry.input(description="A mail of a Maarch or MEM Courrier, by its identifier at the source.")
class MailLookup:
    """Names a mail."""

    source: str = strawberry.field(description=SOURCE)
    res_id: int = strawberry.field(description="The number of the mail.")


@strawberry.input(description="A service case of a Decisiv platform.")
class CaseLookup:
    """Names a case."""

    source: str = strawberry.field(description=SOURCE)
    case_id: str = strawberry.field(description="The case, by its identifier at the source.")


@strawberry.input(description="An e-mail message of a Direct Mail project.")
class MessageLookup:
    """Names a message."""

    source: str = strawberry.field(description=SOURCE)
    project: str = strawberry.field(description="The project, by its document identifier.")
    message_id: str = strawberry.field(description="The message, by its UUID in upper case.")


@strawberry.input(description="A record of an EspoCRM and the field of it that holds files.")
class EntityLookup:
    """Names a CRM record and a field."""

    source: str = strawberry.field(description=SOURCE)
    type: str = strawberry.field(description="The type of the record, as `Case` or `Document`.")
    record_id: str = strawberry.field(description="The record, by its identifier at the source.")
    field: str = strawberry.field(description="The field that holds the files, as `attachments` or `file`.")


@strawberry.input(one_of=True, description="Which record; give exactly one.")
class RecordLookup:
    """One of the four ways to name a record."""

    mail: MailLookup | None = strawberry.field(
        default=strawberry.UNSET, description="A mail of a Maarch or MEM Courrier."
    )
    case: CaseLookup | None = strawberry.field(
        default=strawberry.UNSET, description="A service case of a Decisiv platform."
    )
    message: MessageLookup | None = strawberry.field(
        default=strawberry.UNSET, description="An e-mail message of a Direct Mail project."
    )
    entity: EntityLookup | None = strawberry.field(
        default=strawberry.UNSET, description="A record of an EspoCRM, with the field that holds the files."
    )


@strawberry.input(description="The root of a folder tree.")
class LibraryLookup:
    """Names a library."""

    source: str = strawberry.field(description=SOURCE)
    organization: str = strawberry.field(description="The organisation, by its identifier at the source.")
    year: str = strawberry.field(description="The accounting year, by its identifier at the source.")


@strawberry.input(one_of=True, description="A place that holds files; give exactly one.")
class PlaceLookup:
    """One of the three ways to name a place."""

    id: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET, description="The identifier of a record, a library or a folder."
    )
    record: RecordLookup | None = strawberry.field(
        default=strawberry.UNSET, description="A record that attachments hang on."
    )
    library: LibraryLookup | None = strawberry.field(
        default=strawberry.UNSET, description="The root of a folder tree."
    )


def find_record(lookup: RecordLookup, context: RequestContext) -> model.Record:
    """Name a record. No upstream request. Raises UnknownSource, or BadInput for a source of another kind."""
    if lookup.mail:
        return _record(lookup.mail.source, RecordKind.MAIL, (str(lookup.mail.res_id),), context)
    if lookup.case:
        return _record(lookup.case.source, RecordKind.CASE, (lookup.case.case_id,), context)
    if lookup.message:
        message = lookup.message
        return _record(message.source, RecordKind.MESSAGE, (message.project, message.message_id), context)
    if lookup.entity:
        entity = lookup.entity
        key = (entity.type, entity.record_id, entity.field)
        return _record(entity.source, RecordKind.ENTITY, key, context)
    raise BadInput("Give exactly one of `mail`, `case`, `message` and `entity`.")


def find_library(lookup: LibraryLookup, context: RequestContext) -> model.Library:
    """Name a library. No upstream request. Raises UnknownSource, or BadInput for a source without folders."""
    if context.source(lookup.source).record_kind is not None:
        raise BadInput(f"The source {lookup.source!r} has records and no libraries.", source=lookup.source)
    key = _checked((lookup.organization, lookup.year))
    return model.Library(Ref(lookup.source, RefType.LIBRARY, key))


def _record(source: str, kind: RecordKind, key: tuple[str, ...], context: RequestContext) -> model.Record:
    if context.source(source).record_kind is not kind:
        raise BadInput(f"The source {source!r} has no records of the kind {kind.name}.", source=source)
    return model.Record(Ref(source, RefType.RECORD, _checked(key)), kind)


def _checked(key: tuple[str, ...]) -> tuple[str, ...]:
    if not all(0 < len(part) <= LONGEST_PART and part.isprintable() for part in key):
        raise BadInput(f"An identifier is 1 to {LONGEST_PART} printable characters long.")
    return key
