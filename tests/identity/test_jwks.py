"""The keys of an issuer: how they are read, how often they are fetched, and what happens while he is away."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from starlette.applications import Starlette
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from gateway.domain.errors import GatewayError, Unauthenticated, Unavailable
from gateway.identity.authenticator import Authenticator, Issuer
from gateway.identity.jwks import (
    COOL_DOWN,
    LARGEST,
    MAX_AGE,
    MOST_KEYS,
    FetchedKeys,
    KeySet,
    read_file,
    read_keys,
)
from gateway.identity.principals import ALL_SCOPES
from gateway.sandbox.server import in_thread
from tests.identity.issuing import issuer_settings, key_set, public_jwk, token

PATIENCE = 30.0
"""Seconds."""


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.seconds


class Home:
    """Where an issuer has his keys; counts who comes, and can be away."""

    def __init__(self, *kids: str) -> None:
        self.kids = kids
        self.fetched = 0
        self.error: Exception | None = None
        self.answered = asyncio.Event()
        self.open = asyncio.Event()
        self.open.set()

    async def fetch(self) -> bytes:
        """Hand out the set."""
        self.fetched += 1
        await self.open.wait()
        asyncio.get_running_loop().call_soon(self.answered.set)
        if self.error is not None:
            raise self.error
        return key_set(*self.kids)


@pytest.fixture
def clock() -> Clock:
    """Make a clock."""
    return Clock()


async def test_flood_of_unknown_keys_fetches_once_in_thirty_seconds(clock: Clock, tmp_path: Path) -> None:
    """A thousand tokens with made-up key ids, one after the other and at once, reach the issuer once."""
    # given
    home = Home("rsa-1")
    issuer = Issuer(issuer_settings(tmp_path), KeySet("issuer", home.fetch, clock))
    authenticator = Authenticator([issuer], [], {"default": ALL_SCOPES})

    async def refused(number: int) -> bool:
        with pytest.raises(Unauthenticated):
            await authenticator.identify(f"Bearer {token(header={'kid': f'made-up-{number}'})}")
        return True

    # when
    at_once = await asyncio.gather(*(refused(number) for number in range(500)))
    first = home.fetched
    for number in range(500, 1000):
        clock.seconds += COOL_DOWN / 501
        await refused(number)
    second = home.fetched
    clock.seconds += COOL_DOWN
    await refused(1000)

    # then
    assert len(at_once) == 500
    assert (first, second, home.fetched) == (1, 1, 2)


async def test_new_key_is_found_when_a_token_names_it(clock: Clock) -> None:
    """An issuer who changes his key is believed at once, and his old key is not any more."""
    # given
    home = Home("rsa-1")
    keys = KeySet("issuer", home.fetch, clock)
    before = await keys.find("rsa-1")
    home.kids = ("rsa-2",)
    clock.seconds += COOL_DOWN

    # when
    after = await keys.find("rsa-2")

    # then
    assert before is not None
    assert after is not None
    assert keys.get("rsa-1") is None
    assert home.fetched == 2


@pytest.mark.parametrize("error", [Unavailable("away"), ValueError("no JSON"), OSError("no file")])
async def test_old_keys_stay_while_the_issuer_is_away(clock: Clock, error: Exception) -> None:
    """Nobody is logged out because the issuer is away for a while or answers nonsense."""
    # given
    home = Home("rsa-1")
    keys = KeySet("issuer", home.fetch, clock)
    await keys.find("rsa-1")
    home.error = error
    clock.seconds += COOL_DOWN

    # when
    unknown = await keys.find("rsa-2")

    # then
    assert unknown is None
    assert keys.get("rsa-1") is not None
    assert home.fetched == 2


async def test_failed_fetch_is_not_repeated_at_once(clock: Clock) -> None:
    """An issuer who is away is not asked for each token that comes meanwhile."""
    # given
    home = Home("rsa-1")
    home.error = Unavailable("away")
    keys = KeySet("issuer", home.fetch, clock)

    # when
    found = [await keys.find("rsa-1") for _ in range(100)]
    home.error = None
    clock.seconds += COOL_DOWN
    again = await keys.find("rsa-1")

    # then
    assert set(found) == {None}
    assert again is not None
    assert home.fetched == 2


async def test_keys_are_renewed_behind_the_visitors(clock: Clock) -> None:
    """A key that was taken back ends some minutes later, and nobody waits for finding that out."""
    # given
    home = Home("rsa-1", "rsa-2")
    keys = KeySet("issuer", home.fetch, clock)
    await keys.find("rsa-1")
    home.kids = ("rsa-2",)
    home.open.clear()
    clock.seconds += MAX_AGE + 1

    # when
    meanwhile = await keys.find("rsa-1")
    home.open.set()
    await asyncio.wait_for(home.answered.wait(), PATIENCE)
    await keys.find("rsa-2")

    # then
    assert meanwhile is not None
    assert keys.get("rsa-1") is None
    assert home.fetched == 2
    await keys.aclose()


def entry(key: Any, **changes: Any) -> dict[str, Any]:
    """Write a public key as an entry."""
    algorithm = RSAAlgorithm if isinstance(key.public_key(), rsa.RSAPublicKey) else ECAlgorithm
    return {**algorithm.to_jwk(key.public_key(), as_dict=True), "kid": "k", **changes}


USELESS: dict[str, Callable[[], dict[str, Any]]] = {
    "for encryption": lambda: public_jwk("rsa-1", kid="k", use="enc"),
    "for signing alone": lambda: public_jwk("rsa-1", kid="k", key_ops=["sign"]),
    "a private one": lambda: {**RSAAlgorithm.to_jwk(_rsa(), as_dict=True), "kid": "k", "key_ops": ["verify"]},
    "a secret": lambda: {"kty": "oct", "k": "c2VjcmV0", "kid": "k", "alg": "HS256"},
    "of another algorithm": lambda: public_jwk("rsa-1", kid="k", alg="RSA-OAEP"),
    "short": lambda: entry(rsa.generate_private_key(public_exponent=65537, key_size=1024)),  # noqa: S505 - the point
    "of another curve": lambda: entry(ec.generate_private_key(ec.SECP384R1())),
    "of secp256k1": lambda: entry(ec.generate_private_key(ec.SECP256K1())),
    "not on the curve": lambda: {**public_jwk("ec-1", kid="k"), "y": "AAAA"},
    "half of one": lambda: {"kty": "RSA", "kid": "k", "n": "AQAB"},
    "of no kind": lambda: {"kid": "k"},
    "with a number for a name": lambda: public_jwk("rsa-1", kid=7),
    "with an endless name": lambda: public_jwk("rsa-1", kid="k" * 129),
    "without a name": lambda: {name: value for name, value in public_jwk("rsa-1").items() if name != "kid"},
}


def _rsa() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.mark.parametrize("name", USELESS)
def test_useless_keys_are_left_out(name: str) -> None:
    """What cannot safely verify a token does no harm to the keys beside it."""
    # when
    found = read_keys(json.dumps({"keys": [USELESS[name](), public_jwk("ec-1")]}).encode())

    # then
    assert list(found) == ["ec-1"]


def test_two_keys_of_one_name_are_none() -> None:
    """Which of the two is meant nobody can tell."""
    # when
    found = read_keys(json.dumps({"keys": [public_jwk("rsa-1"), public_jwk("ec-1", kid="rsa-1")]}).encode())

    # then
    assert found == {}


@pytest.mark.parametrize(
    "text",
    [b"", b"[]", b"{}", b'{"keys": {}}', b'{"keys": [], "keys": []}', b"\xff", b"[" * 100_000],
    ids=["nothing", "a list", "no keys", "keys of another form", "keys twice", "no text", "nested"],
)
def test_what_is_no_set_is_refused(text: bytes) -> None:
    """A page of an error, or half an answer, does not replace the keys that are known."""
    # when / then
    with pytest.raises(ValueError):  # noqa: PT011 - whatever it says
        read_keys(text)


def test_endless_set_is_refused() -> None:
    """An issuer has a few keys."""
    # when / then
    with pytest.raises(ValueError, match="not a set of keys"):
        read_keys(json.dumps({"keys": [{}] * (MOST_KEYS + 1)}).encode())


@pytest.mark.parametrize("path", ["moved", "missing", "endless"])
async def test_only_a_plain_answer_is_a_set(path: str) -> None:
    """A redirect is not followed, an error page is not read, and an endless answer is cut off."""
    # given
    app = Starlette(
        routes=[
            Route("/keys", lambda _: Response(key_set("rsa-1"))),
            Route("/moved", lambda _: RedirectResponse("/keys")),
            Route("/missing", lambda _: Response(key_set("rsa-1"), 404)),
            Route("/endless", lambda _: Response(b" " * (LARGEST + 1))),
        ]
    )
    with in_thread(app) as origin:
        right, wrong = FetchedKeys(f"{origin}/keys"), FetchedKeys(f"{origin}/{path}")

        # when
        found = read_keys(await right.fetch())
        with pytest.raises((GatewayError, ValueError)):
            await wrong.fetch()

        # then
        assert list(found) == ["rsa-1"]
        await right.aclose()
        await wrong.aclose()


async def test_file_of_keys_is_bounded(tmp_path: Path) -> None:
    """A wrong path, as that of a log, does not fill the memory."""
    # given
    small, large = tmp_path / "small", tmp_path / "large"
    small.write_bytes(key_set("rsa-1"))
    large.write_bytes(b" " * (LARGEST + 1))

    # when
    found = read_keys(await read_file(small))
    with pytest.raises(ValueError, match="too large"):
        await read_file(large)

    # then
    assert list(found) == ["rsa-1"]
