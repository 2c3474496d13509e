"""Takes up what died, ends what waited too long, and takes away what nobody needs.

Any number of processes may sweep at once: tickets are claimed, and taking away what is gone is no failure.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from gateway.domain.errors import GatewayError
from gateway.uploads.service import UploadService
from gateway.uploads.tickets import Ticket

log = logging.getLogger(__name__)

EVERY = 5.0
"""Seconds between two sweeps of a running gateway."""
AT_ONCE = 100
"""Tickets that one sweep takes up."""
ORPHAN_AGE = timedelta(hours=25)
"""Staged objects and unfinished uploads older than any ticket may wait are taken away."""
KEPT = timedelta(days=7)
"""How long an ended upload can be asked for."""


@dataclass(slots=True)
class Report:
    """What a sweep did, or would do; ``removed_bytes`` counts what was staged and is not needed."""

    resumed: int = 0
    failed: int = 0
    expired: int = 0
    removed_objects: int = 0
    removed_bytes: int = 0
    aborted_uploads: int = 0

    def lines(self) -> list[str]:
        """Say it for people."""
        return [
            f"uploads taken up again: {self.resumed} (could not go on: {self.failed})",
            f"uploads that ended because their bytes never came: {self.expired}",
            f"staged objects nobody needs: {self.removed_objects} ({self.removed_bytes:,} bytes)",
            f"uploads in parts that nobody finishes: {self.aborted_uploads}",
        ]


class Sweeper:
    """Sweeps for one gateway process, or once for the command line."""

    def __init__(self, service: UploadService) -> None:
        self._service = service
        self._journal = service.journal
        self._store = service.store

    async def run(self) -> None:
        """Sweep again and again until cancelled; a sweep that fails is told in the log, and the next one comes.

        What it takes up goes on by itself: a large file does not keep others waiting for the next sweep.
        """
        while True:
            try:
                report = await self.sweep(patient=False)
                if report != Report():
                    log.info("swept: %s", "; ".join(report.lines()))
            except GatewayError as exc:
                log.warning("a sweep failed: %s", exc.message)
            await asyncio.sleep(EVERY)

    async def sweep(self, *, dry_run: bool = False, patient: bool = True) -> Report:
        """Sweep once; a dry run only counts. A patient sweep waits for the uploads that it takes up."""
        report = Report()
        now = self._service.now()
        stuck = await self._journal.stuck(now, AT_ONCE)
        report.resumed = len(stuck)
        if not dry_run:
            workers = [self._service.resume(ticket) for ticket in stuck]
            report.failed = await _failures(workers) if patient else 0
        for ticket in await self._journal.expired(now, AT_ONCE):
            await self._expire(ticket, report, dry_run=dry_run)
        if not dry_run:
            await self._journal.prune()
            await self._journal.drop_ended(now - KEPT, AT_ONCE)
        await self._take_away(report, dry_run=dry_run)
        return report

    async def _expire(self, ticket: Ticket, report: Report, *, dry_run: bool) -> None:
        """End an upload; one that cannot be ended now keeps no other from it, and comes again."""
        try:
            if not dry_run:
                await self._service.expire(ticket)
        except GatewayError as exc:
            log.info("upload %s could not be ended: %s", ticket.id, exc.code)
        else:
            report.expired += 1

    async def _take_away(self, report: Report, *, dry_run: bool) -> None:
        """Take away staged objects and unfinished uploads that no ticket needs."""
        before = self._service.now() - ORPHAN_AGE
        old = {found.key: found.size async for found in self._store.list_objects(before)}
        for key in await self._journal.unreferenced(old):
            report.removed_objects += 1
            report.removed_bytes += old[key]
            if not dry_run:
                await self._store.remove(key)
        for upload in await self._store.list_multiparts(before):
            report.aborted_uploads += 1
            if not dry_run:
                await self._store.abort(upload.key, upload.upload_id)


async def _failures(workers: Sequence[asyncio.Task[Ticket]]) -> int:
    """Wait for uploads and count those that could not go on, which the service tells in the log."""
    outcomes = await asyncio.gather(*map(asyncio.shield, workers), return_exceptions=True)
    return sum(isinstance(outcome, GatewayError) for outcome in outcomes)
