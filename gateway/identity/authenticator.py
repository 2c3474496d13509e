"""Finds out who asks, from what he sent: an API key, a token of an issuer, or nothing."""

import hashlib
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from gateway.domain.errors import Unauthenticated
from gateway.identity.api_keys import ApiKeys, is_api_key
from gateway.identity.configuration import ApiKeySettings, IssuerSettings
from gateway.identity.discovery import DiscoveredKeys
from gateway.identity.jwks import FetchedKeys, KeySet, read_file
from gateway.identity.principals import Principal
from gateway.identity.tokens import LARGEST, BadTokenError, parse, verify

log = logging.getLogger(__name__)

MOST_REMEMBERED = 10_000
LONGEST_MEMORY = 60.0
"""Seconds that a credential is remembered: so long a key that the issuer took back may still be believed."""
BEARER = "bearer "

NOBODY_KNOWN = "Say who you are: `Authorization: Bearer` with a token or an API key."
REFUSED = "The token or API key is not one that this gateway takes, or it has ended."


class Issuer:
    """One issuer: his settings and his keys."""

    def __init__(self, settings: IssuerSettings, keys: KeySet) -> None:
        self.settings = settings
        self.keys = keys


class Authenticator:
    """Knows the API keys and the issuers of the settings.

    ``anonymous`` is who those are that send nothing, None where nobody may. ``ceilings`` holds the most that the
    principals of each tenant may do: whoever says he is of another tenant is refused. ``now`` gives seconds since
    1970.
    """

    def __init__(
        self,
        issuers: Sequence[Issuer],
        keys: Sequence[ApiKeySettings],
        ceilings: Mapping[str, frozenset[str]],
        anonymous: Principal | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.now = now
        self._issuers = {issuer.settings.issuer: issuer for issuer in issuers}
        self._keys = ApiKeys(keys)
        self._ceilings = ceilings
        self._anonymous = anonymous
        self._remembered: OrderedDict[bytes, tuple[Principal, float]] = OrderedDict()
        self._closing = AsyncExitStack()

    @classmethod
    def over(
        cls,
        issuers: Sequence[IssuerSettings],
        keys: Sequence[ApiKeySettings],
        ceilings: Mapping[str, frozenset[str]],
        anonymous: Principal | None = None,
    ) -> "Authenticator":
        """Make one that gets the issuers' keys from where the settings say; nothing is fetched yet."""
        made = cls([], keys, ceilings, anonymous)
        for settings in issuers:
            made._issuers[settings.issuer] = made._opened(settings)
        return made

    def known(self, credential: str) -> Principal | None:
        """Tell at once who sent a credential; None where a signature has to be checked first.

        ``credential`` is what stood in `Authorization`, or an API key alone; empty for nothing. Costs a hash, 1 µs,
        and no request. Raises Unauthenticated.
        """
        if not credential:
            if self._anonymous is None:
                raise Unauthenticated(NOBODY_KNOWN)
            return self._anonymous
        digest = _digest(credential)
        found = self._recall(digest)
        text = _bearer(credential) if found is None else ""
        if not is_api_key(text):
            return found
        principal = self._keys.find(text, self.now())
        if principal is None:
            raise Unauthenticated(REFUSED)
        return self._remembered_as(digest, self._held(principal))

    async def identify(self, credential: str) -> Principal:
        """Tell who sent a credential. Costs a signature for a token that is not remembered.

        At most one request to the issuer, in 30 seconds, where its key is not known. Raises Unauthenticated, which
        says the same of whatever is wrong.
        """
        found = self.known(credential)
        if found is not None:
            return found
        text = _bearer(credential)
        try:
            principal = self._held(await self._verified(text))
        except BadTokenError as exc:
            log.info("a token was refused: %s", exc)
            raise Unauthenticated(REFUSED) from None
        return self._remembered_as(_digest(credential), principal)

    async def aclose(self) -> None:
        """Close the connections to the issuers."""
        await self._closing.aclose()

    async def _verified(self, text: str) -> Principal:
        token = parse(text)
        issuer = self._issuers.get(token.issuer)
        if issuer is None or token.algorithm not in issuer.settings.algorithms:
            raise BadTokenError("another issuer, or an algorithm that is not allowed")
        key = await issuer.keys.find(token.kid)
        if key is None:
            raise BadTokenError("a key that the issuer does not have")
        return verify(token, issuer.settings, key, self.now())

    def _held(self, principal: Principal) -> Principal:
        """Hold a principal to what his tenant may do."""
        ceiling = self._ceilings.get(principal.tenant)
        if ceiling is None:
            raise Unauthenticated(REFUSED)
        return principal.within(ceiling)

    def _recall(self, digest: bytes) -> Principal | None:
        found = self._remembered.get(digest)
        if found is None:
            return None
        if found[1] <= self.now():
            del self._remembered[digest]
            return None
        self._remembered.move_to_end(digest)
        return found[0]

    def _remembered_as(self, digest: bytes, principal: Principal) -> Principal:
        until = self.now() + LONGEST_MEMORY
        self._remembered[digest] = (principal, min(until, until if principal.ends is None else principal.ends))
        if len(self._remembered) > MOST_REMEMBERED:
            self._remembered.popitem(last=False)
        return principal

    def _opened(self, settings: IssuerSettings) -> Issuer:
        if settings.jwks_file:
            path = Path(settings.jwks_file)
            keys = KeySet(settings.issuer, lambda: read_file(path))
        else:
            fetched = FetchedKeys(settings.jwks_url) if settings.jwks_url else DiscoveredKeys(settings.issuer)
            self._closing.push_async_callback(fetched.aclose)
            keys = KeySet(settings.issuer, fetched.fetch)
        self._closing.push_async_callback(keys.aclose)
        return Issuer(settings, keys)


def _digest(credential: str) -> bytes:
    """Hash a credential, by which it is remembered; raises Unauthenticated for one that is too long to look at."""
    if len(credential) > LARGEST + len(BEARER):
        raise Unauthenticated(REFUSED)
    return hashlib.blake2b(credential.encode()).digest()


def _bearer(credential: str) -> str:
    """Take what follows `Bearer`; raises Unauthenticated for another scheme."""
    if is_api_key(credential):
        return credential
    if credential[: len(BEARER)].lower() != BEARER:
        raise Unauthenticated(REFUSED)
    return credential[len(BEARER) :].strip(" ")
