"""Tokens that somebody made up, changed, stole from another program or kept too long: none opens the door."""

import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.identity.issuing import (
    AUDIENCE,
    ISSUER,
    KIDS,
    claims,
    issuer_settings,
    part,
    private_key,
    public_jwk,
    signed,
    token,
)
from tests.world import World, running_world

QUERY = '{ record(by: { mail: { source: "maarch", resId: 100 } }) { attachments(first: 1) { totalCount } } }'
HEADER = {"alg": "ES256", "kid": "ec-1", "typ": "JWT"}
LATE = int(time.time()) - 3600


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Start a gateway that takes the tokens of one issuer, and nobody without."""
    folder: Path = tmp_path_factory.mktemp("issuer")
    with running_world(issuers=(issuer_settings(folder),)) as running:
        yield running


def with_public_key_as_secret() -> str:
    """Sign by HMAC with the public key, which everybody has, as the secret."""
    secret = private_key("rsa-1").public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    text = f"{part({'alg': 'HS256', 'kid': 'rsa-1', 'typ': 'JWT'})}.{part(claims())}"
    return f"{text}.{part(hmac.new(secret, text.encode(), hashlib.sha256).digest())}"


def unsigned(algorithm: str) -> str:
    """Leave the signature out and say that there is none."""
    return f"{part({'alg': algorithm, 'kid': 'rsa-1', 'typ': 'JWT'})}.{part(claims())}."


def changed_afterwards() -> str:
    """Change a claim of a token that was signed."""
    head, _, signature = token().split(".")
    return f"{head}.{part(claims(sub='root'))}.{signature}"


def zero_signature() -> str:
    """Sign by ES256 with zeros, which a careless implementation took for right (CVE-2022-21449)."""
    return f"{part(HEADER)}.{part(claims())}.{part(bytes(64))}"


def twice(name: str, value: object) -> str:
    """Hold a claim twice: the right one first, and another."""
    text = json.dumps(claims())[:-1] + f', "{name}": {json.dumps(value)}}}'
    return signed(HEADER, text.encode())


def detached() -> str:
    """Sign a body that stands in the token unencoded (RFC 7797)."""
    return signed({**HEADER, "b64": False, "crit": ["b64"]}, claims())


def by_another_key() -> str:
    """Sign with a key of our own under the issuer's name for his."""
    return signed(HEADER, claims(), "ec-of-somebody-else")


FORGED: dict[str, Callable[[], str]] = {
    "no algorithm": lambda: unsigned("none"),
    "no algorithm, in other letters": lambda: unsigned("nOnE"),
    "no algorithm, with a signature": lambda: f"{unsigned('none')}{part(b'x' * 64)}",
    "HMAC with the public key": with_public_key_as_secret,
    "another issuer": lambda: token(iss="https://login.example.org/realms/other"),
    "an issuer that begins alike": lambda: token(iss=f"{ISSUER}.evil.example"),
    "an issuer in a list": lambda: token(iss=[ISSUER]),
    "another audience": lambda: token(aud="another-program"),
    "no audience": lambda: token(aud=None),
    "an audience that begins alike": lambda: token(aud=f"{AUDIENCE}-2"),
    "ended": lambda: token(exp=LATE),
    "without an end": lambda: token(exp=None),
    "an end in words": lambda: token(exp="tomorrow"),
    "an end that is true": lambda: token(exp=True),
    "an end that never comes": lambda: signed(HEADER, json.dumps(claims())[:-1].encode() + b', "exp": 1e999}'),
    "of the future": lambda: token(nbf=int(time.time()) + 3600),
    "issued in the future": lambda: token(iat=int(time.time()) + 3600),
    "no key id": lambda: signed({"alg": "ES256"}, claims()),
    "a key id that is a path": lambda: token("ES256", {"kid": "../../../../dev/null"}),
    "a key id that is SQL": lambda: token("ES256", {"kid": "x' UNION SELECT 'key"}),
    "a key id that is a list": lambda: signed({"alg": "ES256", "kid": ["ec-1"]}, claims()),
    "a key id of another kind": lambda: token("ES256", {"kid": "rsa-1"}),
    "a long key id": lambda: token("ES256", {"kid": "k" * 129}),
    "an address of keys": lambda: signed({**HEADER, "jku": "https://evil.example/jwks"}, claims()),
    "an address of a certificate": lambda: signed({**HEADER, "x5u": "https://evil.example/x"}, claims()),
    "a certificate": lambda: signed({**HEADER, "x5c": ["MIIB"]}, claims()),
    "a key of its own": lambda: signed({**HEADER, "jwk": public_jwk("ec-of-somebody-else")}, claims()),
    "zeros for a signature": zero_signature,
    "cut off": lambda: token()[:-20],
    "a part too few": lambda: token().rpartition(".")[0],
    "a part too many": lambda: f"{token()}.{part(b'x')}",
    "changed after it was signed": changed_afterwards,
    "signed by another key": by_another_key,
    "another type": lambda: signed({**HEADER, "typ": "JWE"}, claims()),
    "a logout token": lambda: signed({**HEADER, "typ": "logout+jwt"}, claims()),
    "too large": lambda: token(padding="x" * 9000),
    "a claim twice": lambda: twice("sub", "root"),
    "a key of the header twice": lambda: signed(b'{"alg":"ES256","kid":"ec-1","kid":"ec-1"}', claims()),
    "not encoded": detached,
    "critical extensions": lambda: signed({**HEADER, "crit": ["exp"]}, claims()),
    "compressed": lambda: signed({**HEADER, "zip": "DEF"}, claims()),
    "nobody": lambda: token(sub=None),
    "a nameless one": lambda: token(sub=""),
    "a name with a line break": lambda: token(sub="anna\nroot"),
    "no object": lambda: signed(HEADER, [claims()]),
    "nested without end": lambda: signed(HEADER, b"[" * 3000),
    "another spelling of base64": lambda: f"{token()}=",
    "an algorithm of the key's other kind": lambda: token("RS256", {"kid": "ed-1"}),
    "blanks": lambda: "a b c",
}


def ask(world: World, **headers: str) -> tuple[int, str, str]:
    """Ask with headers; gives the status, the challenge and the code of the error."""
    answer = world.client.post(f"{world.gateway}/graphql", json={"query": QUERY}, headers=headers)
    errors = answer.json().get("errors", [{"extensions": {"code": ""}}])
    return answer.status_code, answer.headers.get("www-authenticate", ""), errors[0]["extensions"]["code"]


@pytest.mark.parametrize("algorithm", KIDS)
def test_a_right_token_is_taken(world: World, algorithm: str) -> None:
    """What is refused below is refused for what is wrong with it: the same token without that opens the door."""
    # when
    found = ask(world, authorization=f"Bearer {token(algorithm)}")

    # then
    assert found == (200, "", "")


@pytest.mark.parametrize(
    "right",
    [
        lambda: signed(HEADER, claims()),
        lambda: signed({**HEADER, "typ": "at+jwt"}, claims()),
        lambda: signed({"alg": "ES256", "kid": "ec-1"}, claims()),
        lambda: token(aud=["another-program", AUDIENCE]),
        lambda: token(exp=int(time.time()) - 30, iat=int(time.time()) + 30, nbf=int(time.time()) + 30),
        lambda: token(iat=None, nbf=None),
        lambda: token(padding="x" * 4000),
    ],
    ids=["by hand", "RFC 9068", "without a type", "several audiences", "clocks differ", "few claims", "large"],
)
def test_forms_of_right_tokens_are_taken(world: World, right: Callable[[], str]) -> None:
    """Issuers write tokens in several ways, and their clocks may be a minute off."""
    # when
    found = ask(world, authorization=f"bearer {right()}")

    # then
    assert found == (200, "", "")


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_token_is_refused(world: World, name: str) -> None:
    """Whatever is wrong: 401, one answer that does not say what, and nothing is asked of any source."""
    # given
    forged = FORGED[name]()
    world.reset()

    # when
    found = ask(world, authorization=f"Bearer {forged}")

    # then
    assert found == (401, 'Bearer realm="attachment-gateway", error="invalid_token"', "UNAUTHENTICATED")
    assert world.requests() == 0


def test_nobody_gets_in_without_a_credential(world: World) -> None:
    """Where anybody can log in, everybody has to; the challenge blames no token that was not sent."""
    # given
    world.reset()

    # when
    found = ask(world)

    # then
    assert found == (401, 'Bearer realm="attachment-gateway"', "UNAUTHENTICATED")
    assert world.requests() == 0


@pytest.mark.parametrize("scheme", ["Basic", "Digest", "DPoP", "Token"])
def test_other_schemes_are_refused(world: World, scheme: str) -> None:
    """A right token under another scheme means something else."""
    # when
    found = ask(world, authorization=f"{scheme} {token()}")

    # then
    assert found[0] == 401


def test_refused_before_the_body_is_read(world: World) -> None:
    """Nobody unknown makes the gateway parse what he sent: neither JSON, nor GraphQL, nor a type of content."""
    # when
    answers = [
        world.client.post(f"{world.gateway}/graphql", content=body, headers={"content-type": kind})
        for body, kind in (
            (b"{", "application/json"),
            (b"x", "text/plain"),
            (b"[" * 100_000, "application/json"),
        )
    ]

    # then
    assert [answer.status_code for answer in answers] == [401, 401, 401]
