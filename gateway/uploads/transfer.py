"""Carries one staged file to its source: a step at a time, each written down before it is taken.

A worker holds the ticket's lease and fence. Whatever crashes, the journal says how far it was, and the next worker
goes on from there: an attempt that was under way is *reconciled* with the source, never sent again blindly.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from weakref import WeakValueDictionary

from gateway.domain.changes import UploadItem
from gateway.domain.errors import (
    BadInput,
    Conflict,
    Forbidden,
    GatewayError,
    NotFound,
    OutcomeUnknown,
    QuotaExceeded,
    RateLimited,
    StorageUnavailable,
    Unauthenticated,
    UnknownSource,
    Unsupported,
)
from gateway.domain.refs import Ref, RefType
from gateway.transport.call import Call
from gateway.uploads.journal import Journal
from gateway.uploads.naming import settled_name
from gateway.uploads.storage import StagingStore
from gateway.uploads.tickets import AlreadyTaken, OnConflict, StaleFence, Ticket, TicketState
from gateway.uploads.verification import verify
from gateway.upstreams.base import Adapter, SupportsUpload

log = logging.getLogger(__name__)

DEFINITE = (
    BadInput, Conflict, Forbidden, NotFound, QuotaExceeded, RateLimited, Unauthenticated, Unsupported,
)  # fmt: skip
"""What an adapter raises only when nothing was made at the source, or what was made is gone again."""
REPORT_EVERY = 1024 * 1024
"""Bytes between two notes of the progress."""
LOOK_EVERY = 0.2
"""Seconds between two looks at an equal upload that is under way."""
DOUBTED = "doubted"
"""The note that says which attempt is over without an answer, so that nothing of it is under way any more."""
SINCE = "since"
"""The note that says when the first attempt without an answer began: what was made since then may be its work."""
_S = TicketState


class _Contested(Exception):
    """An equal upload has begun while this one looked for its file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """Seconds that things may take.

    ``transfer`` is for one transfer, ``settling`` for an attempt without an answer that may still take effect, and
    ``doubt`` for a source to be asked again and again what an attempt did; then a person decides.
    """

    transfer: float = 600.0
    settling: float = 2.0
    doubt: float = 24 * 3600.0


@dataclass(slots=True)
class Transfer:
    """Drives one claimed ticket as far as it goes."""

    journal: Journal
    store: StagingStore
    sources_of: Callable[[str], Mapping[str, Adapter]]
    patience: Patience
    now: Callable[[], datetime]
    _turns: WeakValueDictionary[tuple[str, str], asyncio.Lock] = field(default_factory=WeakValueDictionary)
    """Of tenants and targets."""

    async def drive(self, ticket: Ticket) -> Ticket:
        """Take every step that can be taken and give the ticket as it is then.

        Raises the GatewayError of a step that may succeed later (the store or the source is away, the bytes have not
        arrived), and StaleFence where another worker has taken over; the ticket then stays where it was.
        """
        steps = {
            _S.PENDING: self._verify,
            _S.FAILED: self._verify,
            _S.VERIFIED: self._send,
            _S.SENDING: self._reconcile,
            _S.SENT: self._clean_up,
        }
        if ticket.state is _S.VERIFIED:
            ticket = await self._look_again(ticket)
        while step := steps.get(ticket.state):
            if ticket.state is _S.FAILED and not ticket.may_be_retried:
                break
            before, ticket = ticket.state, await step(ticket)
            if ticket.state in (before, _S.FAILED):
                break  # a failure is the answer; trying again is for the next call
        return ticket

    # Steps

    async def _verify(self, ticket: Ticket) -> Ticket:
        try:
            facts = await verify(ticket, self.store)
        except BadInput as exc:
            return await self._fail(ticket, exc)
        return await self._look_again(await self.journal.advance(ticket, _S.VERIFIED, **facts))

    async def _look_again(self, ticket: Ticket) -> Ticket:
        """Ask what an attempt did that had no answer, and seemed to have done nothing: it may have come late.

        Sent again without that, the file would be there twice, or its own first copy would have taken its name.
        """
        if DOUBTED not in ticket.notes:
            return ticket
        return await self._reconcile(await self.journal.advance(ticket, _S.SENDING))

    async def _send(self, ticket: Ticket) -> Ticket:
        try:
            ticket = await self._begun(ticket)
        except StaleFence:
            raise
        except DEFINITE as exc:
            return await self._fail(ticket, exc)
        progress = _Progress(self.journal, self.store, ticket)
        try:
            item, adapter = await self._item(ticket)
            call = Call.lasting(self.patience.transfer)
            ref = await adapter.upload(item, progress.open, call, progress.note)
        except StaleFence:
            raise
        except DEFINITE as exc:
            if not progress.broken:
                return await self._fail(progress.ticket, exc)
            return await self._after_doubt(progress.ticket, exc)
        except GatewayError as exc:
            return await self._after_doubt(progress.ticket, exc)
        return await self.journal.advance(
            progress.ticket, _S.SENT, result=ref.to_text(), bytes_carried=ticket.size
        )

    async def _after_doubt(self, ticket: Ticket, cause: GatewayError) -> Ticket:
        """Find out at once what an attempt without an answer did; if nothing, its cause is the answer."""
        log.info("upload %s: attempt %s has no answer (%s)", ticket.id, ticket.attempt, cause.code)
        await asyncio.sleep(self.patience.settling)
        ticket = await self._reconcile(ticket)
        if ticket.state is _S.VERIFIED:
            return await self._fail(ticket, cause)
        return ticket

    async def _reconcile(self, ticket: Ticket) -> Ticket:
        """Ask the source what the last attempt did: SENT, VERIFIED when it provably did nothing, else UNKNOWN."""
        since = ticket.notes.get(SINCE) or (ticket.sending_since or ticket.updated_at).isoformat()
        ticket = await self.journal.note(ticket, **{DOUBTED: str(ticket.attempt), SINCE: since})
        try:
            while True:
                await self._let_rivals_end(ticket)
                ref = await self._find(ticket)
                if ref is None:
                    return await self.journal.advance(ticket, _S.VERIFIED)
                with suppress(AlreadyTaken, _Contested):  # the next look leaves the file of the other one out
                    await self._check_rivals(ticket)
                    return await self.journal.adopt(ticket, ref.to_text())
        except OutcomeUnknown as exc:
            return await self._leave_unknown(ticket, exc.message)
        except (StaleFence, StorageUnavailable):
            raise
        except GatewayError as exc:
            if self.now() < datetime.fromisoformat(since) + timedelta(seconds=self.patience.doubt):
                raise  # the source is asked again
            return await self._leave_unknown(
                ticket, f"What the source did could not be found out: {exc.message}"
            )

    async def _leave_unknown(self, ticket: Ticket, message: str) -> Ticket:
        code = OutcomeUnknown.code
        return await self.journal.advance(ticket, _S.UNKNOWN, error_code=code, error_message=message)

    async def _find(self, ticket: Ticket) -> Ref | None:
        item, adapter = await self._item(ticket)
        return await adapter.reconcile(item, Call.lasting(self.patience.transfer))

    async def _clean_up(self, ticket: Ticket) -> Ticket:
        """Remove the staged object; a store that is away now is asked later, since the source has the file."""
        try:
            await self.store.remove(ticket.object_key)
        except StorageUnavailable as exc:
            log.info("upload %s: its staged object is still there: %s", ticket.id, exc.message)
            return ticket
        return await self.journal.advance(ticket, _S.FINALIZED)

    # What the steps are made of

    async def _fail(self, ticket: Ticket, error: GatewayError) -> Ticket:
        return await self.journal.advance(ticket, _S.FAILED, error_code=error.code, error_message=error.message)

    async def _begun(self, ticket: Ticket) -> Ticket:
        """Settle the name and write it down before anything is sent, one upload to a target at a time.

        Others that are on their way have a say in it too, or files that come together would all find it free. Those
        of other processes have one from the moment that they are written down.
        """
        turn = self._turns.setdefault((ticket.tenant, ticket.target), asyncio.Lock())
        async with turn:
            return await self.journal.advance(ticket, _S.SENDING, name=await self._settled_name(ticket))

    async def _settled_name(self, ticket: Ticket) -> str:
        """Choose the name; who is on his way is asked for first, for then he is in the list when he has arrived."""
        if ticket.on_conflict is OnConflict.REPLACE:
            return ticket.name
        coming = {rival.name for rival in await self.journal.rivals(ticket)}
        target = Ref.from_text(ticket.target)
        adapter, call = self._source(target, ticket.tenant), Call.lasting(self.patience.transfer)
        return await settled_name(ticket.name, ticket.on_conflict, adapter, target, call, coming=coming)

    def _source(self, target: Ref, tenant: str) -> Adapter:
        adapter = self.sources_of(tenant).get(target.source)
        if adapter is None:
            raise UnknownSource(f"There is no source named {target.source!r}.")
        return adapter

    async def _let_rivals_end(self, ticket: Ticket) -> None:
        """Wait for equal uploads that are under way: what they are making must not be taken for this one's."""
        until = asyncio.get_running_loop().time() + self.patience.transfer
        while any(map(self._is_under_way, await self._rivals(ticket))):
            if asyncio.get_running_loop().time() > until:
                raise OutcomeUnknown("Another upload of the same name and size does not end.")
            await asyncio.sleep(LOOK_EVERY)

    async def _check_rivals(self, ticket: Ticket) -> None:
        """See to it that a found object is not that of another ticket.

        Raises OutcomeUnknown where it may be that of one in doubt with other bytes (those of equal bytes may share
        out what there is), and _Contested where an equal upload has begun since it was looked for.
        """
        rivals = await self._rivals(ticket)
        if any(map(self._is_under_way, rivals)):
            raise _Contested
        if any(rival.verified_sha256 != ticket.verified_sha256 for rival in rivals):
            raise OutcomeUnknown("Another upload of the same name and size may have made it.")

    async def _rivals(self, ticket: Ticket) -> list[Ticket]:
        """List the uploads in doubt or under way that make what looks the same in a listing."""
        rivals = await self.journal.rivals(ticket)
        return [rival for rival in rivals if (rival.name, rival.size) == (ticket.name, ticket.size)]

    def _is_under_way(self, rival: Ticket) -> bool:
        """Tell whether an attempt may still be making something."""
        doubted = rival.notes.get(DOUBTED) == str(rival.attempt)
        return rival.state is _S.SENDING and rival.is_leased(self.now()) and not doubted

    async def _item(self, ticket: Ticket) -> tuple[UploadItem, SupportsUpload]:
        target = Ref.from_text(ticket.target)
        adapter = self._source(target, ticket.tenant)
        if not isinstance(adapter, SupportsUpload):
            raise Unsupported("This source takes no uploads.", source=target.source)
        claimed = await self.journal.by_target(ticket.target, ticket.tenant, but=ticket.id)
        return _item_of(ticket, target, frozenset(map(Ref.from_text, claimed))), adapter


def without_doubts(notes: Mapping[str, Any]) -> dict[str, Any]:
    """Give the notes of a ticket whose earlier attempts made nothing, as a person has decided."""
    return {name: value for name, value in notes.items() if name not in (DOUBTED, SINCE)}


def _item_of(ticket: Ticket, target: Ref, claimed: frozenset[Ref]) -> UploadItem:
    began = ticket.notes.get(SINCE)
    started_at: datetime = datetime.fromisoformat(began) if began else ticket.sending_since or ticket.updated_at
    options = dict(ticket.options)
    if target.type is RefType.RECORD:  # folders and libraries hold any number of files of one name
        options["replace"] = ticket.on_conflict is OnConflict.REPLACE
    return UploadItem(
        target=target,
        name=ticket.name,
        media_type=ticket.media_type,
        size=ticket.size,
        sha256=ticket.verified_sha256 or ticket.sha256 or "",
        options=options,
        marker=ticket.id,
        started_at=started_at,
        notes=ticket.notes,
        claimed=claimed,
    )


class _Progress:
    """The staged bytes on their way, and the notes of the adapter that carries them.

    ``broken`` says that reading the staged bytes failed, so that what the source got is not known.
    """

    def __init__(self, journal: Journal, store: StagingStore, ticket: Ticket) -> None:
        self.ticket = ticket
        self.broken = False
        self._journal = journal
        self._store = store

    async def note(self, notes: Mapping[str, str]) -> None:
        """Write down what the adapter needs to remember."""
        self.ticket = await self._journal.note(self.ticket, **notes)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[AsyncIterator[bytes]]:
        """Open the staged bytes, which must still be those that were verified."""
        try:
            async with self._store.open(self.ticket.object_key, self.ticket.etag or "") as chunks:
                yield self._counted(chunks)
        except GatewayError:
            self.broken = True
            raise

    async def _counted(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        carried = told = 0
        try:
            async for chunk in chunks:
                yield chunk
                carried += len(chunk)
                if carried - told >= REPORT_EVERY:
                    with suppress(StorageUnavailable):  # a note for people must not break the transfer
                        await self._journal.carried(self.ticket, carried)
                    told = carried
        except GatewayError:
            self.broken = True
            raise
