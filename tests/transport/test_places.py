"""Tests of places: never more than there are, in order, and none is lost by who is cancelled."""

import asyncio

from gateway.transport.places import Places
from tests.transport.scripted import soon


async def test_there_are_never_more_at_once() -> None:
    """Whoever comes, and however long he stays."""
    # given
    places, running, most = Places(3), 0, 0

    async def work(turns: int) -> None:
        nonlocal running, most
        await places.take()
        running += 1
        most = max(most, running)
        for _ in range(turns):
            await asyncio.sleep(0)
        running -= 1
        places.give_back()

    # when
    await asyncio.gather(*(work(number % 5) for number in range(50)))

    # then
    assert (most, running) == (3, 0)


async def test_who_waits_longest_is_next() -> None:
    """And nobody who comes later gets before him."""
    # given
    places, order = Places(1), list[int]()

    async def work(number: int) -> None:
        await places.take()
        order.append(number)

    await places.take()
    tasks = [asyncio.create_task(work(number)) for number in range(3)]
    await soon()

    # when
    places.give_back()
    late = asyncio.create_task(work(3))
    await soon()
    for _ in range(3):
        places.give_back()
        await soon()

    # then
    assert order == [0, 1, 2, 3]
    await asyncio.gather(*tasks, late)


async def test_who_is_cancelled_leaves_his_place_to_the_next() -> None:
    """Whether he still waits or has just been given it."""
    for moment in ("waiting", "given"):
        # given
        places = Places(1)
        await places.take()
        cancelled, following = (asyncio.create_task(places.take()) for _ in range(2))
        await soon()

        # when
        if moment == "given":
            places.give_back()
            cancelled.cancel()
        else:
            cancelled.cancel()
            places.give_back()

        # then
        await asyncio.wait_for(following, 5)
        assert cancelled.cancelled()
        places.give_back()
        await asyncio.wait_for(places.take(), 5)
