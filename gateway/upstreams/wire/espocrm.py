"""What EspoCRM sends and takes (`upstreams.md` 5), and what it means here."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from unicodedata import category

import msgspec

from gateway.domain.changes import UploadItem
from gateway.domain.details import EspoCrmDetails
from gateway.domain.errors import BadInput, BadResponse, Conflict
from gateway.domain.media_types import media_type_of
from gateway.domain.model import Attachment, Record, RecordKind
from gateway.domain.refs import Ref, RefType
from gateway.transport.payloads import decode_json, parse_time, text_or_none

NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*")
NATIVE_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""Ids: 17 hexadecimal digits where EspoCRM made them, but imports bring their own."""

LONGEST_LIST = 200
"""Records of one list: above that the server answers 403 (`upstreams.md` 5.6)."""
LONGEST_QUERY = 5_600
"""Bytes of percent-encoded ids in one URL, which with the rest of it stays below 6 kB (`upstreams.md` 5.6)."""
QUOTES_AND_COMMA = len("%22%22%2C")

LONGEST_NAME = 255
"""Characters."""
UNFIT = ("Cc", "Cs")
"""Unicode's categories of what a name may not have: control characters, and halves of characters."""
TYPE = re.compile(r"[!-~][ -~]{0,99}")
"""Media types that come back whole: the server keeps 100 characters, and writes them into a header as they are."""

DATA_URI = b"data:application/octet-stream;base64,"
"""What stands before base64. The server stores the type that it is told beside the file, never this one."""


# Wire shapes


class WireAttachment(msgspec.Struct, rename="camel"):
    """An attachment as the server writes it (`upstreams.md` 5.5)."""

    id: str
    name: str
    deleted: bool = False
    type: str | None = None
    size: int | None = None
    field: str | None = None
    role: str | None = None
    parent_id: str | None = None
    parent_type: str | None = None
    parent_name: str | None = None
    related_id: str | None = None
    related_type: str | None = None
    source_id: str | None = None
    is_being_uploaded: bool | None = None
    is_global: bool | None = msgspec.field(default=None, name="global")
    storage: str | None = None
    storage_file_path: str | None = None
    created_at: str | None = None
    modified_at: str | None = None
    created_by_id: str | None = None
    created_by_name: str | None = None


class WireList(msgspec.Struct):
    """A page of attachments; the total is not counted, so it is not read."""

    list: tuple[WireAttachment, ...]


@dataclass(frozen=True, slots=True)
class Held:
    """What a field of a record holds: a set of attachments, or one file at most.

    ``version`` is the record's, where its type counts versions. A set of something else does not
    take files; of a single one its record does not tell.
    """

    ids: list[str]
    is_set: bool
    takes_files: bool
    version: int | None


# References


def is_record(ref: Ref) -> bool:
    """Tell whether a reference has the form of a record and its field: (type, id, field)."""
    if ref.type is not RefType.RECORD or len(ref.key) != len(("type", "id", "field")):
        return False
    entity_type, native_id, field = ref.key
    return bool(NAME.fullmatch(entity_type) and NATIVE_ID.fullmatch(native_id) and NAME.fullmatch(field))


def native_id_of(ref: Ref) -> str | None:
    """Read an attachment's reference; None where it has another form."""
    well_formed = ref.type is RefType.ATTACHMENT and len(ref.key) == 1 and NATIVE_ID.fullmatch(ref.key[0])
    return ref.key[0] if well_formed else None


# What is asked, and what is not


def batches(native_ids: Sequence[str]) -> list[Sequence[str]]:
    """Split ids into lists that fit one URL: of 200, or of fewer where one is longer than 19 characters."""
    longest = max(map(len, native_ids), default=0) + QUOTES_AND_COMMA
    size = min(LONGEST_LIST, LONGEST_QUERY // longest)
    return [native_ids[start : start + size] for start in range(0, len(native_ids), size)]


def where_id_in(native_ids: Sequence[str]) -> str:
    """Write the search for ids as JSON, the shortest of the forms that the server takes (`upstreams.md` 5.6)."""
    where = {"type": "in", "attribute": "id", "value": native_ids}
    return msgspec.json.encode({"where": [where], "maxSize": len(native_ids)}).decode()


def check_name(name: str, source: str) -> None:
    """Refuse a name that cannot be kept, by BadInput.

    One with a control character would be taken, and its download answer 500 for ever (`upstreams.md` 5.8).
    """
    if len(name) > LONGEST_NAME or not name.strip():
        raise BadInput(f"A name has 1 to {LONGEST_NAME} characters.", source=source)
    if any(category(letter) in UNFIT for letter in name):
        raise BadInput("A name has no line breaks and no other control characters.", source=source)


def check_options(options: Mapping[str, Any], source: str) -> None:
    """Refuse what is no option of an upload, by BadInput: ``replace``, true or false, is the only one."""
    if not options.keys() <= {"replace"} or not isinstance(options.get("replace", False), bool):
        raise BadInput("The only option is `replace`, true or false.", source=source)


def check_type(media_type: str, source: str) -> None:
    """Refuse a media type that does not come back whole, by BadInput."""
    if not TYPE.fullmatch(media_type):
        raise BadInput("A media type has 1 to 100 printable ASCII characters.", source=source)


def with_more(held: Held, native_ids: Sequence[str], source: str, *, replace: bool) -> list[str]:
    """Tell what a field is to hold when more is hung into it.

    Raises Conflict for a file field with another file in it, unless that is to be replaced, which deletes it
    (`upstreams.md` 5.7); BadInput for a field that takes no attachments, or not so many.
    """
    if not native_ids:
        return held.ids
    if held.is_set:
        if not held.takes_files:
            raise BadInput("This field of the record does not take attachments.", source=source)
        return list(dict.fromkeys([*held.ids, *native_ids]))
    if len(set(native_ids)) > 1:
        raise BadInput("This field of the record takes one file.", source=source)
    if held.ids and held.ids[0] not in native_ids and not replace:
        raise Conflict("The field holds a file, which `replace` would delete.", source=source)
    return list(native_ids[:1])


# What is sent


def new_attachment(item: UploadItem, *, in_set: bool) -> dict[str, Any]:
    """Describe a file that is to be made, for the field that it will hang in (`upstreams.md` 5.4).

    Which record that is cannot be said yet: the server drops the ids.
    """
    entity_type, _, field = item.target.key
    place = "parentType" if in_set else "relatedType"
    return {
        "name": item.name,
        "type": item.media_type,
        "role": "Attachment",
        place: entity_type,
        "field": field,
        "size": item.size,
    }


def whole_file(fields: Mapping[str, Any]) -> tuple[bytes, bytes]:
    """Write the JSON of a file that comes at once: what stands before its base64, and what behind."""
    return msgspec.json.encode(fields)[:-1] + b',"file":"' + DATA_URI, b'"}'


def new_contents(place: Ref, held: Held, wanted: Sequence[str]) -> bytes:
    """Write what a field is to hold: a whole set, or the one file."""
    field = place.key[-1]
    return msgspec.json.encode({f"{field}Ids": wanted} if held.is_set else {f"{field}Id": wanted[0]})


# Parsing


def parse_held(body: bytes, place: Ref, source: str) -> Held | None:
    """Read what a field holds from its record, in the order of the record; None where there is no such record.

    A file field whose file was deleted still has its id, but no name any more (`upstreams.md` 5.8): it holds nothing.
    Raises BadInput for a field that the record does not have.
    """
    _, native_id, field = place.key
    record = decode_json(body, dict[str, Any], source)
    if "id" not in record:
        raise BadResponse("The source sent a record without an id.", source=source)
    if record.get("deleted") or record["id"] != native_id:  # an administrator gets deleted records too
        return None
    is_set = f"{field}Ids" in record
    if not is_set and f"{field}Id" not in record:
        raise BadInput("The record has no such field for attachments.", source=source)
    named = (record[f"{field}Ids"] if is_set else record[f"{field}Id"]) or []
    ids = named if isinstance(named, list) else [named]
    if not is_set and record.get(f"{field}Name", "") is None:
        ids = []
    if not all(isinstance(native_id, str) and NATIVE_ID.fullmatch(native_id) for native_id in ids):
        raise BadResponse("The source sent ids of attachments in an unknown form.", source=source)
    version = record.get("versionNumber")
    return Held(
        list(dict.fromkeys(ids)),
        is_set,
        not is_set or f"{field}Types" in record,
        version if isinstance(version, int) else None,
    )


def parse_attachment(wire: WireAttachment, source: str) -> Attachment:
    """Make an attachment.

    Nothing in the answer says what the credential may change, so both flags are true and a write is what tells.
    """
    return Attachment(
        ref=Ref(source, RefType.ATTACHMENT, (wire.id,)),
        name=wire.name,
        size=wire.size,
        media_type=wire.type or media_type_of(wire.name),
        created_at=parse_time(wire.created_at, source),
        updated_at=parse_time(wire.modified_at, source),
        record=_record_of(wire, source),
        details=_details_of(wire),
        can_update=True,
        can_delete=True,
    )


def _record_of(wire: WireAttachment, source: str) -> Record | None:
    """Tell what an attachment hangs on: the parent of a set's member, the related record of a file field's."""
    place = (wire.parent_type, wire.parent_id)
    if not all(place):
        place = (wire.related_type, wire.related_id)
    ref = Ref(source, RefType.RECORD, tuple(part or "" for part in (*place, wire.field)))
    return Record(ref, RecordKind.ENTITY) if is_record(ref) else None


def _details_of(wire: WireAttachment) -> EspoCrmDetails:
    """Take over what only this kind of source knows, with None for empty texts."""
    return EspoCrmDetails(
        native_id=wire.id,
        field=text_or_none(wire.field),
        role=text_or_none(wire.role),
        parent_type=text_or_none(wire.parent_type),
        parent_id=text_or_none(wire.parent_id),
        parent_name=text_or_none(wire.parent_name),
        related_type=text_or_none(wire.related_type),
        related_id=text_or_none(wire.related_id),
        copied_from=text_or_none(wire.source_id),
        is_being_uploaded=wire.is_being_uploaded,
        is_global=wire.is_global,
        storage=text_or_none(wire.storage),
        storage_path=text_or_none(wire.storage_file_path),
        created_by_id=text_or_none(wire.created_by_id),
        created_by_name=text_or_none(wire.created_by_name),
    )


# Reasons


def reason_in(headers: Mapping[str, str]) -> str | None:
    """Read why the source refused, from the only place where it says so; None where it says nothing.

    The header holds UTF-8 (`upstreams.md` 5.2), which reads as Latin-1 where another header is no UTF-8.
    """
    text = headers.get("x-status-reason")
    if text is None:
        return None
    try:
        return text.encode("latin-1").decode()
    except UnicodeError:
        return text
