"""Who asks: Basic first, then Bearer, and the routes that give tokens out (upstreams.md 1.1)."""

import base64
from typing import Any

from starlette.responses import Response

from gateway.sandbox.maarch import php, tokens
from gateway.sandbox.maarch.calls import Call, answered, nothing
from gateway.sandbox.maarch.records import Refused, User
from gateway.sandbox.maarch.state import State

ACCESS_MINUTES = 30
"""The longest life of an access token; the site's session may be shorter."""
REFRESH_TOKENS = 11
"""How many refresh tokens a user may have at a time; the oldest goes first."""

FAILED = "Authentication Failed"


def authenticated(state: State, authorization: str) -> User:
    """Tell the user of an ``Authorization`` header; refuses with 401."""
    scheme, _, value = authorization.partition(" ")
    user = None
    if scheme.lower() == "basic":
        user = _by_password(state, value)
    elif scheme == "Bearer":
        user = _by_token(state, value)
    if user is None:
        raise Refused(401, FAILED)
    return user


def _by_password(state: State, value: str) -> User | None:
    try:
        login, _, password = base64.b64decode(value).decode().partition(":")
    except ValueError:
        return None
    return _matching(state, login, password)


def _matching(state: State, login: str, password: str) -> User | None:
    user = state.user_named(login)
    return user if user is not None and password and user.password == password else None


def _by_token(state: State, value: str) -> User | None:
    payload = tokens.opened(value.strip(), state.secret, state.clock().timestamp())
    return state.user(payload["user"]["id"]) if payload else None


def check_route(user: User, route: str) -> None:
    """Refuse a route that a program's account isn't allowed, such as ``GET/attachments/{id}``."""
    if user.mode == "rest" and user.routes and route not in user.routes:
        raise Refused(403, "This route is not authorized for this user")


def authenticate(call: Call) -> Response:
    """Give tokens to a person in the headers of a 204; a program's account is refused with 403."""
    body: dict[str, Any] = call.body if isinstance(call.body, dict) else {}
    login, password = body.get("login"), body.get("password")
    if not isinstance(login, str) or not isinstance(password, str) or php.is_blank(login) or not password:
        raise Refused(400, "Bad Request")
    known = call.state.user_named(login)
    if known is None or known.mode == "rest":
        raise Refused(403, FAILED)
    user = _matching(call.state, login, password)
    if user is None:
        raise Refused(401, FAILED)
    return nothing({"Token": _access(call.state, user), "Refresh-Token": _refresh(call.state, user)})


def refresh(call: Call) -> Response:
    """Give a new access token for a refresh token that is still known."""
    sent = call.query.get("refreshToken", "")
    if php.is_blank(sent):
        raise Refused(400, "Refresh Token is empty")
    user = _by_token(call.state, sent)
    if user is None or sent not in user.refresh_tokens:
        raise Refused(401, FAILED)
    return answered({"token": _access(call.state, user)})


def _access(state: State, user: User) -> str:
    shown = {"id": user.id, "firstname": user.firstname, "lastname": user.lastname, "login": user.login}
    return _token(state, min(ACCESS_MINUTES, state.session), shown)


def _refresh(state: State, user: User) -> str:
    token = _token(state, state.session, {"id": user.id})
    user.refresh_tokens = [*user.refresh_tokens, token][-REFRESH_TOKENS:]
    return token


def _token(state: State, minutes: int, user: dict[str, Any]) -> str:
    expiry = int(state.clock().timestamp()) + minutes * 60
    return tokens.signed({"exp": expiry, "user": user}, state.secret)
