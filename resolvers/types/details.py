"""What only one kind of source knows about its files: one type a kind, every documented field."""

from datetime import datetime
from typing import Annotated, Any

import strawberry

from gateway.domain import details
from resolvers.scalars import URL, JSONObject


class _View:
    """A type whose values are objects of the domain class that it names."""

    shows: type

    @classmethod
    def is_type_of(cls, obj: Any, _: Any) -> bool:
        """Tell whether a value is shown as this type."""
        return isinstance(obj, cls.shows)


@strawberry.type(description="One version of a Maarch attachment.")
class AttachmentVersion(_View):
    """A view of `gateway.domain.details.AttachmentVersion`."""

    shows: strawberry.Private[type] = details.AttachmentVersion
    native_id: str = strawberry.field(description="The version's own identifier at the source.")
    number: int | None = strawberry.field(description="Its number, from 1.")


@strawberry.type(
    description="What only Maarch and MEM Courrier know. Lists lack some fields that a single `node` has."
)
class MaarchDetails(_View):
    """A view of `gateway.domain.details.MaarchDetails`."""

    shows: strawberry.Private[type] = details.MaarchDetails
    native_id: str = strawberry.field(description="The identifier at the source, for people who look there.")
    chrono: str | None = strawberry.field(description="The chrono number of the register.")
    title: str | None = strawberry.field(description="The title, without an extension.")
    status: str | None = strawberry.field(
        description="The status: `A_TRA`, `TRA`, `SIGN`, `FRZ` or `SEND_MASS`."
    )
    type: str | None = strawberry.field(
        description="The key of the attachment's kind, such as `response_project`."
    )
    type_label: str | None = strawberry.field(description="The label of that kind, in the source's language.")
    version: int | None = strawberry.field(description="The version's number, from 1.")
    typist_id: int | None = strawberry.field(description="The user who entered it.")
    typist_name: str | None = strawberry.field(description="The name of that user.")
    modified_by: str | None = strawberry.field(description="The name of who changed it last.")
    in_signature_book: bool | None = strawberry.field(description="Whether it is in the signature book.")
    in_mailing: bool | None = strawberry.field(description="Whether it goes out with the mailing.")
    external_state: JSONObject = strawberry.field(
        description="What other systems keep about it, as they left it."
    )
    signatory_name: str | None = strawberry.field(description="Who signed it; null while unsigned.")
    signatory_id: int | None = strawberry.field(description="The user who signed it.")
    signed_at: datetime | None = strawberry.field(description="When it was signed; null while unsigned.")
    signed_response_id: int | None = strawberry.field(
        description="The attachment that holds the signed copy. Not in lists."
    )
    can_convert: bool | None = strawberry.field(description="Whether a PDF can be made of it. In lists only.")
    created_at_text: str | None = strawberry.field(
        description="The creation as the source wrote it, without a zone."
    )
    updated_at_text: str | None = strawberry.field(
        description="The last change as the source wrote it, without a zone."
    )
    format: str | None = strawberry.field(description="The extension of the stored file. Not in lists.")
    recipient_id: int | None = strawberry.field(description="Who it is addressed to. Not in lists.")
    recipient_type: str | None = strawberry.field(
        description="What the recipient is: `user`, `contact` or `entity`. Not in lists."
    )
    origin_id: int | None = strawberry.field(
        description="The attachment that this is a version of. Not in lists."
    )
    validated_at: datetime | None = strawberry.field(description="When it is to be validated. Not in lists.")
    text_extraction: str | None = strawberry.field(
        description="How the extraction of its text went. Not in lists."
    )
    versions: list[AttachmentVersion] = strawberry.field(description="Its other versions. Not in lists.")


@strawberry.type(description="What only Arrhes knows.")
class ArrhesDetails(_View):
    """A view of `gateway.domain.details.ArrhesDetails`."""

    shows: strawberry.Private[type] = details.ArrhesDetails
    native_id: str = strawberry.field(description="The identifier at the source, for people who look there.")
    organization_id: str = strawberry.field(description="The organisation that owns it.")
    storage_key: str | None = strawberry.field(
        description="Where the bytes lie in the source's store; null until they have arrived."
    )
    created_by: str | None = strawberry.field(description="The user who created it.")
    updated_by: str | None = strawberry.field(description="The user who changed it last.")
    recognized_from: str | None = strawberry.field(
        description="The native identifier of the scan whose text this is."
    )


@strawberry.type(description="Who put a Decisiv attachment there.")
class Sender(_View):
    """A view of `gateway.domain.details.Sender`."""

    shows: strawberry.Private[type] = details.Sender
    native_id: str | None = strawberry.field(description="The identifier at the source.")
    name: str | None = strawberry.field(description="The name of the person.")
    group_name: str | None = strawberry.field(description="The group that the person acts for.")
    url: URL | None = strawberry.field(
        description="The address of the person in the source's API, without its query."
    )


@strawberry.type(description="What only Decisiv knows.")
class DecisivDetails(_View):
    """A view of `gateway.domain.details.DecisivDetails`."""

    shows: strawberry.Private[type] = details.DecisivDetails
    native_id: str = strawberry.field(description="The identifier at the source, for people who look there.")
    url: URL | None = strawberry.field(
        description="The address of the attachment in the source's API, without its query."
    )
    case_url: URL | None = strawberry.field(
        description="The address of its case in the source's API, without its query."
    )
    description: str | None = strawberry.field(description="What it is, in a sentence of its sender.")
    format: str | None = strawberry.field(description="The format, as the source calls it.")
    internal: bool | None = strawberry.field(description="Whether only the sender's group sees it.")
    public: bool | None = strawberry.field(description="Whether the source calls it public.")
    sender: Sender | None = strawberry.field(description="Who put it there.")
    created_at_text: str | None = strawberry.field(
        description="The creation as the source wrote it, often without a zone."
    )
    updated_at_text: str | None = strawberry.field(
        description="The last change as the source wrote it, often without a zone."
    )


@strawberry.type(description="What only Direct Mail knows.")
class DirectMailDetails(_View):
    """A view of `gateway.domain.details.DirectMailDetails`."""

    shows: strawberry.Private[type] = details.DirectMailDetails
    native_id: str = strawberry.field(description="The identifier at the source, for people who look there.")
    display_name: str | None = strawberry.field(description="The name for people, without an extension.")
    storage_name: str | None = strawberry.field(
        description="The name at the store: an identifier with the extension."
    )
    url: URL | None = strawberry.field(description="The address of the attachment in the source's API.")
    content_expires_at: datetime | None = strawberry.field(
        description="When the signed link ends that came with this answer; `download` gets a new one."
    )


@strawberry.type(description="What only EspoCRM knows.")
class EspoCrmDetails(_View):
    """A view of `gateway.domain.details.EspoCrmDetails`."""

    shows: strawberry.Private[type] = details.EspoCrmDetails
    native_id: str = strawberry.field(description="The identifier at the source, for people who look there.")
    field: str | None = strawberry.field(description="The field of the record that holds it.")
    role: str | None = strawberry.field(
        description="What it serves for: `Attachment`, `Inline Attachment`, `Import File` and so on."
    )
    parent_type: str | None = strawberry.field(
        description="The type of the record, for fields that hold several files."
    )
    parent_id: str | None = strawberry.field(description="The record, for fields that hold several files.")
    parent_name: str | None = strawberry.field(description="The name of that record.")
    related_type: str | None = strawberry.field(
        description="The type of the record, for fields that hold one file."
    )
    related_id: str | None = strawberry.field(description="The record, for fields that hold one file.")
    copied_from: str | None = strawberry.field(description="The attachment that it shares its bytes with.")
    is_being_uploaded: bool | None = strawberry.field(description="Whether chunks of it are still missing.")
    is_global: bool | None = strawberry.field(description="Whether everybody may read it.")
    storage: str | None = strawberry.field(description="The store that holds the bytes.")
    storage_path: str | None = strawberry.field(description="Where the bytes lie in that store.")
    created_by_id: str | None = strawberry.field(description="The user who created it.")
    created_by_name: str | None = strawberry.field(description="The name of that user.")


AttachmentDetails = Annotated[
    MaarchDetails | DecisivDetails | DirectMailDetails | EspoCrmDetails,
    strawberry.union(
        "AttachmentDetails", description="What only its kind of source knows about an attachment."
    ),
]
