"""A bounded number of requests at once; who comes too late waits for his turn, in order.

`asyncio.Semaphore` would do, and takes three times as long where many wait, as for the lists of fifty mails.
"""

import asyncio
from collections import deque


class Places:
    """So many places, each of which one request has at a time. Belongs to one event loop."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def take(self) -> None:
        """Take a place, once there is one."""
        if self._free:
            self._free -= 1
            return
        loop = self._waiting[-1].get_loop() if self._waiting else asyncio.get_running_loop()
        turn = loop.create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():
                self.give_back()  # it was his already
            raise

    def give_back(self) -> None:
        """Leave a place to whoever waits longest, from hand to hand: nobody who comes later gets it before him."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1
