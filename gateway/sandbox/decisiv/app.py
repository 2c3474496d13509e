"""The routes of the imitated Decisiv Platform API, under ``/platform_api`` (``upstreams.md`` section 3).

What the vendor leaves open is marked where it is decided: the codes of an upload, bodies of 401 and 404, downloads.
"""

import base64
import binascii
import hmac
import mimetypes
from urllib.parse import parse_qs, quote

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.sandbox.decisiv.documents import (
    BASE,
    AttachmentRequest,
    InvalidFieldError,
    MalformedRequestError,
    read_request,
    write_error,
    write_invalid,
    write_list,
    write_single,
    write_token,
)
from gateway.sandbox.decisiv.state import Attachment, Case, Sender, State
from gateway.sandbox.decisiv.uploads import TooLargeError, Upload, receive

XML = "application/xml; charset=utf-8"
TOKEN_PATH = f"{BASE}/oauth2/token"
ATTACHMENTS = f"{BASE}/cases/{{case_id}}/attachments"
DOWNLOADS = f"{BASE}/downloads/{{case_id}}/{{attachment_id}}"


def create_app(state: State) -> Starlette:
    """Make the application; every path but the token's needs a bearer, the singular ones do not exist."""
    routes = [
        Route(TOKEN_PATH, token, methods=["POST"]),
        Route(ATTACHMENTS, list_attachments, methods=["GET"]),
        Route(ATTACHMENTS, add_attachment, methods=["POST"]),
        Route(ATTACHMENTS + "/{attachment_id}", get_attachment, methods=["GET"]),
        Route(DOWNLOADS, download, methods=["GET"]),
    ]
    app = Starlette(routes=routes, middleware=[Middleware(_Gate, state=state)])
    app.router.redirect_slashes = False
    app.state.decisiv = state
    return app


def create_download_app(state: State) -> Starlette:
    """Make the foreign host that ``State.download_origin`` points to.

    A token in the query opens it, and a request that carries a bearer is refused, so that a client which sends
    its credentials to a foreign origin is found out.
    """
    app = Starlette(routes=[Route(DOWNLOADS, download_sealed, methods=["GET"])])
    app.state.decisiv = state
    return app


async def token(request: Request) -> Response:
    """Give a bearer for HTTP Basic with a consumer key and secret, and ``grant_type=client_credentials``."""
    state = _state(request)
    if not state.accepts_consumer(*_basic(request)):
        return Response(status_code=401, headers={"WWW-Authenticate": 'Basic realm="Platform API"'})
    form = parse_qs((await request.body()).decode("latin-1"))
    if form.get("grant_type") != ["client_credentials"]:
        return _xml(write_error(400, "grant_type must be client_credentials"), 400)
    return _xml(write_token(state.issue_token()))


async def list_attachments(request: Request) -> Response:
    """List all attachments of a case in one document; there is no paging."""
    state = _state(request)
    case = state.cases.get(request.path_params["case_id"])
    if case is None:
        return _not_found()
    return _xml(write_list(state, case.attachments.values(), _origin(request)))


async def get_attachment(request: Request) -> Response:
    """Answer one attachment, which must be asked for in its own case."""
    attachment = _found(request)
    if attachment is None:
        return _not_found()
    return _xml(write_single(_state(request), attachment, _origin(request)))


async def add_attachment(request: Request) -> Response:
    """Take a file: 201 with its document; 400, 422 and, for lack of anything known, an empty 413."""
    state = _state(request)
    try:
        upload = await receive(request, state)
    except MalformedRequestError as error:
        return _xml(write_error(400, str(error)), 400)
    except TooLargeError:
        return Response(status_code=413)
    try:
        attachment = _accept(state, request.path_params["case_id"], upload)
    except MalformedRequestError as error:
        upload.path.unlink()
        return _xml(write_error(400, str(error)), 400)
    except InvalidFieldError as error:
        upload.path.unlink()
        return _xml(write_invalid(error), 422)
    return _xml(write_single(state, attachment, _origin(request)), 201)


async def download(request: Request) -> Response:
    """Send the bytes of an attachment to whoever has a bearer."""
    attachment = _found(request)
    return _bytes(attachment) if attachment else _not_found()


async def download_sealed(request: Request) -> Response:
    """Send the bytes of an attachment to whoever has the token of its ``downloadURL``, and no bearer."""
    if "authorization" in request.headers:
        return Response("Unexpected credentials", 400)
    attachment = _found(request)
    if attachment is None:
        return _not_found()
    seal = _state(request).seal(attachment)
    if not hmac.compare_digest(seal.encode(), request.query_params.get("token", "").encode()):
        return Response(status_code=403)
    return _bytes(attachment)


class _Gate:
    """Refuses what never reaches a route: too many requests, no bearer, a case of somebody else."""

    def __init__(self, app: ASGIApp, state: State) -> None:
        self.app, self.state = app, state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = self.app if scope["type"] != "http" else self._refusal(Request(scope)) or self.app
        await answer(scope, receive, send)

    def _refusal(self, request: Request) -> Response | None:
        state, path = self.state, request.url.path
        if state.rate_limited > 0:
            state.rate_limited -= 1
            # No Retry-After: the vendor documents none.
            return _xml(write_error(429, "Too many requests"), 429)
        if path == TOKEN_PATH:
            return None
        scheme, _, value = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not state.accepts_token(value.strip()):
            return Response(status_code=401, headers={"WWW-Authenticate": 'Bearer realm="Platform API"'})
        segments = request.scope["path"].split("/")
        if len(segments) > 3 and segments[3] in state.forbidden_cases:
            return _xml(write_error(403, "You are not authorized to access this case"), 403)
        return None


def _accept(state: State, case_id: str, upload: Upload) -> Attachment:
    if upload.body is None:
        raise MalformedRequestError("The part named body is missing")
    asked = read_request(upload.body)
    if upload.filename is None:
        raise InvalidFieldError("Attachment", "file", "missing_field", "file can't be blank")
    case, sender = _case(state, case_id), _sender(state, asked)
    kept = (upload.filename, upload.path, upload.size)
    # Left out, `internal` means that both parties see the file.
    return state.add(case, asked.description, sender, kept, internal=bool(asked.internal))


def _case(state: State, case_id: str) -> Case:
    case = state.cases.get(case_id)
    if case is None:
        raise InvalidFieldError("Case", "id", "missing", "Case does not exist")
    return case


def _sender(state: State, asked: AttachmentRequest) -> Sender:
    if asked.sender_id is None:
        return state.default_sender
    sender = state.senders.get(asked.sender_id)
    if sender is None:
        raise InvalidFieldError("Attachment", "sender", "missing", "User does not exist")
    return sender


def _found(request: Request) -> Attachment | None:
    return _state(request).find(request.path_params["case_id"], request.path_params["attachment_id"])


def _bytes(attachment: Attachment) -> Response:
    media_type = mimetypes.guess_type(attachment.filename)[0] or "application/octet-stream"
    disposition = f"attachment; filename*=utf-8''{quote(attachment.filename, safe='')}"
    headers = {"Content-Disposition": disposition}
    if attachment.stored is not None:
        return FileResponse(attachment.stored, headers=headers, media_type=media_type)
    return Response(attachment.content(), headers=headers, media_type=media_type)


def _basic(request: Request) -> tuple[str, str]:
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    try:
        decoded = base64.b64decode(value, validate=True).decode() if scheme.lower() == "basic" else ""
    except (binascii.Error, UnicodeDecodeError):
        decoded = ""
    key, _, secret = decoded.partition(":")
    return key, secret


def _state(request: Request) -> State:
    state: State = request.app.state.decisiv
    return state


def _origin(request: Request) -> str:
    return f"{request.url.scheme}://{request.url.netloc}"


def _xml(document: bytes, status: int = 200) -> Response:
    return Response(document, status, media_type=XML)


def _not_found() -> Response:
    # The XSDs have no 404, so its body means nothing and clients decide by the status.
    return Response(status_code=404)
