"""Errors as EspoCRM tells them: the status, the header X-Status-Reason, seldom a JSON body."""

import re
from typing import Any

import msgspec
from starlette.responses import Response

HTML = "text/html; charset=UTF-8"
JSON = "application/json"


class Refusal(Exception):
    """An answer that is no success; ``reason`` None leaves the header X-Status-Reason out, "" sends it empty.

    ``body`` is sent as JSON. ``html`` marks the few places that answer as HTML whatever the route does.
    """

    def __init__(self, status: int, reason: str | None = "", body: Any = None, *, html: bool = False) -> None:
        super().__init__(status, reason)
        self.status = status
        self.reason = reason
        self.body = body
        self.html = html


def broken() -> Refusal:
    """Give the empty 500 of an exception that nobody caught."""
    return Refusal(500, None)


def invalid(entity: str, field: str, rule: str) -> Refusal:
    """Give the 400 of a field that breaks a rule of its definition."""
    text = f"Field validation failure; entityType: {entity}, field: {field}, type: {rule}."
    return Refusal(400, text, _translation("validationFailure", {"field": field, "type": rule}))


def not_relatable(entity: str, link: str) -> Refusal:
    """Give the 403 for an attachment that doesn't exist."""
    text = f"Can't relate with non-existing record. entity type: {entity}, link: {link}."
    return Refusal(403, text, _translation("cannotRelateNonExisting", {"foreignEntityType": "Attachment"}))


def foreign_forbidden(entity: str, link: str) -> Refusal:
    """Give the 403 for an attachment that the user may not read."""
    text = f"No foreign record access for link operation ({entity}:{link})."
    data = {"foreignEntityType": "Attachment", "action": "read"}
    return Refusal(403, text, _translation("cannotRelateForbidden", data))


def _translation(label: str, data: dict[str, str]) -> dict[str, Any]:
    return {"messageTranslation": {"label": label, "scope": None, "data": data}}


def refused(refusal: Refusal, *, html: bool = False) -> Response:
    """Write a refusal; actions of their own (``html``) leave PHP's default content type, records say JSON."""
    content = b"" if refusal.body is None else msgspec.json.encode(refusal.body)
    media = HTML if html or refusal.html else JSON
    answer = Response(content, refusal.status, media_type=media)
    if refusal.reason is not None:
        answer.raw_headers.append((b"x-status-reason", _header(refusal.reason)))
    return answer


def _header(reason: str) -> bytes:
    """Replace what may not stand in a header by blanks, as the real server does, byte by byte."""
    return re.sub(rb"[^ \t\x21-\x7E\x80-\xFF]", b" ", reason.encode())
