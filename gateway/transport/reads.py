"""Shares one running read among all who ask for the same thing at the same time, at next to no cost for one alone.

`gateway.transport.flight` is for what must not be begun twice: it costs a task.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")


class Landing(NamedTuple, Generic[T]):
    """What a read gave to those who waited for it: ``error``, or else ``value``; one of the two is None."""

    value: T | None
    error: Exception | None

    def result(self) -> T:
        """Give the value, or raise the error."""
        if self.error is not None:
            raise self.error
        return self.value  # type: ignore[return-value]


class Reading(Generic[T]):
    """One read that runs, and those who wait for it.

    ``deadline`` is a reading of ``time.monotonic``: the latest of all who want the result.
    """

    __slots__ = ("deadline", "waiting")

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.waiting: list[asyncio.Future[Landing[T] | None]] = []

    def remaining(self) -> float:
        """Tell the seconds that the most patient of them has left, never less than zero."""
        return max(0.0, self.deadline - time.monotonic())

    def land(self, landing: Landing[T] | None) -> None:
        """Tell those who wait; None is that nothing came of it."""
        for one in self.waiting:
            if not one.done():
                one.set_result(landing)


class SharedReads(Generic[T]):
    """Runs one read per key at a time.

    Who asks first runs it himself, so that one who is alone pays for no task; those who ask meanwhile wait and get
    the same result or the same error. When the first is cancelled, the next of those who still wait begins anew:
    nothing runs that nobody waits for.
    """

    def __init__(self) -> None:
        self._running: dict[Hashable, Reading[T]] = {}

    def running(self, key: Hashable) -> bool:
        """Tell whether somebody already asks for this."""
        return key in self._running

    async def run(self, key: Hashable, deadline: float, start: Callable[[Reading[T]], Awaitable[T]]) -> T:
        """Give the result of the running coroutine of this key, or run one until its end.

        ``deadline`` is when this caller gives up, which is for him to do.
        """
        own: Reading[T] = Reading(deadline)
        while (reading := self._running.setdefault(key, own)) is not own:
            landing = await _join(reading, deadline)
            if landing is not None:
                return landing.result()
        landing = None
        try:
            value = await start(own)
            if own.waiting:
                landing = Landing(value, None)
        except Exception as exc:
            landing = Landing(None, exc)
            raise
        finally:
            del self._running[key]
            if own.waiting:
                own.land(landing)
        return value


async def _join(reading: Reading[T], deadline: float) -> Landing[T] | None:
    landed: asyncio.Future[Landing[T] | None] = asyncio.get_running_loop().create_future()
    reading.waiting.append(landed)
    reading.deadline = max(reading.deadline, deadline)
    return await landed
