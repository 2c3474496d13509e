"""What sources answer is changed five thousand times for each kind: clients get typed errors, never our defects."""

import json
import random
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest
from graphql import (
    GraphQLInterfaceType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLUnionType,
    build_schema,
    get_named_type,
)
from starlette.applications import Starlette
from starlette.types import Message

from gateway.asgi import create_app
from gateway.sandbox.world import make_sources
from gateway.settings import Settings
from tests.security.fuzzed import KEPT, KINDS, Fuzzed, fuzz_all, recorded_bodies
from tests.tooling.node import ROOT

CASES = 5000
SEED = 20_261_122
PLACES: Mapping[str, dict[str, Any]] = {
    "arrhes": {"library": {"source": "arrhes", "organization": "org1", "year": "2025"}},
    "decisiv": {"record": {"case": {"source": "decisiv", "caseId": "CASE-1001"}}},
    "directmail": {
        "record": {
            "message": {
                "source": "directmail",
                "project": "187812f26ba37d9769d8691d2a83c95c",
                "messageId": "4C3D6FE1-CF46-5946-AA2C-51AB0BE9A6C4",
            }
        }
    },
    "espocrm": {
        "record": {
            "entity": {
                "source": "espocrm",
                "type": "Note",
                "recordId": "68d6ab9c0007ad856",
                "field": "attachments",
            }
        }
    },
    "maarch": {"record": {"mail": {"source": "maarch", "resId": 100}}},
}
EXPECTED = re.compile(
    "BAD_|NOT_FOUND|UNAVAILABLE|DEADLINE|FORBIDDEN|UNAUTH|RATE_|CONFLICT|TOO_LARGE|QUOTA|UNSUPPORTED"
)
DEADLINE = 9.0


# The gateway


class Gateway:
    """A gateway over five sandboxes, asked without a socket."""

    def __init__(self, app: Starlette) -> None:
        self._app = app

    async def ask(self, query: str, variables: dict[str, Any]) -> tuple[int, Any]:
        """Post an operation; gives the status and the decoded body."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        headers = {
            "host": "127.0.0.1:8000",
            "content-type": "application/json",
            "content-length": str(len(body)),
        }
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": "/graphql",
            "raw_path": b"/graphql",
            "query_string": b"",
            "server": ("127.0.0.1", 8000),
            "client": ("127.0.0.1", 1),
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        }
        sent: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Message) -> None:
            sent.append(message)

        await self._app(scope, receive, send)
        return sent[0]["status"], json.loads(b"".join(message.get("body", b"") for message in sent[1:]))


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Gateway:
    """Make a gateway whose sources answer out of memory."""
    origins = fuzz_all(monkeypatch)
    settings = Settings(profile="demo", sources=make_sources(origins), deadline=DEADLINE)
    return Gateway(create_app(settings))


# What is asked


SCHEMA = build_schema((ROOT / "schema.graphql").read_text("utf-8"))


def selection(type_name: str, depth: int = 3) -> str:
    """Select every field of a type that needs no argument, and those of the objects in it."""
    named = SCHEMA.type_map[type_name]
    if isinstance(named, GraphQLUnionType | GraphQLInterfaceType):
        inner = (
            f"... on {one.name} {{ {selection(one.name, depth)} }}" for one in SCHEMA.get_possible_types(named)
        )
        return " ".join(["__typename", *inner])
    assert isinstance(named, GraphQLObjectType)
    return " ".join(
        ["__typename", *filter(None, (_field(name, field, depth) for name, field in named.fields.items()))]
    )


def _field(name: str, field: Any, depth: int) -> str:
    needs = any(
        isinstance(one.type, GraphQLNonNull) and one.default_value is None for one in field.args.values()
    )
    found = get_named_type(field.type)
    composite = isinstance(found, GraphQLObjectType | GraphQLInterfaceType | GraphQLUnionType)
    skipped = found.name.endswith("Connection") or found.name in (
        "Source",
        "Library",
        "Record",
        "Folder",
        "Branch",
    )
    if needs or (composite and (skipped or not depth)):
        return ""
    return f"{name} {{ {selection(found.name, depth - 1)} }}" if composite else name


MERGED = """query($in: [PlaceLookup!]!) { storedFiles(in: $in, first: 9) {
  totalCount edges { cursor node { FIELDS } } sourceStatuses { complete code message } } }""".replace(
    "FIELDS", selection("StoredFile")
)
BY_ID = "query($ids: [ID!]!) { nodes(ids: $ids) { id ... on StoredFile { FIELDS } } }".replace(
    "FIELDS", selection("StoredFile")
)
TREE = """query($by: LibraryLookup!) { library(by: $by) {
  files { FIELDS } folders { id name files { id } folders { id name } }
  descendants(first: 20, depth: 9) { totalCount edges { depth parent { id } } } } }""".replace(
    "FIELDS", selection("File")
)
LIST = """query($by: RecordLookup!) { record(by: $by) { id
  attachments(first: 20) { totalCount edges { node { FIELDS } } } } }""".replace(
    "FIELDS", selection("Attachment")
)


def operations(kind: str, ids: list[str]) -> list[tuple[str, dict[str, Any]]]:
    """Give what is asked of a source: lists, merged lists, and objects by their identifiers."""
    place = PLACES[kind]
    first = TREE if "library" in place else LIST
    by = next(iter(place.values()))
    return [(first, {"by": by}), (MERGED, {"in": [place]}), (BY_ID, {"ids": ids[:1]}), (BY_ID, {"ids": ids})]


async def _ids(gateway: Gateway, kind: str) -> list[str]:
    """Find the identifiers of some files, while the sources still tell the truth."""
    status, answer = await gateway.ask(MERGED, {"in": [PLACES[kind]]})
    assert status == 200, answer
    return [edge["node"]["id"] for edge in answer["data"]["storedFiles"]["edges"]][:KEPT]


def verdict(status: int, answer: Any) -> str | None:
    """Say what is wrong with an answer; None for data, or errors that are typed and tell nothing of the body."""
    errors = answer.get("errors", []) + [
        {"extensions": {"code": one["code"]}, "message": one["message"]}
        for one in ((answer.get("data") or {}).get("storedFiles") or {}).get("sourceStatuses", [])
        if one["code"]
    ]
    codes = [error["extensions"]["code"] for error in errors]
    if status != 200 or any(not EXPECTED.match(code) for code in codes):
        return f"{status} {codes}"
    told = [
        error["message"] for error in errors if re.search(r"Traceback|nginx|Error:|\bat 0x", error["message"])
    ]
    return f"tells {told}" if told else None


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
async def test_no_body_is_a_defect(
    kind: str,
    gateway: Gateway,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Unknown and missing fields, numbers as texts, wrong charsets, pages, halves and nothing: 0 internal errors."""
    # given
    chance = random.Random(f"{SEED} {kind}")  # noqa: S311 - reproducible, and nothing secret
    asked = operations(kind, await _ids(gateway, kind))
    Fuzzed.recorded, Fuzzed.chance = recorded_bodies(kind), chance
    codes: Counter[str] = Counter()
    wrong: list[str] = []

    # when
    rounds = 0
    while Fuzzed.changes["bodies"] < CASES:
        rounds += 1
        query, variables = chance.choice(asked)
        status, answer = await gateway.ask(query, variables)
        codes.update(error["extensions"]["code"] for error in answer.get("errors", ()))
        problem = verdict(status, answer)
        if problem:
            wrong.append(f"round {rounds} of seed {SEED} {kind}: {problem}")

    # then
    with capsys.disabled():
        print(f"\n{kind}: {Fuzzed.changes['bodies']} bodies changed in {rounds} operations, {dict(codes)}")  # noqa: T201
    assert wrong == []
    assert codes["BAD_RESPONSE"] > 100
