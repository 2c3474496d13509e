"""Where an issuer has his keys, when only his name is configured: OpenID Connect Discovery 1.0, 4."""

import json
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from gateway.domain.errors import Unauthenticated
from gateway.identity.authenticator import Authenticator
from gateway.identity.configuration import IssuerSettings
from gateway.identity.discovery import DiscoveredKeys
from gateway.identity.jwks import COOL_DOWN
from gateway.identity.principals import ALL_SCOPES
from gateway.sandbox.server import in_thread
from tests.identity.issuing import AUDIENCE, key_set, token

REALM = "/realms/town"
METADATA = REALM + "/.well-known/openid-configuration"
ELSEWHERE = "http://127.0.0.1:9/keys"
"""Another server on this machine: the discard port, where nobody is."""


class Login:
    """An issuer whose metadata say what a test wants; ``{origin}`` in a text is where he is."""

    def __init__(self, **metadata: Any) -> None:
        self.metadata = {"issuer": "{origin}" + REALM, "jwks_uri": "{origin}/keys", **metadata}
        self.status = 200
        self.kids = ["rsa-1"]
        self.asked: Counter[str] = Counter()
        self.origin = ""
        routes = [Route(METADATA, self._metadata), Route("/keys", self._keys), Route("/moved", self._moved)]
        self.app = Starlette(routes=routes)

    def _metadata(self, _: Request) -> Response:
        self.asked["metadata"] += 1
        text = json.dumps(self.metadata).replace("{origin}", self.origin)
        return Response(text, self.status, media_type="application/json")

    def _keys(self, _: Request) -> Response:
        self.asked["keys"] += 1
        return Response(key_set(*self.kids))

    def _moved(self, _: Request) -> Response:
        return RedirectResponse("/keys")


@asynccontextmanager
async def entrance(login: Login, **changes: Any) -> AsyncIterator[Authenticator]:
    """Make an authenticator that is told the issuer's name and nothing of his keys."""
    with in_thread(login.app) as login.origin:
        given = {"issuer": login.origin + REALM, "audience": AUDIENCE, **changes}
        found = Authenticator.over([IssuerSettings(**given)], [], {"default": ALL_SCOPES})
        try:
            yield found
        finally:
            await found.aclose()


async def test_the_issuers_name_is_enough() -> None:
    """Two requests for the first token, none for those that follow."""
    # given
    login = Login()
    async with entrance(login) as authenticator:
        # when
        principals = [
            await authenticator.identify(f"Bearer {token(iss=login.origin + REALM, sub=sub)}")
            for sub in ("anna", "bert", "carl")
        ]

    # then
    named = [f"{login.origin}{REALM}#{name}" for name in ("anna", "bert", "carl")]
    assert [principal.subject for principal in principals] == named
    assert login.asked == {"metadata": 1, "keys": 1}


async def test_a_slash_at_the_end_of_a_name_is_not_doubled() -> None:
    """As the standard has it, 4.1; the name itself keeps it."""
    # given
    login = Login(issuer="{origin}" + REALM + "/")
    with in_thread(login.app) as login.origin:
        keys = DiscoveredKeys(login.origin + REALM + "/")

        # when
        found = await keys.fetch()

        # then
        assert found == key_set("rsa-1")
        await keys.aclose()


async def test_keys_may_move(monkeypatch: pytest.MonkeyPatch) -> None:
    """The metadata are asked for each time, so an issuer may replace address and keys together."""
    # given
    monkeypatch.setattr("gateway.identity.jwks.COOL_DOWN", 0.0)
    login = Login()
    async with entrance(login) as authenticator:
        before = await authenticator.identify(f"Bearer {token(iss=login.origin + REALM)}")
        login.metadata["jwks_uri"], login.kids = "{origin}/keys?second", ["ec-1"]

        # when
        after = await authenticator.identify(f"Bearer {token('ES256', iss=login.origin + REALM)}")

    # then
    assert before == after
    assert login.asked == {"metadata": 2, "keys": 2}


WRONG: Mapping[str, dict[str, Any]] = {
    "another issuer": {"issuer": "https://login.example.com/realms/town"},
    "an issuer with a slash more": {"issuer": "{origin}" + REALM + "/"},
    "no issuer": {"issuer": None},
    "no address": {"jwks_uri": None},
    "an address of another form": {"jwks_uri": ["{origin}/keys"]},
    "an address that anybody changes": {"jwks_uri": "http://login.example.org/keys"},
    "another server on this machine": {"jwks_uri": ELSEWHERE},
    "a file": {"jwks_uri": "file:///etc/passwd"},
    "an address with a password": {"jwks_uri": "https://user:pass@login.example.org/keys"},
    "no address at all": {"jwks_uri": "http://["},
    "an address that leads on": {"jwks_uri": "{origin}/moved"},
}


@pytest.mark.parametrize("told", WRONG)
async def test_wrong_metadata_give_no_keys(told: str) -> None:
    """A token is refused, as for any key that is not known, and no other address is asked."""
    # given
    login = Login(**WRONG[told])
    async with entrance(login) as authenticator:
        # when
        with pytest.raises(Unauthenticated):
            await authenticator.identify(f"Bearer {token(iss=login.origin + REALM)}")

    # then
    assert login.asked == {"metadata": 1}


async def test_a_flood_asks_for_the_metadata_once() -> None:
    """An issuer that is away is not asked for each token that comes: once in 30 seconds."""
    # given
    login = Login()
    login.status = 503
    async with entrance(login) as authenticator:
        # when
        for number in range(50):
            with pytest.raises(Unauthenticated):
                await authenticator.identify(f"Bearer {token(iss=login.origin + REALM, sub=str(number))}")

    # then
    assert COOL_DOWN == 30
    assert login.asked == {"metadata": 1}
