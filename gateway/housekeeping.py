"""What is done beside the running gateway: to sweep once, and to have the journal and the object store examined."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from gateway.domain.errors import StorageUnavailable
from gateway.identity.tenants import Tenants
from gateway.links import utc_now
from gateway.settings import Settings
from gateway.uploads.doctor import dangers
from gateway.uploads.journal import Journal
from gateway.uploads.service import UploadService
from gateway.uploads.storage import StagingStore
from gateway.uploads.sweeper import Report, Sweeper


async def sweep_once(settings: Settings, *, dry_run: bool) -> Report:
    """Sweep, or count what a sweep would do. It may run beside gateways; raises StorageUnavailable."""
    async with _uploads(settings) as service:
        return await Sweeper(service).sweep(dry_run=dry_run)


def check_journal(settings: Settings) -> None:
    """Open the journal, if there is one, and close it again; raises StorageUnavailable. It blocks."""
    if settings.journal is not None:
        asyncio.run(_opened(settings.journal.reveal()))


async def _opened(url: str) -> None:
    journal = await Journal.open(url, utc_now)
    await journal.aclose()


def store_warnings(settings: Settings) -> list[str]:
    """Ask the store for grave weaknesses that the settings do not accept, and say each in a line. It blocks."""
    if settings.store is None:
        return []
    found = asyncio.run(dangers(settings.store))
    return [f"the store fails the check {one.check!r} of doctor: {one.sentence}" for one in found]


@asynccontextmanager
async def _uploads(settings: Settings) -> AsyncIterator[UploadService]:
    if settings.store is None or settings.journal is None:
        raise StorageUnavailable("There is no [store] in the settings, so there is nothing to sweep.")
    async with AsyncExitStack() as stack:
        tenants = Tenants(settings.tenants, settings.sources, settings.limits)
        stack.push_async_callback(tenants.aclose)
        journal = await Journal.open(settings.journal.reveal(), utc_now)
        stack.push_async_callback(journal.aclose)
        store = StagingStore(settings.store)
        stack.push_async_callback(store.aclose)
        service = UploadService(journal, store, tenants.sources_of)
        stack.push_async_callback(service.aclose)
        yield service
