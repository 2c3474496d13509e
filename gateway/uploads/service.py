"""What clients do with uploads: prepare, sign parts, finalize, cancel, resolve; and who works on them meanwhile."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from gateway.domain.changes import UploadItem
from gateway.domain.errors import (
    BadInput,
    Conflict,
    GatewayError,
    NotFound,
    StorageUnavailable,
    UnknownSource,
    Unsupported,
)
from gateway.domain.refs import Ref
from gateway.links import utc_now
from gateway.transport.call import Call
from gateway.uploads.journal import Journal
from gateway.uploads.lease import kept
from gateway.uploads.naming import check_media_type, check_name
from gateway.uploads.storage import StagingStore, StoredPart
from gateway.uploads.targets import (
    StagedTarget,
    part_lengths,
    part_size,
    part_target,
    post_target,
    put_target,
)
from gateway.uploads.tickets import (
    RESTING,
    LeaseHeld,
    OnConflict,
    StaleFence,
    Ticket,
    TicketState,
    UploadMethod,
    new_ticket,
)
from gateway.uploads.transfer import Patience, Transfer, without_doubts
from gateway.upstreams.base import Adapter, SupportsUpload, needs_its_user

log = logging.getLogger(__name__)

LEASE = 10.0
"""Seconds after which the work of a dead worker is taken over."""
FIRST_LOOK, LONGEST_LOOK = 0.05, 0.4
"""Seconds between two looks at a ticket that another worker drives; they grow from the first to the longest."""
LIFETIME = timedelta(hours=24)
"""How long the bytes may take to arrive, and a failed upload may be tried again."""
SIGNED_AT_ONCE = 100
"""Parts whose targets one answer holds; more are signed on demand."""
AT_WORK = 32
"""Uploads to one source of a tenant that a process works on at once; more wait without a lease."""
_S = TicketState


@dataclass(frozen=True, slots=True, kw_only=True)
class NewUpload:
    """What a client announces: ``size`` in bytes, ``sha256`` in hex or None, ``options`` as its source wants them."""

    target: Ref
    name: str
    media_type: str
    size: int
    sha256: str | None = None
    method: UploadMethod = UploadMethod.PUT
    on_conflict: OnConflict = OnConflict.FAIL
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StagedUpload:
    """A ticket and where its bytes go; ``part_size`` is in bytes and set for uploads in parts."""

    ticket: Ticket
    targets: Sequence[StagedTarget] = ()
    part_size: int | None = None


class UploadService:
    """Uploads of one gateway process; any number of processes share a journal and a store.

    Transfers run by themselves: a client that waits gets the result, one that has gone finds it when it asks again.
    """

    def __init__(
        self,
        journal: Journal,
        store: StagingStore,
        sources_of: Callable[[str], Mapping[str, Adapter]],
        *,
        patience: Patience | None = None,
        lease: float = LEASE,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self.journal = journal
        self.store = store
        self.now = now
        self._sources_of = sources_of
        self._transfer = Transfer(journal, store, sources_of, patience or Patience(), now)
        self._lease = lease
        self._owner = uuid4().hex
        self._workers: dict[str, asyncio.Task[Ticket]] = {}
        self._places: defaultdict[tuple[str, str], asyncio.Semaphore] = defaultdict(
            lambda: asyncio.Semaphore(AT_WORK)
        )

    # Preparing

    async def create(
        self, uploads: Sequence[NewUpload], principal: str, tenant: str
    ) -> list[StagedUpload | GatewayError]:
        """Prepare uploads, one result each in order. No upstream request; one of the store for each in parts."""
        outcomes = await asyncio.gather(*(self._prepared(new, principal, tenant) for new in uploads))
        await self.journal.create([found for found in outcomes if isinstance(found, Ticket)])
        return [self.staged(found) if isinstance(found, Ticket) else found for found in outcomes]

    def staged(self, ticket: Ticket) -> StagedUpload:
        """Give a ticket with its signed targets, while bytes are waited for.

        They are the same for all who ask within half of a target's life, and then signed anew, so that a target that
        was just given out lives for the other half at least.
        """
        settings, now = self.store.settings, self._signed_at(ticket)
        key, media_type = ticket.object_key, ticket.media_type
        if ticket.state is not _S.PENDING or ticket.expires_at <= self.now():
            return StagedUpload(ticket)
        if ticket.method is UploadMethod.PUT:
            target = put_target(
                settings, key, size=ticket.size, media_type=media_type, now=now, sha256=ticket.sha256
            )
            return StagedUpload(ticket, [target])
        if ticket.method is UploadMethod.POST:
            sizes = range(ticket.size, ticket.size + 1)
            target = post_target(settings, key, sizes=sizes, media_type=media_type, now=now)
            return StagedUpload(ticket, [target])
        numbers = range(1, len(part_lengths(ticket.size, part_size(ticket.size))) + 1)
        return StagedUpload(ticket, self._parts(ticket, numbers[:SIGNED_AT_ONCE], now), part_size(ticket.size))

    def _signed_at(self, ticket: Ticket) -> datetime:
        half = timedelta(seconds=self.store.settings.expires) / 2
        return ticket.created_at + max(0, (self.now() - ticket.created_at) // half) * half

    async def sign_parts(
        self, ticket_id: str, tenant: str, numbers: Sequence[int]
    ) -> tuple[Ticket, list[StagedTarget], list[StoredPart]]:
        """Sign further parts of an upload and list those that have arrived. One request of the store."""
        ticket = await self.journal.get(ticket_id, tenant)
        if ticket.multipart_id is None or ticket.state is not _S.PENDING:
            raise Conflict("This upload takes no parts.")
        most = len(part_lengths(ticket.size, part_size(ticket.size)))
        if len(numbers) > SIGNED_AT_ONCE or not all(1 <= number <= most for number in numbers):
            raise BadInput(f"Parts count from 1 to {most:,}; at most {SIGNED_AT_ONCE} are signed at once.")
        arrived = await self.store.list_parts(ticket.object_key, ticket.multipart_id)
        return ticket, self._parts(ticket, numbers, self.now()), arrived

    def _parts(self, ticket: Ticket, numbers: Sequence[int], now: datetime) -> list[StagedTarget]:
        lengths = part_lengths(ticket.size, part_size(ticket.size))
        key, upload = ticket.object_key, ticket.multipart_id or ""
        return [
            part_target(self.store.settings, key, upload, number, now=now, size=lengths[number - 1])
            for number in numbers
        ]

    async def _prepared(self, new: NewUpload, principal: str, tenant: str) -> Ticket | GatewayError:
        try:
            self._check(new, tenant)
            key = self.store.new_key(tenant)
            in_parts = new.method is UploadMethod.MULTIPART
            multipart = await self.store.create_multipart(key, new.media_type) if in_parts else None
        except GatewayError as exc:
            return exc
        return new_ticket(
            principal=principal,
            tenant=tenant,
            target=new.target.to_text(),
            options=dict(new.options),
            name=new.name,
            media_type=new.media_type,
            size=new.size,
            sha256=new.sha256,
            method=new.method,
            object_key=key,
            multipart_id=multipart,
            on_conflict=new.on_conflict,
            now=self.now(),
            lifetime=LIFETIME,
        )

    def _check(self, new: NewUpload, tenant: str) -> None:
        """Refuse what cannot succeed before a URL is issued."""
        adapter = self._sources_of(tenant).get(new.target.source)
        if adapter is None:
            raise UnknownSource(f"There is no source named {new.target.source!r}.")
        if not isinstance(adapter, SupportsUpload) or needs_its_user(adapter):
            raise Unsupported("This source takes no uploads.", source=new.target.source)
        check_name(new.name)
        check_media_type(new.media_type)
        adapter.check(
            UploadItem(
                target=new.target,
                name=new.name,
                media_type=new.media_type,
                size=new.size,
                sha256=new.sha256 or "",
                options=new.options,
                marker="",
                started_at=self.now(),
            )
        )

    # Carrying

    async def finalize(
        self, ticket_id: str, tenant: str, seconds: float, parts: Sequence[StoredPart] = ()
    ) -> Ticket:
        """Verify the bytes and carry them to their source, once however often this is asked.

        Waits so many seconds for the end and gives the ticket as it is then; the work goes on. ``parts`` are those
        of an upload in parts, by default all that have arrived. Raises what keeps a step from being taken now:
        Conflict while the bytes have not arrived, StorageUnavailable, and what the source answered.
        """
        ticket = await self.journal.get(ticket_id, tenant)
        if ticket.state in RESTING and not ticket.may_be_retried:
            return ticket
        worker = self._workers.get(ticket_id) or self._work_on(ticket, parts)
        done, _ = await asyncio.wait([worker], timeout=seconds)
        return worker.result() if done else await self.journal.get(ticket_id, tenant)

    def _work_on(self, ticket: Ticket, parts: Sequence[StoredPart] = ()) -> asyncio.Task[Ticket]:
        worker = asyncio.create_task(self._carry(ticket, parts))
        self._workers[ticket.id] = worker
        worker.add_done_callback(lambda _: self._workers.pop(ticket.id, None))
        worker.add_done_callback(_tell_failure)
        return worker

    async def _carry(self, ticket: Ticket, parts: Sequence[StoredPart]) -> Ticket:
        """Claim a ticket and drive it, or wait for the worker that has it."""
        place = self._places[ticket.tenant, Ref.from_text(ticket.target).source]
        while True:
            try:
                async with place, self._claimed(ticket.id, self._owner) as claimed:
                    return await self._drive(claimed, parts)
            except (LeaseHeld, StaleFence):
                ticket = await self._left(ticket.id, ticket.tenant)
                if ticket.state in RESTING:
                    return ticket

    async def _left(self, ticket_id: str, tenant: str) -> Ticket:
        """Wait until a ticket rests, or nobody works on it any more; costs reads of the journal alone."""
        pause = FIRST_LOOK
        while True:
            await asyncio.sleep(pause)
            ticket = await self.journal.get(ticket_id, tenant)
            if ticket.state in RESTING or not ticket.is_leased(self.now()):
                return ticket
            pause = min(2 * pause, LONGEST_LOOK)

    @asynccontextmanager
    async def _claimed(self, ticket_id: str, owner: str | None = None) -> AsyncIterator[Ticket]:
        """Claim a ticket, and give it back where a step fails; with an owner who brings it to its end.

        After being cancelled or cut off nobody knows what is still under way to the source: then the lease ends by
        itself, and whoever takes over then finds the outcome settled.
        """
        ticket = await self.journal.claim(ticket_id, owner, self._lease)
        try:
            yield ticket
        except StaleFence:
            raise
        except GatewayError:
            with suppress(StorageUnavailable):
                await self.journal.release(ticket)
            raise

    async def _drive(self, ticket: Ticket, parts: Sequence[StoredPart] = ()) -> Ticket:
        """Drive a claimed ticket while its lease is kept alive; a ticket that comes to rest has none any more."""
        try:
            async with kept(self.journal, ticket, self._lease):
                if ticket.state is _S.PENDING and ticket.multipart_id is not None:
                    await self._complete(ticket, parts)
                return await self._transfer.drive(ticket)
        except NotFound as exc:
            if ticket.state is _S.PENDING:
                raise Conflict("The bytes of this upload have not arrived.") from exc
            raise

    async def _complete(self, ticket: Ticket, parts: Sequence[StoredPart]) -> None:
        """Put the parts together once all have arrived; that they are together already is no failure.

        Fewer would be an object of another size, which ends the upload: the store takes no part after that.
        """
        upload = ticket.multipart_id or ""
        try:
            arrived = await self.store.list_parts(ticket.object_key, upload)
            if sum(part.size for part in arrived) < ticket.size:
                raise Conflict("The bytes of this upload have not all arrived.")
            if parts and sorted(part.number for part in parts) != sorted(part.number for part in arrived):
                raise BadInput("`parts` has to name each part that was uploaded, once.")
            await self.store.complete(ticket.object_key, upload, list(parts) or arrived)
        except NotFound:
            await self.store.stat(ticket.object_key)

    # Ending

    async def cancel(self, ticket_id: str, tenant: str) -> Ticket:
        """End an upload that is not under way and take its bytes away; one that ended is given as it is."""
        ticket = await self.journal.get(ticket_id, tenant)
        if ticket.state in RESTING:
            return ticket
        async with self._claimed(ticket_id) as claimed:
            if claimed.state not in (_S.PENDING, _S.VERIFIED):
                raise Conflict("The file is on its way to its source and cannot be called back.")
            ticket = await self.journal.advance(claimed, _S.CANCELLED)
        await self.discard(ticket)
        return ticket

    async def resolve(self, ticket_id: str, tenant: str, result: Ref | None) -> Ticket:
        """Decide an UNKNOWN upload: it made ``result``, or nothing, so that it may be finalized again."""
        await self.journal.get(ticket_id, tenant)  # claiming asks for no tenant
        async with self._claimed(ticket_id) as ticket:
            if ticket.state is not _S.UNKNOWN:
                raise Conflict("Only an upload whose outcome is unknown can be resolved.")
            if result is None:
                certain = without_doubts(ticket.notes)
                await self.journal.release(await self.journal.advance(ticket, _S.VERIFIED, notes=certain))
                return await self.journal.get(ticket_id, tenant)
            await self._check_result(ticket, result)
            return await self._drive(await self.journal.adopt(ticket, result.to_text()))

    async def _check_result(self, ticket: Ticket, result: Ref) -> None:
        """See to it that what a person names is there, at the ticket's source."""
        adapter = self._sources_of(ticket.tenant).get(result.source)
        if adapter is None or result.source != Ref.from_text(ticket.target).source:
            raise BadInput("The result is an object of the source that the upload goes to.")
        found = (await adapter.fetch([result], Call.lasting(self._lease)))[0]
        if isinstance(found, GatewayError):
            raise found

    async def discard(self, ticket: Ticket) -> None:
        """Take away what a ticket has in the store."""
        if ticket.multipart_id is not None:
            await self.store.abort(ticket.object_key, ticket.multipart_id)
        await self.store.remove(ticket.object_key)

    # Living

    def resume(self, ticket: Ticket) -> asyncio.Task[Ticket]:
        """Take up the work of a worker that has died. It goes on by itself; its task raises what stops it."""
        return self._workers.get(ticket.id) or self._work_on(ticket)

    async def expire(self, ticket: Ticket) -> Ticket:
        """End an upload whose bytes never came; one on which somebody has worked since it was read is left alone."""
        async with self._claimed(ticket.id) as claimed:
            if claimed.state is not _S.PENDING:
                raise Conflict("The bytes of this upload have come meanwhile.")
            expired = await self.journal.advance(claimed, _S.EXPIRED)
        await self.discard(expired)
        return expired

    async def aclose(self) -> None:
        """Stop the workers; what they were doing is taken up from the journal."""
        workers = list(self._workers.values())
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)


def _tell_failure(worker: asyncio.Task[Any]) -> None:
    """Tell the log of a worker's failure, which nobody may have waited for."""
    if not worker.cancelled() and (error := worker.exception()) is not None:
        log.info("an upload could not go on: %s", type(error).__name__)
