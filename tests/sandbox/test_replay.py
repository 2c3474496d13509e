"""The harness that compares a sandbox with recordings: it sees the differences that it is there to see."""

import json
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gateway.sandbox.server import in_thread
from tests.sandbox import replay as harness
from tests.sandbox.replay import Comparison, check, replay
from tests.sandbox.shapes import differences


@pytest.mark.parametrize(
    ("expected", "given", "found"),
    [
        ({"a": 1}, {"a": 2}, []),
        ({"a": None}, {"a": "x"}, ["$.a: null expected, string given"]),
        ({"a": 1}, {"a": True}, ["$.a: integer expected, boolean given"]),
        ({"a": 1}, {"a": 1.5}, ["$.a: integer expected, number given"]),
        ({"a": []}, {"a": {}}, ["$.a: array expected, object given"]),
        ({"a": 1, "b": 2}, {"a": 1, "c": 2}, ["$.b: missing", "$.c: too much"]),
        ([], [1], ["$: 0 items expected, 1 given"]),
        ([1, "x"], ["y"], []),
        ([1], ["y"], ["$[]: ['integer'] expected, ['string'] given"]),
        (
            [{"id": 1, "a": 1}],
            [{"id": 2, "a": 1}, {"id": 1, "a": None}],
            ["$[1].a: integer expected, null given"],
        ),
        ([{"id": 1, "a": 1}], [{"id": 2}], ["$[].a: ['integer'] expected, ['nothing'] given"]),
    ],
    ids=repr,
)
def test_differences_are_told(expected: Any, given: Any, found: list[str]) -> None:
    """Keys and types count, values don't; items of lists are paired by id where that is possible."""
    # given
    recorded = expected

    # when
    told = list(differences(recorded, given))

    # then
    assert told == found


def recording(folder: Path, name: str, request: dict[str, Any], answer: dict[str, Any]) -> None:
    """Write a recorded exchange."""
    full = {
        "request": {"method": "GET", "headers": {}, "body": None, **request},
        "response": {"status": 200, "headers": {"Content-Type": "application/json"}, **answer},
    }
    (folder / name).write_text(json.dumps(full), encoding="utf-8")


async def create(_request: Request) -> Response:
    """Create a record with another id than the recorded one."""
    return JSONResponse({"id": "given-id-0001", "number": 2})


async def echo(request: Request) -> Response:
    """Answer what came: the path, the query, the credentials and the body."""
    body = (await request.body()).decode()
    answer = {"path": request.url.path, "query": request.url.query, "body": body}
    return JSONResponse(answer, headers={"x-status-reason": request.headers.get("authorization", "")})


@pytest.fixture
def replayed(tmp_path: Path) -> dict[str, Comparison]:
    """Replay three exchanges against a tiny server."""
    recording(
        tmp_path, "1.json", {"method": "POST", "path": "/"}, {"body": '{"id":"recorded-id-1","number":5}'}
    )
    recording(
        tmp_path,
        "2.json",
        {
            "method": "POST",
            "path": "/echo/recorded-id-1?where=recorded-id-1&key=key-of-a",
            "headers": {"Authorization": "Basic <name:right password>"},
            "body": {"json": {"parentId": "recorded-id-1"}},
        },
        {"body": {"json": {"path": "", "query": "", "body": ""}}},
    )
    recording(tmp_path, "3.json", {"path": "/echo/x"}, {"status": 404, "body": {"json": {"path": None}}})
    routes = [Route("/", create, methods=["POST"]), Route("/echo/{id}", echo, methods=["GET", "POST"])]
    with in_thread(Starlette(routes=routes)) as origin:
        return replay(tmp_path, origin, credentials={"key-of-a": "real", "name:right password": "name:secret"})


def test_ids_and_credentials_are_replaced(replayed: dict[str, Comparison]) -> None:
    """What the sandbox answered before stands in the path, the query and the body of a later request."""
    # given
    first, second = replayed["1.json"], replayed["2.json"]

    # when
    answer = second.answer

    # then
    assert first.differences == ()
    assert "/echo/given-id-0001" in answer
    assert "where=given-id-0001&key=real" in answer
    assert '{\\\\"parentId\\\\": \\\\"given-id-0001\\\\"}' in answer
    assert second.differences == ("X-Status-Reason: 'none' expected, 'Basic bmFtZTpzZWNyZXQ=' given",)


def test_every_kind_of_difference_is_told(replayed: dict[str, Comparison]) -> None:
    """Status, reason, keys and types of one exchange are compared, not only the first that differs."""
    # given
    compared = replayed["3.json"]

    # when
    told = list(compared.differences)

    # then
    assert told == [
        "status: 404 expected, 200 given",
        "X-Status-Reason: 'none' expected, '' given",
        "$.body: too much",
        "$.query: too much",
        "$.path: null expected, string given",
    ]


def test_an_exception_that_passes_fails(
    replayed: dict[str, Comparison], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list of exceptions can't outlive its reasons, and a difference that is not listed is an error."""
    # given
    monkeypatch.setattr(
        harness, "excepted", lambda _kind: {"1.json": "some good reason", "2.json": "another one"}
    )

    # when
    with pytest.raises(AssertionError, match="remove it"):
        check("any", "1.json", replayed)
    with pytest.raises(AssertionError, match="status: 404 expected"):
        check("any", "3.json", replayed)

    # then
    check("any", "2.json", replayed)
