"""Fifty failures, each with words that are nobody's business: the log has them, the answer has not."""

import json
import logging
import re
from collections.abc import Iterator

import pytest

from gateway.sandbox.upstream import Fault
from gateway.transport.client import SourceClient
from tests.world import World, running_world

WORDS = (
    "connection to server at db-3.internal.example (10.12.0.7), port 5432 failed",
    'File "/srv/gateway/upstreams/maarch.py", line 12, in children',
    "Traceback (most recent call last):\n  KeyError: 'res_id'",
    "(psycopg.errors.UniqueViolation) INSERT INTO tickets (id, tenant) VALUES ('a', 'b')",
    "SQLSTATE[42000]: SELECT password FROM users WHERE login = 'gateway'",
    "PUT https://s3.internal.example/uploads/x?X-Amz-Signature=0123456789abcdef&X-Amz-Credential=AKIA1234",
    "Authorization: Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
    "Fatal error: Uncaught PDOException in /var/www/html/src/core/models/DatabasePDO.php:42 Stack trace: #0",
    "redis://:hunter2-hunter2@cache.internal.example:6379/0 is away",
    "at com.example.internal.Service.call(Service.java:17) <0x7f3c2a1b>",
)
LEAKED = re.compile(
    r"internal\.example|10\.12\.|127\.0\.0\.1|/srv/|/var/|\.py\b|\.php|\.java|Traceback|KeyError|line \d|Stack trace"
    r"|psycopg|INSERT|SELECT|SQLSTATE|tickets|X-Amz|AKIA|eyJ|Bearer|hunter2|redis|0x7f|PDO|RuntimeError|OSError"
)
PLACES = {
    "maarch": {"mail": {"source": "maarch", "resId": 101}},
    "decisiv": {"case": {"source": "decisiv", "caseId": "CASE-1002"}},
    "espocrm": {
        "entity": {"source": "espocrm", "type": "Note", "recordId": "68d6ab9c0007ad856", "field": "attachments"}
    },
}
QUERY = """query($by: RecordLookup!) { record(by: $by) { attachments(first: 3) {
  edges { node { id name download { url } } } } } }"""


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """Run everything once; no failure may change what the next one meets."""
    with running_world() as running:
        yield running


def _answered(world: World) -> str:
    """Ask the three sources, which must not all answer well, and write what came apart from data."""
    answers = [world.ask(QUERY, {"by": place}) for place in PLACES.values()]
    assert any("errors" in answer for answer in answers)
    return json.dumps([{key: answer.get(key) for key in ("errors", "extensions")} for answer in answers])


@pytest.mark.parametrize("words", WORDS)
@pytest.mark.parametrize("kind", [RuntimeError, OSError])
def test_a_defect_is_logged_and_masked(
    world: World,
    words: str,
    kind: type[Exception],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Clients learn that it happened and under which id the log has it."""

    # given
    async def broken(*_: object, **__: object) -> None:
        raise kind(words)

    monkeypatch.setattr(SourceClient, "get", broken)
    monkeypatch.setattr(SourceClient, "request", broken)

    # when
    with caplog.at_level(logging.ERROR):
        shown = _answered(world)

    # then
    assert LEAKED.search(shown) is None, shown
    request_ids = re.findall(r'"code": "INTERNAL".*?"requestId": "([0-9a-f]{32})"', shown)
    assert len(request_ids) >= 3
    assert all(request_id in caplog.text for request_id in request_ids)
    assert f"{kind.__name__}: " in caplog.text


@pytest.mark.parametrize("words", WORDS)
@pytest.mark.parametrize("status", [200, 400, 500])
def test_the_words_of_a_source_are_not_passed_on(world: World, words: str, status: int) -> None:
    """A source's own traces and queries are a typed error, in words of the gateway's."""
    # given
    body = json.dumps({"errors": words, "message": words, "detail": words, words: {"name": words}}).encode()
    for name in PLACES:
        world.upstreams[name].fault = Fault(status=status, body=body, headers={"x-status-reason": words[:9]})

    # when
    shown = _answered(world)
    world.reset()

    # then
    assert LEAKED.search(shown) is None, shown
    assert "INTERNAL" not in shown


def test_the_check_would_find_each_of_them() -> None:
    """The checks above can fail."""
    # when
    missed = [words for words in WORDS if not LEAKED.search(words)]

    # then
    assert missed == []
