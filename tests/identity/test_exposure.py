"""What may be served where, what settings say of who gets in, and what is shown of them."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from gateway import cli
from gateway.exposure import why_not_served
from gateway.settings import SettingsError, load_settings
from tests.identity.issuing import AUDIENCE, ISSUER, key_set
from tests.programs import ROOT, run

DIGEST = "ab" * 32
PASSWORD = "planted-password-of-a-source"
HEX = "c0ffee00" * 8
SOURCE = f"""
[[sources]]
name = "mail"
kind = "maarch"
url = "http://127.0.0.1:9/rest"
username = "gateway"
password = "{PASSWORD}"
"""
KEY = f"""
[[api_keys]]
id = "reports"
sha256 = "{DIGEST}"
scopes = ["files:read"]
"""
PRODUCTION = f'profile = "production"\ncontent_key = "{HEX}"\nid_keys = "{"d0" * 32}"\n'


def written(folder: Path, text: str) -> Path:
    """Write settings."""
    path = folder / "gateway.toml"
    path.write_text(f'journal = "sqlite:///{folder}/journal.db"\n{text}', "utf-8")
    return path


REFUSED: Mapping[str, tuple[str, str]] = {
    "nobody logs in": ('host = "0.0.0.0"', "nobody has to log in; configure [[issuers]] or [[api_keys]]"),
    "everybody may come": ('host = "192.0.2.1"\nanonymous = true', "nobody has to log in"),
    "everybody may come, and some log in": (
        'host = "192.0.2.1"\nanonymous = true\n' + KEY,
        "`anonymous = true` lets everybody in",
    ),
    "the demo, unsaid": ('profile = "demo"\nhost = "::"', "nobody has to log in"),
    "production": (PRODUCTION, "nobody could get in: configure [[issuers]] or [[api_keys]]"),
    "production elsewhere": (PRODUCTION + 'host = "0.0.0.0"', "nobody could get in"),
    "production for everybody": (
        PRODUCTION + 'host = "0.0.0.0"\nanonymous = true',
        "nobody has to log in",
    ),
    "nobody may come": ("anonymous = false", "nobody could get in"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_nobody_is_let_in_unasked(tmp_path: Path, name: str) -> None:
    """One clear line says why settings are not served, and what to do."""
    # given
    text, expected = REFUSED[name]
    settings = load_settings(written(tmp_path, text + SOURCE), {})

    # when
    refusal = why_not_served(settings) or ""

    # then
    assert refusal.startswith("serve refuses")
    assert expected in refusal
    assert "\n" not in refusal


def test_serve_refuses_before_it_listens(tmp_path: Path) -> None:
    """Exit status 2 and that line on standard error; nothing has listened."""
    # given
    path = written(tmp_path, 'host = "0.0.0.0"\nanonymous = true\n' + SOURCE)

    # when
    outcome = run("serve", "--config", str(path))

    # then
    assert (outcome.returncode, outcome.stdout) == (2, "")
    assert outcome.stderr.startswith("attachment-gateway: serve refuses to listen on 0.0.0.0: ")
    assert outcome.stderr.count("\n") == 1


SERVED: Mapping[str, str] = {
    "with a key": 'host = "192.0.2.1"\n' + KEY,
    "in production": PRODUCTION + 'host = "192.0.2.1"\n' + KEY,
    "the demo in a container": 'profile = "demo"\nhost = "192.0.2.1"\nanonymous = true\n',
    "on loopback": "",
    "for oneself in production": PRODUCTION + "anonymous = true\n",
}


@pytest.mark.parametrize("name", SERVED)
def test_who_logs_in_is_served(tmp_path: Path, name: str) -> None:
    """Anywhere where callers log in; without, on loopback, and elsewhere the demo that says so."""
    # given
    settings = load_settings(written(tmp_path, SERVED[name] + SOURCE), {})

    # when
    refusal = why_not_served(settings)

    # then
    assert refusal is None


def test_serve_listens_elsewhere_where_callers_log_in(tmp_path: Path) -> None:
    """What keeps it from listening then is the address alone, which is nobody's."""
    # when
    outcome = run("serve", "--config", str(written(tmp_path, SERVED["with a key"] + SOURCE)))

    # then
    assert outcome.returncode == 2
    assert "cannot listen on 192.0.2.1:8000" in outcome.stderr


def test_switch_of_before_is_gone(tmp_path: Path) -> None:
    """Who still promises that somebody else authenticates is told that this does not count any more."""
    # when
    flag = run("serve", "--guarded", "--config", str(written(tmp_path, SOURCE)))
    key = run("serve", "--config", str(written(tmp_path, "guarded = true\n" + SOURCE)))

    # then
    assert (flag.returncode, key.returncode) == (2, 2)
    assert "unknown key 'guarded'" in key.stderr


def test_settings_are_shown_masked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An operator sees what is in force, and no secret: not of a source, a key, a store or the journal."""
    # given
    path = written(tmp_path, PRODUCTION + KEY + SOURCE)

    # when
    status = cli.main(["config", "--config", str(path)])

    # then
    out = capsys.readouterr().out
    shown = json.loads(out)
    assert status == 0
    assert (shown["profile"], shown["port"], shown["sources"][0]["name"]) == ("production", 8000, "mail")
    assert shown["sources"][0]["password"] == shown["journal"] == shown["api_keys"][0]["sha256"] == "…"
    for secret in (PASSWORD, HEX, DIGEST, "sqlite"):
        assert secret not in out


def test_no_secret_is_an_argument() -> None:
    """Everybody on a machine sees its command lines: no command takes a secret there."""
    # when
    told = "".join(
        subprocess.run(  # noqa: S603 - our own command line
            [sys.executable, "-m", "gateway", *command, "--help"],
            capture_output=True,
            check=True,
            cwd=ROOT,
            text=True,
        ).stdout
        for command in (["serve"], ["upload"], ["keys", "create"], ["sources"], ["config"])
    )

    # then
    assert not any(word in told for word in ("--password", "--token", "--secret", "--key", "--api-key"))


# Settings

ISSUED = f'[[issuers]]\nissuer = "{ISSUER}"\naudience = "{AUDIENCE}"\n'
MISTAKES: Mapping[str, tuple[str, str]] = {
    "keys from two places": (
        ISSUED + 'jwks_url = "https://login.example.org/keys"\njwks_file = "k"\n' + SOURCE,
        "give `jwks_url` or `jwks_file`, not both",
    ),
    "keys from somewhere": (
        f'[[issuers]]\nissuer = "town"\naudience = "{AUDIENCE}"\n' + SOURCE,
        "or an `issuer` that is an address beginning with https://",
    ),
    "metadata that anybody changes": (
        f'[[issuers]]\nissuer = "http://login.example.org"\naudience = "{AUDIENCE}"\n' + SOURCE,
        "or an `issuer` that is an address beginning with https://",
    ),
    "metadata behind a query": (
        f'[[issuers]]\nissuer = "https://login.example.org/?a=b"\naudience = "{AUDIENCE}"\n' + SOURCE,
        "or an `issuer` that is an address beginning with https://",
    ),
    "keys that anybody changes": (
        ISSUED + 'jwks_url = "http://login.example.org/keys"\n' + SOURCE,
        "`jwks_url` must begin with https://",
    ),
    "keys with a password": (
        ISSUED + 'jwks_url = "https://user:pass@login.example.org/keys"\n' + SOURCE,
        "`jwks_url` must begin with https://",
    ),
    "no signature": (
        ISSUED + 'jwks_file = "k"\nalgorithms = ["none"]\n' + SOURCE,
        "`algorithms` must be some of",
    ),
    "a shared secret": (
        ISSUED + 'jwks_file = "k"\nalgorithms = ["RS256", "HS256"]\n' + SOURCE,
        "`algorithms` must be some of RS256, PS256, ES256, EdDSA",
    ),
    "no audience": (
        f'[[issuers]]\nissuer = "{ISSUER}"\njwks_file = "k"\n' + SOURCE,
        "the key 'audience' is missing in [[issuers]]",
    ),
    "an empty audience": (
        f'[[issuers]]\nissuer = "{ISSUER}"\naudience = ""\njwks_file = "k"\n' + SOURCE,
        "`issuer` and `audience` must not be empty",
    ),
    "a claim for nobody": (
        ISSUED + 'jwks_file = "k"\ntenant_claim = "org"\n' + SOURCE,
        "`issuers` has a `tenant_claim`, but there is no `tenants`",
    ),
    "a key in clear text": (KEY.replace(DIGEST, "secret") + SOURCE, "`sha256` must be 64 hex digits"),
    "a scope that is none": (KEY.replace("files:read", "files:*") + SOURCE, "`scopes` must be some of debug"),
    "a key twice": (KEY + KEY + SOURCE, "`api_keys` holds 'reports' twice"),
    "a tenant that is none": (
        KEY + 'tenant = "town"\n' + SOURCE,
        "names the tenant 'town', which is not in `tenants`",
    ),
    "a source of nobody": (
        '[[tenants]]\nname = "town"\n' + SOURCE,
        "a source, key or issuer lacks its `tenant`",
    ),
    "a typo": (
        KEY.replace("scopes", "scope") + SOURCE,
        "unknown key 'scope' in [[api_keys]]: did you mean 'scopes'?",
    ),
    "one table": (KEY.replace("[[api_keys]]", "[api_keys]") + SOURCE, "each of the api_keys must be a table"),
    "a limit of a tenant": (
        '[[tenants]]\nname = "town"\n[tenants.limits]\ndepth = 0\n' + SOURCE + 'tenant = "town"\n',
        "'depth' in [tenants.limits] must be 1 to 100",
    ),
    "everybody of several tenants": (
        'anonymous = true\n[[tenants]]\nname = "a"\n[[tenants]]\nname = "b"\n' + SOURCE + 'tenant = "a"\n',
        "`anonymous` visitors belong to nobody where there are several `tenants`",
    ),
    "a header of ours": (
        SOURCE + 'pass_through = "X-Api-Key"\n',
        "'pass_through' in [[sources]] (mail) must be",
    ),
    "a header of all": (
        SOURCE + 'pass_through = "Authorization"\n',
        "'pass_through' in [[sources]] (mail) must be",
    ),
    "a header of the connection": (
        SOURCE + 'pass_through_as = "Host"\n',
        "'pass_through_as' in [[sources]] (mail)",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistake_is_told(tmp_path: Path, name: str) -> None:
    """A mistake about who gets in is found when the gateway starts, and told in one line."""
    # given
    text, expected = MISTAKES[name]
    path = written(tmp_path, text)

    # when
    with pytest.raises(SettingsError) as caught:
        load_settings(path, {})

    # then
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)
    assert PASSWORD not in str(caught.value)


def test_tables_are_read(tmp_path: Path) -> None:
    """Two tenants may have sources of one name, each with its own limits; paths count from the settings."""
    # given
    (tmp_path / "keys.json").write_bytes(key_set("rsa-1"))
    text = (
        ISSUED
        + 'jwks_file = "keys.json"\ntenant_claim = "org"\n'
        + KEY
        + 'tenant = "a"\nexpires = 2030-01-01T00:00:00Z\n'
        + '[[tenants]]\nname = "a"\nscopes = ["files:read"]\n[tenants.limits]\ndepth = 4\n[[tenants]]\nname = "b"\n'
        + SOURCE
        + 'tenant = "a"\n'
        + SOURCE
        + 'tenant = "b"\n'
    )

    # when
    settings = load_settings(written(tmp_path, text), {})

    # then
    assert [(source.tenant, source.name) for source in settings.sources] == [("a", "mail"), ("b", "mail")]
    first, second = settings.tenants
    assert (first.scopes, first.limits and first.limits.depth, second.limits) == (("files:read",), 4, None)
    assert settings.issuers[0].jwks_file == str(tmp_path / "keys.json")
    assert settings.api_keys[0].ends is not None
    assert not settings.admits_all


@pytest.mark.parametrize("own", ["", 'username = "gateway"\npassword = "own"\n'])
def test_source_of_its_users_needs_no_credential(tmp_path: Path, own: str) -> None:
    """Where users bring theirs, the gateway may have none."""
    # given
    head = SOURCE.partition("username")[0]

    # when
    settings = load_settings(written(tmp_path, f'{head}pass_through = "X-Mail"\n{own}'), {})

    # then
    assert settings.sources[0].pass_through == "X-Mail"


def test_secret_may_be_in_a_file_that_a_variable_names(tmp_path: Path) -> None:
    """Orchestrators mount secrets as files and name them by variables; the file wins over a variable of the name."""
    # given
    (tmp_path / "secret").write_text("from the file\n")
    path = written(tmp_path, SOURCE.replace(f'"{PASSWORD}"', '{ env = "MAIL" }'))

    # when
    found: list[Any] = [
        load_settings(path, environ).sources[0]
        for environ in ({"MAIL_FILE": str(tmp_path / "secret"), "MAIL": "other"}, {"MAIL": "other"})
    ]

    # then
    assert [source.password.reveal() for source in found] == ["from the file", "other"]
