"""Logins: API key, HMAC, Basic and tokens, and what happens after too many wrong ones (upstreams.md 5.1, 5.8)."""

import base64
import binascii
import hashlib
import hmac

from starlette.requests import Request

from gateway.sandbox.espocrm.errors import Refusal
from gateway.sandbox.espocrm.state import Login, State

MOST_DENIED = 10
"""Refused logins of one address within a minute; more than these close the door to that address."""

DENIED_FOR = 60.0
"""Seconds for which a refused login is counted."""

PREFIX = b"/api/v1"
MAINTENANCE = "The application currently is in maintenance mode. Only admin users have access."


class Unauthenticated(Exception):
    """No login, or a wrong one; ``dialog`` asks a browser to show its own form."""

    def __init__(self, *, dialog: bool) -> None:
        super().__init__()
        self.dialog = dialog


def authenticate(state: State, request: Request) -> Login:
    """Find the user of a request.

    Raises Unauthenticated for the empty 401, and Refusal for 403 (too many failures from this address, even with
    a right key), 503 (maintenance) and 400 (a header that can't be read).
    """
    by_key = "espo-authorization" not in request.headers and (
        "x-hmac-authorization" in request.headers or "x-api-key" in request.headers
    )
    pair = None if by_key else _pair(request)
    if not by_key and pair is None:
        raise Unauthenticated(dialog=_shows_dialog(request))
    address = request.client.host if request.client else ""
    _refuse_if_too_many(state, address)
    login = _by_key(state, request) if pair is None else _by_password(state, *pair)
    if login is not None and not login.admin and state.settings["maintenanceMode"]:
        raise Refusal(503, "Application is in maintenance mode.", {"message": MAINTENANCE}, html=True)
    if login is None or not state.records["User"][login.user_id].values["isActive"]:
        state.denied.append((address, state.clock().timestamp()))
        raise Unauthenticated(dialog=False)
    state.records["User"][login.user_id].values["lastAccess"] = state.stamp()
    return login


def token(state: State, login: Login) -> str:
    """Hand out a token that serves as a password until the sandbox ends."""
    made = hashlib.sha256(f"token of {login.user_id}".encode()).hexdigest()[:32]
    state.tokens[made] = login.user_id
    return made


def sign(method: str, path: str, key: str, secret: str) -> str:
    """Make the value of X-Hmac-Authorization; ``path`` begins with a slash, without ``/api/v1`` and query."""
    digest = hmac.new(secret.encode(), f"{method} {path}".encode(), hashlib.sha256).hexdigest()
    return base64.b64encode(f"{key}:{digest}".encode()).decode()


def _shows_dialog(request: Request) -> bool:
    scripted = request.headers.get("x-requested-with", "").lower() == "xmlhttprequest"
    return not scripted and "referer" not in request.headers and request.method != "POST"


def _refuse_if_too_many(state: State, address: str) -> None:
    since = state.clock().timestamp() - DENIED_FOR
    if sum(where == address and when > since for where, when in state.denied) > MOST_DENIED:
        raise Refusal(403, None, html=True)


def _pair(request: Request) -> tuple[str, str] | None:
    """Read user and password; a scheme other than Basic goes unseen."""
    own = request.headers.get("espo-authorization")
    if own is not None:
        user, colon, password = _decoded(own).partition(":")
        if not colon:
            raise Refusal(400, "Auth: Bad authorization string provided.", html=True)
        return user.strip(), password.strip()
    scheme, _, coded = request.headers.get("authorization", "").partition(" ")
    user, _, password = _decoded(coded).partition(":") if scheme.lower() == "basic" else ("", "", "")
    return (user.strip(), password.strip()) if user and password else None


def _decoded(coded: str) -> str:
    try:
        return base64.b64decode(coded).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return ""


def _by_password(state: State, name: str, password: str) -> Login | None:
    for login in state.logins:
        known = login.password is not None and hmac.compare_digest(login.password.encode(), password.encode())
        if login.name == name and (known or state.tokens.get(password) == login.user_id):
            return login
    return None


def _by_key(state: State, request: Request) -> Login | None:
    coded = request.headers.get("x-hmac-authorization")
    if coded is not None:
        return _by_signature(state, request, coded)
    key = request.headers["x-api-key"]
    return next((each for each in state.logins if each.key == key and each.secret is None), None)


def _by_signature(state: State, request: Request, coded: str) -> Login | None:
    """Check a signature over method and path, in hexadecimal or, as before EspoCRM 8.4.1, in raw bytes."""
    try:
        key, _, given = base64.b64decode(coded).partition(b":")
    except (binascii.Error, ValueError):
        return None
    login = next((each for each in state.logins if each.secret and (each.key or "").encode() == key), None)
    if login is None or login.secret is None:
        return None
    path: bytes = request.scope.get("raw_path") or request.url.path.encode()
    signed = request.method.encode() + b" " + path.removeprefix(PREFIX)
    digest = hmac.new(login.secret.encode(), signed, hashlib.sha256)
    expected = (digest.hexdigest().encode(), digest.digest())
    return login if any(hmac.compare_digest(each, given) for each in expected) else None
