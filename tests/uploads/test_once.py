"""Work under an idempotency key: what those get who ask while it is done."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.domain.errors import KeyReused, Unavailable
from gateway.links import utc_now
from gateway.uploads.idempotency import RequestKey
from gateway.uploads.journal import Journal
from gateway.uploads.once import once
from gateway.uploads.tickets import LeaseHeld

KEY = RequestKey("tenant", "somebody", "foldersCreate", "key")
BODY = b"the request"
PATIENCE = 30.0


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Journal]:
    """Open a journal of its own."""
    opened = await Journal.open(f"sqlite:///{tmp_path}/journal.db", utc_now)
    yield opened
    await opened.aclose()


class Work:
    """Work that takes until it is let go, and counts how often it is done."""

    def __init__(self, failing: bool = False) -> None:
        self.begun = asyncio.Event()
        self.let_go = asyncio.Event()
        self.times = 0
        self.failing = failing

    async def __call__(self, _: bool) -> dict[str, Any]:
        """Do it."""
        self.times += 1
        self.begun.set()
        await self.let_go.wait()
        if self.failing:
            raise Unavailable("It is away.")
        return {"made": self.times}


async def test_whoever_asks_meanwhile_gets_the_same_answer(journal: Journal) -> None:
    """Any number of equal requests wait for one, and those that come later find its answer."""
    # given work under way
    work = Work()
    first = asyncio.create_task(once(journal, KEY, BODY, work, PATIENCE))
    await work.begun.wait()

    # when others ask, and it is let go
    others = [asyncio.create_task(once(journal, KEY, BODY, work, PATIENCE)) for _ in range(100)]
    await asyncio.sleep(0)
    work.let_go.set()
    answers = await asyncio.gather(first, *others, once(journal, KEY, BODY, work, PATIENCE))

    # then it was done once
    assert answers == [{"made": 1}] * 102
    assert await once(journal, KEY, BODY, work, PATIENCE) == {"made": 1}


async def test_whoever_cannot_wait_so_long_is_told_to_come_back(journal: Journal) -> None:
    """Impatience of one ends nobody's work."""
    # given work under way
    work = Work()
    first = asyncio.create_task(once(journal, KEY, BODY, work, PATIENCE))
    await work.begun.wait()

    # when somebody asks who has no time, then he is told when to come back
    with pytest.raises(LeaseHeld) as told:
        await once(journal, KEY, BODY, work, 0.01)
    assert told.value.retry_after is not None

    # and the work goes on
    work.let_go.set()
    assert await first == {"made": 1}


async def test_another_request_with_the_key_is_refused_at_once(journal: Journal) -> None:
    """A key of another request is a mistake, which nobody has to wait for."""
    # given work under way
    work = Work()
    first = asyncio.create_task(once(journal, KEY, BODY, work, PATIENCE))
    await work.begun.wait()

    # when another request has its key, then it is refused before the work is done
    with pytest.raises(KeyReused):
        await once(journal, KEY, b"another request", work, PATIENCE)
    assert not first.done()
    work.let_go.set()
    assert await first == {"made": 1}


async def test_work_that_fails_as_a_whole_leaves_the_key_free(journal: Journal) -> None:
    """What had no effect may be tried again under the same key; those who waited get the same error."""
    # given work that fails, and others that wait for it
    failing, working = Work(failing=True), Work()
    asked = [asyncio.create_task(once(journal, KEY, BODY, failing, PATIENCE)) for _ in range(3)]
    await failing.begun.wait()

    # when it has failed and is asked for again
    failing.let_go.set()
    outcomes = await asyncio.gather(*asked, return_exceptions=True)
    working.let_go.set()
    answer = await once(journal, KEY, BODY, working, PATIENCE)

    # then it is done
    assert [type(outcome) for outcome in outcomes] == [Unavailable] * 3
    assert answer == {"made": 1}
