"""What an operator does beside the running gateway: sweep once, and have the object store examined."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from gateway.domain.errors import StorageUnavailable
from gateway.links import utc_now
from gateway.settings import Settings
from gateway.uploads.journal import Journal
from gateway.uploads.service import UploadService
from gateway.uploads.storage import StagingStore
from gateway.uploads.sweeper import Report, Sweeper
from gateway.upstreams.registry import open_source


async def sweep_once(settings: Settings, *, dry_run: bool) -> Report:
    """Sweep, or count what a sweep would do. It may run beside gateways; raises StorageUnavailable."""
    async with _uploads(settings) as service:
        return await Sweeper(service).sweep(dry_run=dry_run)


@asynccontextmanager
async def _uploads(settings: Settings) -> AsyncIterator[UploadService]:
    if settings.store is None or settings.journal is None:
        raise StorageUnavailable("There is no [store] in the settings, so there is nothing to sweep.")
    async with AsyncExitStack() as stack:
        sources = {source.name: open_source(source) for source in settings.sources}
        for source in sources.values():
            stack.push_async_callback(source.aclose)
        journal = await Journal.open(settings.journal.reveal(), utc_now)
        stack.push_async_callback(journal.aclose)
        store = StagingStore(settings.store)
        stack.push_async_callback(store.aclose)
        service = UploadService(journal, store, sources)
        stack.push_async_callback(service.aclose)
        yield service
