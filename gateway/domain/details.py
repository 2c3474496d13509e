"""What only one kind of source knows about its files: one class a kind, every documented field.

Texts that end in ``_text`` are times as the source wrote them, kept because it wrote them without a zone.
"""

from datetime import datetime
from typing import Any

import msgspec


class AttachmentVersion(msgspec.Struct, frozen=True, gc=False):
    """One version of a Maarch attachment."""

    native_id: str
    number: int | None


class MaarchDetails(msgspec.Struct, frozen=True, gc=False):
    """A Maarch or MEM Courrier attachment (`upstreams.md` 1.5); lists lack what is marked so."""

    native_id: str
    chrono: str | None
    title: str | None
    status: str | None
    type: str | None
    type_label: str | None
    version: int | None
    typist_id: int | None
    typist_name: str | None
    modified_by: str | None
    in_signature_book: bool | None
    in_mailing: bool | None
    external_state: dict[str, Any]
    signatory_name: str | None
    signatory_id: int | None
    signed_at: datetime | None
    signed_response_id: int | None
    can_convert: bool | None
    created_at_text: str | None
    updated_at_text: str | None
    format: str | None = None
    """Not in lists, like all below."""
    recipient_id: int | None = None
    recipient_type: str | None = None
    origin_id: int | None = None
    validated_at: datetime | None = None
    text_extraction: str | None = None
    versions: tuple[AttachmentVersion, ...] = ()


class ArrhesDetails(msgspec.Struct, frozen=True, gc=False):
    """An Arrhes file (`upstreams.md` 2.2)."""

    native_id: str
    organization_id: str
    storage_key: str | None
    created_by: str | None
    updated_by: str | None
    recognized_from: str | None
    """The native id of the file whose text was recognized into this one."""


class Sender(msgspec.Struct, frozen=True, gc=False):
    """Who put a Decisiv attachment there."""

    native_id: str | None
    name: str | None
    group_name: str | None
    url: str | None


class DecisivDetails(msgspec.Struct, frozen=True, gc=False):
    """A Decisiv attachment (`upstreams.md` 3.3); URLs are cut before their query, which may hold a token."""

    native_id: str
    url: str | None
    case_url: str | None
    description: str | None
    format: str | None
    internal: bool | None
    public: bool | None
    sender: Sender | None
    created_at_text: str | None
    updated_at_text: str | None


class DirectMailDetails(msgspec.Struct, frozen=True, gc=False):
    """A Direct Mail attachment (`upstreams.md` 4.3)."""

    native_id: str
    display_name: str | None
    storage_name: str | None
    """The name at the store: an UUID with the extension, not for people."""
    url: str | None
    content_expires_at: datetime | None
    """When the signed link that came with the object ends."""


class EspoCrmDetails(msgspec.Struct, frozen=True, gc=False):
    """An EspoCRM attachment (`upstreams.md` 5.5)."""

    native_id: str
    field: str | None
    role: str | None
    parent_type: str | None
    parent_id: str | None
    parent_name: str | None
    related_type: str | None
    related_id: str | None
    copied_from: str | None
    is_being_uploaded: bool | None
    is_global: bool | None
    storage: str | None
    storage_path: str | None
    created_by_id: str | None
    created_by_name: str | None


AttachmentDetails = MaarchDetails | DecisivDetails | DirectMailDetails | EspoCrmDetails
