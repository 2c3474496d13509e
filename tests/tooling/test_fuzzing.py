"""Operations that a machine makes up from the schema, by the thousand, with a key: typed answers, and no defect."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.domain.limits import Limits
from gateway.sandbox.store import Store
from tests.graphql.uploading import stage
from tests.security.production import READER, production
from tests.tooling.node import ROOT
from tests.tooling.python import run, tool
from tests.world import World

HERE = Path(__file__).parent / "fuzz"
SCHEMA = ROOT / "schema.graphql"
SEED = "20261122"
CASES = 2_000
EACH = 105
"""Operations that are made up for each of the 21 fields of Query and Mutation."""
PATIENCE = 600
NAMES = ["arrhes", "decisiv", "directmail", "espocrm", "maarch"]
PLACES = """[
  { library: { source: "arrhes", organization: "org1", year: "2025" } },
  { record: { mail: { source: "maarch", resId: 100 } } },
  { record: { case: { source: "decisiv", caseId: "CASE-1001" } } } ]"""
IDS = """query($in: [PlaceLookup!]!) { storedFiles(in: $in, first: 40) { edges { node {
  id ... on Attachment { record { id } } ... on File { folder { id } library { id } } } } } }"""

pytestmark = pytest.mark.slow


def identifiers(world: World) -> list[str]:
    """Find identifiers of files, folders, records, a library and an upload, which the machine cannot make up."""
    example = json.loads((ROOT / "gateway" / "web" / "examples" / "4-merged.json").read_text("utf-8"))
    nodes = [edge["node"] for edge in world.data(IDS, {"in": example["in"]})["storedFiles"]["edges"]]
    around = [node[key]["id"] for node in nodes for key in ("record", "folder", "library") if node.get(key)]
    upload = stage(world, {"mail": {"source": "maarch", "resId": 100}})["id"]
    return [*dict.fromkeys([*(node["id"] for node in nodes), *around]), upload, upload]


def fuzzed(url: str, header: str, ids: list[str], *more: str) -> tuple[int, str]:
    """Run schemathesis with our hooks; gives its exit code and what it says."""
    command = [
        *(str(tool(HERE, "st")), "run", str(SCHEMA), "--url", url, "--header", header, "--seed", SEED),
        *("--phases", "fuzzing", "--mode", "positive", "--checks", "is_right", "--continue-on-failure"),
        *("--generation-database", "none", "--suppress-health-check", "all", "--workers", "2", *more),
    ]
    environment = {
        "SCHEMATHESIS_HOOKS": str(HERE / "hooks.py"),
        "SCHEMA": str(SCHEMA),
        "IDS": json.dumps(ids),
        "NAMES": json.dumps(NAMES),
        "PLACES": PLACES,
    }
    outcome = run(command, PATIENCE, environment)
    return outcome.returncode, outcome.stdout + outcome.stderr


def test_no_operation_is_a_defect(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    """Two thousand queries and mutations of a client with a key: none is a fault or against the schema."""
    # given
    with production(store=store, limits=Limits(rate=0, tenant_rate=0)) as world:
        ids = identifiers(world)

        # when
        status, said = fuzzed(
            f"{world.gateway}/graphql", f"Authorization: Bearer {READER}", ids, "--max-examples", str(EACH)
        )
        asked = world.requests()

    # then
    found = re.search(r"(\d+) generated, (\d+) passed", said)
    with capsys.disabled():
        print(f"\nschemathesis with seed {SEED}: {found and found[0]}, {asked} upstream requests")  # noqa: T201
    assert status == 0, said[-6000:]
    assert found
    assert int(found[1]) == int(found[2]) >= CASES
    assert asked > CASES / 10


@pytest.mark.parametrize(
    "spoil",
    [
        lambda _: {"data": {"sources": [5]}},
        lambda _: {"data": {"sources": None}},
        lambda _: {"errors": [{"message": "a", "extensions": {"code": "INTERNAL", "requestId": "a"}}]},
        lambda _: {"errors": [{"message": "a"}]},
    ],
)
def test_a_defect_would_be_found(spoil: Callable[[Any], Any]) -> None:
    """The check above can fail: against values, nulls and errors that the schema and the contract do not have."""
    # given
    from starlette.responses import JSONResponse  # noqa: PLC0415 - for this endpoint alone

    from gateway.sandbox.server import in_thread  # noqa: PLC0415

    async def endpoint(scope: Any, receive: Any, send: Any) -> None:
        await JSONResponse(spoil(None))(scope, receive, send)

    with in_thread(endpoint) as origin:
        # when
        only = ("--include-name", "Query.sources", "--max-examples", "5", "--no-shrink")
        status, said = fuzzed(f"{origin}/graphql", "Authorization: none", ["x"], *only)

    # then
    assert status == 1, said
