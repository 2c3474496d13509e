"""Decisiv's XML: attachments and errors written with ElementTree, requests read with defusedxml.

Namespaces and element names are those of ``upstreams.md`` sections 3.2, 3.3 and 3.5.
"""

import hashlib
import xml.etree.ElementTree as ET
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from gateway.sandbox.decisiv.state import Attachment, State

BASE = "/platform_api"
SPACES = "http://www.decisiv.net/platform_api/0.0.7/Case/"
ATTACHMENT, SENDER = SPACES + "AttachmentResponse", SPACES + "SenderResponse"
ATTACHMENT_REQUEST, SENDER_REQUEST = SPACES + "AttachmentRequest", SPACES + "SenderRequest"
INSTANCE = "http://www.w3.org/2001/XMLSchema-instance"
PROLOG = b'<?xml version="1.0" encoding="UTF-8"?>\n'
BOOLEANS = {"true": True, "1": True, "false": False, "0": False}
ERRORS = {
    400: ("BadRequestResponse", "400 Bad Request"),
    403: ("ForbiddenErrorResponse", "403 Forbidden"),
    429: ("TooManyRequestsResponse", "429 Too Many Requests"),
}

ET.register_namespace("a", ATTACHMENT)
ET.register_namespace("s", SENDER)


class MalformedRequestError(Exception):
    """The request is not what the schema describes: 400."""


@dataclass
class InvalidFieldError(Exception):
    """A value breaks a rule: 422. ``code`` is missing, missing_field, invalid or already_exists."""

    resource: str
    field: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class AttachmentRequest:
    """The ``body`` part of an upload; None stands for what the client left out."""

    description: str
    internal: bool | None
    sender_id: str | None


def write_list(state: State, attachments: Iterable[Attachment], origin: str) -> bytes:
    """Write the ``attachments`` document, whose items tell their format."""
    root = _root("attachments")
    root.extend(_attachment(ET.Element(_a("attachment")), state, item, origin, True) for item in attachments)
    return _document(root)


def write_single(state: State, attachment: Attachment, origin: str) -> bytes:
    """Write one ``attachment`` document, which has no format."""
    return _document(_attachment(_root("attachment"), state, attachment, origin, False))


def write_token(token: str) -> bytes:
    """Write the answer of the token endpoint; it does not say when the token ends."""
    space = SPACES + "AuthorizationResponse"
    root = ET.Element(f"{{{space}}}AuthorizationResponse")
    _add(root, f"{{{space}}}type", "Bearer")
    _add(root, f"{{{space}}}token", token)
    return _document(root, space)


def write_error(status: int, message: str) -> bytes:
    """Write the body of a 400, 403 or 429."""
    name, phrase = ERRORS[status]
    space = f"{SPACES}{status}ErrorResponse"
    root = ET.Element(f"{{{space}}}{name}")
    _add(root, f"{{{space}}}message", message)
    _add(root, f"{{{space}}}status", phrase)
    return _document(root, space)


def write_invalid(error: InvalidFieldError) -> bytes:
    """Write the body of a 422, with the doubled XML declaration that the vendor's sample shows."""
    space = SPACES + "422ErrorResponse"
    root = ET.Element(f"{{{space}}}UnprocessableEntityErrorResponse")
    _add(root, f"{{{space}}}message", "Validation failed")
    errors = ET.SubElement(root, f"{{{space}}}errors")
    one = ET.SubElement(errors, f"{{{space}}}error")
    _add(one, f"{{{space}}}resource", error.resource)
    _add(one, f"{{{space}}}field", error.field)
    _add(ET.SubElement(one, f"{{{space}}}messages"), f"{{{space}}}message", error.message)
    _add(one, f"{{{space}}}code", error.code)
    return PROLOG + _document(root, space)


def read_request(body: bytes) -> AttachmentRequest:
    """Read the ``body`` part of an upload. Raises MalformedRequestError or InvalidFieldError."""
    root = _parsed(body)
    if root.tag != f"{{{ATTACHMENT_REQUEST}}}attachment":
        raise MalformedRequestError(f"No matching global declaration available for the root element {root.tag}")
    known = {
        f"{{{ATTACHMENT_REQUEST}}}description",
        f"{{{ATTACHMENT_REQUEST}}}internal",
        f"{{{SENDER_REQUEST}}}sender",
    }
    children = {child.tag: child for child in root}
    if not children.keys() <= known or len(children) != len(root):
        raise MalformedRequestError("This element is not expected")
    description = (root.findtext(f"{{{ATTACHMENT_REQUEST}}}description") or "").strip()
    if not description:
        raise InvalidFieldError("Attachment", "description", "missing_field", "description can't be blank")
    sender_id = root.findtext(f"{{{SENDER_REQUEST}}}sender/{{{SENDER_REQUEST}}}id")
    return AttachmentRequest(
        description, _internal(children.get(f"{{{ATTACHMENT_REQUEST}}}internal")), sender_id
    )


def wire_time(value: datetime) -> str:
    """Write a time as the server does: no zone, one digit of fraction."""
    return f"{value:%Y-%m-%dT%H:%M:%S}.{value.microsecond // 100_000}"


def download_path(attachment: Attachment) -> str:
    """Tell where the bytes of an attachment are, percent-encoded."""
    case_id, attachment_id = quote(attachment.case_id, safe=""), quote(attachment.id, safe="")
    return f"{BASE}/downloads/{case_id}/{attachment_id}"


def _parsed(body: bytes) -> ET.Element:
    try:
        root: ET.Element = fromstring(body.strip(), forbid_dtd=True)
    except (ET.ParseError, DefusedXmlException, ValueError) as error:
        raise MalformedRequestError("Start tag expected, or the document is not well formed") from error
    return root


def _internal(element: ET.Element | None) -> bool | None:
    if element is None or element.get(f"{{{INSTANCE}}}nil") in {"true", "1"}:
        return None
    word = (element.text or "").strip()
    if word not in BOOLEANS:
        raise InvalidFieldError("Attachment", "internal", "invalid", "internal must be true or false")
    return BOOLEANS[word]


def _attachment(element: ET.Element, state: State, item: Attachment, origin: str, listed: bool) -> ET.Element:
    subject = f"{origin}{BASE}/cases/{quote(item.case_id, safe='')}"
    values = {
        "URL": f"{subject}/attachments/{quote(item.id, safe='')}",
        "subjectURL": subject,
        "downloadURL": _download_url(state, item, origin),
        "description": item.description,
        "filename": item.filename,
        "size": str(item.size),
        "internal": str(item.internal).lower(),
        "createdAt": wire_time(item.created_at),
        "updatedAt": wire_time(item.updated_at or item.created_at),
        "public": str(item.public).lower(),
    }
    if listed:
        values["format"] = item.format
    if state.with_ids:
        values["id"] = item.id
    children = [_leaf(_a(name), value) for name, value in values.items()]
    element.extend(_shuffled([*children, _sender(item, origin)], item.id))
    return element


def _sender(item: Attachment, origin: str) -> ET.Element:
    element = ET.Element(f"{{{SENDER}}}sender")
    values = {
        "id": item.sender.id,
        "name": item.sender.name,
        "groupName": item.sender.group_name,
        "URL": f"{origin}{BASE}/users/{quote(item.sender.id, safe='')}",
    }
    element.extend(_shuffled([_leaf(f"{{{SENDER}}}{name}", value) for name, value in values.items()], item.id))
    return element


def _download_url(state: State, item: Attachment, origin: str) -> str:
    if state.download_origin is None:
        return origin + download_path(item)
    return f"{state.download_origin}{download_path(item)}?token={state.seal(item)}"


def _shuffled(children: list[ET.Element], salt: str) -> list[ET.Element]:
    """Mix the children, always in the same way for the same attachment: the schema's ``xs:all`` has no order."""
    return sorted(children, key=lambda child: hashlib.sha256(f"{salt}{child.tag}".encode()).digest())


def _root(name: str) -> ET.Element:
    # The samples give xsi:schemaLocation one token instead of pairs, so nothing can be validated by it.
    return ET.Element(_a(name), {f"{{{INSTANCE}}}schemaLocation": ATTACHMENT})


def _a(name: str) -> str:
    return f"{{{ATTACHMENT}}}{name}"


def _leaf(tag: str, value: str) -> ET.Element:
    element = ET.Element(tag)
    element.text = value
    return element


def _add(parent: ET.Element, tag: str, value: str) -> None:
    parent.append(_leaf(tag, value))


def _document(root: ET.Element, default_namespace: str | None = None) -> bytes:
    return PROLOG + ET.tostring(root, encoding="unicode", default_namespace=default_namespace).encode()
