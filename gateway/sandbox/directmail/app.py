"""The routes of the imitated Direct Mail API, under ``/api/v2`` (``upstreams.md`` section 4), and of its bucket.

What the vendor leaves open is marked where it is decided: bodies of errors, parameters of pages, the merge task.
"""

import base64
import binascii
from http import HTTPStatus

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.sandbox.directmail.bucket import content_route
from gateway.sandbox.directmail.documents import (
    BASE,
    Utf8JSONResponse,
    attachment_document,
    attachment_url,
    collection,
    failure,
    item,
    merge_document,
    merge_query,
    message_document,
    origin_of,
    project_document,
)
from gateway.sandbox.directmail.state import Attachment, Merge, Message, Project, State

MISSING = "The resource could not be found or your API key has not been granted access to it"
PROJECT = f"{BASE}/projects/{{doc}}"
MESSAGES = f"{PROJECT}/messages"
ATTACHMENTS = f"{MESSAGES}/{{message}}/attachments"


def create_app(state: State) -> Starlette:
    """Make the application; it serves the bucket too, so that it works without a second port."""
    routes = [
        Route(f"{BASE}/projects", list_projects, methods=["GET"]),
        Route(f"{BASE}/projects/", list_projects, methods=["GET"]),
        Route(PROJECT, get_project, methods=["GET"]),
        Route(f"{PROJECT}/merge-task", get_merge_task, methods=["GET"]),
        Route(MESSAGES, list_messages, methods=["GET"]),
        Route(MESSAGES + "/{message}", get_message, methods=["GET"]),
        Route(ATTACHMENTS, list_attachments, methods=["GET"]),
        Route(ATTACHMENTS + "/{attachment}", get_attachment, methods=["GET"]),
        Route(ATTACHMENTS + "/{attachment}", delete_attachment, methods=["DELETE"]),
        content_route(state),
    ]
    app = Starlette(
        routes=routes,
        middleware=[Middleware(_Gate, state=state)],
        exception_handlers={HTTPException: _http_failure},
    )
    app.router.redirect_slashes = False
    app.state.directmail = state
    return app


def create_content_app(state: State) -> Starlette:
    """Make the bucket alone, for a port of its own: set ``state.content_origin`` to where it is served."""
    return Starlette(routes=[content_route(state)])


async def list_projects(request: Request) -> Response:
    """List the projects that the key has been granted."""
    state = _state(request)
    granted = [project for project in state.projects.values() if project.granted]
    return collection(request, state, [project_document(one, origin_of(request)) for one in granted])


async def get_project(request: Request) -> Response:
    """Answer one project."""
    return item(request, project_document(_project(request), origin_of(request)))


async def list_messages(request: Request) -> Response:
    """List the messages of a project."""
    project, origin = _project(request), origin_of(request)
    documents = [message_document(project, one, origin) for one in project.messages.values()]
    return collection(request, _state(request), documents)


async def get_message(request: Request) -> Response:
    """Answer one message."""
    project, message = _message(request)
    return item(request, message_document(project, message, origin_of(request)))


async def list_attachments(request: Request) -> Response:
    """List the attachments of a message; there is no way to add one (article 459)."""
    project, message = _message(request)
    state, origin = _state(request), origin_of(request)
    documents = [
        attachment_document(state, project, message, one, origin) for one in message.attachments.values()
    ]
    return collection(request, state, documents)


async def get_attachment(request: Request) -> Response:
    """Answer one attachment, with a content link that is made anew each time."""
    project, message, attachment = _attachment(request)
    return item(request, attachment_document(_state(request), project, message, attachment, origin_of(request)))


async def delete_attachment(request: Request) -> Response:
    """Accept a deletion with 202 and the link of its merge task; until that is merged nothing changes.

    A second DELETE of what is still there joins the same task.
    """
    project, message, attachment = _attachment(request)
    if not message.editable:
        raise HTTPException(403, "The message is not editable")
    state, origin = _state(request), origin_of(request)
    query = merge_query(attachment_url(origin, project, message, attachment))
    state.merges.setdefault(query, Merge(message, attachment.uuid, state.merge_polls))
    return Utf8JSONResponse(merge_document(project, query, origin), 202)


async def get_merge_task(request: Request) -> Response:
    """Poll a merge: 202 while it is pending, then 200; a query that was written anew finds no task.

    The resource is not documented, so bodies are empty objects and mean nothing.
    """
    _project(request)
    state = _state(request)
    merge = state.merges.get(request.url.query)
    if merge is None:
        raise HTTPException(404, MISSING)
    status = state.poll(merge)
    if status >= 400:
        raise HTTPException(status, "The merge failed")
    return Utf8JSONResponse({}, status)


class _Gate:
    """Refuses API requests that never reach a route: maintenance, rate, credentials, account; in this order."""

    def __init__(self, app: ASGIApp, state: State) -> None:
        self.app, self.state = app, state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refused = None
        if scope["type"] == "http" and scope["path"].startswith(BASE):
            refused = self._refusal(Request(scope))
        await (refused or self.app)(scope, receive, send)

    def _refusal(self, request: Request) -> Response | None:
        state = self.state
        if state.maintenance:
            return failure(state, 503, "Server is undergoing maintenance and is unavailable")
        if state.rate_limited > 0:
            state.rate_limited -= 1
            wait = {} if state.retry_after is None else {"Retry-After": str(state.retry_after)}
            return failure(state, 429, "Rate limiting in effect, try again later", wait)
        if not state.accepts(*_basic(request)):
            challenge = {"WWW-Authenticate": 'Basic realm="Direct Mail API"'}
            return failure(state, 401, "API key, secret, or authentication method is incorrect", challenge)
        if state.disabled:
            return failure(state, 403, "Direct Mail account is disabled")
        return None


async def _http_failure(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    headers = dict(error.headers) if error.headers else None
    message = error.detail or HTTPStatus(error.status_code).phrase
    return failure(_state(request), error.status_code, message, headers)


def _project(request: Request) -> Project:
    project = _state(request).project(request.path_params["doc"])
    if project is None:
        raise HTTPException(404, MISSING)
    return project


def _message(request: Request) -> tuple[Project, Message]:
    project = _project(request)
    # UUIDs are compared as they are written, in upper case.
    message = project.messages.get(request.path_params["message"])
    if message is None:
        raise HTTPException(404, MISSING)
    return project, message


def _attachment(request: Request) -> tuple[Project, Message, Attachment]:
    project, message = _message(request)
    attachment = message.attachments.get(request.path_params["attachment"])
    if attachment is None:
        raise HTTPException(404, MISSING)
    return project, message, attachment


def _basic(request: Request) -> tuple[str, str]:
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    try:
        decoded = base64.b64decode(value, validate=True).decode() if scheme.lower() == "basic" else ""
    except (binascii.Error, UnicodeDecodeError):
        decoded = ""
    key_id, _, key_secret = decoded.partition(":")
    return key_id, key_secret


def _state(request: Request) -> State:
    state: State = request.app.state.directmail
    return state
