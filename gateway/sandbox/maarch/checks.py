"""What the server says no to, in its order and words (upstreams.md 1.4).

Each check gives the text of the first rule that a body breaks, or None. The bodies are what PHP parsed:
of a form every value is a text.
"""

from collections.abc import Iterator
from datetime import date
from typing import Any

from gateway.sandbox.maarch import formats, php
from gateway.sandbox.maarch.contents import head_of_base64
from gateway.sandbox.maarch.records import Attachment, Crashed, User
from gateway.sandbox.maarch.state import State, in_range

STATUSES = ("A_TRA", "TRA", "SEND_MASS")
SIGNABLE = ("A_TRA", "TRA", "SIGN", "FRZ")
ARCHIVED = ("acknowledgement_record_management", "reply_record_management")
TITLE = 255


def creation(state: State, user: User, body: Any) -> str | None:
    """Check the body of ``POST /attachments``."""
    if not isinstance(body, dict) or not body:
        return "Body is not set or empty"
    return next(_creation(state, user, body), None)


def _creation(state: State, user: User, body: dict[str, Any]) -> Iterator[str]:
    yield from _fields(body)
    if not state.sees(user, in_range(body["resIdMaster"])):
        yield "Body resIdMaster is out of perimeter"
    if body["type"] not in state.types:
        yield "Body type does not exist"
    yield from _file(state, body)
    yield from _origin(state, body)
    yield from _recipient(state, body)
    yield from _dates(body)


def change(state: State, row: Attachment, body: Any) -> str | None:
    """Check the body of ``PUT /attachments/{id}``."""
    if not isinstance(body, dict) or not body:
        return "Body is not set or empty"
    return next(_change(state, row, body), None)


def _change(state: State, row: Attachment, body: dict[str, Any]) -> Iterator[str]:
    if not _is_text(body.get("type")):
        yield "Body type is empty or not a string"
    elif row.type in ARCHIVED:
        yield "Can not update attachment use for record_management"
    elif body["type"] not in state.types:
        yield "Body type does not exist"
    else:
        yield from _file(state, body)
        yield from _recipient(state, body)
        yield from _dates(body)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and not php.is_blank(value)


def _is_number(value: object) -> bool:
    return php.is_integer(value) and not php.is_blank(value)


def _fields(body: dict[str, Any]) -> Iterator[str]:
    if php.is_blank(body.get("encodedFile")):
        yield "Body encodedFile is empty"
    if not _is_text(body.get("format")):
        yield "Body format is empty or not a string"
    if not _is_number(body.get("resIdMaster")):
        yield "Body resIdMaster is empty or not an integer"
    if not _is_text(body.get("type")):
        yield "Body type is empty or not a string"
    title = body.get("title")
    if not php.is_empty(title) and len(php.text(title)) > TITLE:
        yield "Body title number of characters must be between 1 and 255 characters)"
    if body.get("status") is not None and body["status"] not in STATUSES:
        yield "Body status can only be A_TRA, TRA or SEND_MASS"


def _file(state: State, body: dict[str, Any]) -> Iterator[str]:
    encoded = body.get("encodedFile")
    if php.is_empty(encoded):
        return
    if not _is_text(body.get("format")):
        yield "Body format is empty or not a string"
    if not isinstance(encoded, str):
        raise Crashed("Argument encodedFile is not a string (type)")
    head = head_of_base64(encoded)
    if not head:
        yield "could not compute mime type (application/x-empty) or file size ()"
    mime = formats.sniffed(head)
    if not formats.is_allowed(body["format"], mime):
        yield f"Format with this mimeType is not allowed : {body['format']} {mime}"
    if len(encoded) > state.upload_limit:
        yield "Body encodedFile size is over limit"


def _origin(state: State, body: dict[str, Any]) -> Iterator[str]:
    sent, signed = body.get("originId"), body["type"] == "signed_response"
    if php.is_empty(sent):
        if signed:
            yield "Body type is signed_response and body originId is empty"
        return
    if not _is_number(sent):
        yield "Body originId is not an integer"
    origin = state.attachments.get(in_range(sent))
    if origin is None:
        yield "Body originId does not exist"
        return
    if origin.res_id_master != int(body["resIdMaster"]):
        yield "Body resIdMaster is different from origin"
    if signed and origin.status not in SIGNABLE:
        yield "Body originId has not an authorized status"
    if not signed and origin.origin_id is not None:
        yield "Body originId can not be a version, it must be the original version"


def _recipient(state: State, body: dict[str, Any]) -> Iterator[str]:
    sent, kind = body.get("recipientId"), body.get("recipientType")
    if php.is_empty(sent):
        return
    if not _is_number(sent):
        yield "Body recipientId is not an integer"
    if kind not in ("user", "contact"):
        yield "Body recipientType is empty or not in [user, contact]"
    known = {user.id for user in state.users} if kind == "user" else state.contacts
    if in_range(sent) not in known:
        yield "Body recipientId does not exist"


def _dates(body: dict[str, Any]) -> Iterator[str]:
    for name in ("validationDate", "effectiveDate"):
        if not php.is_empty(body.get(name)) and not _is_date(body[name]):
            yield f"Body {name} is not a date"


def _is_date(value: object) -> bool:
    """Whether a text is ``YYYY-MM-DD``, the only form that the validator takes [inferred]."""
    try:
        return date.fromisoformat(str(value)).isoformat() == value
    except ValueError:
        return False
