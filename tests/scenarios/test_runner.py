"""The runner fails where a scenario and the gateway differ; a scenario that could not fail would prove nothing."""

from dataclasses import replace
from pathlib import Path

import pytest

from gateway.domain.refs import Ref, RefType
from tests.identifiers import IDS
from tests.scenarios.reading import Scenario, Unreadable, read_scenario
from tests.scenarios.runner import play, readable, remember

EXAMPLE = Path(__file__).with_name("file-by-id.md").read_text("utf-8")
QUERY, ANSWER = EXAMPLE.split("## Query")[1].split("## Answer")


def changed(old: str, new: str) -> Scenario:
    """Give the example with one text in place of another, wherever that stands."""
    assert old in EXAMPLE
    return read_scenario(EXAMPLE.replace(old, new))


async def test_a_right_scenario_has_no_problem() -> None:
    """What the other tests change is right to begin with."""
    # given the example as it is
    scenario = read_scenario(EXAMPLE)

    # when it is played
    problems = await play(scenario)

    # then nothing is wrong
    assert problems == []


async def test_an_unused_exchange_fails() -> None:
    """An exchange that nobody asks for would claim a request that is not made."""
    # given an exchange more than the query needs
    scenario = read_scenario(EXAMPLE)
    request = replace(scenario.exchanges[0].request, path="/v1/never")
    spare = replace(scenario.exchanges[0], title="Never asked", request=request)
    scenario = replace(scenario, exchanges=(spare, *scenario.exchanges))

    # when it is played
    problems = await play(scenario)

    # then that exchange is the only problem, so the order of exchanges does not matter
    assert problems == ["exchange 'Never asked' was hit 0 times, not 1"]


async def test_an_unmatched_request_fails() -> None:
    """A request that no exchange has would be one that the scenario keeps quiet about."""
    # given a scenario whose exchange is for another path
    scenario = changed("files/f1?idFile=f1", "files/f2?idFile=f2")

    # when it is played
    problems = await play(scenario)

    # then the request is named, besides the exchange that nobody used
    assert "unmatched request: GET /v1/organizations/acme/years/2025/files/f1?idFile=f1" in problems
    assert "exchange 'The file' was hit 0 times, not 1" in problems


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("GET /v1", "POST /v1"),
        ("?idFile=f1", "?idFile=f1&more=1"),
        ("Authorization: Bearer books-key", "Authorization: Bearer another-key"),
        ("Content-Type: application/json\n```", 'Content-Type: application/json\n\n{"idFile": "f1"}\n```'),
    ],
    ids=["method", "query", "header", "body"],
)
async def test_every_part_of_a_request_counts(old: str, new: str) -> None:
    """A scenario that states a method, a parameter, a header or a body is not content with another one."""
    # given an exchange that wants something else than the gateway sends
    scenario = read_scenario(EXAMPLE.replace(old, new, 1))

    # when it is played
    problems = await play(scenario)

    # then the request matches nothing
    assert any(problem.startswith("unmatched request: GET ") for problem in problems)


async def test_a_wrong_number_of_hits_fails() -> None:
    """`hits: 2` is a claim, too."""
    # given an exchange that wants to be asked twice
    scenario = changed("### The file\n", "### The file\n\nhits: 2\n")

    # when it is played
    problems = await play(scenario)

    # then once is not enough
    assert problems == ["exchange 'The file' was hit 1 times, not 2"]


async def test_a_wrong_number_of_requests_fails() -> None:
    """The number of upstream requests is what scenarios are there for."""
    # given a scenario that promises two requests
    scenario = changed("Upstream requests: 1", "Upstream requests: 2")

    # when it is played
    problems = await play(scenario)

    # then one is a problem
    assert problems == ["1 upstream requests, not 2"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"size": 512,\n      "state"', '"size": 513,\n      "state"'),
        ('"folder": null,', ""),
        ('"folder": null,', '"folder": null, "more": null,'),
        ('"data": {\n    "node"', '"errors": [],\n  "data": {\n    "node"'),
        ('"id": "id:books/FILE/f1",', '"id": "id:books/FILE/f2",'),
    ],
    ids=["value", "missing", "more", "errors", "id"],
)
async def test_a_wrong_answer_fails(old: str, new: str) -> None:
    """The whole body counts: values, what is missing, what is too much, and the errors."""
    # given a scenario that expects another answer
    assert old in ANSWER
    scenario = read_scenario(EXAMPLE.replace(ANSWER, ANSWER.replace(old, new)))

    # when it is played
    problems = await play(scenario)

    # then the difference is shown
    assert len(problems) == 1
    assert problems[0].startswith("wrong answer:\n--- expected\n+++ answered")


async def test_every_query_of_a_scenario_counts() -> None:
    """A second query is compared and counted like the first."""
    # given a scenario that asks twice, and forgets that the second time costs a request too
    again = "## Query" + QUERY + "## Answer" + ANSWER.replace("requests: 1", "requests: 0")
    scenario = read_scenario(EXAMPLE.rstrip() + "\n\n" + again)

    # when it is played
    problems = await play(scenario)

    # then the second query's count is wrong, and so are the exchange's hits
    assert problems == ["1 upstream requests, not 0", "exchange 'The file' was hit 2 times, not 1"]


def test_what_differs_each_time_is_written_alike() -> None:
    """Request ids, milliseconds, sealed links and ports can't be expected, identifiers can be read."""
    # given an answer with all of them
    answer = {
        "requestId": "6f1c",
        "ms": 1.25,
        "url": "http://127.0.0.1:8000/content/AbC-_9",
        "href": "http://127.0.0.1:4711/files/1",
        "id": IDS.seal(Ref("crm", RefType.RECORD, ("Case", "c/1", "file"))),
    }

    # when it is made readable
    shown = readable(answer, "http://127.0.0.1:4711")

    # then each is what a scenario writes
    assert shown == {
        "requestId": "…",
        "ms": "…",
        "url": "…/content/…",
        "href": "https://upstream.example/files/1",
        "id": "id:crm/RECORD/Case/c%2F1/file",
    }


def test_a_name_stands_for_one_text() -> None:
    """Two names for one cursor, or one name for two, would let a wrong cursor pass."""
    # given an answer in which one text comes twice, and a second text
    names: dict[str, str] = {}

    # when a scenario calls the first text by two names, and the second text by the first name
    remember(
        [{"cursor": "<one>"}, {"cursor": "<two>"}, {"cursor": "<one>"}],
        [{"cursor": "abc"}, {"cursor": "abc"}, {"cursor": "def"}],
        names,
    )

    # then only the first meaning is kept
    assert names == {"<one>": "abc"}


@pytest.mark.parametrize(
    "text",
    [
        "No title.\n" + EXAMPLE,
        EXAMPLE.replace("Provenance: documented", "Provenance: guessed"),
        EXAMPLE.replace("Provenance: documented\n", ""),
        EXAMPLE.replace("## Answer", "## Reply"),
        EXAMPLE.replace("Upstream requests: 1\n", ""),
        EXAMPLE.replace("```toml", "```ini"),
        EXAMPLE.replace("```http\n200 OK", "```text\n200 OK"),
        EXAMPLE[: EXAMPLE.index("## Query")],
    ],
    ids=[
        "title",
        "provenance",
        "no provenance",
        "no answer",
        "no count",
        "no sources",
        "no status",
        "no query",
    ],
)
def test_a_scenario_that_lacks_something_is_refused(text: str) -> None:
    """A scenario that is misspelt would otherwise expect less than its author meant."""
    # given a text that lacks one of its parts

    # when it is read
    with pytest.raises(Unreadable) as caught:
        read_scenario(text)

    # then the message says what it should have
    assert str(caught.value)
