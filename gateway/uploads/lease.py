"""Keeps the lease of a ticket alive while it is worked on, and stops the work in time where that fails."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from gateway.domain.errors import StorageUnavailable
from gateway.uploads.journal import Journal
from gateway.uploads.tickets import StaleFence, Ticket

RENEWED_AFTER = 1 / 3
"""The part of a lease after which it is renewed."""
STOPPED_AFTER = 2 / 3
"""The part after which work whose lease was not renewed stops; the rest is for what is under way to settle."""


@asynccontextmanager
async def kept(journal: Journal, ticket: Ticket, seconds: float) -> AsyncIterator[None]:
    """Renew the lease of a ticket that was just claimed for so many seconds, as long as the body runs.

    A body whose ticket was taken over is cancelled at once, and one whose lease cannot be renewed before anybody may
    take it over; both raise StaleFence. The lease is not given back here. Costs one transaction for each third of it.
    """
    try:
        async with asyncio.timeout(seconds * STOPPED_AFTER) as limit:
            keeper = asyncio.create_task(_keep(journal, ticket, seconds, limit))
            try:
                yield
            finally:
                keeper.cancel()
    except TimeoutError as exc:
        if not limit.expired():
            raise
        raise StaleFence("The lease of this upload could not be kept.") from exc


async def _keep(journal: Journal, ticket: Ticket, seconds: float, limit: asyncio.Timeout) -> None:
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(seconds * RENEWED_AFTER)
        began = loop.time()
        try:
            with suppress(StorageUnavailable):  # the next try may find the journal again, in time
                await journal.renew(ticket, seconds)
                limit.reschedule(began + seconds * STOPPED_AFTER)
        except StaleFence:
            limit.reschedule(began)
            return
