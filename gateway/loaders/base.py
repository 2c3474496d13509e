"""What the loaders share: one DataLoader per source, so that a slow source holds up nobody else's batch."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Generic, TypeVar

from aiodataloader import DataLoader

from gateway.domain.errors import GatewayError, UnknownSource
from gateway.domain.refs import Ref
from gateway.transport.call import Call
from gateway.transport.unheard import look_at
from gateway.upstreams.base import Adapter

V = TypeVar("V")

Batch = Callable[[Adapter, list[Ref], Call], Awaitable[Sequence[V | GatewayError]]]


class RefLoader(Generic[V]):
    """Loads values by reference, batched per source within one request of a client.

    Made inside the running loop and never shared between requests: what it remembers is one principal's.
    """

    def __init__(self, sources: Mapping[str, Adapter], call: Call, batch: Batch[V]) -> None:
        self._sources = sources
        self._call = call
        self._batch = batch
        self._by_source: dict[str, DataLoader[Ref, V | GatewayError]] = {}
        self._running: set[asyncio.Task[object]] = set()

    async def load(self, ref: Ref) -> V:
        """Load one value; raises the GatewayError of its key."""
        outcome = await self._outcome(ref)
        if isinstance(outcome, GatewayError):
            raise outcome
        return outcome

    def clear(self, ref: Ref) -> None:
        """Forget a value, because it was written to."""
        if ref.source in self._by_source:
            self._by_source[ref.source].clear(ref)

    def close(self) -> None:
        """Cancel the batches that run, and forget what was loaded: whoever asked for it is gone."""
        for task in self._running:
            task.cancel()
        self._by_source.clear()

    async def _outcome(self, ref: Ref) -> V | GatewayError:
        if ref.source not in self._sources:
            return UnknownSource(f"There is no source named {ref.source!r}.")
        loader = self._loader(ref.source)
        loading = loader.load(ref)
        try:
            # Shielded, because the future is shared by everybody in the request who asks for this key.
            return await asyncio.shield(loading)
        except asyncio.CancelledError:
            loading.add_done_callback(look_at)
            raise
        except GatewayError as exc:
            loader.clear(ref)  # a failure is not remembered: asking again may succeed
            return exc

    def _loader(self, source: str) -> "DataLoader[Ref, V | GatewayError]":
        if source not in self._by_source:
            self._by_source[source] = DataLoader(self._batch_of(self._sources[source]))
        return self._by_source[source]

    def _batch_of(
        self, adapter: Adapter
    ) -> Callable[[list[Ref]], Coroutine[None, None, list[V | GatewayError]]]:
        async def load(refs: list[Ref]) -> list[V | GatewayError]:
            task = asyncio.current_task()
            if task is not None:
                self._running.add(task)
                task.add_done_callback(self._running.discard)
            return list(await self._batch(adapter, refs, self._call))

        return load
