"""Tests of credentials: what is sent, when they are renewed, and that nothing shows them."""

import asyncio
import base64

import pytest

from gateway.domain.secret import Secret
from gateway.transport.auth import HeaderAuth, HmacAuth, TokenAuth, basic, bearer, fingerprint


async def test_basic_is_utf8() -> None:
    """RFC 7617 with UTF-8, which every one of the sources reads."""
    # given
    auth = basic("zoé", Secret("p:ä"))

    # when
    headers = await auth.headers("GET", "/")

    # then
    assert base64.b64decode(headers["Authorization"].removeprefix("Basic ")).decode() == "zoé:p:ä"


async def test_a_bearer_is_sent_as_it_is() -> None:
    """And there is no other to get."""
    # given
    auth = bearer(Secret("the-token"))

    # when
    headers = await auth.headers("GET", "/")
    renewed = await auth.renew(headers)

    # then
    assert headers == {"Authorization": "Bearer the-token"}
    assert not renewed


async def test_hmac_signs_method_and_path() -> None:
    """The digest is the one that `openssl dgst -sha256 -hmac` gives for the same text."""
    # given
    auth = HmacAuth(Secret("the-key"), Secret("sésame"))
    digest = base64.b64decode("MKMMfK8hr8WFxkLRqhYe1upRG6WtvzY79XDWfXy0Skc=").hex()

    # when
    headers = [await auth.headers("GET", path) for path in ("/Account/1", "Account/1")]

    # then
    expected = base64.b64encode(f"the-key:{digest}".encode()).decode()
    assert headers == [{"X-Hmac-Authorization": expected}] * 2
    assert not await auth.renew(headers[0])


class Desk:
    """Hands out numbered tokens, each when ``gate`` is open."""

    def __init__(self) -> None:
        self.count = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def fetch(self) -> Secret:
        """Give the next token."""
        await self.gate.wait()
        self.count += 1
        return Secret(f"token-{self.count}")


async def test_all_wait_for_one_first_token() -> None:
    """A burst of requests gets one token, not one each."""
    # given
    desk = Desk()
    auth = TokenAuth("desk", desk.fetch)
    desk.gate.clear()

    # when
    asked = [asyncio.create_task(auth.headers("GET", "/")) for _ in range(10)]
    await asyncio.sleep(0)
    desk.gate.set()
    headers = await asyncio.gather(*asked)

    # then
    assert headers == [{"Authorization": "Bearer token-1"}] * 10
    assert desk.count == 1


async def test_all_wait_for_one_renewal() -> None:
    """Requests that are refused together bring one new token, and a late one takes the token that is there."""
    # given
    desk = Desk()
    auth = TokenAuth("desk", desk.fetch)
    refused = await auth.headers("GET", "/")

    # when
    renewed = await asyncio.gather(*(auth.renew(refused) for _ in range(10)))
    late = await auth.renew(refused)

    # then
    assert all(renewed)
    assert late
    assert await auth.headers("GET", "/") == {"Authorization": "Bearer token-2"}
    assert desk.count == 2


async def test_a_failed_fetch_is_tried_by_the_next() -> None:
    """Whoever is first and fails does not fail those who come later."""
    # given
    desk = Desk()
    auth = TokenAuth("desk", desk.fetch)
    desk.gate.clear()
    first = asyncio.create_task(auth.headers("GET", "/"))
    await asyncio.sleep(0)

    # when
    first.cancel()
    desk.gate.set()
    headers = await auth.headers("GET", "/")

    # then
    assert headers == {"Authorization": "Bearer token-1"}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (bearer(Secret("a")), bearer(Secret("b"))),
        (bearer(Secret("a")), basic("a", Secret("a"))),
        (basic("a", Secret("b")), basic("b", Secret("a"))),
        (HmacAuth(Secret("a"), Secret("b")), HmacAuth(Secret("a"), Secret("c"))),
    ],
)
def test_identities_tell_credentials_apart(one: HmacAuth, other: HmacAuth) -> None:
    """Requests are shared within one identity, so two credentials must never have the same."""
    # given
    identities = [one.identity, other.identity]

    # when
    distinct = set(identities)

    # then
    assert len(distinct) == 2


def test_the_boundaries_of_texts_count() -> None:
    """Two texts are not the same as one that joins them."""
    # given
    texts = [("ab", "c"), ("a", "bc"), ("abc",)]

    # when
    prints = {fingerprint(*one) for one in texts}

    # then
    assert len(prints) == 3


def test_nothing_shows_a_credential() -> None:
    """Neither identity nor repr, nor the attributes that a log might print, hold the text."""
    # given
    auths: list[HeaderAuth | HmacAuth] = [
        bearer(Secret("sesame")),
        basic("u", Secret("sesame")),
        HmacAuth(Secret("sesame"), Secret("sesame")),
    ]

    # when
    shown = [f"{one!r} {vars(one)} {one.identity}" for one in auths]

    # then
    assert [text for text in shown if "sesame" in text] == []
