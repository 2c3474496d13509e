"""Tests of requests that are shared by all who ask for the same thing at the same time."""

import asyncio

import pytest

from gateway.domain.errors import DeadlineExceeded, Unavailable
from gateway.domain.secret import Secret
from gateway.transport.auth import HeaderAuth
from gateway.transport.call import Call
from tests.transport.scripted import ScriptedExchange, answer, client_of, soon


@pytest.fixture
def exchange() -> ScriptedExchange:
    """Make an exchange whose gate is shut."""
    exchange = ScriptedExchange()
    exchange.gate.clear()
    return exchange


async def test_identical_gets_are_one_request(exchange: ScriptedExchange) -> None:
    """A thousand who ask at once get one answer, and each trace says whose request it was."""
    # given
    client = client_of(exchange)
    calls = [Call.lasting(5, traced=True) for _ in range(1000)]

    # when
    asked = [asyncio.create_task(client.get("/things", call)) for call in calls]
    await soon()
    exchange.gate.set()
    responses = await asyncio.gather(*asked)

    # then
    assert len(exchange.requests) == 1
    assert {response.body for response in responses} == {b"fine"}
    assert [one.shared for call in calls for one in call.trace or ()] == [False] + [True] * 999


@pytest.mark.parametrize(
    ("path", "query", "headers"),
    [("/others", (), {}), ("/things", (("x", "1"),), {}), ("/things", (), {"Accept": "text/xml"})],
)
async def test_what_differs_is_not_shared(
    exchange: ScriptedExchange, path: str, query: tuple[tuple[str, str], ...], headers: dict[str, str]
) -> None:
    """Path, query and headers all have to be the same."""
    # given
    client = client_of(exchange)

    # when
    asked = [
        asyncio.create_task(client.get("/things", Call.lasting(5))),
        asyncio.create_task(client.get(path, Call.lasting(5), query=query, headers=headers)),
    ]
    await soon()
    exchange.gate.set()
    await asyncio.gather(*asked)

    # then
    assert len(exchange.requests) == 2


class Changing(HeaderAuth):
    """A credential that the test changes."""

    def become(self, key: str) -> None:
        """Be another credential from now on."""
        vars(self).update(vars(HeaderAuth({"X-Api-Key": Secret(key)})))


async def test_other_credentials_are_not_shared(exchange: ScriptedExchange) -> None:
    """Nobody gets what was answered to another credential, even at one client."""
    # given
    auth = Changing({"X-Api-Key": Secret("one")})
    client = client_of(exchange, auth)

    # when
    first = asyncio.create_task(client.get("/things", Call.lasting(5)))
    await soon()
    auth.become("two")
    second = asyncio.create_task(client.get("/things", Call.lasting(5)))
    await soon()
    exchange.gate.set()
    await asyncio.gather(first, second)

    # then
    assert [one.headers["X-Api-Key"] for one in exchange.requests] == ["one", "two"]


async def test_writes_are_never_shared(exchange: ScriptedExchange) -> None:
    """Two who write the same mean two writes."""
    # given
    client = client_of(exchange)

    # when
    asked = [asyncio.create_task(client.request("POST", "/things", Call.lasting(5))) for _ in range(2)]
    await soon()
    exchange.gate.set()
    await asyncio.gather(*asked)

    # then
    assert len(exchange.requests) == 2


async def test_an_answer_is_not_kept(exchange: ScriptedExchange) -> None:
    """Who asks after the answer came gets a new one: sharing is no cache."""
    # given
    client = client_of(exchange)
    exchange.gate.set()

    # when
    for _ in range(2):
        await client.get("/things", Call.lasting(5))

    # then
    assert len(exchange.requests) == 2


async def test_a_failure_is_shared_too(exchange: ScriptedExchange) -> None:
    """All who wait learn of it, and the next one asks anew."""
    # given
    exchange.script = [Unavailable("down")] * 3
    client = client_of(exchange)

    # when
    asked = [asyncio.create_task(client.get("/things", Call.lasting(5))) for _ in range(3)]
    await soon()
    exchange.gate.set()
    outcomes = await asyncio.gather(*asked, return_exceptions=True)
    after = await client.get("/things", Call.lasting(5))

    # then
    assert {type(one) for one in outcomes} == {Unavailable}
    assert after.status == 200
    assert len(exchange.requests) == 4


async def test_the_last_waiter_ends_the_request(exchange: ScriptedExchange) -> None:
    """While one of them waits the request goes on; when nobody does, it is cancelled."""
    # given
    client = client_of(exchange)
    before = asyncio.all_tasks()
    first, second = (asyncio.create_task(client.get("/things", Call.lasting(5))) for _ in range(2))
    await soon()

    # when
    first.cancel()
    await soon()
    after_first = exchange.running
    second.cancel()
    await soon()

    # then
    assert (after_first, exchange.running) == (1, 0)
    assert asyncio.all_tasks() == before


async def test_a_cancelled_request_is_not_joined(exchange: ScriptedExchange) -> None:
    """Who comes after the last waiter left starts a request of his own."""
    # given
    client = client_of(exchange)
    first = asyncio.create_task(client.get("/things", Call.lasting(5)))
    await soon()

    # when
    first.cancel()
    second = asyncio.create_task(client.get("/things", Call.lasting(5)))
    await soon()
    exchange.gate.set()
    response = await second

    # then
    assert response.status == 200
    assert len(exchange.requests) == 2


async def test_an_impatient_waiter_does_not_fail_the_others(exchange: ScriptedExchange) -> None:
    """The one who started the request may run out of time; those who have more begin it anew, once for all."""
    # given
    client = client_of(exchange)
    first = asyncio.create_task(client.get("/things", Call.lasting(1.5)))
    await soon()
    others = [asyncio.create_task(client.get("/things", Call.lasting(30))) for _ in range(3)]

    # when
    with pytest.raises(DeadlineExceeded):
        await first
    await soon()
    running = exchange.running
    exchange.gate.set()
    responses = await asyncio.gather(*others)

    # then
    assert [response.status for response in responses] == [200] * 3
    assert (running, len(exchange.requests)) == (1, 2)


async def test_a_patient_waiter_lengthens_the_retries(exchange: ScriptedExchange) -> None:
    """A pause that the first waiter has no time for is still waited for by the second."""
    # given
    exchange.script = [answer(503, retry_after="2")]
    client = client_of(exchange)
    first = asyncio.create_task(client.get("/things", Call.lasting(1.5)))
    await soon()
    second = asyncio.create_task(client.get("/things", Call.lasting(30)))
    await soon()

    # when
    exchange.gate.set()
    with pytest.raises(DeadlineExceeded):
        await first
    response = await second

    # then
    assert response.status == 200
    assert len(exchange.requests) == 2


async def test_nothing_is_remembered_of_a_request_that_ended(exchange: ScriptedExchange) -> None:
    """A client that runs for months holds no trace of what it asked."""
    # given
    client = client_of(exchange)
    exchange.gate.set()

    # when
    await asyncio.gather(*(client.get(f"/{number % 5}", Call.lasting(5)) for number in range(50)))

    # then
    assert client._reads._running == {}
