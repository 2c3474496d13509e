"""The edge: what every request passes before the application sees it, and every answer before it leaves.

It is plain ASGI and does nothing that waits. Requests that name a foreign host are refused (400), and browsers get
the answers of CORS (https://fetch.spec.whatwg.org/#http-cors-protocol) for listed origins only. Answers get the
headers that keep browsers from guessing, framing and storing. `LiveDoor` stands before WebSockets and event
streams: those of other origins are refused (403), as no browser asks before it opens them, and so are those of a
client that has too many (429).
"""

import re
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, TypeAlias

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.web.origins import Hosts, Origins

Pairs: TypeAlias = tuple[tuple[bytes, bytes], ...]

PROBES = frozenset({"/livez", "/readyz"})
"""Paths that orchestrators ask by the address of a container, whatever it is."""
ALWAYS: Pairs = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)
"""What an answer says unless it says something else."""
HTTPS_ONLY = (b"strict-transport-security", b"max-age=31536000")
NAMES = frozenset(name for name, _ in (*ALWAYS, HTTPS_ONLY))
EXPOSED = b", ".join(
    (
        b"accept-ranges",
        b"content-disposition",
        b"content-range",
        b"etag",
        b"ratelimit",
        b"ratelimit-policy",
        b"retry-after",
        b"x-request-id",
    )
)
"""The headers of answers that pages of listed origins may read, beside those that every page may."""
ALLOWED_METHODS = b"GET, HEAD, POST"
HEADER_NAMES = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+(?: *, *[!#$%&'*+.^_`|~0-9A-Za-z-]+){0,63}")
PREFLIGHT_LIFE = b"600"
"""Seconds that a browser may keep the answer of a preflight."""
ADDED = "gateway.response.added"
"""An extension of ASGI: takes lines for the head of the answer, as they are written, which are put together once.

The server looks at each header of each answer with two regular expressions, which takes as much for those that are
always the same as the rest of the edge does.
"""


class Edge:
    """Wraps an application. ``secure`` says that clients reach it by HTTPS alone."""

    def __init__(
        self,
        app: ASGIApp,
        hosts: Hosts,
        origins: Origins,
        *,
        credentials: bool = False,
        secure: bool = False,
    ) -> None:
        self._app = app
        self._hosts = hosts
        self._origins = origins
        self._credentials: Pairs = ((b"access-control-allow-credentials", b"true"),) if credentials else ()
        https: Pairs = (HTTPS_ONLY,) if secure else ()
        varies: Pairs = ((b"vary", b"Origin"),) if origins.listed else ()
        self._usual: Pairs = (*ALWAYS, *https, *varies)
        self._lines = b"".join([name + b": " + value + b"\r\n" for name, value in self._usual])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or refuse it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        origin = headers.get(b"origin")
        if scope["type"] == "http":
            send = self._adding(send, scope) if origin is None else _with_more(send, self._shared(origin))
        if not self._is_ours(scope, headers):
            await refuse(scope, send, 400, "This host is not served here.")
        elif origin and scope.get("method") == "OPTIONS" and b"access-control-request-method" in headers:
            await self._preflight(headers, origin, send)
        else:
            await self._app(scope, receive, send)

    def _adding(self, send: Send, scope: Scope) -> Send:
        """Add what every answer says, by the lines that are written already where the server takes them."""
        add = scope.get("extensions", {}).get(ADDED)
        return _with_more(send, self._usual, None if add is None else partial(add, self._lines))

    def _is_ours(self, scope: Scope, headers: Mapping[bytes, bytes]) -> bool:
        """Tell whether a request is meant for us; one with two hosts is nobody's (RFC 9112, 3.2)."""
        once = (
            len(headers) == len(scope["headers"]) or [name for name, _ in scope["headers"]].count(b"host") == 1
        )
        return (once and self._hosts.allow(headers.get(b"host", b""))) or scope["path"] in PROBES

    def _shared(self, origin: bytes) -> Pairs:
        """Give the headers by which a browser lets a page of another origin read the answer."""
        if not self._origins.allow(origin):
            return self._usual
        return (
            *self._usual,
            (b"access-control-allow-origin", origin),
            (b"access-control-expose-headers", EXPOSED),
            *self._credentials,
        )

    async def _preflight(self, headers: Mapping[bytes, bytes], origin: bytes, send: Send) -> None:
        """Answer what a browser asks before it sends a page's request; a listed page may send any header."""
        if not self._origins.allow(origin):
            await _answer(send, 403, b"Pages of this origin may not ask here.", ())
            return
        asked = headers.get(b"access-control-request-headers", b"").strip()
        allowed: Pairs = ((b"access-control-allow-headers", asked),) if HEADER_NAMES.fullmatch(asked) else ()
        methods = (b"access-control-allow-methods", ALLOWED_METHODS)
        await _answer(send, 204, b"", (*allowed, methods, (b"access-control-max-age", PREFLIGHT_LIFE)))


def _with_more(send: Send, more: Pairs, add: Callable[[], None] | None = None) -> Send:
    """Add to an answer those headers that it does not have, and `vary` in any case.

    ``add`` adds them all in another way, if there is one.
    """

    def sent(message: Message) -> Awaitable[None]:
        if message["type"] == "http.response.start":
            headers = message.get("headers", ())
            said = [name for name, _ in headers]
            is_plain = NAMES.isdisjoint(said)  # as most are: they say nothing of what is added
            if is_plain and add is not None:
                add()
                return send(message)
            lacking = more if is_plain else [pair for pair in more if pair[0] == b"vary" or pair[0] not in said]
            message["headers"] = [*headers, *lacking]
        return send(message)

    return sent


class LiveDoor:
    """Wraps what holds connections open; ``most`` is how many of them one client's address may hold at once."""

    def __init__(self, app: ASGIApp, origins: Origins, most: int) -> None:
        self._app = app
        self._origins = origins
        self._most = most
        self._open: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a WebSocket or an event stream in, and count it as long as it stays."""
        headers = dict(scope["headers"])
        origin, client = headers.get(b"origin"), (scope.get("client") or ("",))[0]
        if origin is not None and not self._origins.may_connect(origin, headers.get(b"host", b"")):
            await refuse(scope, send, 403, "Pages of this origin may not connect here.")
            return
        if self._open[client] >= self._most:
            await refuse(scope, send, 429, f"One client holds at most {self._most:,} live connections.")
            return
        self._open[client] += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._open[client] -= 1
            if not self._open[client]:
                del self._open[client]


async def refuse(scope: Scope, send: Send, status: int, message: str) -> None:
    """Refuse a request or the handshake of a WebSocket with one line of text."""
    prefix = "websocket.http.response" if scope["type"] == "websocket" else "http.response"
    await _answer(send, status, message.encode(), ((b"connection", b"close"),), prefix)


async def _answer(send: Send, status: int, body: bytes, headers: Pairs, prefix: str = "http.response") -> None:
    typed: Pairs = ((b"content-type", b"text/plain; charset=utf-8"),) if body else ()
    length: Pairs = ((b"content-length", str(len(body)).encode()),) if status != 204 else ()  # noqa: PLR2004
    start: dict[str, Any] = {
        "type": f"{prefix}.start",
        "status": status,
        "headers": [*typed, *length, *headers],
    }
    await send(start)
    await send({"type": f"{prefix}.body", "body": body})
