"""API keys: `agk_<id>_<secret>`, of which the settings hold a hash only.

The secret is 256 random bits, so a plain SHA-256 keeps it: there is no list of likely secrets to try, which is what
slow hashes are for, and this one is computed for each request.
"""

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.domain.secret import Secret
from gateway.identity.configuration import ApiKeySettings
from gateway.identity.principals import DEFAULT_TENANT, Principal, known_scopes

PREFIX = "agk_"
SECRET_BYTES = 32
LARGEST = 128
"""Characters of a key; longer, it is not looked at."""
NOBODY = bytes(32)
"""What the secret of an unknown key is compared with, so that knowing an id takes as long as guessing one."""


@dataclass(frozen=True, slots=True)
class _Known:
    digest: bytes
    principal: Principal


class ApiKeys:
    """The keys of the settings. Looking one up costs a hash, 1 µs, and no request."""

    def __init__(self, keys: Sequence[ApiKeySettings]) -> None:
        self._keys = {key.id: _known(key) for key in keys}

    def find(self, text: str, now: float) -> Principal | None:
        """Tell whose a key is; None for one that is wrong or has ended. ``now`` is in seconds since 1970."""
        if len(text) > LARGEST or not text.isascii():
            return None
        key_id, _, secret = text.removeprefix(PREFIX).partition("_")
        known = self._keys.get(key_id)
        digest = hashlib.sha256(secret.encode()).digest()
        if not hmac.compare_digest(digest, known.digest if known else NOBODY) or known is None:
            return None
        principal = known.principal
        return None if principal.ends is not None and principal.ends <= now else principal


def is_api_key(text: str) -> bool:
    """Tell an API key from a token; no token holds a `_` before its first dot, where it is `eyJ…`."""
    return text.startswith(PREFIX)


def new_key(key_id: str) -> tuple[Secret, str]:
    """Make a key; gives its text, which nobody can find out again, and the hash for the settings."""
    secret = secrets.token_urlsafe(SECRET_BYTES)
    return Secret(f"{PREFIX}{key_id}_{secret}"), hashlib.sha256(secret.encode()).hexdigest()


def _known(key: ApiKeySettings) -> _Known:
    tenant = key.tenant or DEFAULT_TENANT
    principal = Principal(f"key:{key.id}", tenant, known_scopes(key.scopes), ends=key.ends)
    return _Known(bytes.fromhex(key.sha256.reveal()), principal)
