"""Secrets of every kind are planted in a gateway that works, fails and breaks: only their sources see them."""

import asyncio
import base64
import json
import logging
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from gateway.asgi import create_app
from gateway.domain.secret import Secret
from gateway.identity.api_keys import new_key
from gateway.sandbox.arrhes import seed as arrhes
from gateway.sandbox.decisiv import seed as decisiv
from gateway.sandbox.directmail import seed as directmail
from gateway.sandbox.espocrm import seed as espocrm
from gateway.sandbox.maarch import seed as maarch
from gateway.sandbox.server import in_thread
from gateway.sandbox.store import BUCKET, Store
from gateway.sandbox.upstream import Fault, SandboxUpstream
from gateway.sandbox.world import make_sources
from gateway.settings import Settings
from gateway.settings_shown import shown
from gateway.sources_table import probe_sources, write_table
from gateway.transport.client import SourceClient
from gateway.uploads.doctor import examine, report
from gateway.upstreams.maarch import MaarchSettings
from gateway.web.graphiql import load_examples
from tests.graphql.uploading import finalize, send, stage
from tests.programs import free_port, run, started
from tests.security.logged import everything_logged
from tests.world import World, running_world

pytestmark = pytest.mark.slow

CONTENTS = b"%PDF-1.7\n" + bytes(os.urandom(4096))
TRANSITION = "planted-transition-token"
ESPOCRM_BASIC = base64.b64encode(f"admin:{espocrm.ADMIN_PASSWORD}".encode()).decode()
PASSED = "cGxhbnRlZDpwYXNzLXRocm91Z2gtcGFzc3dvcmQ="
CONTENT_KEY = "c0ffee" * 10 + "abcd"
ID_KEY = "1d" * 32
JOURNAL_PASSWORD = "planted-password-of-the-journal"
PLACES: dict[str, dict[str, Any]] = {
    "arrhes": {"library": {"source": "arrhes", "organization": "org1", "year": "2025"}},
    "decisiv": {"case": {"source": "decisiv", "caseId": "CASE-1001", "internal": True}},
    "espocrm": {
        "entity": {"source": "espocrm", "type": "Note", "recordId": "68d6ab9c0007ad856", "field": "attachments"}
    },
    "maarch": {"mail": {"source": "maarch", "resId": 100}},
}


FINALIZE = """mutation($input: StagedUploadsFinalizeInput!) {
  stagedUploadsFinalize(input: $input) { stagedUploads { state } userErrors { code message } } }"""


def planted(store: Store) -> dict[str, str]:
    """Name the secrets and give a piece of each that cannot be there by chance."""
    return {
        "Arrhes key": arrhes.API_KEY,
        "Decisiv token": decisiv.TOKEN,
        "Decisiv transition token": TRANSITION,
        "Direct Mail secret": directmail.KEY_SECRET,
        "EspoCRM password": espocrm.ADMIN_PASSWORD,
        "EspoCRM password in Basic": ESPOCRM_BASIC,
        "Maarch password": maarch.PASSWORD,
        "credential that is passed through": PASSED,
        "content key": CONTENT_KEY,
        "identifier key": ID_KEY,
        "signer's key": store.signer.secret_key,
        "reader's key": store.reader.secret_key,
        "file's contents": base64.b64encode(CONTENTS).decode(),
    }


def piece_of(secret: str) -> str:
    """Choose what of a secret is searched for: the middle of a long one, which may be cut."""
    return secret[60:100] if len(secret) > 200 else secret[:24]


@pytest.fixture(scope="module")
def world(store: Store) -> Iterator[World]:
    """Run everything with secrets that are searched for."""
    keys = {"content_key": Secret(CONTENT_KEY), "id_keys": Secret(ID_KEY)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.world.make_sources", _sources)
        with running_world(store, **keys) as running:
            yield running


def _sources(origins: Mapping[str, str]) -> tuple[Any, ...]:
    """Configure the sandbox's sources, with the one credential that it does not ask for."""
    token = {"transition_token": Secret(TRANSITION)}
    return tuple(replace(one, **token) if one.kind == "decisiv" else one for one in make_sources(origins))


class Seen:
    """What a gateway lets others see apart from data: errors, extensions, headers, and what its commands print."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def answer(self, answer: dict[str, Any]) -> None:
        """Keep errors and extensions; data holds what was asked for, signed addresses among it."""
        self.texts.append(json.dumps({key: answer.get(key) for key in ("errors", "extensions")}))
        found = re.findall(r'"problem": \{[^}]*\}|"userErrors": \[[^\]]*\]', json.dumps(answer.get("data")))
        self.texts.extend(found)


def test_no_secret_is_seen(world: World, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Queries, uploads, refusals, echoes, defects and every command's output: 0 of 12 secrets and of no signature."""
    # given
    secrets, seen = planted(store), Seen()
    settings = _settings(world, store)

    # when
    with everything_logged() as log:
        _work(world, seen)
        _pass_through(world, seen)
        _refuse(world, seen)
        _break(world, seen, list(secrets.values()), monkeypatch)
        seen.texts.append(write_table(asyncio.run(probe_sources(settings))))
        seen.texts.append(shown(settings))
        seen.texts.append(repr(settings))
        seen.texts.append(report(asyncio.run(examine(_given(settings.store)))))
        for name in ("gateway", "aiohttp.client", "sqlalchemy.engine.Engine", "asyncio"):
            for secret in secrets.values():
                logging.getLogger(name).warning("planted: Authorization: Basic %s", secret)
                logging.getLogger(name).warning("planted: %s", [secret] if secret != PASSED else [])
    texts = {"the log": log.getvalue(), "what is shown": "\n".join(seen.texts)}

    # then
    assert len(secrets) >= 12
    hits = [
        (name, where) for where, text in texts.items() for name, secret in secrets.items() if secret in text
    ]
    assert hits == []
    signed = re.compile(
        r"(?:X-Amz-(?:Signature|Credential)|[?&]Signature|[?&]token)=(?!…)[^&\s\"']|/content/(?!…)[\w-]{16}"
    )
    assert [found for text in texts.values() for found in signed.findall(text)] == []
    assert log.getvalue().count("planted: Authorization: …") == 4 * len(secrets)
    assert log.getvalue().count("planted: ['…']") == 4 * len(secrets) - 4
    assert "Traceback" in log.getvalue()
    assert log.getvalue().count("\n") > 500
    assert '"code": "INTERNAL"' in texts["what is shown"]


def _given(value: Any) -> Any:
    assert value is not None
    return value


def _settings(world: World, store: Store) -> Settings:
    origins = {name: f"http://127.0.0.1:{free_port()}" for name in world.upstreams}
    journal = Secret(f"postgresql://gateway:{JOURNAL_PASSWORD}@127.0.0.1:9/journal")
    return Settings(
        sources=_sources(origins),
        store=store.settings(BUCKET),
        journal=journal,
        content_key=Secret(CONTENT_KEY),
        id_keys=Secret(ID_KEY),
    )


def _work(world: World, seen: Seen) -> None:
    """Ask what the examples ask, and upload to each kind, once with a body that is not what was said."""
    for example in load_examples():
        seen.answer(world.ask(example.query, example.variables))
    for place in PLACES.values():
        upload = stage(world, place, CONTENTS)
        send(world, upload["targets"][0], CONTENTS)
        payload = finalize(world, upload)
        seen.answer({"data": payload})
        lied = stage(world, place, CONTENTS)
        send(world, {**lied["targets"][0]}, b"something else")
        seen.answer({"data": finalize(world, lied)})


def _refuse(world: World, seen: Seen) -> None:
    """Let each source refuse the credential and echo the request's headers, in bodies of all sorts."""
    for upstream in world.upstreams.values():
        genuine = upstream.app
        for status in (400, 401, 403, 404, 422, 500, 503):
            upstream.app = _Echo(status)
            for example in load_examples():
                seen.answer(world.ask(example.query, example.variables))
        upstream.app = genuine
    world.reset()


class _Echo:
    """Answers with the headers and the address that it was asked with."""

    def __init__(self, status: int) -> None:
        self._status = status

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        body = json.dumps({"errors": str(headers), "message": str(headers), "path": scope["path"]}).encode()
        fault = SandboxUpstream("echo", _never)
        fault.fault = Fault(
            status=self._status, body=body, headers={"x-status-reason": headers.get("authorization", "")}
        )
        await fault(scope, receive, send)


async def _never(*_: object) -> None:
    raise RuntimeError("the fault answers")


def _break(world: World, seen: Seen, secrets: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Have defects of the gateway itself whose words and arguments are the secrets."""

    async def broken(*_: object, **__: object) -> None:
        raise RuntimeError(f"cannot use {secrets} with Authorization: Bearer {secrets[0]}")

    with monkeypatch.context() as patch:
        patch.setattr(SourceClient, "get", broken)
        patch.setattr(SourceClient, "request", broken)
        for example in load_examples():
            seen.answer(world.ask(example.query, example.variables))
        payload = stage(world, PLACES["maarch"], CONTENTS)
        send(world, payload["targets"][0], CONTENTS)
        uploads = {"input": {"idempotencyKey": "k" * 32, "uploads": [{"id": payload["id"]}]}}
        seen.answer(world.ask(FINALIZE, uploads))


def _pass_through(world: World, seen: Seen) -> None:
    """Bring an own credential, which the source refuses."""
    origin = f"http://{world.upstreams['maarch'].requests[-1].headers['host']}"
    header = "X-Maarch-Authorization"
    source = MaarchSettings(
        name="maarch",
        kind="maarch",
        url=f"{origin}/rest",
        username="a",
        password=Secret("none"),
        pass_through=header,
    )
    query = "query($by: RecordLookup!) { record(by: $by) { attachments(first: 1) { totalCount } } }"
    with in_thread(create_app(Settings(profile="demo", sources=(source,))), lifespan="on") as gateway:
        for credential in (f"Basic {PASSED}", f"Bearer {PASSED}"):
            answer = world.client.post(
                f"{gateway}/graphql",
                json={"query": query, "variables": {"by": PLACES["maarch"]}},
                headers={header: credential, "x-gateway-trace": "1"},
            )
            seen.answer(answer.json())
            seen.texts.append(str(answer.headers))


# The commands, as processes of their own


SETTINGS = """
profile = "production"
content_key = {{ env = "CONTENT_KEY" }}
id_keys = {{ env = "ID_KEYS" }}
journal = {{ env = "JOURNAL" }}
port = {port}

[store]
endpoint = "http://127.0.0.1:9"
bucket = "uploads"
signer_access_key = "signer"
signer_secret_key = {{ env = "SIGNER" }}
reader_access_key = "reader"
reader_secret_key = {{ env = "READER" }}

[[api_keys]]
id = "planted"
sha256 = "{digest}"
scopes = ["files:read"]

[[sources]]
name = "crm"
kind = "espocrm"
url = "http://127.0.0.1:9/api/v1"
api_key = {{ env = "ESPO" }}

[[sources]]
name = "mail-room"
kind = "maarch"
url = "http://127.0.0.1:9/rest"
username = "gateway"
password = {{ env = "MAARCH" }}
"""
API_KEY, DIGEST = new_key("planted")
ENVIRONMENT = {
    "CONTENT_KEY": CONTENT_KEY,
    "ID_KEYS": ID_KEY,
    "JOURNAL": f"postgresql://gateway:{JOURNAL_PASSWORD}@127.0.0.1:9/journal",
    "SIGNER": "planted-key-of-the-signer",
    "READER": "planted-key-of-the-reader",
    "ESPO": "planted-key-of-the-crm",
    "MAARCH": "planted-password-of-maarch",
}
PIECES = [
    CONTENT_KEY,
    ID_KEY,
    JOURNAL_PASSWORD,
    *(ENVIRONMENT[name] for name in ("SIGNER", "READER", "ESPO", "MAARCH")),
]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Write settings whose journal, store and sources are all away."""
    path = tmp_path / "gateway.toml"
    path.write_text(SETTINGS.format(port=free_port(), digest=DIGEST))
    return path


@pytest.mark.parametrize("command", ["serve", "sources", "config", "doctor", "sweep"])
def test_no_command_prints_a_secret(command: str, config: Path) -> None:
    """Whatever fails, with a traceback or without, the password of the journal and the keys are not in it."""
    # when
    outcome = run(command, "--config", str(config), **ENVIRONMENT)

    # then
    printed = outcome.stdout + outcome.stderr
    assert printed
    assert [piece for piece in PIECES if piece in printed] == []
    assert (outcome.returncode == 0) is (command == "config"), printed


def test_no_argument_of_the_process_is_a_secret(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everybody on a machine may read the command lines of its processes."""
    # given
    for name, value in (ENVIRONMENT | {"JOURNAL": f"sqlite:///{config.parent}/journal.db"}).items():
        monkeypatch.setenv(name, value)

    # when
    with started("serve", "--config", str(config), until="serving ") as running:
        processes = [running.process.pid, *running.children]
        lines = [_command_line(one) for one in processes]
        assert httpx.get(
            f"http://127.0.0.1:{running.ports[0]}/livez", timeout=60
        ).is_success  # it is up by then
        running.stop()

    # then
    assert all(lines)
    assert [piece for piece in PIECES for line in lines if piece in line] == []


def _command_line(process: int) -> str:
    return Path(f"/proc/{process}/cmdline").read_text().replace("\0", " ")
