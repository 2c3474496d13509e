"""Rates over HTTP: who asks for too much in a time is refused before anything is asked of a source.

The buckets of these gateways fill so slowly that no test waits for a token.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.domain.limits import Limits
from tests.security.production import OTHER, codes, posted, production
from tests.security.served import served
from tests.security.test_websocket import greeted, hear, subscribe
from tests.world import World, running_world

SLOW = 0.001
"""Tokens per second: the first comes after a quarter of an hour."""
MAIL = 'query Mail { record(by: { mail: { source: "maarch", resId: %d } }) { attachments(first: 1) { totalCount } } }'
CHEAP = "{ __typename }"


@pytest.fixture
def world() -> Iterator[World]:
    """Start a gateway where each may take 5 tokens, and both together 8."""
    limits = Limits(rate=SLOW, burst=5, tenant_rate=SLOW, tenant_burst=8)
    with production(limits=limits) as running:
        yield running


def spent(world: World, **headers: str) -> tuple[int, int]:
    """Ask for something cheap until it is refused; gives how often it was answered, and the last status."""
    for times in range(20):
        status, _ = posted(world, CHEAP, **headers)
        if status != 200:
            return times, status
    return 20, 200


def as_other(**headers: str) -> dict[str, str]:
    """Say that somebody else asks."""
    return {"authorization": f"Bearer {OTHER}", **headers}


def test_who_asks_too_much_is_refused(world: World) -> None:
    """The answer is 429 and says when to come back, to machines and to people, and no source was asked."""
    # given somebody who has spent all but one token
    answers = [posted(world, MAIL % number) for number in range(100, 104)]
    world.reset()

    # when he asks for more than that
    answer = world.client.post(f"{world.gateway}/graphql", json={"query": MAIL % 104})
    again = world.client.post(
        f"{world.gateway}/graphql",
        json={"query": MAIL % 104},
        headers={"accept": "application/graphql-response+json"},
    )

    # then
    assert [status for status, _ in answers] == [200] * 4
    for refused in (answer, again):
        (error,) = refused.json()["errors"]
        wait = error["extensions"]["retryAfterMs"]
        assert refused.status_code == 429
        assert "data" not in refused.json()
        assert (error["extensions"]["code"], error["extensions"]["source"]) == ("RATE_LIMITED", None)
        assert error["extensions"]["retryable"]
        assert wait > 0
        assert int(refused.headers["retry-after"]) == -(-wait // 1000)
    assert world.requests() == 0


def test_everybody_has_a_bucket_and_all_share_one(world: World) -> None:
    """One who asks too much leaves something to the others, up to what the tenant may in all."""
    # when
    first, second = spent(world), spent(world, **as_other())

    # then
    assert first == (5, 429)
    assert second == (3, 429)


def test_what_is_refused_takes_a_token(world: World) -> None:
    """Reading documents that cannot be executed is work as well."""
    # when
    refused = [posted(world, "{ nothing }")[0] for _ in range(5)]
    status, body = posted(world, "{ nothing }")

    # then
    assert refused == [400] * 5
    assert status == 429
    assert codes(body) == ["RATE_LIMITED"]


@pytest.mark.parametrize("query", [MAIL % 100, 'subscription { stagedUpload(id: "x") { id } }'])
def test_event_streams_are_counted(world: World, query: str) -> None:
    """No other door leads around the bucket."""
    # given somebody who has spent everything
    spent(world)
    world.reset()

    # when
    answer = world.client.post(
        f"{world.gateway}/graphql", json={"query": query}, headers={"accept": "text/event-stream"}
    )

    # then
    assert "RATE_LIMITED" in answer.text
    assert '"retryAfterMs":null' not in answer.text
    assert world.requests() == 0


def test_operations_of_a_websocket_are_counted() -> None:
    """A connection that is open already is no way around the bucket either."""
    # given
    limits = Limits(rate=SLOW, burst=2)
    with served(limits=limits) as origin, greeted(origin) as connection:
        # when three are started one after the other
        messages = []
        for name in ("a", "b", "c"):
            subscribe(connection, name, CHEAP)
            messages.append(hear(connection))
            if messages[-1]["type"] == "next":
                assert hear(connection)["type"] == "complete"

    # then the third is refused
    assert [message["type"] for message in messages] == ["next", "next", "error"]
    (error,) = messages[-1]["payload"]
    assert error["extensions"]["code"] == "RATE_LIMITED"
    assert error["extensions"]["retryAfterMs"] > 0


def test_the_balance_is_shown(world: World) -> None:
    """Clients that ask see what is left, and when all of it is back."""
    # when
    costs = [posted(world, MAIL % 100, x_gateway_cost="1")[1]["extensions"]["cost"] for _ in range(2)]

    # then an upstream request and a page of one node took one token and a bit
    assert [cost["remaining"] for cost in costs] == [3, 2]
    assert costs[0]["requested"] == {"upstreamRequests": 1, "nodes": 1}
    assert costs[0]["actual"] == {"upstreamRequests": 1}
    resets = [datetime.fromisoformat(cost["resetAt"]) for cost in costs]
    assert datetime.now(UTC) < resets[0] < resets[1]
    assert all(cost["resetAt"].endswith("Z") for cost in costs)


def test_the_demo_counts_nothing() -> None:
    """Whoever tries the gateway out is not stopped, and sees no balance."""
    # given
    with running_world() as world:
        # when
        answer: dict[str, Any] = world.ask(CHEAP, x_gateway_cost="1")

    # then
    assert answer["extensions"]["cost"].keys() == {"requested", "actual"}
