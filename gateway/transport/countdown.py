"""Timeouts that cost next to nothing when they are not needed, which is nearly always.

`asyncio.timeout` gives the event loop a timer of its own each time, some 10 µs, and a request to a source has two.
Here all timeouts of one source share a timer, so that beginning and ending one is a matter of two sets.
"""

import asyncio
import math
import time
from types import TracebackType
from typing import Protocol

TICK = 1 / 64
"""Seconds that a timeout may be late."""


class Timed(Protocol):
    """What has to end at some time; ``tick`` is the countdown's own note of when."""

    tick: int

    def expire(self) -> None:
        """End: it is time."""


class Countdown:
    """What has to end, by the tick at which it does. Belongs to one event loop until its timer has come by."""

    def __init__(self) -> None:
        self._due: dict[int, set[Timed]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._next = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        """The loop of the timer. To ask which one runs takes a system call before Python 3.12."""

    def __len__(self) -> int:
        """Tell how many ticks are waited for."""
        return len(self._due)

    def timeout(self, seconds: float) -> "Timeout":
        """Bound the time of a ``with`` block in a task: raises TimeoutError from it, as `asyncio.timeout` does."""
        return Timeout(self, time.monotonic() + seconds)

    def start(self, timed: Timed, deadline: float) -> asyncio.AbstractEventLoop:
        """Let something expire at a reading of ``time.monotonic``; gives the loop that this happens in."""
        tick = timed.tick = math.ceil(deadline / TICK)
        loop = self._loop
        if loop is None or tick < self._next or loop.is_closed():
            loop = self._arm(tick)
        self._due.setdefault(tick, set()).add(timed)
        return loop

    def remove(self, timed: Timed) -> None:
        """Stop counting for something; its tick is cleared away when the timer comes by."""
        running = self._due.get(timed.tick)
        if running is not None:
            running.discard(timed)

    def _arm(self, tick: int) -> asyncio.AbstractEventLoop:
        if self._timer is not None:
            self._timer.cancel()
        self._next = tick
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(max(0.0, tick * TICK - time.monotonic()), self._ring)
        return self._loop

    def _ring(self) -> None:
        """End what is due, and wait for what is due next."""
        self._timer = self._loop = None
        now = math.floor(time.monotonic() / TICK)
        for tick in [tick for tick, running in self._due.items() if tick <= now or not running]:
            for timeout in self._due.pop(tick):
                timeout.expire()
        if self._due:
            self._arm(min(self._due))


class Timeout:
    """One running timeout; a context manager that is entered once."""

    __slots__ = ("_before", "_countdown", "_deadline", "_expired", "_task", "tick")

    def __init__(self, countdown: Countdown, deadline: float) -> None:
        self._countdown = countdown
        self._deadline = deadline
        self._expired = False
        self.tick = 0

    def __enter__(self) -> None:
        """Begin to count; raises RuntimeError outside of a task."""
        task = asyncio.current_task(self._countdown.start(self, self._deadline))
        if task is None:
            self._countdown.remove(self)
            raise RuntimeError("a timeout needs a task")
        self._task = task
        self._before = task.cancelling()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        """Stop; a cancellation that was ours, and nobody else's too, becomes a TimeoutError."""
        self._countdown.remove(self)
        if self._expired and self._task.uncancel() <= self._before and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def expire(self) -> None:
        """Cancel the task."""
        self._expired = True
        self._task.cancel()
