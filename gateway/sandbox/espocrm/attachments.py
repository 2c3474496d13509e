"""Uploads in one step or in chunks, copies, and what a download says (upstreams.md 5.3, 5.4)."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from gateway.sandbox.espocrm.access import may
from gateway.sandbox.espocrm.contents import Uploaded, between_commas, lenient_base64, windows
from gateway.sandbox.espocrm.entities import ATTACHMENT, MULTIPLE, TYPES, field_type
from gateway.sandbox.espocrm.errors import Refusal, broken
from gateway.sandbox.espocrm.records import create, new, source_of
from gateway.sandbox.espocrm.state import Login, Record, State

ALLOWED_TYPES = {"Attachment": ("file", "image", MULTIPLE), "Inline Attachment": ("wysiwyg",)}
"""Field types by the roles that a client may give."""

IMAGES = {
    "png": ("image/png", b"\x89PNG"),
    "jpg": ("image/jpeg", b"\xff\xd8\xff"),
    "jpeg": ("image/jpeg", b"\xff\xd8\xff"),
    "gif": ("image/gif", b"GIF8"),
    "webp": ("image/webp", b"RIFF"),
}
"""MIME types and first bytes of the images that image and wysiwyg fields take, by extension."""


def upload(state: State, login: Login, given: Mapping[str, Any]) -> Record:
    """Make an attachment that hangs on nothing yet, after the checks in the order of upstreams.md 5.4."""
    fields = {name: value for name, value in given.items() if name not in ("parentId", "relatedId", "file")}
    being_uploaded = bool(fields.get("isBeingUploaded"))
    view = None if being_uploaded else _file(given)
    _check_target(login, fields)
    _check_size(state, fields)
    contents = Uploaded()
    if view is not None:
        contents.append(lenient_base64(between_commas(windows(view))))
    _check_type(fields, contents)
    fields["storage"] = ATTACHMENT.defaults["storage"]
    record = create(state, login, ATTACHMENT, fields)
    if view is not None:
        record.values["size"] = contents.size
    state.files[record.id] = contents
    return record


def append(state: State, record: Record, body: bytes) -> None:
    """Add a chunk (a data URI) to an upload; the chunk that reaches the announced size finishes it.

    Anyone who may read the attachment may add to it. Bytes beyond the size are written before the refusal, so
    such an upload never ends (recordings 223, 226).
    """
    if not record.values["isBeingUploaded"]:
        raise Refusal(403, "Attachment is not being-uploaded.")
    _, mark, coded = body.partition(b";base64,")
    if not mark:
        raise Refusal(400, "Bad file data.")
    chunk = b"".join(lenient_base64([coded.partition(b";base64,")[0]]))
    contents = state.files[record.id]
    if not isinstance(contents, Uploaded):
        raise broken()
    if contents.size + len(chunk) > state.limit(record.values.get("role")):
        raise Refusal(403, "Max attachment size exceeded.")
    contents.append([chunk])
    size = record.values.get("size") or 0
    if contents.size > size:
        raise Refusal(500, "File size mismatch.")
    if contents.size == size:
        record.values.update(isBeingUploaded=False, modifiedAt=state.stamp())


def duplicate(state: State, login: Login, record: Record, given: Mapping[str, Any]) -> dict[str, Any]:
    """Make an attachment for another field that shares the bytes, and give the answer, which has no names."""
    target = {
        "parentType": given.get("parentType"),
        "relatedType": given.get("relatedType"),
        "field": given.get("field"),
    }
    same = {name: record.values.get(name) for name in ("name", "type", "size")}
    values = {**ATTACHMENT.defaults, **same, **target, "sourceId": source_of(record)}
    copied = state.add(new(state, login.user_id, "Attachment", values))
    return {name: copied.values[name] for name in ATTACHMENT.attributes if name in copied.values}


def check_copy(login: Login, given: Mapping[str, Any]) -> None:
    """Refuse a copy without a field, or for a field that takes no attachments from this user."""
    if not given.get("field"):
        raise Refusal(400, "No `field`.")
    if not (given.get("parentType") or given.get("relatedType")):
        raise Refusal(400, "No parentType or relatedType.")
    _check_target(login, {**given, "role": "Attachment"})


def _file(given: Mapping[str, Any]) -> memoryview:
    """Find the text of the data URI in what was sent; raises Refusal 400 in three wordings."""
    if "file" not in given:
        raise Refusal(400, "No file contents.")
    view = _text(given["file"])
    if view is None:
        raise Refusal(400, "Non-string file contents.")
    if not any(b"," in piece for piece in windows(view)):
        raise Refusal(400, "Bad file contents.")
    return view


def _text(value: Any) -> memoryview | None:
    """Look at a string without copying it; only one with escapes has to be decoded."""
    if isinstance(value, str):
        return memoryview(value.encode())
    view = memoryview(value).cast("B")
    if bytes(view[:1]) != b'"':
        return None
    if any(b"\\" in piece for piece in windows(view)):
        return memoryview(msgspec.json.decode(view, type=str).encode())
    return view[1:-1]


def _check_target(login: Login, fields: dict[str, Any]) -> None:
    if fields.get("parentType") is not None:
        fields.pop("relatedType", None)
    entity = fields.get("parentType") or fields.get("relatedType")
    field = fields.get("field")
    if not entity or not field:
        raise Refusal(400, "No `field` and `parentType`.")
    role = fields["role"] = fields.get("role") or "Attachment"
    if not (isinstance(entity, str) and isinstance(field, str) and isinstance(role, str)):
        raise broken()
    if role not in ALLOWED_TYPES:
        raise Refusal(403, "Role not allowed.")
    found = field_type(entity, field)
    if found is None:
        raise Refusal(403, f"Field '{field}' does not exist.")
    if found not in ALLOWED_TYPES[role]:
        raise Refusal(403, f"Field type '{found}' is not allowed for {role}.")
    if not (may(login, entity, "create") or may(login, entity, "edit")):
        raise Refusal(403, f"No access to {entity}.")


def _check_size(state: State, fields: Mapping[str, Any]) -> None:
    """Refuse a size that the client says and that is too much; the size of the bytes is never looked at."""
    size = fields.get("size")
    if isinstance(size, int) and size > state.limit(fields.get("role")):
        raise Refusal(403, "Attachment size exceeds `attachmentUploadMaxSize`.")


def _check_type(fields: Mapping[str, Any], contents: Uploaded) -> None:
    name = str(fields.get("name") or "")
    if not name:
        return
    entity, field = fields.get("parentType") or fields.get("relatedType"), fields["field"]
    extension = name.strip().rpartition(".")[2].lower()
    if fields.get("role") == "Inline Attachment" or field_type(str(entity), field) == "image":
        _check_image(extension, fields, next(contents.pieces(), b""))
        return
    accept = TYPES[str(entity)].accept.get(field, ()) if entity in TYPES else ()
    if accept and f".{extension}" not in accept:
        raise Refusal(403, "Not allowed file type.")


def _check_image(extension: str, fields: Mapping[str, Any], head: bytes) -> None:
    if extension not in IMAGES:
        raise Refusal(403, "Not allowed file type.")
    mime, magic = IMAGES[extension]
    if str(fields.get("type") or "").lower() != mime:
        raise Refusal(403, "Passed type does not correspond to extension.")
    if head and not head.startswith(magic):
        raise Refusal(403, "Detected mime type does not correspond to extension.")


def bytes_of(state: State, record: Record) -> Iterator[bytes]:
    """Give the bytes of an attachment in pieces; raises the empty 500 where they are gone."""
    contents = state.files.get(source_of(record))
    if contents is None:
        raise broken()
    return contents.pieces()
