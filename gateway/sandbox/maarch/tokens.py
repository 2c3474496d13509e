"""JSON web tokens signed with HMAC-SHA256 (RFC 7519), as ``POST /authenticate`` gives them out."""

import base64
import hashlib
import hmac
import json
from typing import Any

HEADER = {"typ": "JWT", "alg": "HS256"}


def signed(payload: dict[str, Any], secret: str) -> str:
    """Make a token of a payload; ``exp`` in it is in seconds since 1970."""
    parts = [_packed(json.dumps(part, separators=(",", ":")).encode()) for part in (HEADER, payload)]
    body = ".".join(parts)
    return f"{body}.{_packed(_signature(body, secret))}"


def opened(token: str, secret: str, now: float) -> dict[str, Any] | None:
    """Give the payload of a token, or None where it is malformed, forged or expired at ``now``."""
    body, _, signature = token.rpartition(".")
    try:
        if not hmac.compare_digest(_unpacked(signature), _signature(body, secret)):
            return None
        head, payload = (json.loads(_unpacked(part)) for part in body.split("."))
    except ValueError:
        return None
    return payload if head == HEADER and payload.get("exp", 0) > now else None


def _signature(body: str, secret: str) -> bytes:
    return hmac.digest(secret.encode(), body.encode(), hashlib.sha256)


def _packed(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _unpacked(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
