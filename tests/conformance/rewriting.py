"""Changes what a sandbox upstream answers, so that a check sees what an adapter makes of it."""

import json
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree as ET

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tests.conformance.comparison import UNKNOWN_FIELD

Edit = Callable[[Any], Any]
"""Takes decoded JSON or the root element of XML, and gives what stands there instead."""


class RewritingApp:
    """An ASGI application that passes every JSON or XML body of another one through ``edit``, where that is set."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.edit: Edit | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if self.edit is None:
            await self.app(scope, receive, send)
            return
        kept: list[Message] = []

        async def keep(message: Message) -> None:
            kept.append(message)

        await self.app(scope, receive, keep)
        start, body = kept[0], b"".join(message.get("body", b"") for message in kept[1:])
        edited = _edited(self.edit, _media_type(start), body)
        headers = [pair for pair in start["headers"] if pair[0].lower() != b"content-length"]
        headers.append((b"content-length", str(len(edited)).encode()))
        await send({**start, "headers": headers})
        await send({"type": "http.response.body", "body": edited})


def add_unknown_fields(body: Any) -> Any:
    """Put a field that no version of the source has into every object, or element that has children."""
    if isinstance(body, ET.Element):
        for element in [one for one in body.iter() if len(one)]:
            namespace = element.tag.rpartition("}")[0]
            name = f"{namespace}}}{UNKNOWN_FIELD}" if namespace else UNKNOWN_FIELD
            ET.SubElement(element, name, {UNKNOWN_FIELD: "1"}).text = "unknown"
        return body
    if isinstance(body, list):
        return [add_unknown_fields(one) for one in body]
    if isinstance(body, dict):
        return {key: add_unknown_fields(one) for key, one in body.items()} | {UNKNOWN_FIELD: [{"a": None}]}
    return body


def without_field(name: str) -> Edit:
    """Make an edit that takes a field away wherever it stands; of XML elements, the local name counts."""

    def edit(body: Any) -> Any:
        if isinstance(body, ET.Element):
            for element in list(body.iter()):
                for child in [one for one in element if one.tag.rpartition("}")[2] == name]:
                    element.remove(child)
            return body
        if isinstance(body, list):
            return [edit(one) for one in body]
        if isinstance(body, dict):
            return {key: edit(one) for key, one in body.items() if key != name}
        return body

    return edit


def _media_type(start: Message) -> str:
    for name, value in start["headers"]:
        if name.lower() == b"content-type":
            return str(value.decode("latin-1"))
    return ""


def _edited(edit: Edit, media_type: str, body: bytes) -> bytes:
    if "json" in media_type:
        return json.dumps(edit(json.loads(body))).encode()
    if "xml" in media_type:
        return bytes(ET.tostring(edit(ET.fromstring(body)), encoding="utf-8"))  # noqa: S314 - the sandbox's own
    return body
