"""The routes of EspoCRM's API below ``/api/v1``, as the real server answers them, with its errors and traps."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from email.utils import format_datetime
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from gateway.sandbox.espocrm import attachments, output, records, search
from gateway.sandbox.espocrm.access import may_see
from gateway.sandbox.espocrm.auth import Unauthenticated, authenticate, token
from gateway.sandbox.espocrm.entities import TYPES, EntityType
from gateway.sandbox.espocrm.errors import HTML, Refusal, broken, refused
from gateway.sandbox.espocrm.incoming import TooLarge, body_of, fields_of
from gateway.sandbox.espocrm.state import Login, Record, State

API = "/api/v1"
HEADER_VALUE = re.compile(rb"[ \t\x21-\x7E\x80-\xFF]*")
"""What the real server's HTTP library lets into a header; a name with CR, LF or NUL makes the download a 500."""


@dataclass(frozen=True, slots=True)
class Call:
    """One authenticated request with its body."""

    state: State
    login: Login
    request: Request
    body: bytearray

    @property
    def id(self) -> str:
        """The id in the path, decoded."""
        return str(self.request.path_params["id"])

    @property
    def type(self) -> EntityType:
        """The entity type in the path; raises Refusal 404 for an unknown one and 403 for a closed one."""
        name = self.request.path_params["type"]
        if name not in TYPES:
            raise Refusal(404, f"Controller '{name}' does not exist.")
        if not may_see(self.login, name):
            raise Refusal(403, f"No access to '{name}'.")
        return TYPES[name]

    def fields(self) -> dict[str, Any]:
        """Parse the body."""
        return fields_of(self.request.headers.get("content-type", ""), self.body)

    def search(self) -> search.Search:
        """Parse the parameters of a list."""
        return search.parse(self.state, self.request.url.query, self.request.headers)

    def attachment(self) -> Record:
        """Find the attachment in the path; unlike a record's GET this is a 404 without words."""
        record = self.state.records["Attachment"].get(self.id)
        if record is None or (record.deleted and not self.login.admin):
            raise Refusal(404)
        return records.fetch(self.state, self.login, "Attachment", self.id)


Handler = Callable[[Call], Response]
Endpoint = Callable[[Request], Awaitable[Response]]


def create_app(state: State) -> Starlette:
    """Make the application around a state; each request is logged in, and answered by one function below."""

    def on(path: str, *, html: bool = False, **handlers: Handler) -> Route:
        return Route(path, _endpoint(state, handlers, html=html), methods=list(handlers))

    record = f"{API}/{{type}}/{{id}}"
    return Starlette(
        routes=[
            on("/", html=True, GET=_entry_point),
            on(f"{API}/App/user", GET=_app_user),
            on(f"{API}/Settings", GET=_get_settings, PUT=_put_settings),
            on(f"{API}/MassAction", POST=_mass_action),
            on(f"{API}/Attachment/file/{{id}}", html=True, GET=_download),
            on(f"{API}/Attachment/chunk/{{id}}", html=True, POST=_chunk),
            on(f"{API}/Attachment/copy/{{id}}", html=True, POST=_copy),
            on(f"{API}/Attachment/fromImageUrl", html=True, POST=_from_url),
            on(f"{record}/streamAttachments", html=True, GET=_stream_attachments),
            on(f"{record}/{{link}}", GET=_linked),
            on(record, GET=_get, PUT=_put, PATCH=_put, DELETE=_delete),
            on(f"{API}/{{type}}", GET=_list, POST=_post),
        ],
        exception_handlers={404: _no_page, 405: _no_method},
    )


def _endpoint(state: State, handlers: dict[str, Handler], *, html: bool) -> Endpoint:
    async def answer(request: Request) -> Response:
        try:
            body = await body_of(request, state.body_limit)
            call = Call(state, authenticate(state, request), request, body)
            method = "GET" if request.method == "HEAD" else request.method
            return _uncached(state, handlers[method](call))
        except TooLarge:
            return Response(_page("413 Request Entity Too Large"), 413, media_type="text/html")
        except Unauthenticated as missing:
            headers = {"WWW-Authenticate": 'Basic realm=""'} if missing.dialog else None
            return Response(b"", 401, headers, media_type=HTML)
        except Refusal as refusal:
            return refused(refusal, html=html)

    return answer


def _uncached(state: State, response: Response) -> Response:
    """Add the headers that keep caches away, unless the answer has a rule of its own."""
    response.headers["Expires"] = "0"
    if "cache-control" not in response.headers:
        response.headers["Last-Modified"] = format_datetime(state.clock(), usegmt=True)
        rule = "no-store, no-cache, must-revalidate, post-check=0, pre-check=0"
        response.headers["Cache-Control"] = rule
    return response


def _json(value: Any) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")


def _get(call: Call) -> Response:
    return _json(output.read(call.state, records.fetch(call.state, call.login, call.type.name, call.id)))


def _post(call: Call) -> Response:
    kind = call.type
    if kind.name == "User":
        raise Refusal(403)
    given = call.fields()
    if kind.name == "Attachment":
        record = attachments.upload(call.state, call.login, given)
    else:
        twins = call.request.headers.get("x-skip-duplicate-check", "").lower() == "true"
        record = records.create(call.state, call.login, kind, given, twins=twins)
    return _json(output.created(call.state, record))


def _put(call: Call) -> Response:
    version = call.request.headers.get("x-version-number")
    record = records.changeable(call.state, call.login, call.type.name, call.id, "edit")
    return _json(records.update(call.state, call.login, record, call.fields(), version))


def _delete(call: Call) -> Response:
    records.delete(call.state, call.login, call.type.name, call.id)
    return _json(value=True)


def _list(call: Call) -> Response:
    """List records; attachments to admins only."""
    kind = call.type
    if kind.name == "Attachment" and not call.login.admin:
        raise Refusal(403)
    wanted = call.search()
    total, page = search.find(call.state, call.login, kind, wanted)
    items = [output.listed(call.state, each, wanted.select, wanted.order_by) for each in page]
    return _json({"total": total, "list": items})


def _stream_attachments(call: Call) -> Response:
    record = records.fetch(call.state, call.login, call.type.name, call.id)
    if not call.type.stream:
        raise Refusal(403, "No 'stream' access.")
    total, page = search.page_of_stream(call.state, record, call.search())
    items = [output.picked(call.state, each, output.STREAM_ATTRIBUTES) for each in page]
    return _json({"total": total, "list": items})


def _linked(call: Call) -> Response:
    """Refuse lists of linked records: notes and attachments have none, and no other is imitated."""
    if not call.type.linked_lists:
        raise Refusal(404, f"Action GET 'listLinked' does not exist in controller '{call.type.name}'.")
    raise Refusal(404)


def _download(call: Call) -> Response:
    record = call.attachment()
    disposition = f'attachment; filename="{record.values["name"]}"'.encode()
    return _file(call.state, record, disposition, [])


def _entry_point(call: Call) -> Response:
    """Download through the old entry point, which lets a browser show the file."""
    query = call.request.query_params
    record = call.state.find("Attachment", query.get("id"))
    if query.get("entryPoint") != "download" or record is None:
        raise Refusal(404)
    records.fetch(call.state, call.login, "Attachment", record.id)
    extra = [
        (b"content-security-policy", b"default-src 'self'"),
        (b"content-description", b"File Transfer"),
        (b"cache-control", b"must-revalidate"),
    ]
    return _file(call.state, record, f'inline;filename="{record.values["name"]}"'.encode(), extra)


def _file(
    state: State, record: Record, disposition: bytes, extra: list[tuple[bytes, bytes]]
) -> StreamingResponse:
    """Send bytes under the stored name and type, neither of them escaped; no ETag and no ranges."""
    media = _media(record.values.get("type")).encode()
    if not (HEADER_VALUE.fullmatch(disposition) and HEADER_VALUE.fullmatch(media)):
        raise broken()
    response = StreamingResponse(_in_this_thread(attachments.bytes_of(state, record)))
    size = state.files[records.source_of(record)].size
    response.raw_headers = [
        (b"content-type", media),
        (b"content-disposition", disposition),
        (b"content-length", str(size).encode()),
        *extra,
    ]
    return response


def _media(stored: str | None) -> str:
    """Give the content type of a download; PHP adds its charset to text."""
    if not stored:
        return HTML
    return f"{stored};charset=UTF-8" if re.match(r"text/[^;]*$", stored) else stored


async def _in_this_thread(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


def _chunk(call: Call) -> Response:
    attachments.append(call.state, call.attachment(), bytes(call.body))
    return _json(value=True)


def _copy(call: Call) -> Response:
    given = call.fields()
    attachments.check_copy(call.login, given)
    return _json(attachments.duplicate(call.state, call.login, call.attachment(), given))


def _from_url(_: Call) -> Response:
    """Refuse to fetch a file from elsewhere: the sandbox goes nowhere, and the real one not to its own host."""
    raise Refusal(403, "Not allowed URL.")


def _mass_action(call: Call) -> Response:
    """Delete several records; those that the user may not delete are skipped."""
    given = call.fields()
    kind, params = str(given.get("entityType")), given.get("params")
    ids = params.get("ids") if isinstance(params, dict) else None
    if given.get("action") != "delete" or kind not in TYPES or not isinstance(ids, list):
        raise Refusal(400)
    done = [key for key in ids if _deleted(call, kind, str(key))]
    return _json({"count": len(done), "ids": done})


def _deleted(call: Call, kind: str, key: str) -> bool:
    try:
        records.delete(call.state, call.login, kind, key)
    except Refusal:
        return False
    return True


def _app_user(call: Call) -> Response:
    """Say who is logged in, with a token that serves as a password from now on."""
    state, login = call.state, call.login
    scopes = {} if login.role is None else {name: sorted(may) for name, may in login.role.scopes.items()}
    return _json(
        {
            "user": output.read(state, state.records["User"][login.user_id]),
            "acl": {"table": scopes},
            "preferences": {"id": login.user_id, "language": state.settings["language"]},
            "token": token(state, login) if login.password else None,
            "settings": state.settings,
            "language": state.settings["language"],
            "appParams": {"maxUploadSize": state.settings["attachmentUploadMaxSize"]},
        }
    )


def _get_settings(call: Call) -> Response:
    return _json(call.state.settings)


def _put_settings(call: Call) -> Response:
    if not call.login.admin:
        raise Refusal(403)
    given = call.fields()
    call.state.settings.update({name: given[name] for name in given if name in call.state.settings})
    return _json(call.state.settings)


async def _no_page(_: Request, __: Exception) -> Response:
    return Response(_page("404 Not Found"), 404, media_type=HTML)


async def _no_method(request: Request, refusal: Exception) -> Response:
    """Answer a method that a route doesn't have; a preflight gets the same page with 200."""
    allowed = (refusal.headers or {}).get("Allow", "") if isinstance(refusal, HTTPException) else ""
    headers = {"Allow": ", ".join(sorted(set(allowed.split(", ")) - {"HEAD"}))}
    status = 200 if request.method == "OPTIONS" else 405
    return Response(_page("405 Method Not Allowed"), status, headers, media_type=HTML)


def _page(title: str) -> str:
    return f"<!doctype html><html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"
