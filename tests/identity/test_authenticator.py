"""Who is who: what is remembered of tokens, how API keys are told apart, and what tenants may do at most."""

import hashlib
import re
import tomllib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gateway import cli
from gateway.domain.errors import Unauthenticated
from gateway.domain.secret import Secret
from gateway.identity import authenticator as module
from gateway.identity.api_keys import new_key
from gateway.identity.authenticator import LONGEST_MEMORY, Authenticator
from gateway.identity.configuration import ApiKeySettings
from gateway.identity.principals import ALL_SCOPES, Principal, anonymous
from gateway.identity.tokens import LEEWAY
from tests.identity.issuing import ISSUER, claims, issuer_settings, token

READ = frozenset({"files:read"})
CEILINGS = {"default": ALL_SCOPES, "town": READ}
KEY, DIGEST = new_key("reports")
ENDS = datetime(2030, 1, 1, tzinfo=UTC)


def key_settings(**changes: Any) -> ApiKeySettings:
    """Make the settings of the key."""
    given = {"id": "reports", "sha256": Secret(DIGEST), "scopes": ("files:read", "files:write")}
    return ApiKeySettings(**{**given, **changes})


def of_keys(*keys: ApiKeySettings, now: float = 0.0) -> Authenticator:
    """Make one that knows API keys."""
    return Authenticator([], keys, CEILINGS, now=lambda: now)


@pytest.fixture
def verified(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note each token whose signature is checked."""
    seen: list[str] = []
    real = module.verify

    def noted(unverified: Any, *rest: Any) -> Principal:
        seen.append(unverified.text)
        return real(unverified, *rest)

    monkeypatch.setattr(module, "verify", noted)
    return seen


class Now:
    """A clock that stands still until it is moved."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def __call__(self) -> float:
        """Tell the time."""
        return self.seconds


def of_tokens(folder: Path, now: Callable[[], float], **changes: Any) -> Authenticator:
    """Make one that knows an issuer."""
    found = Authenticator.over([issuer_settings(folder, **changes)], [], CEILINGS)
    found.now = now
    return found


async def test_verified_token_is_remembered(tmp_path: Path, verified: list[str]) -> None:
    """A busy client costs a signature in a minute, not one per request."""
    # given
    now = Now(claims()["iat"])
    found = of_tokens(tmp_path, now)
    credential = f"Bearer {token()}"

    # when
    principals = [await found.identify(credential) for _ in range(100)]
    at_once = found.known(credential)
    now.seconds += LONGEST_MEMORY
    forgotten = found.known(credential)
    again = await found.identify(credential)

    # then
    assert set(principals) == {at_once} == {again}
    assert forgotten is None
    assert len(verified) == 2


async def test_remembered_token_ends_all_the_same(tmp_path: Path) -> None:
    """What is remembered is not believed a second longer than the token."""
    # given
    now = Now(claims()["iat"])
    found = of_tokens(tmp_path, now)
    credential = f"Bearer {token(exp=int(now.seconds) - int(LEEWAY) + 10)}"
    before = await found.identify(credential)

    # when
    now.seconds += 10

    # then
    assert before.ends == now.seconds
    with pytest.raises(Unauthenticated):
        await found.identify(credential)


async def test_memory_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verified: list[str]) -> None:
    """A client who gets a new token for each request does not fill the memory; the oldest is forgotten."""
    # given
    monkeypatch.setattr(module, "MOST_REMEMBERED", 3)
    found = of_tokens(tmp_path, Now(claims()["iat"]))
    tokens = [f"Bearer {token('ES256', sub=str(number))}" for number in range(5)]

    # when
    for credential in [*tokens, tokens[0], tokens[4]]:
        await found.identify(credential)

    # then
    assert len(verified) == 6
    assert len(found._remembered) == 3


async def test_refused_tokens_are_not_remembered(tmp_path: Path) -> None:
    """Nobody fills the memory with tokens that open nothing."""
    # given
    found = of_tokens(tmp_path, Now(claims()["iat"]))

    # when
    for number in range(10):
        with pytest.raises(Unauthenticated):
            await found.identify(f"Bearer {token('ES256', aud='other', sub=str(number))}")

    # then
    assert len(found._remembered) == 0


@pytest.mark.parametrize(
    ("said", "scopes"),
    [
        ({"scope": "openid files:read profile"}, {"files:read"}),
        ({"scope": ["files:write", "files:read", 7]}, {"files:read", "files:write"}),
        ({"scope": None}, set()),
        ({"scope": {"files:read": True}}, set()),
        ({"scope": "FILES:READ files:read\tfiles:write"}, set()),
    ],
    ids=["words", "a list", "none", "another form", "other spellings"],
)
async def test_scopes_are_those_that_mean_something(
    tmp_path: Path, said: dict[str, Any], scopes: set[str]
) -> None:
    """Tokens hold scopes of other programs too; only ours count, in exactly our words."""
    # given
    found = of_tokens(tmp_path, Now(claims()["iat"]))

    # when
    principal = await found.identify(f"Bearer {token(**said)}")

    # then
    assert principal.scopes == scopes
    assert principal.subject == f"{ISSUER}#anna"


@pytest.mark.parametrize(
    ("settings", "said", "tenant"),
    [
        ({}, {"tenant": "town"}, "default"),
        ({"tenant": "town"}, {"tenant": "default"}, "town"),
        ({"tenant_claim": "org"}, {"org": "town"}, "town"),
        ({"tenant_claim": "org"}, {"org": "village"}, None),
        ({"tenant_claim": "org"}, {"org": ["town"]}, None),
        ({"tenant_claim": "org"}, {}, None),
    ],
)
async def test_tenant_is_the_configured_one(
    tmp_path: Path, settings: dict[str, Any], said: dict[str, Any], tenant: str | None
) -> None:
    """Nobody chooses his tenant: the operator fixed it, or the issuer says it in the claim he was told."""
    # given
    found = of_tokens(tmp_path, Now(claims()["iat"]), **settings)
    credential = f"Bearer {token(**said)}"

    # when
    try:
        principal = await found.identify(credential)
    except Unauthenticated:
        principal = None

    # then
    assert (principal and principal.tenant) == tenant
    assert principal is None or principal.scopes == CEILINGS[principal.tenant]


KEYS: dict[str, tuple[str, dict[str, Any], set[str] | None]] = {
    "right": (f"Bearer {KEY.reveal()}", {}, {"files:read", "files:write"}),
    "right, alone": (KEY.reveal(), {}, {"files:read", "files:write"}),
    "right, of a tenant with a ceiling": (KEY.reveal(), {"tenant": "town"}, {"files:read"}),
    "right, and not over": (KEY.reveal(), {"expires": ENDS}, {"files:read", "files:write"}),
    "of no tenant that there is": (KEY.reveal(), {"tenant": "village"}, None),
    "over": (KEY.reveal(), {"expires": datetime(1970, 1, 1, 0, 0, 0, tzinfo=UTC)}, None),
    "of another name": (KEY.reveal().replace("reports", "report"), {}, None),
    "with another secret": (new_key("reports")[0].reveal(), {}, None),
    "cut off": (KEY.reveal()[:-1], {}, None),
    "with something behind": (f"{KEY.reveal()}x", {}, None),
    "endless": (f"{KEY.reveal()}{'x' * 200}", {}, None),
    "without a secret": ("agk_reports_", {}, None),
    "without anything": ("agk_", {}, None),
    "the hash itself": (f"agk_reports_{DIGEST}", {}, None),
    "in other letters": (KEY.reveal().upper(), {}, None),
    "not ASCII": ("agk_reports_ÿ", {}, None),
    "under another scheme": (f"Basic {KEY.reveal()}", {}, None),
}


@pytest.mark.parametrize("name", KEYS)
async def test_api_key_opens_its_own_door(name: str) -> None:
    """A key is its name and its secret, to the letter, until it ends; what it may do is in the settings alone."""
    # given
    credential, changes, scopes = KEYS[name]
    found = of_keys(key_settings(**changes), now=0.0)

    # when
    try:
        principal = await found.identify(credential)
    except Unauthenticated:
        principal = None

    # then
    assert (principal and principal.scopes) == scopes
    assert principal is None or principal.subject == "key:reports"


async def test_key_ends_when_it_should() -> None:
    """To the second."""
    # given
    ends = ENDS.timestamp()
    before, after = (of_keys(key_settings(expires=ENDS), now=now) for now in (ends - 1, ends))

    # when
    principal = await before.identify(KEY.reveal())

    # then
    assert principal.ends == ends
    with pytest.raises(Unauthenticated):
        await after.identify(KEY.reveal())


async def test_wrong_credential_is_not_nobody() -> None:
    """Where everybody may come in without a credential, a wrong one is still refused: it is a mistake to be told."""
    # given
    found = Authenticator([], [key_settings()], CEILINGS, anonymous("default"))

    # when
    nobody = found.known("")

    # then
    assert nobody is not None
    assert nobody.is_anonymous
    with pytest.raises(Unauthenticated):
        await found.identify("Bearer wrong")


def test_credentials_are_in_no_repr() -> None:
    """Settings, keys and visitors can be logged."""
    # given
    shown = repr((key_settings(), KEY, of_keys(key_settings()).known(KEY.reveal())))

    # then
    assert KEY.reveal().rpartition("_")[2] not in shown
    assert DIGEST not in shown


def test_key_is_made_once(capsys: pytest.CaptureFixture[str]) -> None:
    """The command shows the key, and lines for the settings that hold nothing of it but its hash."""
    # when
    status = cli.main(
        [
            "keys",
            "create",
            "--id",
            "reports",
            "--scope",
            "files:read",
            "--scope",
            "debug",
            "--tenant",
            "town",
            "--days",
            "3",
        ]
    )

    # then
    out = capsys.readouterr().out
    key = re.search(r"^# (agk_reports_[\w-]{43})$", out, re.MULTILINE)
    (entry,) = tomllib.loads(out)["api_keys"]
    assert status == 0
    assert key is not None
    assert entry["sha256"] == hashlib.sha256(key[1].removeprefix("agk_reports_").encode()).hexdigest()
    assert (entry["id"], entry["tenant"], entry["scopes"]) == ("reports", "town", ["debug", "files:read"])
    assert entry["expires"].tzinfo is not None
    assert out.count(key[1]) == 1


def test_keys_differ() -> None:
    """Each key is random: 43 characters are 256 bits."""
    # when
    keys = {new_key("a")[0].reveal() for _ in range(100)}

    # then
    assert len(keys) == 100
    assert {len(key) for key in keys} == {len("agk_a_") + 43}


@pytest.mark.parametrize(
    "arguments",
    [
        ["--id", "Reports", "--scope", "files:read"],
        ["--id", "a_b", "--scope", "debug"],
        ["--id", "a", "--scope", "all"],
    ],
)
def test_wrong_key_is_not_made(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    """What the settings would refuse is refused when it is made."""
    # when
    status = cli.main(["keys", "create", *arguments])

    # then
    out, error = capsys.readouterr()
    assert (status, out) == (2, "")
    assert error.startswith("attachment-gateway: `")
