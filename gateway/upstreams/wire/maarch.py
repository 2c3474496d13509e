"""Maarch's JSON: its two forms of an attachment, its refusals, what it is sent, and the way into the domain.

Source: `upstreams.md` 1.2 to 1.6.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypeGuard
from zoneinfo import ZoneInfo

import msgspec

from gateway.domain.changes import UploadItem
from gateway.domain.details import AttachmentDetails, AttachmentVersion, MaarchDetails
from gateway.domain.errors import BadInput, Conflict, GatewayError, NotFound, TooLarge
from gateway.domain.media_types import media_type_of
from gateway.domain.model import Attachment, Listed, Record, RecordKind
from gateway.domain.refs import Ref, RefType
from gateway.transport.multipart import BREAKERS
from gateway.transport.payloads import parse_time, text_or_none

ATTACHMENT = RefType.ATTACHMENT
LONGEST_TITLE = 255
"""Characters (`upstreams.md` 1.4)."""

DATE = len("YYYY-MM-DD")

NATIVE_ID = re.compile(r"[1-9][0-9]*")
LARGEST_ID = 2**31 - 1
"""What the database's integers hold; the server crashes on more."""
MISSING = re.compile("does not exist|not found")

DEFAULT_TYPE = "simple_attachment"
HIDDEN_TYPES = frozenset({"signed_response", "summary_sheet"})
"""Types that no list shows (`upstreams.md` 1.6), so that a lost answer could never be made good."""
STATUSES = ("A_TRA", "TRA", "SEND_MASS")
"""What a new attachment may be, and what one must be to be changed (`upstreams.md` 1.3, 1.4)."""
OFFICE = frozenset({"doc", "docx", "xls", "xlsx", "ppt", "pptx", "odt", "ods", "odp", "odf", "odg"})
EXTENSION = re.compile(r"[A-Za-z0-9]{1,32}")


# Shapes


Int32 = Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)]
"""What the database's integers hold, and GraphQL's."""


class WireVersion(msgspec.Struct, rename="camel", gc=False):
    """Another version of an attachment."""

    res_id: Int32
    relation: Int32 | None = None


class WireAttachment(msgspec.Struct, rename="camel", gc=False):
    """An attachment in either form, of a list or of a single get (`upstreams.md` 1.5).

    Only its identity is required: which of the others are there depends on the form and on the release.
    """

    res_id: Int32
    res_id_master: Int32 | None = None
    chrono: str | None = None
    title: str | None = None
    typist: Int32 | None = None
    typist_label: str | None = None
    modified_by: str | int | None = None
    creation_date: str | None = None
    modification_date: str | None = None
    relation: Int32 | None = None
    status: str | None = None
    type: str | None = None
    type_label: str | None = None
    in_signature_book: bool | None = None
    in_send_attach: bool | None = None
    external_state: Any = msgspec.field(name="external_state", default=None)
    signatory: str | None = None
    sign_date: str | None = None
    signed_response: Int32 | None = None
    signatory_id: Int32 | None = None
    can_convert: bool | None = None
    can_update: bool | None = None
    can_delete: bool | None = None
    format: str | None = None
    recipient_id: Int32 | None = None
    recipient_type: str | None = None
    origin_id: Int32 | None = None
    validation_date: str | None = None
    effective_date: str | None = None
    fulltext_result: str | None = None
    versions: list[WireVersion] | None = None


class WireListing(msgspec.Struct, rename="camel", gc=False):
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


def refused(text: str, source: str) -> GatewayError | None:
    """Name the error that a refusal's text is, where it is more than its status says.

    The server answers 400 or 403 for what is not there and for what may not be seen, and only the text tells
    which (`upstreams.md` 1.6). Both become NotFound: to tell them apart would tell what exists. Texts that
    begin with "body" are about values that were sent.
    """
    if "size is over limit" in text:
        return TooLarge("The source does not take so many bytes.", source=source)
    if "mimetype is not allowed" in text:
        message = "The source does not take this format, or the content is of another than the name says."
        return BadInput(message, source=source)
    if "record_management" in text:
        return Conflict("The source keeps what belongs to its archive as it is.", source=source)
    if "out of perimeter" in text or (MISSING.search(text) and not text.startswith("body ")):
        return NotFound("There is no such object, or it may not be seen.", source=source)
    return None


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

    def listed(self, mail: Record, wire: WireListing) -> Listed:
        """Read the list of a mail, which MEM 21.03 does not repeat in it (`upstreams.md` 1.5); raises BadResponse."""
        found = tuple([self.attachment(attachment, mail) for attachment in wire.attachments])
        return Listed(found, wire.maileva_enabled)

    def attachment(self, wire: WireAttachment, mail: Record) -> Attachment:
        """Read an attachment, in either form; raises BadResponse for a time in an unknown spelling.

        Times are local; one that the end of summer time repeats is taken as its first occurrence.
        """
        source, zone = self.source, self.zone
        return Attachment(
            Ref(source, ATTACHMENT, (str(wire.res_id),)),
            _name(wire),
            None,
            media_type_of(f"file.{wire.format}") if wire.format else None,
            parse_time(wire.creation_date, source, zone),
            parse_time(wire.modification_date, source, zone),
            mail,
            self._details(wire),
            bool(wire.can_update),
            bool(wire.can_delete),
        )

    def _details(self, wire: WireAttachment) -> MaarchDetails:
        source, zone = self.source, self.zone
        return MaarchDetails(
            str(wire.res_id),
            wire.chrono or None,
            wire.title or None,
            wire.status or None,
            wire.type or None,
            wire.type_label or None,
            wire.relation,
            wire.typist,
            wire.typist_label or None,
            _person(wire.modified_by),
            wire.in_signature_book,
            wire.in_send_attach,
            wire.external_state if isinstance(wire.external_state, dict) else {},
            wire.signatory or None,
            wire.signatory_id,
            parse_time(wire.sign_date, source, zone) if wire.sign_date else None,
            wire.signed_response,
            wire.can_convert,
            wire.creation_date or None,
            wire.modification_date or None,
            wire.format or None,
            wire.recipient_id,
            wire.recipient_type or None,
            wire.origin_id,
            parse_time(wire.validation_date, source, zone) if wire.validation_date else None,
            wire.fulltext_result or None,
            _versions(wire.versions) if wire.versions else (),
        )


def _name(wire: WireAttachment) -> str:
    """Make a file name: the server has none, only a title, which may be missing, and a format."""
    name = wire.title or wire.chrono or str(wire.res_id)
    if not wire.format:
        return name
    suffix = f".{wire.format}"
    return name if name.casefold().endswith(suffix.casefold()) else name + suffix


def _versions(wires: Sequence[WireVersion]) -> tuple[AttachmentVersion, ...]:
    return tuple([AttachmentVersion(str(wire.res_id), wire.relation) for wire in wires])


def _person(name: str | int | None) -> str | None:
    """Give the name of who changed an attachment, or the number where the server did not look the name up."""
    return str(name) or None if name is not None else None


# From the domain


def title_of(name: str, shape: str | None) -> str:
    """Choose the title that a file is shown by this name with: the server adds the format to titles that lack it."""
    suffix = f".{shape}" if shape else ""
    bare = name.removesuffix(suffix)
    return name if bare.casefold().endswith(suffix.casefold()) else bare


def checked_title(title: str, source: str) -> str:
    """Give a title back that the server keeps and can name a download by; raises BadInput."""
    if not title.strip() or len(title) > LONGEST_TITLE or BREAKERS.search(title):
        message = (
            f"A title has 1 to {LONGEST_TITLE} characters, none of them a line break or a control character."
        )
        raise BadInput(message, source=source)
    return title


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAttachment:
    """What is sent of a new attachment besides its bytes; ``status`` is None where the server chooses."""

    mail: str
    title: str
    format: str
    type: str
    status: str | None

    @property
    def keeps_bytes(self) -> bool:
        """Whether the server stores what it is sent: it merges fields into office documents (`upstreams.md` 1.6)."""
        return self.format.lower() not in OFFICE

    def head(self) -> bytes:
        """Write its JSON up to where the Base64 begins (`upstreams.md` 1.4); ``"}`` follows that."""
        body = {"title": self.title, "resIdMaster": int(self.mail), "type": self.type, "format": self.format}
        if self.status is not None:
            body["status"] = self.status
        return msgspec.json.encode(body).removesuffix(b"}") + b',"encodedFile":"'

    def equals(self, details: AttachmentDetails) -> TypeGuard[MaarchDetails]:
        """Tell whether an attachment of a list may be this one."""
        return isinstance(details, MaarchDetails) and (details.title, details.type) == (self.title, self.type)


def new_attachment(item: UploadItem) -> NewAttachment:
    """Read an upload as the server wants it; raises BadInput."""
    source, mail = item.target.source, item.target
    if mail.type is not RefType.RECORD or len(mail.key) != 1 or not is_native(mail.key[0]):
        raise BadInput("Files of this source hang on mails, and the target is none.", source=source)
    stem, _, extension = item.name.rpartition(".")
    if not stem or not EXTENSION.fullmatch(extension):
        raise BadInput("The name needs an extension, by which the source knows the format.", source=source)
    kind, status = _option(item, "type") or DEFAULT_TYPE, _option(item, "status")
    if kind in HIDDEN_TYPES:
        raise BadInput("The source makes attachments of this `type` by itself.", source=source)
    if status is not None and status not in STATUSES:
        raise BadInput(f"`status` must be one of: {', '.join(STATUSES)}.", source=source)
    title = checked_title(_option(item, "title") or title_of(item.name, extension), source)
    return NewAttachment(mail=mail.key[0], title=title, format=extension, type=kind, status=status)


def _option(item: UploadItem, name: str) -> str | None:
    value = item.options.get(name)
    if value is not None and not isinstance(value, str):
        raise BadInput(f"`{name}` must be a text.", source=item.target.source)
    return value


def is_native(native_id: str) -> bool:
    """Tell whether this is a number that the server and its database can read."""
    return NATIVE_ID.fullmatch(native_id) is not None and int(native_id) <= LARGEST_ID


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
