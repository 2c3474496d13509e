"""Tests of timeouts that share a timer: they end what they should, and nothing else."""

import asyncio
import time

import pytest

from gateway.transport.countdown import TICK, Countdown

LONG = 60.0


async def test_what_takes_too_long_ends_in_time() -> None:
    """A block is cancelled at its deadline, and the task goes on."""
    # given
    countdown = Countdown()
    started = time.monotonic()

    # when
    with pytest.raises(TimeoutError), countdown.timeout(0.05):
        await asyncio.sleep(LONG)

    # then
    assert 0.05 <= time.monotonic() - started < LONG
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_what_is_done_in_time_is_left_alone() -> None:
    """A deadline that passes after the block has ended cancels nothing, and is forgotten."""
    # given
    countdown = Countdown()

    # when
    with countdown.timeout(0.05):
        await asyncio.sleep(0)
    await asyncio.sleep(0.05 + 4 * TICK)

    # then
    assert len(countdown) == 0


async def test_no_time_at_all_is_too_late() -> None:
    """A deadline that has passed already ends the block at its first pause."""
    # given
    countdown = Countdown()

    # when, then
    with pytest.raises(TimeoutError), countdown.timeout(-1):
        await asyncio.sleep(LONG)


@pytest.mark.parametrize("order", [(0.05, LONG), (LONG, 0.05)])
async def test_the_earliest_rings_first(order: tuple[float, float]) -> None:
    """Deadlines do not wait for those that were set before them."""
    # given
    countdown = Countdown()

    async def late(seconds: float) -> bool:
        try:
            with countdown.timeout(seconds):
                await asyncio.sleep(LONG)
        except TimeoutError:
            return True
        return False

    tasks = [asyncio.create_task(late(seconds)) for seconds in order]

    # when
    done, waiting = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)

    # then
    assert [task.result() for task in done] == [True]
    assert tasks[order.index(0.05)] in done
    for task in waiting:
        task.cancel()
    assert await asyncio.gather(*waiting, return_exceptions=True)


async def test_who_is_cancelled_is_not_late() -> None:
    """A cancellation from outside stays one, so that nobody retries for a caller who has gone."""
    # given
    countdown = Countdown()

    async def wait() -> None:
        with countdown.timeout(LONG):
            await asyncio.sleep(LONG)

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)

    # when
    task.cancel()

    # then
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_who_is_cancelled_and_late_is_cancelled() -> None:
    """Where both come at once the cancellation wins, as with `asyncio.timeout`."""
    # given
    countdown = Countdown()

    async def wait() -> None:
        with countdown.timeout(0):
            await asyncio.sleep(LONG)

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)

    # when both happen before the task runs again
    time.sleep(2 * TICK)  # noqa: ASYNC251 - nothing else may run
    asyncio.get_running_loop().call_soon(task.cancel)

    # then
    await asyncio.wait([task])
    assert task.cancelled()


@pytest.mark.parametrize(("outer", "inner"), [(0.05, LONG), (LONG, 0.05)])
async def test_one_inside_another_ends_where_it_should(outer: float, inner: float) -> None:
    """Each block ends for its own deadline alone."""
    # given
    countdown = Countdown()
    ended = []

    # when
    try:
        with countdown.timeout(outer):
            try:
                with countdown.timeout(inner):
                    await asyncio.sleep(LONG)
            except TimeoutError:
                ended.append("inner")
    except TimeoutError:
        ended.append("outer")

    # then
    assert ended == ["inner" if inner < outer else "outer"]


async def test_there_is_nothing_to_end_outside_of_a_task() -> None:
    """A timeout where nothing could be cancelled is a mistake that shows at once."""
    # given
    loop = asyncio.get_running_loop()
    refused = loop.create_future()

    def enter() -> None:
        try:
            Countdown().timeout(1).__enter__()
        except RuntimeError as exc:
            refused.set_result(str(exc))

    # when
    loop.call_soon(enter)

    # then
    assert await asyncio.wait_for(refused, 5) == "a timeout needs a task"
