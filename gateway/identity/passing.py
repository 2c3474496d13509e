"""Sources whose users bring their own credential: one adapter for each, so that nothing of one serves another.

What an adapter remembers, its tokens, the requests that it shares and its connections belong to one credential by
construction.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping

from gateway.domain.errors import CredentialMissing
from gateway.domain.secret import Secret
from gateway.transport.auth import HeaderAuth
from gateway.upstreams.base import Adapter, SourceSettings
from gateway.upstreams.registry import open_source

MOST_CREDENTIALS = 1_000
"""Credentials of one source that have an adapter; the one that was not used for longest gives way."""
GRACE = 900.0
"""Seconds after which an adapter that gave way is closed: what it was asked has ended by then."""


class MissingAuth:
    """Stands where a user's credential should: every request of the source fails before it is sent."""

    def __init__(self, source: str, header: str) -> None:
        self.identity = ""
        self._source = source
        self._header = header

    async def headers(self, method: str, path: str) -> dict[str, str]:  # noqa: ARG002 - the same for all
        """Raise CredentialMissing."""
        message = f"This source wants your own credential for it, in the header `{self._header}`."
        raise CredentialMissing(message, source=self._source)

    async def renew(self, refused: Mapping[str, str]) -> bool:  # noqa: ARG002 - there is no other
        """There is nothing to renew."""
        return False


class Passing:
    """One source whose users bring their credentials, in the header ``settings.pass_through``.

    Adapters open no connection before they are asked. ``without`` is the one of those who brought none: it says what
    the source can do, and all that would ask it raises CredentialMissing.
    """

    def __init__(self, settings: SourceSettings, most: int = MOST_CREDENTIALS) -> None:
        self.settings = settings
        self.without = open_source(settings, MissingAuth(settings.name, settings.pass_through))
        self._most = most
        self._adapters: OrderedDict[Secret, Adapter] = OrderedDict()
        self._leaving: dict[Adapter, asyncio.TimerHandle] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def adapter(self, credential: Secret) -> Adapter:
        """Give the adapter of a credential. No upstream request."""
        found = self._adapters.get(credential)
        if found is not None:
            self._adapters.move_to_end(credential)
            return found
        auth = HeaderAuth({self.settings.pass_through_as: credential})
        self._adapters[credential] = made = open_source(self.settings, auth)
        if len(self._adapters) > self._most:
            self._let_go(self._adapters.popitem(last=False)[1])
        return made

    async def aclose(self) -> None:
        """Close the connections of all."""
        for timer in self._leaving.values():
            timer.cancel()
        for adapter in (self.without, *self._adapters.values(), *self._leaving):
            await adapter.aclose()
        await asyncio.gather(*self._closing)

    def _let_go(self, adapter: Adapter) -> None:
        """Close an adapter after a while; at once, where so many have to go that somebody makes up credentials."""
        if len(self._leaving) >= self._most:
            oldest = next(iter(self._leaving))
            self._leaving[oldest].cancel()
            self._close(oldest)
        self._leaving[adapter] = asyncio.get_running_loop().call_later(GRACE, self._close, adapter)

    def _close(self, adapter: Adapter) -> None:
        del self._leaving[adapter]
        task = asyncio.ensure_future(adapter.aclose())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
