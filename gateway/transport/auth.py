"""How a request proves to a source who sends it."""

import asyncio
import base64
import hashlib
import hmac
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from gateway.domain.secret import Secret


class Auth(Protocol):
    """Makes the headers of one source's credential.

    ``identity`` tells credentials apart without showing them: requests are shared only within one identity.
    """

    @property
    def identity(self) -> str:
        """Give a text that is the same for the same credential only."""

    async def headers(self, method: str, path: str) -> dict[str, str]:
        """Make the headers for one request; ``path`` is percent-encoded, below the source's base URL."""

    async def renew(self, refused: Mapping[str, str]) -> bool:
        """Get a new credential in place of the refused headers; False where there is none to get."""


def fingerprint(*texts: str) -> str:
    """Hash a credential for use in keys; one way, so a key that shows up in a log gives nothing away."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]


class HeaderAuth:
    """The same headers for every request: an API key or a bearer token that does not end."""

    def __init__(self, headers: dict[str, Secret]) -> None:
        self._headers = headers
        self.identity = fingerprint(*headers, *(value.reveal() for value in headers.values()))

    async def headers(self, method: str, path: str) -> dict[str, str]:  # noqa: ARG002 - the same for all
        """Give the headers."""
        return {name: value.reveal() for name, value in self._headers.items()}

    async def renew(self, refused: Mapping[str, str]) -> bool:  # noqa: ARG002 - there is no other
        """There is nothing to renew."""
        return False


def basic(username: str, password: Secret) -> HeaderAuth:
    """Make HTTP Basic authentication (RFC 7617), in UTF-8."""
    text = base64.b64encode(f"{username}:{password.reveal()}".encode()).decode("ascii")
    return HeaderAuth({"Authorization": Secret(f"Basic {text}")})


def bearer(token: Secret) -> HeaderAuth:
    """Make a bearer token (RFC 6750) that does not end."""
    return HeaderAuth({"Authorization": Secret(f"Bearer {token.reveal()}")})


class HmacAuth:
    """EspoCRM's HMAC (`upstreams.md` 5.1): signs the method and the path, without the query."""

    def __init__(self, api_key: Secret, secret: Secret) -> None:
        self._api_key = api_key
        self._secret = secret
        self.identity = fingerprint("hmac", api_key.reveal(), secret.reveal())

    async def headers(self, method: str, path: str) -> dict[str, str]:
        """Sign one request."""
        text = f"{method} /{path.lstrip('/')}"
        digest = hmac.new(self._secret.reveal().encode(), text.encode(), hashlib.sha256).hexdigest()
        value = base64.b64encode(f"{self._api_key.reveal()}:{digest}".encode()).decode("ascii")
        return {"X-Hmac-Authorization": value}

    async def renew(self, refused: Mapping[str, str]) -> bool:  # noqa: ARG002 - there is no other
        """There is nothing to renew."""
        return False


class TokenAuth:
    """A bearer token that the source hands out for another credential, and that ends.

    ``fetch`` gets one from the source. It is asked before the first request and after a 401, by one caller at a
    time; those who wait take the token that he brings.
    """

    def __init__(self, identity: str, fetch: Callable[[], Awaitable[Secret]]) -> None:
        self.identity = identity
        self._fetch = fetch
        self._token: Secret | None = None
        self._lock = asyncio.Lock()

    async def headers(self, method: str, path: str) -> dict[str, str]:  # noqa: ARG002 - the same for all
        """Give the token, getting the first one where there is none."""
        token = self._token or await self._replace(None)
        return {"Authorization": f"Bearer {token.reveal()}"}

    async def renew(self, refused: Mapping[str, str]) -> bool:
        """Get a new token, unless somebody already brought one since the refused request was made."""
        await self._replace(refused.get("Authorization"))
        return True

    async def _replace(self, refused: str | None) -> Secret:
        async with self._lock:
            if self._token is None or refused == f"Bearer {self._token.reveal()}":
                self._token = await self._fetch()
            return self._token
