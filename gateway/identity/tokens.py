"""JSON Web Tokens (RFC 7519) of configured issuers: read suspiciously, verified by PyJWT, then judged.

Nothing in a token leads anywhere: of its header only `alg`, `kid` and `typ` are heeded, and `kid` is looked up in a
dictionary. A token that brings keys or addresses of keys along, or wants to be read in a special way, is refused.
"""

import base64
import binascii
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from jwt import PyJWS, PyJWTError

from gateway.identity.configuration import IssuerSettings
from gateway.identity.json_objects import read_object
from gateway.identity.jwks import IssuerKey
from gateway.identity.principals import DEFAULT_TENANT, Principal, known_scopes

LARGEST = 8192
"""Characters of a token; longer, it is not looked at."""
LEEWAY = 60.0
"""Seconds that the clocks of an issuer and of the gateway may differ."""
LONGEST_NAME = 255
KID = re.compile(r"(?!.*\.\.)[A-Za-z0-9._~+/=:-]{1,128}")
"""A plain name; issuers also write Base64, with its slashes."""
SHAPE = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
TYPES = frozenset({"jwt", "at+jwt", "application/jwt", "application/at+jwt"})
FORBIDDEN = frozenset({"b64", "crit", "enc", "jku", "jwk", "x5c", "x5u", "zip"})
"""Members of a header that would change how the token is read or verified."""

_jws = PyJWS()


class BadTokenError(Exception):
    """A token that is not taken; the text says why, for the log of the operator, and holds nothing of the token."""


@dataclass(frozen=True, slots=True)
class Unverified:
    """A token that has the right form; nothing that it says is to be believed yet."""

    text: str = field(repr=False)
    algorithm: str
    kid: str
    claims: Mapping[str, Any] = field(repr=False)

    @property
    def issuer(self) -> str:
        """Who is said to have issued it, so that it can be verified by his keys."""
        issuer = self.claims.get("iss")
        return issuer if isinstance(issuer, str) else ""


def parse(token: str) -> Unverified:
    """Read a token without believing it; raises BadTokenError."""
    if len(token) > LARGEST or not SHAPE.fullmatch(token):
        raise BadTokenError("no token, or too long")
    head, body, _ = token.split(".")
    header = _object(head)
    algorithm, kid = header.get("alg"), header.get("kid")
    if FORBIDDEN & header.keys():
        raise BadTokenError("a header that is not allowed")
    if not isinstance(algorithm, str) or str(header.get("typ", "JWT")).lower() not in TYPES:
        raise BadTokenError("another type of token")
    if not isinstance(kid, str) or not KID.fullmatch(kid):
        raise BadTokenError("no plain key id")
    return Unverified(token, algorithm, kid, _object(body))


def verify(token: Unverified, settings: IssuerSettings, key: IssuerKey, now: float) -> Principal:
    """Verify a token of an issuer and tell whose it is; ``now`` is in seconds since 1970. Raises BadTokenError."""
    if token.algorithm not in settings.algorithms or token.algorithm not in key.algorithms:
        raise BadTokenError("an algorithm that is not allowed")
    try:
        _jws.decode(token.text, key.key, algorithms=[token.algorithm])
    except (PyJWTError, ValueError, TypeError) as exc:
        raise BadTokenError("a signature that does not fit") from exc
    claims = token.claims
    if token.issuer != settings.issuer or settings.audience not in _audiences(claims.get("aud")):
        raise BadTokenError("another issuer or audience")
    ends = _check_times(claims, now)
    subject = _name(claims, "sub")
    tenant = settings.tenant or (
        _name(claims, settings.tenant_claim) if settings.tenant_claim else DEFAULT_TENANT
    )
    scopes = known_scopes(_words(claims.get(settings.scopes_claim)))
    return Principal(f"{settings.issuer}#{subject}", tenant, scopes, ends=ends)


def _object(part: str) -> dict[str, Any]:
    try:
        text = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
        if base64.urlsafe_b64encode(text).rstrip(b"=").decode("ascii") != part:
            raise BadTokenError("another spelling of base64")
        return read_object(text)
    except (ValueError, binascii.Error) as exc:
        raise BadTokenError("not written as a token is") from exc


def _audiences(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]


def _check_times(claims: Mapping[str, Any], now: float) -> float:
    """Hold a token to its times; gives the one from which it is not taken any more."""
    ends, begins, issued = (_time(claims, name) for name in ("exp", "nbf", "iat"))
    if ends is None or ends + LEEWAY <= now:
        raise BadTokenError("ended, or without an end")
    if max(begins or 0, issued or 0) - LEEWAY > now:
        raise BadTokenError("of the future")
    return ends + LEEWAY


def _time(claims: Mapping[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None and name not in claims:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadTokenError(f"`{name}` is no time")
    if not 0 <= value < 1e12 or not math.isfinite(value):  # noqa: PLR2004 - some 30,000 years
        raise BadTokenError(f"`{name}` is no time")
    return float(value)


def _name(claims: Mapping[str, Any], claim: str) -> str:
    value = claims.get(claim)
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_NAME or not value.isprintable():
        raise BadTokenError(f"`{claim}` is no name")
    return value


def _words(value: object) -> list[str]:
    """Read scopes: one text with blanks between (RFC 8693, 4.2), or a list of texts."""
    if isinstance(value, str):
        return value.split(" ")
    return [word for word in value if isinstance(word, str)] if isinstance(value, list) else []
