"""A short memory of whole answers, which an operator may switch on.

It is kept apart for each tenant and keyed by everything that an answer depends on: who asks, with which scopes and
credentials for sources, the document and its variables. Whatever is written through the gateway for a tenant drops
all that is remembered for it; what changes at a source by itself is seen when the seconds are over.
"""

import time
from collections.abc import Callable, Hashable

from cachetools import TTLCache

from gateway.domain.edge import AnswerSettings
from gateway.web.outcome import Outcome

MARK = 2048
"""Bytes that an answer takes beside its text."""


class Answers:
    """The answers of one process; ``seconds`` and ``bytes`` bound those of each tenant."""

    def __init__(self, settings: AnswerSettings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._tenants: dict[str, TTLCache[Hashable, tuple[Outcome, int]]] = {}
        self._writes: dict[str, int] = {}

    @property
    def are_kept(self) -> bool:
        """Whether the operator has switched the memory on."""
        return self._settings.seconds > 0

    def writes(self, tenant: str) -> int:
        """Tell how often something was written for a tenant: an answer that was begun before the last is not kept."""
        return self._writes.get(tenant, 0)

    def find(self, tenant: str, key: Hashable) -> Outcome | None:
        """Give the answer that is remembered of a key."""
        kept = self._tenants.get(tenant)
        found = kept.get(key) if kept is not None else None
        return found[0] if found is not None else None

    def keep(self, tenant: str, key: Hashable, outcome: Outcome, writes: int) -> None:
        """Remember an answer that is whole, unless something was written since it was begun, or it is too large."""
        if not outcome.is_whole or writes != self.writes(tenant):
            return
        size = MARK + 3 * len(outcome.body(""))  # its text, what it was written from, and its compressed forms
        if size <= self._settings.bytes:
            self._of(tenant)[key] = (outcome, size)

    def forget(self, tenant: str) -> None:
        """Drop what is remembered for a tenant, because something is written."""
        self._writes[tenant] = self.writes(tenant) + 1
        self._tenants.pop(tenant, None)

    def _of(self, tenant: str) -> "TTLCache[Hashable, tuple[Outcome, int]]":
        if tenant not in self._tenants:
            self._tenants[tenant] = TTLCache(
                self._settings.bytes, self._settings.seconds, self._clock, getsizeof=lambda kept: kept[1]
            )
        return self._tenants[tenant]
