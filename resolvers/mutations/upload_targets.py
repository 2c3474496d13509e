"""Where uploads go: the place, and what its kind of source needs to know besides."""

from collections.abc import Mapping
from typing import Any

import strawberry
from strawberry import UNSET

from gateway.context import RequestContext
from gateway.domain.errors import BadIdentifier, BadInput
from gateway.domain.refs import Ref, RefType
from resolvers.connections import given
from resolvers.lookups import (
    SOURCE,
    CaseLookup,
    EntityLookup,
    LibraryLookup,
    MailLookup,
    MessageLookup,
    RecordLookup,
    find_library,
    find_record,
)


@strawberry.input(description="A mail that gets an attachment.")
class MailUploadInput:
    """Maarch's options."""

    source: str = strawberry.field(description=SOURCE)
    res_id: int = strawberry.field(description="The number of the mail.")
    type: str | None = strawberry.field(
        default=UNSET, description="The kind of attachment, `simple_attachment` if left out."
    )
    status: str | None = strawberry.field(
        default=UNSET, description="`A_TRA` (if left out), `TRA` or `SEND_MASS`."
    )
    title: str | None = strawberry.field(default=UNSET, description="The title; the name if left out.")


@strawberry.input(description="A service case that gets an attachment.")
class CaseUploadInput:
    """Decisiv's options."""

    source: str = strawberry.field(description=SOURCE)
    case_id: str = strawberry.field(description="The case, by its identifier at the source.")
    internal: bool = strawberry.field(
        description="Whether only the sender's own group sees it; where it is false, both parties of the case do."
    )
    description: str | None = strawberry.field(default=UNSET, description="What it is; the name if left out.")
    sender_id: str | None = strawberry.field(
        default=UNSET, description="Who sends it, by its identifier at the source."
    )


@strawberry.input(description="A folder that gets a file.")
class FolderUploadInput:
    """Arrhes' options."""

    id: strawberry.ID = strawberry.field(description="The folder.")
    reference: str | None = strawberry.field(default=UNSET, description="The owner's reference.")


@strawberry.input(description="The root of a library that gets a file.")
class LibraryUploadInput:
    """Arrhes' options."""

    source: str = strawberry.field(description=SOURCE)
    organization: str = strawberry.field(description="The organisation, by its identifier at the source.")
    year: str = strawberry.field(description="The accounting year, by its identifier at the source.")
    reference: str | None = strawberry.field(default=UNSET, description="The owner's reference.")


@strawberry.input(one_of=True, description="Where an upload goes; give exactly one.")
class UploadTargetInput:
    """One of the places that hold files."""

    mail: MailUploadInput | None = strawberry.field(default=UNSET, description="A mail of a Maarch.")
    case: CaseUploadInput | None = strawberry.field(default=UNSET, description="A case of a Decisiv.")
    message: MessageLookup | None = strawberry.field(
        default=UNSET, description="A message of a Direct Mail, which takes no uploads: the error says so."
    )
    entity: EntityLookup | None = strawberry.field(
        default=UNSET, description="A record of an EspoCRM and the field that holds the files."
    )
    folder: FolderUploadInput | None = strawberry.field(default=UNSET, description="A folder of an Arrhes.")
    library: LibraryUploadInput | None = strawberry.field(
        default=UNSET, description="The root of an Arrhes library."
    )


def find_target(lookup: UploadTargetInput, context: RequestContext) -> tuple[Ref, Mapping[str, Any]]:
    """Name a target and its options. No upstream request. Raises UnknownSource, BadInput and BadIdentifier."""
    if lookup.mail:
        mail = lookup.mail
        by = RecordLookup(mail=MailLookup(source=mail.source, res_id=mail.res_id))
        return find_record(by, context).ref, _options(type=mail.type, status=mail.status, title=mail.title)
    if lookup.case:
        case = lookup.case
        by = RecordLookup(case=CaseLookup(source=case.source, case_id=case.case_id))
        options = _options(description=case.description, sender_id=case.sender_id)
        return find_record(by, context).ref, {"internal": case.internal, **options}
    if lookup.folder:
        return _folder(lookup.folder.id, context), _options(reference=lookup.folder.reference)
    if lookup.library:
        library = lookup.library
        where = LibraryLookup(source=library.source, organization=library.organization, year=library.year)
        return find_library(where, context).ref, _options(reference=library.reference)
    return find_record(_record(lookup), context).ref, {}


def _record(lookup: UploadTargetInput) -> RecordLookup:
    if lookup.message:
        return RecordLookup(message=lookup.message)
    if lookup.entity:
        return RecordLookup(entity=lookup.entity)
    raise BadInput("Give exactly one target.")


def _folder(text: str, context: RequestContext) -> Ref:
    ref = context.ids.open(text)
    if ref.type is not RefType.FOLDER:
        raise BadIdentifier("This is not the identifier of a folder.")
    return ref


def _options(**values: str | None) -> dict[str, str]:
    """Keep the options that were given."""
    kept = {name: given(value) for name, value in values.items()}
    return {name: value for name, value in kept.items() if value is not None}
