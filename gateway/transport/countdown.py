"""Timeouts that cost next to nothing when they are not needed, which is nearly always.

`asyncio.timeout` gives the event loop a timer of its own each time, some 10 µs, and a request to a source has two.
Here all timeouts of one source share a timer, so that beginning and ending one is a matter of two sets.
"""

import asyncio
import math
import time
from types import TracebackType

TICK = 1 / 64
"""Seconds that a timeout may be late."""


class Countdown:
    """The timeouts that run, by the tick at which they end. Belongs to one event loop at a time."""

    def __init__(self) -> None:
        self._due: dict[int, set[Timeout]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._next = 0

    def __len__(self) -> int:
        """Tell how many ticks are waited for."""
        return len(self._due)

    def timeout(self, seconds: float) -> "Timeout":
        """Bound the time of a ``with`` block in a task: raises TimeoutError from it, as `asyncio.timeout` does."""
        return Timeout(self, time.monotonic() + seconds)

    def add(self, timeout: "Timeout") -> None:
        """Let a timeout run."""
        self._due.setdefault(timeout.tick, set()).add(timeout)
        if self._timer is None or timeout.tick < self._next:
            self._arm(timeout.tick)

    def remove(self, timeout: "Timeout") -> None:
        """Stop a timeout; its tick is cleared away when the timer comes by."""
        running = self._due.get(timeout.tick)
        if running is not None:
            running.discard(timeout)

    def _arm(self, tick: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._next = tick
        seconds = max(0.0, tick * TICK - time.monotonic())
        self._timer = asyncio.get_running_loop().call_later(seconds, self._ring)

    def _ring(self) -> None:
        """End what is due, and wait for what is due next."""
        self._timer = None
        now = math.floor(time.monotonic() / TICK)
        for tick in [tick for tick, running in self._due.items() if tick <= now or not running]:
            for timeout in self._due.pop(tick):
                timeout.expire()
        if self._due:
            self._arm(min(self._due))


class Timeout:
    """One running timeout; a context manager that is entered once."""

    __slots__ = ("_before", "_countdown", "_expired", "_task", "tick")

    def __init__(self, countdown: Countdown, deadline: float) -> None:
        self._countdown = countdown
        self._expired = False
        self.tick = math.ceil(deadline / TICK)

    def __enter__(self) -> None:
        """Begin to count; raises RuntimeError outside of a task."""
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a timeout needs a task")
        self._task = task
        self._before = task.cancelling()
        self._countdown.add(self)

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
