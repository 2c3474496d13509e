"""The JSON of the Direct Mail API: objects with their links, lists with their headers, errors.

Keys are those of ``upstreams.md`` section 4.3 and of the vendor's articles 452, 458 and 460.
"""

from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.sandbox.directmail.signing import BUCKET
from gateway.sandbox.directmail.state import Attachment, Message, Project, State, object_key

BASE = "/api/v2"
JSON = "application/json; charset=utf-8"

Document = dict[str, Any]


class Utf8JSONResponse(JSONResponse):
    """JSON that names its charset, as this server does."""

    media_type = JSON


def project_document(project: Project, origin: str) -> Document:
    """Write a project."""
    own = project_url(origin, project)
    return {
        "address_custom_column_names": [f"Custom {number}" for number in range(1, 16)],
        "document_identifier": project.document_identifier,
        "links": [_link(f"{own}/messages", "messages"), _link(own, "self")],
        "locale_identifier": "fr_FR",
        "name": project.name,
        "number_of_address_groups": 0,
        "number_of_messages": len(project.messages),
        "time_zone_name": "Europe/Paris",
    }


def message_document(project: Project, message: Message, origin: str) -> Document:
    """Write a message."""
    own = message_url(origin, project, message)
    return {
        "automatic_text_content": True,
        "content_type": "text/html",
        "date_created": wire_time(message.date_created),
        "from_email": message.from_email,
        "from_name": message.from_name,
        "links": [_link(f"{own}/attachments", "attachments"), _link(own, "self")],
        "number_of_attachments": len(message.attachments),
        "number_of_headers": 0,
        "subject": message.subject,
        "text_encoding": "auto",
        "title": message.title,
        "uuid": message.uuid,
    }


def attachment_document(
    state: State, project: Project, message: Message, attachment: Attachment, origin: str
) -> Document:
    """Write an attachment with a fresh content link; where that link stands among the links is not fixed."""
    own = attachment_url(origin, project, message, attachment)
    links = [_link(own, "self"), _link(content_url(state, project, message, attachment, origin), "content")]
    if attachment.uuid[0] > "7":
        links.reverse()
    return {
        "content_length": attachment.content_length,
        "date_modified": wire_time(attachment.date_modified),
        "display_name": attachment.display_name,
        "file_name": attachment.file_name,
        "links": links,
        "uuid": attachment.uuid,
    }


def content_url(state: State, project: Project, message: Message, attachment: Attachment, origin: str) -> str:
    """Sign a link to the bytes that works for ``state.link_lifetime`` seconds."""
    key = object_key(project, message, attachment)
    expires = int(state.clock().timestamp()) + state.link_lifetime
    return f"{state.content_origin or origin}/{BUCKET}/{key}?{state.signing.query(key, expires)}"


def merge_query(target: str) -> str:
    """Write the query of a merge task: a shard, the method, and the whole address of what is merged."""
    shard = sum(target.encode()) % 64
    return f"s={shard}&m=DELETE&r={quote(target, safe='')}"


def merge_document(project: Project, query: str, origin: str) -> Document:
    """Write the answer of an accepted deletion."""
    return {"links": [_link(f"{project_url(origin, project)}/merge-task?{query}", "merge-task")]}


def project_url(origin: str, project: Project) -> str:
    """Tell the address of a project."""
    return f"{origin}{BASE}/projects/{project.document_identifier}"


def message_url(origin: str, project: Project, message: Message) -> str:
    """Tell the address of a message."""
    return f"{project_url(origin, project)}/messages/{message.uuid}"


def attachment_url(origin: str, project: Project, message: Message, attachment: Attachment) -> str:
    """Tell the address of an attachment."""
    return f"{message_url(origin, project, message)}/attachments/{attachment.uuid}"


def wire_time(value: datetime) -> str:
    """Write an aware time with an offset that has no colon."""
    return value.strftime("%Y-%m-%dT%H:%M:%S%z")


def item(request: Request, document: Document) -> Response:
    """Answer one object, with the keys that ``fields`` asks for."""
    return Utf8JSONResponse(_picked(request, document))


def collection(request: Request, state: State, documents: list[Document]) -> Response:
    """Answer a bare array; above the page size one page of it, with the next one in ``Link``.

    The parameters of the real server's pages are not known, so clients must take the link as it is.
    """
    page = request.query_params.get("page", "1")
    if not page.isdecimal() or int(page) < 1:
        return failure(state, 400, "The page is invalid")
    end = int(page) * state.page_size
    headers = {"X-Total-Count": str(len(documents))}
    if end < len(documents) and state.page_links:
        query = urlencode({**request.query_params, "page": int(page) + 1})
        headers["Link"] = f'<{origin_of(request)}{request.url.path}?{query}>; rel="next"'
    shown = documents[end - state.page_size : end]
    return Utf8JSONResponse([_picked(request, document) for document in shown], headers=headers)


def failure(state: State, status: int, message: str, headers: dict[str, str] | None = None) -> Response:
    """Answer an error in the shape of the first version, which is all that is documented; ``terse`` empties it."""
    if state.terse:
        return Response(status_code=status, headers=headers)
    return Utf8JSONResponse({"code": status, "error_message": message}, status, headers=headers)


def origin_of(request: Request) -> str:
    """Tell the origin that the client used."""
    return f"{request.url.scheme}://{request.url.netloc}"


def _picked(request: Request, document: Document) -> Document:
    names = {name.strip() for name in request.query_params.get("fields", "").split(",")} - {""}
    return {key: value for key, value in document.items() if key in names} if names else document


def _link(href: str, rel: str) -> dict[str, str]:
    return {"href": href, "rel": rel}
