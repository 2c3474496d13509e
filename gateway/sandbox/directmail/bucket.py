"""The imitated S3 bucket that content links point to; it knows signed links only and no API key."""

import hashlib
import xml.etree.ElementTree as ET

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.sandbox.directmail.signing import BUCKET
from gateway.sandbox.directmail.state import State


def content_route(state: State) -> Route:
    """Make the route of the bucket's objects."""

    async def content(request: Request) -> Response:
        return _answer(state, request)

    return Route(f"/{BUCKET}/{{key:path}}", content, methods=["GET"])


def _answer(state: State, request: Request) -> Response:
    """Send an object, or refuse as S3 does: 400 for two ways of authentication, 403 for a link that is no good.

    A HEAD is refused with 403 too, because the method is part of what was signed.
    """
    if "authorization" in request.headers:
        return _failure(400, "InvalidArgument", "Only one auth mechanism is allowed")
    key = request.path_params["key"]
    objection = state.signing.objection(request.method, key, request.query_params, state.clock())
    if objection is not None:
        return _failure(403, *objection)
    attachment = state.object_named(key)
    if attachment is None:
        return _failure(404, "NoSuchKey", "The key does not exist")
    content = attachment.content()
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    # S3 tells the type that the uploader gave; this one gave none.
    return Response(content, headers={"ETag": etag}, media_type="binary/octet-stream")


def _failure(status: int, code: str, message: str) -> Response:
    root = ET.Element("Error")
    ET.SubElement(root, "Code").text = code
    ET.SubElement(root, "Message").text = message
    ET.SubElement(root, "RequestId").text = "0000000000000000"
    body = b'<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root)
    return Response(body, status, media_type="application/xml")
