"""Keeps a refused credential from being sent again and again, one request at a time until it is known to work.

EspoCRM shuts an address out for a minute, right credentials included, after a handful of wrong ones
(`upstreams.md` 5.8, 2): a burst of parallel requests with an outdated key would do that at once.
"""

import asyncio
import time

from gateway.domain.errors import Unauthenticated

UNAUTHORIZED = 401
FAULT = 500
REFUSALS = 3
"""So many 401 in a row and the credential rests."""
LOCKOUT = 60.0
"""Seconds that it rests."""


class Lockout:
    """Counts what a source says of one credential."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.accepted = False
        """Whether the last answer that says anything of the credential accepted it."""
        self._refusals = 0
        self._ends = 0.0
        self._turn = asyncio.Lock()

    def check(self) -> None:
        """Raise Unauthenticated while the credential rests."""
        rest = self._ends - time.monotonic()
        if rest > 0:
            message = "The source refused the credential several times; it is not sent for a minute."
            raise Unauthenticated(message, source=self.source, retry_after=rest)

    def count(self, status: int) -> None:
        """Take note of an answer; a fault of the source says nothing of the credential."""
        if status >= FAULT:
            return
        self.accepted = status != UNAUTHORIZED
        self._refusals = 0 if self.accepted else self._refusals + 1
        if self._refusals >= REFUSALS:
            self._refusals = 0
            self._ends = time.monotonic() + LOCKOUT

    async def take_turn(self) -> bool:
        """Wait until the credential is accepted (False), or until it is this request's turn to find out (True).

        Whoever gets True gives the turn back with ``end_turn``.
        """
        await self._turn.acquire()
        if self.accepted:
            self._turn.release()
        return not self.accepted

    def end_turn(self) -> None:
        """Let the next request find out."""
        self._turn.release()
