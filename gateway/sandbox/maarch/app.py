"""The routes of a Maarch Courrier under ``/rest``, and what comes before them: maintenance, routing, login.

An unknown route and an unknown method answer 500 before anybody is asked for a password (recorded).
"""

from collections.abc import Awaitable, Callable, Iterable

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from gateway.sandbox.maarch import attachments, downloads, login
from gateway.sandbox.maarch.calls import Call, answered, parsed
from gateway.sandbox.maarch.records import Crashed, Refused
from gateway.sandbox.maarch.state import State

BASE = "/rest"

Handler = Callable[[Call], Response]

ROUTES: dict[str, dict[str, Handler]] = {
    "/authenticate": {"POST": login.authenticate},
    "/authenticate/token": {"GET": login.refresh},
    "/attachments": {"POST": attachments.create},
    "/attachments/{id}": {
        "GET": attachments.get,
        "PUT": attachments.update,
        "DELETE": attachments.delete,
    },
    "/attachments/{id}/content": {"GET": downloads.rendition},
    "/attachments/{id}/originalContent": {"GET": downloads.original},
    "/attachments/{id}/thumbnail": {"GET": downloads.thumbnail},
    "/attachments/{id}/thumbnail/{page}": {"GET": downloads.thumbnail_page},
    "/attachments/{id}/inSendAttachment": {"PUT": attachments.toggle_sending},
    "/attachments/{id}/inSignatureBook": {"PUT": attachments.toggle_signature_book},
    "/resources/{resId}/attachments": {"GET": attachments.by_mail},
    "/attachmentsInformations": {"GET": attachments.by_chrono},
    "/attachmentsTypes": {"GET": attachments.types},
}

OPEN = {"POST/authenticate", "GET/authenticate/token"}
"""The routes that need no login."""


class Resource:
    """All methods of one path; an ASGI application, so that it hears of every method."""

    def __init__(self, state: State, pattern: str, handlers: dict[str, Handler]) -> None:
        self.state = state
        self.pattern = pattern
        self.handlers = handlers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        response = await _guarded(self.state, self._answer, Request(scope, receive))
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        handler = self.handlers.get(method)
        if handler is None:
            raise Crashed(f"Method not allowed. Must be one of: {', '.join(self.handlers)}")
        route = method + self.pattern
        user = None
        if route not in OPEN:
            user = login.authenticated(self.state, request.headers.get("authorization", ""))
            login.check_route(user, route)
        body = await parsed(request) if method in ("POST", "PUT") else None
        return handler(Call(self.state, user, request.path_params, request.query_params, body))


def create_app(state: State) -> Starlette:
    """Make the application that answers for a mail room, under the base path ``/rest``."""

    async def unknown(request: Request, _: Exception) -> Response:
        return await _guarded(state, _no_route, request)

    app = Starlette(routes=list(_routes(state)), exception_handlers={HTTPException: unknown})
    app.router.redirect_slashes = False
    return app


def _routes(state: State) -> Iterable[Route]:
    for pattern, handlers in ROUTES.items():
        yield Route(BASE + pattern, Resource(state, pattern, handlers))


async def _no_route(_: Request) -> Response:
    raise Crashed("Not found.")


async def _guarded(
    state: State, answer: Callable[[Request], Awaitable[Response]], request: Request
) -> Response:
    """Answer, or turn a refusal or a crash into what the server says of it."""
    if state.maintenance:
        return _migrating()
    try:
        return await answer(request)
    except Refused as refused:
        return answered(refused.body, refused.status)
    except Crashed as crashed:
        return answered(crashed.body, 500)


def _migrating() -> Response:
    """Answer as during a migration; the value of ``Retry-After`` is no HTTP value, and that is real."""
    body = {
        "errors": "Service unavailable : migration in progress",
        "lang": "migrationProcessing",
        "migrating": True,
    }
    response = answered(body, 503)
    response.headers["Retry-After"] = "5 minutes"
    return response
