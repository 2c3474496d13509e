"""One source fails, in any way: the other four answer in full, in time, and nothing is left running."""

import time
from typing import Any

import pytest

from gateway.sandbox.upstream import Fault
from tests.programs import PATIENCE
from tests.world import World

QUERY = """query($tree: LibraryLookup!, $mail: RecordLookup!, $case: RecordLookup!, $message: RecordLookup!,
  $note: RecordLookup!) {
  arrhes: library(by: $tree) { folders { id } }
  maarch: record(by: $mail) { attachments { totalCount } }
  decisiv: record(by: $case) { attachments { totalCount } }
  directmail: record(by: $message) { attachments { totalCount } }
  espocrm: record(by: $note) { attachments { totalCount } }
}"""
PLACES: dict[str, Any] = {
    "tree": {"source": "arrhes", "organization": "org1", "year": "2025"},
    "mail": {"mail": {"source": "maarch", "resId": 100}},
    "case": {"case": {"source": "decisiv", "caseId": "CASE-1001"}},
    "message": {
        "message": {
            "source": "directmail",
            "project": "187812f26ba37d9769d8691d2a83c95c",
            "messageId": "4C3D6FE1-CF46-5946-AA2C-51AB0BE9A6C4",
        }
    },
    "note": {
        "entity": {"source": "espocrm", "type": "Note", "recordId": "68d6ab9c0007ad856", "field": "attachments"}
    },
}
KINDS = ["arrhes", "decisiv", "directmail", "espocrm", "maarch"]
HTML = b"<html><body>Bad gateway, see https://internal.example/secret-page</body></html>"
HALF = b'[{"id":"q38tcebwuksyj2gy","name":"Half a'
TROUBLES: dict[str, tuple[Fault, set[str]]] = {
    "down": (Fault(status=503, headers={"retry-after": "7"}), {"UNAVAILABLE"}),
    "slow": (Fault(delay=60), {"DEADLINE_EXCEEDED"}),
    "html": (Fault(status=200, body=HTML, headers={"content-type": "text/html"}), {"BAD_RESPONSE"}),
    "half": (Fault(status=200, body=HALF), {"BAD_RESPONSE"}),
    "huge": (Fault(status=200, body=HTML * 140_000), {"BAD_RESPONSE"}),
    "limited": (Fault(status=429, headers={"retry-after": "60"}), {"RATE_LIMITED"}),
    "refused": (Fault(status=401), {"UNAUTHENTICATED"}),
}
FIELD = {"arrhes": "folders"}
MERGED = """query($in: [PlaceLookup!]!) { storedFiles(in: $in, first: 100) { totalCount sourceStatuses {
  source { name } complete code retryable retryAfterMs fileCount } } }"""


@pytest.fixture(params=KINDS)
def sick(request: pytest.FixtureRequest) -> str:
    """Choose the source that fails."""
    kind: str = request.param
    return kind


@pytest.mark.parametrize("trouble", sorted(set(TROUBLES) - {"refused"}))
def test_the_other_four_answer(world: World, sick: str, trouble: str) -> None:
    """The sick source nulls its own field with a code; its neighbours are complete, and it is left alone."""
    # given
    world.data(QUERY, PLACES)
    world.reset()
    fault, codes = TROUBLES[trouble]
    world.upstreams[sick].fault = fault

    # when
    answer = world.ask(QUERY, PLACES)

    # then
    data, errors = answer["data"], answer["errors"]
    assert data[sick][FIELD.get(sick, "attachments")] is None
    assert {error["extensions"]["code"] for error in errors} <= codes
    assert {error["extensions"]["source"] for error in errors} == {sick}
    assert [error["path"][0] for error in errors] == [sick]
    healthy = (data[kind][FIELD.get(kind, "attachments")] for kind in KINDS if kind != sick)
    assert all(healthy)
    assert "secret-page" not in str(answer)
    _wait_until_idle(world, sick)


def _wait_until_idle(world: World, kind: str) -> None:
    """Let the last cancelled request reach the upstream; it never does if it is left running."""
    deadline = time.monotonic() + PATIENCE
    while world.upstreams[kind].running:
        assert time.monotonic() < deadline, f"a request to {kind} is left running"
        time.sleep(0.02)


def test_a_merged_list_says_what_is_missing(world: World) -> None:
    """`storedFiles` answers with what there is, and names the source that gave nothing, twice over."""
    # given
    places = [{"library": PLACES["tree"]}, {"record": PLACES["mail"]}, {"record": PLACES["case"]}]
    world.upstreams["maarch"].fault = Fault(status=503, headers={"retry-after": "7"})

    # when
    answer = world.ask(MERGED, {"in": places})

    # then
    connection = answer["data"]["storedFiles"]
    statuses = {status["source"]["name"]: status for status in connection["sourceStatuses"]}
    assert connection["totalCount"] == statuses["arrhes"]["fileCount"] + statuses["decisiv"]["fileCount"]
    assert statuses["maarch"] == {
        "source": {"name": "maarch"},
        "complete": False,
        "code": "UNAVAILABLE",
        "retryable": True,
        "retryAfterMs": 7000,
        "fileCount": 0,
    }
    assert [error["extensions"]["source"] for error in answer["errors"]] == ["maarch"]
    assert answer["errors"][0]["path"] == ["storedFiles"]


def test_a_refused_credential_is_not_sent_again_and_again(world: World, sick: str) -> None:
    """After a few refusals the credential rests: EspoCRM locks out an address that keeps trying."""
    # given
    world.upstreams[sick].fault = TROUBLES["refused"][0]

    # when
    codes = [world.ask(QUERY, PLACES)["errors"][0]["extensions"]["code"] for _ in range(12)]

    # then
    assert set(codes) == {"UNAUTHENTICATED"}
    assert len(world.upstreams[sick].requests) < 10
