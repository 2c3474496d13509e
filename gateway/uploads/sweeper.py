"""Takes up what died, ends what waited too long, and takes away what nobody needs.

Any number of processes may sweep at once: tickets are claimed, and taking away what is gone is no failure.
"""

import asyncio
import logging
from collections.abc import Container, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from gateway.domain.errors import GatewayError, NotFound
from gateway.uploads.service import UploadService
from gateway.uploads.tickets import Ticket

log = logging.getLogger(__name__)

EVERY = 5.0
"""Seconds between two sweeps of a running gateway."""
AT_ONCE = 500
"""Tickets that one sweep takes up."""
ORPHAN_AGE = timedelta(hours=25)
"""Staged objects and unfinished uploads older than any ticket may wait are taken away."""
KEPT = timedelta(days=7)
"""How long an ended upload can be asked for."""


@dataclass(slots=True)
class Report:
    """What a sweep did, or would do.

    ``removed_bytes`` are those of staged objects that are not needed, ``aborted_bytes`` those of parts that nobody
    will put together.
    """

    resumed: int = 0
    failed: int = 0
    expired: int = 0
    removed_objects: int = 0
    removed_bytes: int = 0
    aborted_uploads: int = 0
    aborted_bytes: int = 0

    def count(self, found: "Report") -> None:
        """Add what the store has of one upload."""
        self.removed_objects += found.removed_objects
        self.removed_bytes += found.removed_bytes
        self.aborted_uploads += found.aborted_uploads
        self.aborted_bytes += found.aborted_bytes

    def lines(self) -> list[str]:
        """Say it for people."""
        return [
            f"uploads taken up again: {self.resumed} (could not go on: {self.failed})",
            f"uploads that ended because their bytes never came: {self.expired}",
            f"staged objects nobody needs: {self.removed_objects} ({self.removed_bytes:,} bytes)",
            f"uploads in parts that nobody finishes: {self.aborted_uploads} ({self.aborted_bytes:,} bytes)",
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
            except Exception:
                # Whatever it is, say a journal that another release is changing: nobody else takes up what is left.
                log.exception("a sweep failed")
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
        ended: set[str] = set()
        for ticket in await self._journal.expired(now, AT_ONCE):
            if await self._expire(ticket, report, dry_run=dry_run):
                ended.add(ticket.object_key)
        if not dry_run:
            await self._journal.prune()
            await self._journal.drop_ended(now - KEPT, AT_ONCE)
        await self._take_away(report, ended, dry_run=dry_run)
        return report

    async def _expire(self, ticket: Ticket, report: Report, *, dry_run: bool) -> bool:
        """End an upload, count what goes with it, and tell whether it went; one that cannot end now comes again."""
        try:
            found = await self._stored(ticket)
            if not dry_run:
                await self._service.expire(ticket)
        except GatewayError as exc:
            log.info("upload %s could not be ended: %s", ticket.id, exc.code)
            return False
        report.expired += 1
        report.count(found)
        return True

    async def _stored(self, ticket: Ticket) -> Report:
        """Tell what the store has of an upload whose end nobody asked for: 1 request, 2 for one in parts."""
        found = Report()
        with suppress(NotFound):
            found.removed_bytes += (await self._store.stat(ticket.object_key)).size
            found.removed_objects += 1
        if ticket.multipart_id is not None:
            await self._count_parts(ticket.object_key, ticket.multipart_id, found)
        return found

    async def _count_parts(self, key: str, upload_id: str, report: Report) -> None:
        with suppress(NotFound):
            parts = await self._store.list_parts(key, upload_id)
            report.aborted_bytes += sum(part.size for part in parts)
            report.aborted_uploads += 1

    async def _take_away(self, report: Report, ended: Container[str], *, dry_run: bool) -> None:
        """Take away staged objects and unfinished uploads that no ticket needs, but for those that were ``ended``."""
        before = self._service.now() - ORPHAN_AGE
        old = {found.key: found.size async for found in self._store.list_objects(before)}
        for key in await self._journal.unreferenced(old):
            report.removed_objects += 1
            report.removed_bytes += old[key]
            if not dry_run:
                await self._store.remove(key)
        for upload in await self._store.list_multiparts(before):
            if upload.key in ended:
                continue
            await self._count_parts(upload.key, upload.upload_id, report)
            if not dry_run:
                await self._store.abort(upload.key, upload.upload_id)


async def _failures(workers: Sequence[asyncio.Task[Ticket]]) -> int:
    """Wait for uploads and count those that could not go on, which the service tells in the log."""
    outcomes = await asyncio.gather(*map(asyncio.shield, workers), return_exceptions=True)
    return sum(isinstance(outcome, GatewayError) for outcome in outcomes)
