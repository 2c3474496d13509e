"""What the loaders share: one DataLoader per source, so that a slow source holds up nobody else's batch."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Mapping, Sequence
from functools import partial
from typing import Generic, TypeVar, cast

from aiodataloader import DataLoader, Loader, dispatch_queue_batch

from gateway.domain.errors import GatewayError, UnknownSource
from gateway.domain.refs import Ref
from gateway.transport.call import Call
from gateway.transport.unheard import look_at
from gateway.upstreams.base import Adapter

V = TypeVar("V")


class RefLoader(ABC, Generic[V]):
    """Loads values by reference, batched per source within one request of a client.

    Made inside the running loop and never shared between requests: what it remembers is one principal's.
    """

    __slots__ = ("_by_source", "_sources", "call", "running")

    def __init__(self, sources: Mapping[str, Adapter], call: Call) -> None:
        self.call = call
        self.running: set[asyncio.Task[object]] = set()
        """The batches that run."""
        self._sources = sources
        self._by_source: dict[str, _SourceLoader[V]] = {}

    @abstractmethod
    def ask(self, adapter: Adapter, refs: list[Ref]) -> Awaitable[Sequence[V | GatewayError]]:
        """Ask one source for a batch; gives a value or an error for each reference, in their order."""

    async def load(self, ref: Ref) -> V:
        """Load one value; raises the GatewayError of its key, UnknownSource where its source is not there."""
        loader = self._by_source.get(ref.source) or self._opened(ref.source)
        value = loader.shared(ref)
        try:
            return await value
        except asyncio.CancelledError:
            value.add_done_callback(look_at)
            raise
        except GatewayError:
            loader.clear(ref)  # a failure is not remembered: asking again may succeed
            raise

    def close(self) -> None:
        """Cancel the batches that run, and forget what was loaded: whoever asked for it is gone."""
        for task in self.running:
            task.cancel()
        self._by_source.clear()

    def _opened(self, source: str) -> "_SourceLoader[V]":
        adapter = self._sources.get(source)
        if adapter is None:
            raise UnknownSource(f"There is no source named {source!r}.")
        opened = self._by_source[source] = _SourceLoader(self, adapter)
        return opened


class _SourceLoader(DataLoader[Ref, V]):
    """The DataLoader of one source. Its batches go out when the library's would, but cost one task instead of two."""

    def __init__(self, owner: RefLoader[V], adapter: Adapter) -> None:
        super().__init__()
        self._owner = owner
        self._adapter = adapter

    async def batch_load_fn(self, keys: list[Ref]) -> list[V]:
        """Load a batch; the library raises those of its values that are errors to whoever asked for them."""
        return cast("list[V]", await self._owner.ask(self._adapter, keys))

    def shared(self, key: Ref) -> "asyncio.Future[V]":
        """Give a future of a value that is the caller's own: he may be cancelled, and others wait for the value too.

        `asyncio.shield` does the same with twice the work, and lists are full of this.
        """
        loading = self.load(key)
        own: asyncio.Future[V] = self.loop.create_future()
        if loading.done():
            _hand_over(own, loading)
        else:
            loading.add_done_callback(partial(_hand_over, own))
        return own

    def get_cache_key(self, key: Ref) -> Ref:
        """Know a value by its reference."""
        return key

    def do_resolve_reject(self, key: Ref, future: "asyncio.Future[V]") -> None:
        """Put a key into the batch; the first one sees to it that the batch goes out."""
        self._queue.append(Loader(key, future))
        if len(self._queue) == 1:
            self.loop.call_soon(self.loop.call_soon, self._dispatch)

    def _dispatch(self) -> None:
        queue, self._queue = self._queue, []
        running = self._owner.running
        task = self.loop.create_task(dispatch_queue_batch(self, queue))
        running.add(task)
        task.add_done_callback(running.discard)


def _hand_over(own: "asyncio.Future[V]", loading: "asyncio.Future[V]") -> None:
    """Let one who waits for a value have it, or its error; look at it all the same when he has left."""
    if own.done():
        look_at(loading)
    elif loading.cancelled():
        own.cancel()
    elif (error := loading.exception()) is not None:
        own.set_exception(error)
    else:
        own.set_result(loading.result())
