"""The public keys of an issuer: fetched when a token names one that is not known, and kept while he is away."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt import PyJWK, PyJWTError

from gateway.domain.errors import GatewayError
from gateway.identity.json_objects import read_object
from gateway.transport.exchange import Exchange
from gateway.transport.flight import SingleFlight
from gateway.transport.messages import Limits, Request

log = logging.getLogger(__name__)

COOL_DOWN = 30.0
"""Seconds between two fetches, whatever tokens come and whether the last one worked."""
MAX_AGE = 600.0
"""Seconds after which keys are fetched again, so that one that the issuer took back does not live for ever."""
PATIENCE = 3.0
"""Seconds that a fetch may take."""
LARGEST = 256 * 1024
"""Bytes of a key set."""
MOST_KEYS = 64
LONGEST_KID = 128
SMALLEST_RSA, LARGEST_RSA = 2048, 8192
"""Bits: below, a signature can be forged; above, checking one takes too long."""
CURVE = "secp256r1"
OK = 200

PublicKey = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey | Ed448PublicKey
Fetch = Callable[[], Awaitable[bytes]]


@dataclass(frozen=True, slots=True)
class IssuerKey:
    """A public key and the algorithms that it verifies."""

    key: PublicKey = field(repr=False)
    algorithms: frozenset[str]


class KeySet:
    """The keys of one issuer by their `kid`.

    ``fetch`` gets the JWKS; ``clock`` gives seconds that never go back. Whatever tokens come, `fetch` is called at
    most once in 30 seconds, by one caller at a time, and its failure leaves the keys as they are.
    """

    def __init__(self, issuer: str, fetch: Fetch, clock: Callable[[], float] = time.monotonic) -> None:
        self._issuer = issuer
        self._fetch = fetch
        self._clock = clock
        self._keys: Mapping[str, IssuerKey] = {}
        self._fetched: float | None = None
        self._tried: float | None = None
        self._flights: SingleFlight[None] = SingleFlight()
        self._renewing: asyncio.Task[None] | None = None

    def get(self, kid: str) -> IssuerKey | None:
        """Give a key that is known; costs nothing."""
        return self._keys.get(kid)

    async def find(self, kid: str) -> IssuerKey | None:
        """Give a key, fetching the set where it is not known; None where the issuer has none of this name."""
        if kid not in self._keys and (self._flights.running("set") or self._may_try()):
            await self._flights.run("set", self._renew)
        elif self._is_old() and self._may_try():
            self._renewing = asyncio.create_task(self._flights.run("set", self._renew))
        return self._keys.get(kid)

    async def aclose(self) -> None:
        """Stop a fetch that nobody waits for."""
        if self._renewing is not None:
            self._renewing.cancel()
            await asyncio.gather(self._renewing, return_exceptions=True)

    def _is_old(self) -> bool:
        return self._fetched is not None and self._clock() - self._fetched > MAX_AGE

    def _may_try(self) -> bool:
        return self._tried is None or self._clock() - self._tried >= COOL_DOWN

    async def _renew(self) -> None:
        self._tried = self._clock()
        try:
            self._keys = read_keys(await self._fetch())
        except (GatewayError, OSError, ValueError) as exc:
            log.warning("the keys of %s cannot be had, the old ones stay: %s", self._issuer, type(exc).__name__)
        else:
            self._fetched = self._clock()


def read_keys(text: bytes) -> dict[str, IssuerKey]:
    """Read a JWKS (RFC 7517, 5); raises ValueError for what is none.

    Keys that are no good are left out, as the RFC wants: those without a plain `kid`, for encryption, secret or
    private ones, those of other kinds, RSA keys that are too short or too long. Of two with one `kid` neither counts.
    """
    keys = read_object(text).get("keys")
    if not isinstance(keys, list) or len(keys) > MOST_KEYS:
        raise ValueError("not a set of keys")
    found: dict[str, IssuerKey] = {}
    twice: set[str] = set()
    for entry in keys:
        kid = entry.get("kid") if isinstance(entry, dict) else None
        key = _read_key(entry) if isinstance(kid, str) and 0 < len(kid) <= LONGEST_KID else None
        if key is not None and kid is not None:
            twice |= {kid} & found.keys()
            found[kid] = key
    return {kid: key for kid, key in found.items() if kid not in twice}


def _read_key(entry: Mapping[str, Any]) -> IssuerKey | None:
    """Make a key of an entry; None where it is of no use here."""
    family = _ALGORITHMS.get(str(entry.get("kty")))
    if family is None or "d" in entry or entry.get("use", "sig") != "sig":
        return None
    operations = entry.get("key_ops", ["verify"])
    if not isinstance(operations, list) or "verify" not in operations:
        return None
    try:
        key = PyJWK(dict(entry), algorithm=family[0]).key
    except (PyJWTError, ValueError, TypeError, OverflowError):
        return None
    algorithms = frozenset(family) & (
        {entry["alg"]} if isinstance(entry.get("alg"), str) else frozenset(family)
    )
    return IssuerKey(key, algorithms) if algorithms and _is_strong(key) else None


_ALGORITHMS: Mapping[str, tuple[str, ...]] = {
    "RSA": ("RS256", "PS256"),
    "EC": ("ES256",),
    "OKP": ("EdDSA",),
}


def _is_strong(key: object) -> bool:
    if isinstance(key, RSAPublicKey):
        return SMALLEST_RSA <= key.key_size <= LARGEST_RSA
    if isinstance(key, EllipticCurvePublicKey):
        return key.curve.name == CURVE
    return isinstance(key, Ed25519PublicKey | Ed448PublicKey)


# Where key sets come from


class FetchedKeys:
    """Gets a JWKS from an address: one request for each call, and no redirects."""

    def __init__(self, url: str) -> None:
        self._url = url
        limits = Limits(connect_timeout=PATIENCE, try_timeout=PATIENCE, max_body=LARGEST)
        self._exchange = Exchange("issuer", limits)

    async def fetch(self) -> bytes:
        """Get the set; raises what ``get`` raises."""
        return await self.get(self._url)

    async def get(self, url: str) -> bytes:
        """Get JSON; raises a GatewayError where no answer came, and ValueError for another status than 200."""
        response = await self._exchange.send(Request("GET", url, {"Accept": "application/json"}), PATIENCE)
        if response.status != OK:
            raise ValueError("another status than 200")
        return response.body

    async def aclose(self) -> None:
        """Close the connection."""
        await self._exchange.aclose()


async def read_file(path: Path) -> bytes:
    """Read a JWKS from a file, at most so many bytes as one may have; raises OSError and ValueError."""
    return await asyncio.to_thread(_read, path)


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        text = file.read(LARGEST + 1)
    if len(text) > LARGEST:
        raise ValueError("too large")
    return text
