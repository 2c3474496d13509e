"""The journal of uploads: every step is written here, durably, before the next one is taken.

A worker *claims* a ticket and gets it with a new fence; what it writes afterwards names that fence. A worker that was
paused or cut off while another took over is refused with StaleFence and has written nothing. Leases say only when
taking over is allowed; fences make it safe, so that clocks that differ a little cost time and no file.

Every method costs one transaction and no upstream request. Every method raises StorageUnavailable where the database
is away, busy, full or read-only: then what it should write is not written, unless the connection was lost at the
very end, which the next write finds out by StaleFence.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Unpack

from sqlalchemy import Column, ColumnElement, Connection, Update, and_, delete, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from gateway.domain.errors import Conflict, GatewayError, NotFound
from gateway.transport.flight import SingleFlight
from gateway.uploads import idempotency, migrations
from gateway.uploads.database import open_database
from gateway.uploads.idempotency import Begun, New, RequestKey
from gateway.uploads.tables import tickets
from gateway.uploads.tickets import (
    IN_DOUBT,
    PASSING,
    RESTING,
    UNFINISHED,
    AlreadyTaken,
    Changes,
    LeaseHeld,
    StaleFence,
    Ticket,
    TicketState,
    effects,
)

Clock = Callable[[], datetime]

PATIENCE = 5.0
"""Seconds that a write waits for its turn in this process, and then for other processes."""
KEY_LEASE = 20.0
"""Seconds after which the work of an idempotency key may be taken over."""
AT_ONCE = 500
"""How many values one statement compares with; databases bound that."""


class Journal:
    """Tickets and idempotency keys in one database, which any number of processes may share.

    ``url`` is ``sqlite:///journal.db`` (four slashes for an absolute path; on a local disk, since SQLite's log needs
    shared memory) or a PostgreSQL URL. ``clock`` gives the aware UTC time. Make it inside of the loop that uses it.
    """

    def __init__(self, url: str, clock: Clock, patience: float = PATIENCE) -> None:
        self._database = open_database(url, patience)
        self._clock = clock
        self.flights: SingleFlight[dict[str, Any]] = SingleFlight()
        """Work of idempotency keys that this process does now: whoever asks for the same waits for it here."""

    @classmethod
    async def open(cls, url: str, clock: Clock, patience: float = PATIENCE) -> "Journal":
        """Open the journal and bring its schema up to date.

        Raises BadInput for a URL that is none of these, JournalTooNew, and StorageUnavailable.
        """
        journal = cls(url, clock, patience)
        try:
            await journal.migrate()
        except BaseException:
            await journal.aclose()
            raise
        return journal

    async def migrate(self) -> int:
        """Bring the schema up to date and give the number of versions added; safe in many processes at once."""
        return await self._database.write(lambda connection: migrations.migrate(connection, self._clock()))

    async def aclose(self) -> None:
        """Close the connections; leases stay as they are and end by themselves."""
        await self._database.aclose()

    # Reading

    async def get(self, ticket_id: str, tenant: str) -> Ticket:
        """Read a ticket; raises NotFound for one that is not there or is another tenant's."""
        (found,) = await self.get_many([ticket_id], tenant)
        if isinstance(found, NotFound):
            raise found
        return found

    async def get_many(self, ids: Sequence[str], tenant: str) -> list[Ticket | NotFound]:
        """Read tickets in the order of their ids, with NotFound as the value of those that ``get`` raises it for."""
        found: dict[str, Ticket] = {}
        for some in _parts(ids):
            rows = await self._select(and_(tickets.c.id.in_(some), tickets.c.tenant == tenant))
            found |= {ticket.id: ticket for ticket in rows}
        return [found.get(each) or NotFound("There is no such upload, or it may not be seen.") for each in ids]

    async def stuck(self, now: datetime, limit: int) -> list[Ticket]:
        """List tickets whose work was begun and is not done by anybody: VERIFIED, SENDING, SENT with no live lease.

        So is a PENDING one whose owner's lease ran out: somebody said that its bytes are there, and died. Those that
        were touched the longest ago come first, and a claim touches: one that fails each time doesn't keep the others
        waiting.
        """
        columns = tickets.c
        abandoned = and_(
            columns.state == TicketState.PENDING, columns.lease_owner.is_not(None), columns.expires_at > now
        )
        wanted = and_(or_(tickets.c.state.in_(UNFINISHED), abandoned), _is_free(now))
        return await self._select(wanted, tickets.c.updated_at, limit)

    async def expired(self, now: datetime, limit: int) -> list[Ticket]:
        """List PENDING tickets whose time is up and on which nobody works, the oldest first."""
        wanted = and_(tickets.c.state == TicketState.PENDING, tickets.c.expires_at <= now, _is_free(now))
        return await self._select(wanted, tickets.c.expires_at, limit)

    async def by_target(self, target: str, tenant: str, *, but: str = "") -> frozenset[str]:
        """Give the results of a tenant's tickets of a target, except of the ticket ``but``: objects accounted for.

        Two tickets that look for theirs at the same moment are told apart by ``adopt`` alone.
        """
        columns = tickets.c
        here = and_(columns.target == target, columns.tenant == tenant)
        wanted = and_(here, columns.id != but, columns.result.is_not(None))
        return frozenset(await self._column(columns.result, wanted))

    async def rivals(self, ticket: Ticket) -> list[Ticket]:
        """List the other SENDING and UNKNOWN tickets of the target: an object that fits may be theirs."""
        columns = tickets.c
        here = and_(columns.target == ticket.target, columns.tenant == ticket.tenant)
        wanted = and_(here, columns.id != ticket.id, columns.state.in_(IN_DOUBT))
        return await self._select(wanted, columns.created_at)

    async def unreferenced(self, object_keys: Iterable[str]) -> frozenset[str]:
        """Give those staged objects that no ticket needs any more.

        Needed are those of tickets that are on their way or UNKNOWN, and of those that failed of something that may
        pass and have time left. A ticket is written before its URL is given out, so a key that was listed at the
        store before asking here is never that of a ticket to come.
        """
        keys = frozenset(object_keys)
        needed: set[str] = set()
        for some in _parts(sorted(keys)):
            wanted = and_(tickets.c.object_key.in_(some), _is_needed(self._clock()))
            needed.update(await self._column(tickets.c.object_key, wanted))
        return keys - needed

    async def _select(
        self, wanted: ColumnElement[bool], order: Column[Any] = tickets.c.id, limit: int | None = None
    ) -> list[Ticket]:
        query = select(tickets).where(wanted).order_by(order).limit(limit)

        def work(connection: Connection) -> list[Ticket]:
            return [Ticket(**row) for row in connection.execute(query).mappings()]

        return await self._database.read(work)

    async def _column(self, column: Column[Any], wanted: ColumnElement[bool]) -> Sequence[str]:
        def work(connection: Connection) -> Sequence[str]:
            return connection.scalars(select(column).where(wanted)).all()

        return await self._database.read(work)

    # Working on a ticket

    async def create(self, new: Sequence[Ticket]) -> None:
        """Write tickets, all or none; raises Conflict where an id or an object key is there already."""
        if not new:
            return
        rows = [_values(ticket) for ticket in new]
        try:
            await self._database.write(lambda connection: connection.execute(insert(tickets), rows).rowcount)
        except IntegrityError as exc:
            raise Conflict("There is such an upload already.") from exc

    async def claim(self, ticket_id: str, owner: str | None, lease_seconds: float) -> Ticket:
        """Take a ticket for so many seconds and give it with a new fence, which outdates all others.

        ``owner`` names who works to bring it to its end, for those who take up his work; it gives no right, not even
        to claim again. Who claims for anything else names nobody.
        Raises LeaseHeld with ``retry_after`` while somebody works on it, and NotFound.
        """
        now = self._clock()
        taking = (
            update(tickets)
            .where(tickets.c.id == ticket_id, _is_free(now))
            .values(
                fence=tickets.c.fence + 1,
                lease_owner=owner,
                lease_until=now + timedelta(seconds=lease_seconds),
                updated_at=now,
            )
        )

        def work(connection: Connection) -> Ticket:
            taken = _update(connection, taking)
            if taken is None:
                raise _refusal(connection, ticket_id, now)
            return taken

        return await self._database.write(work)

    async def renew(self, ticket: Ticket, seconds: float) -> Ticket:
        """Let the lease end so many seconds from now; raises StaleFence, also where it was given back meanwhile."""
        until = self._clock() + timedelta(seconds=seconds)
        return await self._write(ticket, {"lease_until": until}, tickets.c.lease_until.is_not(None))

    async def release(self, ticket: Ticket) -> None:
        """Give the ticket back; one that was taken over meanwhile is left alone."""
        giving = update(tickets).where(_is_ours(ticket)).values(lease_owner=None, lease_until=None)
        await self._database.write(lambda connection: connection.execute(giving).rowcount)

    async def advance(self, ticket: Ticket, to: TicketState, **changes: Unpack[Changes]) -> Ticket:
        """Take one step of ``tickets.TRANSITIONS`` and give the ticket as it is then.

        The step is taken only if the fence and the state are still those of ``ticket``, in one statement; else
        StaleFence is raised and nothing is written. Raises Conflict for a step that there is not.
        """
        written = effects(ticket, to, self._clock(), changes)
        return await self._write(ticket, written, tickets.c.state == ticket.state)

    async def adopt(self, ticket: Ticket, result: str) -> Ticket:
        """Advance to SENT with an object that was *found* at the upstream, unless it is another ticket's result.

        Raises AlreadyTaken for such, and what ``advance`` raises. All tickets of the target that may look for theirs
        are locked meanwhile, so of two that find the same object one gets it.
        """
        written = effects(ticket, TicketState.SENT, self._clock(), {"result": result})
        columns = tickets.c
        seekers = (
            select(columns.id, columns.result)
            .where(columns.target == ticket.target, columns.tenant == ticket.tenant)
            .where(or_(columns.state.in_(IN_DOUBT), columns.result == result))
            .order_by(columns.id)
            .with_for_update()
        )

        def work(connection: Connection) -> Ticket:
            for other in connection.execute(seekers):
                if other.result == result and other.id != ticket.id:
                    raise AlreadyTaken("The object that was found belongs to another upload.")
            return _write(connection, ticket, written, columns.state == ticket.state)

        return await self._database.write(work)

    async def note(self, ticket: Ticket, **notes: Any) -> Ticket:
        """Add to what the adapter remembers, before it takes its next step; values are JSON. Raises StaleFence."""
        held = select(tickets.c.notes).where(_is_ours(ticket)).with_for_update()

        def work(connection: Connection) -> Ticket:
            before = connection.scalar(held) or {}
            written = {"notes": {**before, **notes}, "updated_at": self._clock()}
            return _write(connection, ticket, written)

        return await self._database.write(work)

    async def carried(self, ticket: Ticket, count: int) -> None:
        """Write how many bytes of this attempt have left; raises StaleFence. The caller sees that it is not often."""
        await self._write(ticket, {"bytes_carried": count}, tickets.c.state == TicketState.SENDING)

    async def drop_ended(self, before: datetime, limit: int) -> int:
        """Remove tickets that ended before a time, but UNKNOWN ones; gives their number.

        Their results are not accounted for any more, so the time is days ago, not minutes.
        """
        columns = tickets.c
        ended = and_(columns.state.in_(RESTING - IN_DOUBT), columns.updated_at < before)
        some = select(columns.id).where(ended).order_by(columns.updated_at).limit(limit)
        dropping = delete(tickets).where(columns.id.in_(some))
        return await self._database.write(lambda connection: connection.execute(dropping).rowcount)

    async def _write(self, ticket: Ticket, values: dict[str, Any], *conditions: ColumnElement[bool]) -> Ticket:
        return await self._database.write(lambda connection: _write(connection, ticket, values, *conditions))

    # Requests that come twice

    async def begin(self, key: RequestKey, request_hash: str, lease_seconds: float = KEY_LEASE) -> Begun:
        """Ask whether the work of a request is to be done: New, Replay, InProgress or Mismatch.

        Of any number of equal calls at once, one gets New. An entry whose process died is New again, and ``resumed``,
        when its lease is over. Entries live for 24 hours from their beginning.
        """
        now, lease = self._clock(), timedelta(seconds=lease_seconds)
        return await self._database.write(
            lambda connection: idempotency.begin(connection, key, request_hash, now, lease)
        )

    async def extend(self, entry: New, lease_seconds: float = KEY_LEASE) -> None:
        """Keep the work from being taken over for so many seconds from now; raises StaleFence."""
        until = self._clock() + timedelta(seconds=lease_seconds)
        await self._database.write(lambda connection: idempotency.extend(connection, entry, until))

    async def finish(self, entry: New, answer: dict[str, Any]) -> None:
        """Keep the answer (JSON) for those who ask again; raises StaleFence where somebody took over."""
        await self._database.write(lambda connection: idempotency.finish(connection, entry, answer))

    async def forget(self, entry: New) -> None:
        """Drop the entry of work that had no effect, so that the key can be used again."""
        await self._database.write(lambda connection: idempotency.forget(connection, entry))

    async def prune(self) -> int:
        """Remove entries older than 24 hours; gives their number."""
        return await self._database.write(lambda connection: idempotency.prune(connection, self._clock()))


def _is_ours(ticket: Ticket) -> ColumnElement[bool]:
    return and_(tickets.c.id == ticket.id, tickets.c.fence == ticket.fence)


def _is_free(now: datetime) -> ColumnElement[bool]:
    return or_(tickets.c.lease_until.is_(None), tickets.c.lease_until <= now)


def _is_needed(now: datetime) -> ColumnElement[bool]:
    columns = tickets.c
    underway = (TicketState.PENDING, TicketState.VERIFIED, TicketState.SENDING, TicketState.UNKNOWN)
    again = and_(
        columns.state == TicketState.FAILED, columns.error_code.in_(sorted(PASSING)), columns.expires_at > now
    )
    return or_(columns.state.in_(underway), again)


def _values(ticket: Ticket) -> dict[str, Any]:
    return {column.name: getattr(ticket, column.name) for column in tickets.c}


def _parts(values: Sequence[str]) -> Iterable[Sequence[str]]:
    return (values[start : start + AT_ONCE] for start in range(0, len(values), AT_ONCE))


def _update(connection: Connection, statement: Update) -> Ticket | None:
    row = connection.execute(statement.returning(*tickets.c)).mappings().first()
    return None if row is None else Ticket(**row)


def _write(
    connection: Connection, ticket: Ticket, values: dict[str, Any], *conditions: ColumnElement[bool]
) -> Ticket:
    written = _update(connection, update(tickets).where(_is_ours(ticket), *conditions).values(values))
    if written is None:
        raise StaleFence("Somebody else has taken this upload over, or it has moved on.")
    return written


def _refusal(connection: Connection, ticket_id: str, now: datetime) -> GatewayError:
    row = connection.execute(select(tickets.c.lease_until).where(tickets.c.id == ticket_id)).first()
    if row is None:
        return NotFound("There is no such upload, or it may not be seen.")
    until = row.lease_until or now  # given back between the two statements
    wait = max(0.0, (until - now).total_seconds())
    return LeaseHeld("Somebody works on this upload at the moment.", retry_after=wait)
