"""Maarch's JSON: its two forms of an attachment, its refusals, what it is sent, and the way into the domain.

Source: `upstreams.md` 1.2 to 1.6.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from gateway.domain.details import AttachmentVersion, MaarchDetails
from gateway.domain.media_types import media_type_of
from gateway.domain.model import Attachment, Record, RecordKind
from gateway.domain.refs import Ref, RefType
from gateway.transport.payloads import parse_time, text_or_none

LONGEST_TITLE = 255
"""Characters (`upstreams.md` 1.4)."""

DATE = len("YYYY-MM-DD")


# Shapes


class WireVersion(msgspec.Struct, rename="camel"):
    """Another version of an attachment."""

    res_id: int
    relation: int | None = None


class WireAttachment(msgspec.Struct, rename="camel"):
    """An attachment in either form, of a list or of a single get (`upstreams.md` 1.5).

    Only its identity is required: which of the others are there depends on the form and on the release.
    """

    res_id: int
    res_id_master: int | None = None
    chrono: str | None = None
    title: str | None = None
    typist: int | None = None
    typist_label: str | None = None
    modified_by: str | int | None = None
    creation_date: str | None = None
    modification_date: str | None = None
    relation: int | None = None
    status: str | None = None
    type: str | None = None
    type_label: str | None = None
    in_signature_book: bool | None = None
    in_send_attach: bool | None = None
    external_state: Any = msgspec.field(name="external_state", default=None)
    signatory: str | None = None
    sign_date: str | None = None
    signed_response: int | None = None
    signatory_id: int | None = None
    can_convert: bool | None = None
    can_update: bool | None = None
    can_delete: bool | None = None
    format: str | None = None
    recipient_id: int | None = None
    recipient_type: str | None = None
    origin_id: int | None = None
    validation_date: str | None = None
    effective_date: str | None = None
    fulltext_result: str | None = None
    versions: list[WireVersion] | None = None


class WireListing(msgspec.Struct, rename="camel"):
    """The attachments of a mail."""

    attachments: list[WireAttachment]
    maileva_enabled: bool | None = None


class WireRefusal(msgspec.Struct):
    """A refusal, in the older form (``errors``) or as a problem object (`upstreams.md` 1.2)."""

    errors: Any = None
    detail: Any = None
    title: Any = None

    def text(self) -> str:
        """Give the text that the server explains itself with, in lower case; it is compared, never shown."""
        errors = list(self.errors.values()) if isinstance(self.errors, dict) else self.errors
        first = next(iter(errors), None) if isinstance(errors, list) else errors
        return str(first or self.detail or self.title or "").casefold()


class WireCreated(msgspec.Struct):
    """What the server answers to a new attachment: its id."""

    id: int


# Into the domain


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads what one source sends; ``zone`` is that of its times, which come without one."""

    source: str
    zone: ZoneInfo

    def mail(self, native_id: str) -> Record:
        """Name a mail."""
        return Record(Ref(self.source, RefType.RECORD, (native_id,)), RecordKind.MAIL)

    def attachment(self, wire: WireAttachment, mail: Record) -> Attachment:
        """Read an attachment, in either form; raises BadResponse for a time in an unknown spelling."""
        return Attachment(
            ref=Ref(self.source, RefType.ATTACHMENT, (str(wire.res_id),)),
            name=_name(wire),
            size=None,
            media_type=media_type_of(f"file.{wire.format}") if wire.format else None,
            created_at=self._time(wire.creation_date),
            updated_at=self._time(wire.modification_date),
            record=mail,
            details=self._details(wire),
            can_update=bool(wire.can_update),
            can_delete=bool(wire.can_delete),
        )

    def _time(self, text: str | None) -> datetime | None:
        """Read a local time; one that the end of summer time repeats is taken as its first occurrence."""
        return parse_time(text, self.source, self.zone)

    def _details(self, wire: WireAttachment) -> MaarchDetails:
        return MaarchDetails(
            native_id=str(wire.res_id),
            chrono=text_or_none(wire.chrono),
            title=text_or_none(wire.title),
            status=text_or_none(wire.status),
            type=text_or_none(wire.type),
            type_label=text_or_none(wire.type_label),
            version=wire.relation,
            typist_id=wire.typist,
            typist_name=text_or_none(wire.typist_label),
            modified_by=_person(wire.modified_by),
            in_signature_book=wire.in_signature_book,
            in_mailing=wire.in_send_attach,
            external_state=wire.external_state if isinstance(wire.external_state, dict) else {},
            signatory_name=text_or_none(wire.signatory),
            signatory_id=wire.signatory_id,
            signed_at=self._time(wire.sign_date),
            signed_response_id=wire.signed_response,
            can_convert=wire.can_convert,
            created_at_text=text_or_none(wire.creation_date),
            updated_at_text=text_or_none(wire.modification_date),
            format=text_or_none(wire.format),
            recipient_id=wire.recipient_id,
            recipient_type=text_or_none(wire.recipient_type),
            origin_id=wire.origin_id,
            validated_at=self._time(wire.validation_date),
            text_extraction=text_or_none(wire.fulltext_result),
            versions=tuple(
                AttachmentVersion(str(other.res_id), other.relation) for other in wire.versions or ()
            ),
        )


def _name(wire: WireAttachment) -> str:
    """Make a file name: the server has none, only a title, which may be missing, and a format."""
    name = wire.title or wire.chrono or str(wire.res_id)
    suffix = f".{wire.format}" if wire.format else ""
    return name if name.casefold().endswith(suffix.casefold()) else name + suffix


def _person(name: str | int | None) -> str | None:
    """Give the name of who changed an attachment, or the number where the server did not look the name up."""
    return text_or_none(str(name)) if name is not None else None


# From the domain


def title_of(name: str, shape: str | None) -> str:
    """Choose the title that a file is shown by this name with: the server adds the format to titles that lack it."""
    suffix = f".{shape}" if shape else ""
    bare = name.removesuffix(suffix)
    return name if bare.casefold().endswith(suffix.casefold()) else bare


def creation_head(native_id: str, title: str, shape: str, kind: str, status: str | None) -> bytes:
    """Write the JSON of a new attachment up to where its Base64 begins (`upstreams.md` 1.4); ``"}`` follows that."""
    body: dict[str, Any] = {"title": title, "resIdMaster": int(native_id), "type": kind, "format": shape}
    if status is not None:
        body["status"] = status
    return msgspec.json.encode(body).removesuffix(b"}") + b',"encodedFile":"'


def overwriting(wire: WireAttachment, title: str) -> Mapping[str, Any]:
    """Write the body of an update, which makes null of what it lacks (`upstreams.md` 1.6): so it lacks nothing.

    The server wants dates alone, but tells them with a time. It does not tell the effective date at all, as far as
    is known, so where it does not that date is lost.
    """
    return {
        "type": wire.type,
        "title": title,
        "recipientId": wire.recipient_id,
        "recipientType": text_or_none(wire.recipient_type),
        "validationDate": _date(wire.validation_date),
        "effectiveDate": _date(wire.effective_date),
    }


def _date(text: str | None) -> str | None:
    return text[:DATE] if text else None
