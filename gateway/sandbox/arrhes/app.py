"""The routes of the Arrhes sandbox, with the real server's answers down to its errors (`upstreams.md` section 2)."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gateway.sandbox.arrhes import state as rules
from gateway.sandbox.arrhes import transfers
from gateway.sandbox.arrhes.objects import Objects
from gateway.sandbox.arrhes.state import Account, Refused, State
from gateway.sandbox.arrhes.validation import Field, sent_values
from gateway.sandbox.store import Store

Operation = Callable[[Account, dict[str, Any]], Any]
AsyncOperation = Callable[[Account, dict[str, Any]], Awaitable[Any]]
Transfer = Callable[[State, Objects, Account, dict[str, Any]], Awaitable[dict[str, Any]]]

PREFIX = "/v1/organizations/{idOrganization}/years/{idYear}"
"""Both parameters are ignored: the key decides on the organization, and every year has the same files."""
ID_FILE = Field("idFile")
ID_FOLDER = Field("idFolder")
CORS = {"access-control-allow-credentials": "true", "vary": "Origin"}
PREFLIGHT = {
    "access-control-allow-headers": "Content-Type,Authorization,Cookie,Set-Cookie,Credentials,X-Forwaded-For,"
    "X-Organization-Id,Cache-Control",
    "access-control-allow-methods": "POST",
    "vary": "Origin, Access-Control-Request-Headers",
}


def create_app(state: State, store: Store | None = None) -> Starlette:
    """Make the application; without a store, operations that need one answer 500.

    With a store this creates the state's bucket in it, so it blocks for one or two requests.
    """
    objects = None if store is None else Objects(store, state.bucket)
    if objects is not None:
        objects.make_bucket()
    app = Starlette(
        routes=[*_folder_routes(state), *_file_routes(state), *_transfer_routes(state, objects)],
        exception_handlers={Refused: _refuse, 404: _no_endpoint, 405: _no_endpoint},
    )
    app.router.redirect_slashes = False
    return app


def _folder_routes(state: State) -> list[Route]:
    name, parent = Field("name"), Field("idFolderParent", needed=False, nullable=True)
    named = Field("name", needed=False)
    return [
        _route(state, "GET", "/folders", lambda who, _: _list(state.folders, who)),
        _route(
            state, "POST", "/folders", lambda who, sent: rules.create_folder(state, who, sent), name, parent
        ),
        _route(
            state,
            "GET",
            "/folders/{idFolder}",
            lambda who, sent: rules.own(state.folders, who, sent["idFolder"]),
            ID_FOLDER,
        ),
        _route(
            state,
            "PATCH",
            "/folders/{idFolder}",
            lambda who, sent: rules.change_folder(state, who, sent),
            ID_FOLDER,
            named,
            parent,
        ),
        _route(
            state,
            "DELETE",
            "/folders/{idFolder}",
            lambda who, sent: rules.delete_folder(state, who, sent),
            ID_FOLDER,
        ),
    ]


def _file_routes(state: State) -> list[Route]:
    folder = Field("idFolder", needed=False, nullable=True)
    created = (Field("reference", nullable=True), Field("name"), Field("hash", nullable=True), folder)
    patched = (
        ID_FILE,
        Field("reference", needed=False, nullable=True),
        Field("name", needed=False),
        Field("date", needed=False, nullable=True, blank=False),
        folder,
    )
    return [
        _route(state, "GET", "/files", lambda who, _: _list(state.files, who)),
        _route(state, "POST", "/files", lambda who, sent: rules.create_file(state, who, sent), *created),
        _route(
            state,
            "GET",
            "/files/{idFile}",
            lambda who, sent: rules.own(state.files, who, sent["idFile"]),
            ID_FILE,
        ),
        _route(
            state,
            "PATCH",
            "/files/{idFile}",
            lambda who, sent: rules.change_file(state, who, sent),
            *patched,
        ),
        _route(
            state,
            "DELETE",
            "/files/{idFile}",
            lambda who, sent: rules.delete_file(state, who, sent),
            ID_FILE,
        ),
    ]


def _transfer_routes(state: State, objects: Objects | None) -> list[Route]:
    def transfer(action: str, operation: Transfer, *fields: Field) -> Route:
        async def with_store(account: Account, sent: dict[str, Any]) -> dict[str, Any]:
            if objects is None:
                raise rules.internal_error()
            return await operation(state, objects, account, sent)

        return _async_route(state, "POST", f"/files/{{idFile}}/{action}", with_store, ID_FILE, *fields)

    return [
        transfer("upload-url", transfers.upload_url, Field("type"), Field("size", whole=True)),
        transfer("finalize", transfers.finalize),
        transfer("download-url", transfers.download_url),
        transfer("delete-url", transfers.delete_url),
        transfer("ocr", transfers.recognize),
    ]


def _route(state: State, method: str, path: str, operation: Operation, *fields: Field) -> Route:
    async def at_once(account: Account, sent: dict[str, Any]) -> Any:
        return operation(account, sent)

    return _async_route(state, method, path, at_once, *fields)


def _async_route(state: State, method: str, path: str, operation: AsyncOperation, *fields: Field) -> Route:
    """Make a route that authenticates first, then validates, then answers 200 whatever it did."""

    async def answer(request: Request) -> Response:
        account = _authenticated(state, request)
        result = await operation(account, await sent_values(request, fields))
        return JSONResponse(_wire(result), headers=CORS)

    return Route(PREFIX + path, answer, methods=[method])


def _list(rows: dict[str, Any], account: Account) -> list[Any]:
    """Give the rows of the key's whole organization in physical order; there is no paging."""
    return [row for row in rows.values() if row.idOrganization == account.organization.id]


def _wire(result: Any) -> Any:
    if isinstance(result, list):
        return [_wire(one) for one in result]
    if isinstance(result, rules.File | rules.Folder):
        return asdict(result)
    return {} if result is None else result


def _authenticated(state: State, request: Request) -> Account:
    found = re.fullmatch(r"Bearer (\S+)", request.headers.get("authorization", ""))
    if found is None:
        raise Refused(401, "Internal error", "No valid authentication method found")
    account = state.accounts.get(found[1])
    if account is None:
        raise Refused(401, "Internal error", "Object not found")
    return account


async def _refuse(_request: Request, error: Exception) -> Response:
    if not isinstance(error, Refused):
        raise error
    return JSONResponse(error.body, error.status, CORS)


async def _no_endpoint(request: Request, _error: Exception) -> Response:
    """Answer unknown paths and methods alike, but for a browser's preflight."""
    if request.method == "OPTIONS" and "access-control-request-method" in request.headers:
        origin = {"access-control-allow-origin": request.headers.get("origin", "*")}
        return Response(status_code=204, headers=CORS | PREFLIGHT | origin)
    return JSONResponse({"message": "Endpoint not found"}, 404, CORS)
