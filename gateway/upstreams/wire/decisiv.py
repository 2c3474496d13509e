"""Decisiv's XML: attachments as they come, the request that makes one, and the codes of refusals.

Source: `upstreams.md` 3.2 to 3.6. Elements are read by their local names, whatever their order and namespaces.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from xml.etree.ElementTree import Element, SubElement, tostring
from zoneinfo import ZoneInfo

from gateway.domain.changes import UploadItem
from gateway.domain.details import DecisivDetails, Sender
from gateway.domain.errors import BadInput, BadResponse, Conflict, GatewayError, NotFound, TooLarge
from gateway.domain.media_types import media_type_of
from gateway.domain.model import Attachment, Record, RecordKind
from gateway.domain.refs import Ref, RefType
from gateway.transport.addresses import last_segment, without_secrets
from gateway.transport.elements import Fields, local_name
from gateway.transport.multipart import BREAKERS, closing, is_sendable, part_head, plain_media_type
from gateway.transport.payloads import decode_xml, parse_time

CASE_ID, ATTACHMENT_ID = "case_id", "id"
LIST, SINGLE = "attachments", "attachment"
TOO_LARGE = "decisiv:attachments:002"
"""The code of a newer API of the vendor's (`upstreams.md` 8)."""
MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9.+-]*/[a-z0-9][a-z0-9.+-]*", re.IGNORECASE)
SPACES = "http://www.decisiv.net/platform_api/0.0.7/Case/"
ATTACHMENT, SENDER = SPACES + "AttachmentRequest", SPACES + "SenderRequest"
"""The namespaces of what is sent; those of answers have other names, and are refused (`upstreams.md` 3.6)."""
PROLOG = b'<?xml version="1.0" encoding="UTF-8"?>\n'
LONGEST_NAME = 255
LONGEST_DESCRIPTION = 4_000
"""Characters. The vendor names no figures; what is longer is refused here rather than cut off there."""
CODE = re.compile(rb"\bcode\b\W{1,8}(\w+)")

# Shapes


def native_id_of(wire: Fields) -> str | None:
    """Give the id of an attachment; the vendor's own samples lack it, but their URL ends with it."""
    return wire.word("id") or last_segment(wire.word("URL"))


def is_case(ref: Ref) -> bool:
    """Tell whether a reference has the form of a case."""
    return ref.type is RefType.RECORD and len(ref.key) == len((CASE_ID,))


def is_attachment(ref: Ref) -> bool:
    """Tell whether a reference has the form of an attachment of a case."""
    return ref.type is RefType.ATTACHMENT and len(ref.key) == len((CASE_ID, ATTACHMENT_ID))


# Into the domain


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads what one source sends; ``zone`` is that of its times, which come without one."""

    source: str
    zone: ZoneInfo

    def ref(self, case: str, native_id: str) -> Ref:
        """Name an attachment."""
        return Ref(self.source, RefType.ATTACHMENT, (case, native_id))

    def root(self, body: bytes, root_name: str) -> Fields:
        """Read a document whose root has this local name; raises BadResponse."""
        root = decode_xml(body, self.source)
        if local_name(root) != root_name:
            raise BadResponse(f"The source sent XML that is no `{root_name}`.", source=self.source)
        return Fields(root, self.source)

    def told(self, body: bytes, case: str) -> Ref | None:
        """Read from an answer what an upload made; the vendor does not promise that it tells (`upstreams.md` 3.4)."""
        try:
            native_id = native_id_of(self.root(body, SINGLE))
        except BadResponse:
            return None
        return self.ref(case, native_id) if native_id else None

    def listing(self, root: Fields, case: str) -> dict[Ref, Attachment]:
        """Read a list in its order; items without any id are left out (`upstreams.md` 3.3)."""
        found = {}
        for wire in root.every(SINGLE):
            native_id = native_id_of(wire)
            if native_id is not None:
                ref = self.ref(case, native_id)
                found[ref] = self.attachment(wire, ref)
        return found

    def attachment(self, wire: Fields, ref: Ref) -> Attachment:
        """Read an attachment, in either form; raises BadResponse for a value in an unknown spelling."""
        case, native_id = ref.key
        file_name, description, shape = wire.text("filename"), wire.text("description"), wire.word("format")
        created, updated = wire.word("createdAt"), wire.word("updatedAt")
        return Attachment(
            ref=ref,
            name=file_name or description or native_id,
            size=wire.count("size"),
            media_type=_media_type(file_name, shape),
            created_at=parse_time(created, self.source, self.zone),
            updated_at=parse_time(updated, self.source, self.zone),
            record=Record(Ref(self.source, RefType.RECORD, (case,)), RecordKind.CASE),
            can_update=False,
            can_delete=False,
            details=DecisivDetails(
                native_id=native_id,
                url=without_secrets(wire.word("URL")),
                case_url=without_secrets(wire.word("subjectURL")),
                description=description,
                format=shape,
                internal=wire.boolean("internal"),
                public=wire.boolean("public"),
                sender=_sender(wire.inner("sender")),
                created_at_text=created,
                updated_at_text=updated,
            ),
        )


def _sender(wire: Fields | None) -> Sender | None:
    if wire is None:
        return None
    return Sender(
        native_id=wire.word("id"),
        name=wire.text("name"),
        group_name=wire.text("groupName"),
        url=without_secrets(wire.word("URL")),
    )


def _media_type(file_name: str | None, shape: str | None) -> str | None:
    """Guess by the extension; ``format`` helps where it is a media type, which the vendor does not say."""
    guessed = media_type_of(file_name) if file_name else None
    return guessed or (shape.lower() if shape and MEDIA_TYPE.fullmatch(shape) else None)


def error_codes(body: bytes) -> set[str]:
    """Find the codes in the body of a 422; one that is no XML is searched as text, for nothing documents it all."""
    try:
        root = decode_xml(body, "")
    except BadResponse:
        return {code.decode() for code in CODE.findall(body)}
    return {(element.text or "").strip() for element in root.iter() if local_name(element) == "code"}


def error_fields(body: bytes) -> set[str]:
    """Find the fields that a 422 complains about; none in a body that is no XML."""
    try:
        root = decode_xml(body, "")
    except BadResponse:
        return set()
    return {(element.text or "").strip() for element in root.iter() if local_name(element) == "field"}


def unprocessable(body: bytes, source: str) -> GatewayError:
    """Name the error of a 422 by the codes and fields in its body (`upstreams.md` 3.5)."""
    codes, fields = error_codes(body), error_fields(body)
    if "size" in fields or TOO_LARGE in codes:
        return TooLarge("The source does not take so many bytes.", source=source)
    if "missing" in codes and "sender" in fields:
        return BadInput("`sender_id` names nobody whom the source knows.", source=source)
    if "missing" in codes:
        return NotFound("There is no such object, or it may not be seen.", source=source)
    if "already_exists" in codes:
        return Conflict("The source already has such an attachment.", source=source)
    return BadInput("The source refused a value of the request.", source=source)


# From the domain


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAttachment:
    """What is sent of a new attachment besides its bytes; without a ``sender_id`` the source takes a default user."""

    case: str
    filename: str
    size: int
    media_type: str
    description: str
    internal: bool
    sender_id: str | None

    def xml(self) -> bytes:
        """Write the ``body`` part; characters outside ASCII are written as references, whatever is guessed there."""
        root = Element(f"{{{ATTACHMENT}}}attachment")
        SubElement(root, f"{{{ATTACHMENT}}}description").text = self.description
        SubElement(root, f"{{{ATTACHMENT}}}internal").text = str(self.internal).lower()
        if self.sender_id is not None:
            sender = SubElement(root, f"{{{SENDER}}}sender")
            SubElement(sender, f"{{{SENDER}}}id").text = self.sender_id
        document: bytes = tostring(root, encoding="us-ascii")
        return PROLOG + document

    def frame(self, boundary: str) -> tuple[bytes, bytes]:
        """Write what comes before and behind the bytes; the ``body`` part has no type, as in the vendor's sample."""
        body = part_head(boundary, "body") + self.xml() + b"\r\n"
        return body + part_head(boundary, "file", self.media_type, self.filename), closing(boundary)

    def twins(self, found: Iterable[Attachment]) -> dict[Ref, str | None]:
        """Choose those of a list that may be this one, with their times; what the list leaves out speaks for it."""
        details = {one.ref: one.details for one in found if self._has_file(one)}
        return {
            ref: known.created_at_text
            for ref, known in details.items()
            if isinstance(known, DecisivDetails) and self._has_texts(known)
        }

    def _has_file(self, one: Attachment) -> bool:
        return one.name == self.filename and one.size in (None, self.size)

    def _has_texts(self, known: DecisivDetails) -> bool:
        sender = known.sender.native_id if known.sender else None
        return (
            (known.description or "").strip() == self.description
            and known.internal in (None, self.internal)
            and (self.sender_id is None or sender in (None, self.sender_id))
        )


def new_attachment(item: UploadItem) -> NewAttachment:
    """Read an upload as the server wants it; raises BadInput for what it would refuse, change or misread."""
    source = item.target.source
    if not is_case(item.target):
        raise BadInput("Files of this source hang on cases, and the target is none.", source=source)
    if len(item.name) > LONGEST_NAME or not is_sendable(item.name):
        message = (
            f"A name has 1 to {LONGEST_NAME} characters, none of them a slash, a backslash or a line break."
        )
        raise BadInput(message, source=source)
    internal = item.options.get("internal")
    if not isinstance(internal, bool):  # left out it would show the file to both parties (`upstreams.md` 3.6)
        raise BadInput(
            "Say with `internal`, true or false, whether only your own party may see it.", source=source
        )
    return NewAttachment(
        case=item.target.key[0],
        filename=item.name,
        size=item.size,
        media_type=plain_media_type(item.media_type),
        description=_text(item, "description") or item.name.strip(),
        internal=internal,
        sender_id=_text(item, "sender_id"),
    )


def _text(item: UploadItem, option: str) -> str | None:
    """Read a text that goes into XML, with the line breaks that an XML reader makes of them."""
    value = item.options.get(option)
    if value is None:
        return None
    text = re.sub(r"\r\n?", "\n", value).strip() if isinstance(value, str) else ""
    if not 0 < len(text) <= LONGEST_DESCRIPTION or BREAKERS.search(re.sub(r"[\n\t]", "", text)):
        message = (
            f"`{option}` must be a text of 1 to {LONGEST_DESCRIPTION} characters, without control characters."
        )
        raise BadInput(message, source=item.target.source)
    return text
