"""Shares one running request among all who ask for the same thing at the same time."""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from gateway.transport.unheard import look_at

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class _Flight(Generic[T]):
    task: asyncio.Task[T]
    waiting: int = field(default=0)


class SingleFlight(Generic[T]):
    """Runs one coroutine per key at a time.

    Those who ask while it runs wait for it and get the same result or the same error. When the last of them is
    cancelled, so is the coroutine: nothing runs that nobody waits for.
    """

    def __init__(self) -> None:
        self._flights: dict[Hashable, _Flight[T]] = {}

    def running(self, key: Hashable) -> bool:
        """Tell whether somebody already asks for this."""
        return key in self._flights

    async def run(self, key: Hashable, start: Callable[[], Coroutine[None, None, T]]) -> T:
        """Give the result of the running coroutine of this key, or start one."""
        flight = self._flights.get(key)
        if flight is None:
            flight = _Flight(asyncio.create_task(start()))
            self._flights[key] = flight
            flight.task.add_done_callback(lambda _: self._land(key, flight))
        flight.waiting += 1
        try:
            return await asyncio.shield(flight.task)
        finally:
            flight.waiting -= 1
            if not flight.waiting and not flight.task.done():
                self._land(key, flight)
                flight.task.cancel()

    def _land(self, key: Hashable, flight: _Flight[T]) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]
        if flight.task.done():
            look_at(flight.task)  # all who waited may be gone
