"""Limits over HTTP: a request error with a code of its own, and not one upstream request."""

from collections.abc import Iterator

import pytest

from tests.execution.limiting import MAIL, OVER_THE_LIMIT, doubling, records
from tests.world import World, running_world


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """Start the demo's systems and a gateway over them."""
    with running_world() as running:
        yield running


@pytest.mark.parametrize("told", [*OVER_THE_LIMIT, "doubling"])
def test_a_refusal_asks_nothing_of_a_source(world: World, told: str) -> None:
    """A request error with a code of its own, and not one upstream request."""
    # given
    text, variables = OVER_THE_LIMIT.get(told, (doubling(20), {}))
    world.reset()

    # when
    answer = world.client.post(
        f"{world.gateway}/graphql",
        json={"query": text, "variables": variables},
        headers={"accept": "application/graphql-response+json"},
    )

    # then
    assert answer.status_code == 400
    assert [error["extensions"]["code"] for error in answer.json()["errors"]] == ["TOO_COMPLEX"]
    assert "data" not in answer.json()
    assert world.requests() == 0


def test_a_megabyte_is_refused(world: World) -> None:
    """A document of a megabyte is not even read to its end."""
    # given
    world.reset()

    # when
    answer = world.client.post(f"{world.gateway}/graphql", json={"query": "{ " + "a " * 500_000 + "}"})

    # then
    assert answer.status_code == 413
    assert world.requests() == 0


@pytest.mark.parametrize("depth", [200, 3000])
def test_brackets_without_end_are_refused(world: World, depth: int) -> None:
    """Values and selections that are nested too deeply break no stack."""
    # given
    texts = ["{ sources(x: " + "[" * depth + "]" * depth + ") { name } }", "{ a " * depth + "}" * depth]

    # when
    answers = [world.ask(text) for text in texts]

    # then
    assert all("data" not in answer and answer["errors"] for answer in answers)


def test_event_streams_have_the_same_limits(world: World) -> None:
    """What is refused on one door is refused on the other."""
    # given
    text, variables = records(100, 100)
    world.reset()

    # when
    answer = world.client.post(
        f"{world.gateway}/graphql",
        json={"query": text, "variables": variables},
        headers={"accept": "text/event-stream"},
    )

    # then
    assert "TOO_COMPLEX" in answer.text
    assert world.requests() == 0


def test_the_cost_is_told_to_who_asks(world: World) -> None:
    """The bounds and what was needed, side by side; nobody else gets extensions."""
    # given
    query = f"{{ record(by: {MAIL}) {{ attachments(first: 7) {{ totalCount edges {{ node {{ id }} }} }} }} }}"
    url = f"{world.gateway}/graphql"

    # when
    asked = world.client.post(url, json={"query": query}, headers={"x-gateway-cost": "1"}).json()
    silent = world.client.post(url, json={"query": query}).json()

    # then
    assert asked["extensions"] == {
        "cost": {"requested": {"upstreamRequests": 1, "nodes": 8}, "actual": {"upstreamRequests": 1}}
    }
    assert asked["data"] == silent["data"]
    assert "extensions" not in silent


def test_the_cost_of_what_is_refused_is_told(world: World) -> None:
    """A client learns how far over the limit it was."""
    # given
    text, variables = records(100, 100)

    # when
    answer = world.ask(text, variables, x_gateway_cost="1")

    # then
    assert answer["extensions"]["cost"] == {
        "requested": {"upstreamRequests": 200, "nodes": 10_100},
        "actual": {"upstreamRequests": 0},
    }
