"""Tests of what a source's client sends, how often, and for how long."""

import asyncio

import pytest
from starlette.responses import PlainTextResponse

from gateway.domain.errors import (
    BadResponse,
    DeadlineExceeded,
    GatewayError,
    Unauthenticated,
    Unavailable,
)
from gateway.domain.secret import Secret
from gateway.sandbox.server import in_thread
from gateway.sandbox.upstream import Fault, SandboxUpstream
from gateway.transport.auth import TokenAuth, bearer
from gateway.transport.call import Call
from gateway.transport.client import SourceClient
from gateway.transport.exchange import Exchange
from gateway.transport.lockout import LOCKOUT
from gateway.transport.messages import Limits, Response
from tests.transport.scripted import BASE, RenewableAuth, ScriptedExchange, answer, client_of, soon

PASSING = [answer(429), answer(502), answer(503), answer(504), Unavailable("down"), DeadlineExceeded("late")]
LASTING = [answer(400), answer(403), answer(404), answer(409), answer(500), answer(501)]


def name_of(outcome: Response | GatewayError) -> str:
    """Name an outcome in the name of a test."""
    return str(outcome.status) if isinstance(outcome, Response) else type(outcome).__name__


@pytest.mark.parametrize("failure", PASSING, ids=name_of)
async def test_a_get_is_tried_again(failure: Response | GatewayError) -> None:
    """What may pass by itself is asked for again."""
    # given
    exchange = ScriptedExchange(failure, failure)

    # when
    response = await client_of(exchange).get("/things", Call.lasting(5))

    # then
    assert response.body == b"fine"
    assert len(exchange.requests) == 3


@pytest.mark.parametrize("failure", LASTING, ids=name_of)
async def test_what_stays_is_not_tried_again(failure: Response) -> None:
    """An answer that would be the same again is the caller's to read."""
    # given
    exchange = ScriptedExchange(failure)

    # when
    response = await client_of(exchange).get("/things", Call.lasting(5))

    # then
    assert response.status == failure.status
    assert len(exchange.requests) == 1


async def test_a_broken_answer_is_not_tried_again() -> None:
    """A source that breaks its contract breaks it again."""
    # given
    exchange = ScriptedExchange(BadResponse("far too much"))

    # when
    with pytest.raises(BadResponse):
        await client_of(exchange).get("/things", Call.lasting(5))

    # then
    assert len(exchange.requests) == 1


@pytest.mark.parametrize("failure", PASSING, ids=name_of)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_a_write_is_sent_once(method: str, failure: Response | GatewayError) -> None:
    """Whether a write took effect is not known when it fails, so it is never sent again."""
    # given
    exchange = ScriptedExchange(failure)
    client = client_of(exchange)

    # when
    outcome = (
        await asyncio.gather(client.request(method, "/things", Call.lasting(5)), return_exceptions=True)
    )[0]

    # then
    assert outcome == failure
    assert len(exchange.requests) == 1


async def test_a_write_without_effects_may_be_repeated() -> None:
    """The caller may say that a POST changes nothing, as one that only signs a link."""
    # given
    exchange = ScriptedExchange(answer(503), answer(503))

    # when
    response = await client_of(exchange).request("POST", "/sign", Call.lasting(5), body=b"{}", repeatable=True)

    # then
    assert response.status == 200
    assert [one.body for one in exchange.requests] == [b"{}"] * 3


async def test_three_tries_are_all() -> None:
    """The last answer is given as it came."""
    # given
    exchange = ScriptedExchange(answer(502), answer(503), answer(504))

    # when
    response = await client_of(exchange).get("/things", Call.lasting(5))

    # then
    assert response.status == 504
    assert len(exchange.requests) == 3


async def test_an_asked_pause_that_fits_is_kept() -> None:
    """A source that names no waiting time is asked again at once."""
    # given
    exchange = ScriptedExchange(answer(429, retry_after="0"))

    # when
    response = await client_of(exchange).get("/things", Call.lasting(5))

    # then
    assert response.status == 200
    assert len(exchange.requests) == 2


async def test_an_asked_pause_past_the_deadline_ends_it() -> None:
    """Who has less time than the source asks for gets its answer now, not after waiting in vain."""
    # given
    exchange = ScriptedExchange(answer(429, retry_after="5"))

    # when
    response = await client_of(exchange).get("/things", Call.lasting(3))

    # then
    assert response.status == 429
    assert len(exchange.requests) == 1


async def test_no_try_lasts_longer_than_the_call() -> None:
    """A try has a bound of its own; where nobody else can wait for it, it ends with the call at the latest."""
    # given
    exchange = ScriptedExchange(limits=Limits(try_timeout=2.0))
    client = client_of(exchange)

    # when
    await client.get("/a", Call.lasting(60))
    await client.request("POST", "/b", Call.lasting(1))

    # then
    assert exchange.seconds[0] == 2.0
    assert exchange.seconds[1] <= 1.0


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_the_deadline_ends_the_wait_for_a_place(method: str) -> None:
    """A call that never gets its turn among the source's requests ends at its deadline too."""
    # given
    exchange = ScriptedExchange(limits=Limits(concurrency=1))
    exchange.gate.clear()
    client = client_of(exchange)
    first = asyncio.create_task(client.get("/first", Call.lasting(60)))
    await soon()

    # when
    second = client.request("POST", "/second", Call.lasting(0.05)) if method == "POST" else None
    with pytest.raises(DeadlineExceeded):
        await (second or client.get("/second", Call.lasting(0.05)))
    exchange.gate.set()
    response = await first

    # then
    assert response.status == 200
    assert [one.url for one in exchange.requests] == [f"{BASE}/first"]


async def test_only_so_many_requests_run_at_once() -> None:
    """The source's limit holds however many things are asked for."""
    # given
    exchange = ScriptedExchange(limits=Limits(concurrency=2))
    client = client_of(exchange)

    # when
    await asyncio.gather(*(client.get(f"/{number}", Call.lasting(5)) for number in range(20)))

    # then
    assert len(exchange.requests) == 20
    assert exchange.most == 2


# Credentials


async def test_three_refusals_lock_the_credential() -> None:
    """A wrong key is not shown a fourth time: sources lock out whoever goes on."""
    # given
    exchange = ScriptedExchange(answer(401), answer(401), answer(401))
    client = client_of(exchange)
    for _ in range(3):
        await client.get("/things", Call.lasting(5))

    # when
    with pytest.raises(Unauthenticated) as refused:
        await client.get("/things", Call.lasting(5))
    with pytest.raises(Unauthenticated):
        await client.request("POST", "/things", Call.lasting(5))
    with pytest.raises(Unauthenticated):
        async with client.stream("/things", Call.lasting(5)):
            pass

    # then
    assert len(exchange.requests) == 3
    assert 0 < (refused.value.retry_after or 0) <= LOCKOUT


async def test_an_accepted_credential_clears_the_count() -> None:
    """Only refusals in a row count."""
    # given
    exchange = ScriptedExchange(answer(401), answer(401), answer(200), answer(401), answer(401), answer(200))
    client = client_of(exchange)

    # when
    statuses = [(await client.get("/things", Call.lasting(5))).status for _ in range(6)]

    # then
    assert statuses == [401, 401, 200, 401, 401, 200]


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_refused_credential_is_renewed_once(method: str) -> None:
    """What was refused had no effect, so it is sent again with the new credential, whatever the method."""
    # given
    exchange = ScriptedExchange(answer(401))

    # when
    response = await client_of(exchange, RenewableAuth()).request(method, "/things", Call.lasting(5))

    # then
    assert response.status == 200
    assert [one.headers["Authorization"] for one in exchange.requests] == ["1", "2"]


async def test_a_renewed_credential_that_is_refused_is_the_end() -> None:
    """A source that refuses every credential is not asked for ever."""
    # given
    exchange = ScriptedExchange(answer(401), answer(401))

    # when
    response = await client_of(exchange, RenewableAuth()).get("/things", Call.lasting(5))

    # then
    assert response.status == 401
    assert len(exchange.requests) == 2


async def test_getting_a_token_is_part_of_the_calls_time() -> None:
    """A source that hands out no token holds nobody up past the deadline."""
    # given
    exchange = ScriptedExchange()

    async def never() -> Secret:
        await asyncio.Event().wait()
        return Secret("")

    client = client_of(exchange, TokenAuth("slow", never))

    # when
    with pytest.raises(DeadlineExceeded):
        await client.request("POST", "/things", Call.lasting(0.05))

    # then
    assert exchange.requests == []


async def test_an_untried_credential_is_shown_once_before_the_rest() -> None:
    """A burst of requests with an outdated key is refused three times, not as often as there are requests."""
    # given
    exchange = ScriptedExchange(*[answer(401)] * 20)
    client = SourceClient("source", BASE, bearer(Secret("old")), exchange)

    # when
    asked = [client.get(f"/{number}", Call.lasting(5)) for number in range(20)]
    outcomes = await asyncio.gather(*asked, return_exceptions=True)

    # then
    assert (len(exchange.requests), exchange.most) == (3, 1)
    assert sum(isinstance(one, Unauthenticated) for one in outcomes) == 17


async def test_a_tried_credential_is_shown_to_all_at_once() -> None:
    """Once one request was accepted, the others don't wait for each other."""
    # given
    exchange = ScriptedExchange()
    client = SourceClient("source", BASE, bearer(Secret("good")), exchange)
    await client.get("/first", Call.lasting(5))

    # when
    await asyncio.gather(*(client.get(f"/{number}", Call.lasting(5)) for number in range(20)))

    # then
    assert exchange.most == 20


async def test_a_stream_renews_its_credential_too() -> None:
    """Bytes come with the second credential, and as they are: what is announced must be what comes."""
    # given
    sandbox = SandboxUpstream("sandbox", PlainTextResponse("bytes"))
    sandbox.fault = Fault(status=401, times=1)
    exchange = Exchange("source", Limits())

    # when
    with in_thread(sandbox) as origin:
        client = SourceClient("source", origin, RenewableAuth(), exchange)
        async with client.stream("/a", Call.lasting(5)) as stream:
            body = b"".join([chunk async for chunk in stream.chunks])
        await client.aclose()

    # then
    assert (stream.status, body) == (200, b"bytes")
    assert [one.headers["authorization"] for one in sandbox.requests] == ["1", "2"]
    assert {one.headers["accept-encoding"] for one in sandbox.requests} == {"identity"}
