"""What can go wrong at any source, and the error that every adapter makes of it."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from gateway.domain.errors import (
    BadInput,
    BadResponse,
    DeadlineExceeded,
    Forbidden,
    GatewayError,
    NotFound,
    RateLimited,
    Unauthenticated,
    Unavailable,
)
from gateway.sandbox.upstream import Fault

CANARY = "canary-that-must-stay-in-its-cage"
"""Stands in the headers and bodies that a source answers; no error may repeat it."""

PATIENCE = 30.0
HURRY = 0.25
"""Seconds that a check gives a call, the second where no answer will come."""

RETRY_AFTER = 77.0
"""Seconds; longer than any check waits, so that nothing is tried again."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """One way to fail; ``status`` is set where the upstream answers it, ``seconds`` is what the call may take."""

    name: str
    fault: Callable[[], Fault]
    error: type[GatewayError]
    status: int | None = None
    seconds: float = PATIENCE
    retry_after: float | None = None


def _status(status: int, error: type[GatewayError], retry_after: float | None = None) -> Trouble:
    headers = {"content-type": "application/json", "x-canary": CANARY}
    if retry_after is not None:
        headers["retry-after"] = f"{retry_after:.0f}"
    body = f'{{"message": "{CANARY}", "errors": "{CANARY}"}}'.encode()
    return Trouble(
        f"status {status}",
        lambda: Fault(status=status, body=body, headers=headers),
        error,
        status,
        PATIENCE,
        retry_after,
    )


def _body(name: str, body: bytes, media_type: str) -> Trouble:
    headers = {"content-type": media_type, "x-canary": CANARY}
    return Trouble(name, lambda: Fault(status=200, body=body, headers=headers), BadResponse)


TROUBLES: tuple[Trouble, ...] = (
    _status(302, BadResponse),
    _status(400, BadInput),
    _status(401, Unauthenticated),
    _status(403, Forbidden),
    _status(404, NotFound),
    _status(418, BadResponse),
    _status(429, RateLimited, RETRY_AFTER),
    _status(500, Unavailable),
    _status(502, Unavailable, RETRY_AFTER),
    _status(503, Unavailable, RETRY_AFTER),
    _status(504, Unavailable, RETRY_AFTER),
    _body("empty body", b"", "application/json"),
    _body("half JSON", f'[{{"{CANARY}": "{CANARY}", "'.encode(), "application/json"),
    _body("half XML", f"<?xml version='1.0'?><a><b>{CANARY}</b".encode(), "text/xml"),
    _body("HTML", f"<!DOCTYPE html><html><p>{CANARY}<br>&nbsp;</p></html>".encode(), "text/html"),
    _body("no UTF-8", b"\xff\xfe\x00" + CANARY.encode() + b"\xff", "application/json"),
    Trouble("half a body", lambda: Fault(truncate=25), BadResponse),
    Trouble("no answer", lambda: Fault(hold=threading.Event()), DeadlineExceeded, seconds=HURRY),
)
