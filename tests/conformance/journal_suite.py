"""What the journal does on every database.

A database's test is a subclass with a ``url`` fixture::

    class TestOnSqlite(JournalSuite):
        @pytest.fixture
        def url(self, tmp_path: Path) -> str: ...

Where a check needs two processes, two journals on one database stand for them: they share nothing else.
"""

import asyncio
import random
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Connection, insert, inspect

from gateway.domain.errors import Conflict, GatewayError, NotFound
from gateway.uploads import migrations
from gateway.uploads.idempotency import InProgress, Mismatch, New, Replay, RequestKey
from gateway.uploads.journal import Journal
from gateway.uploads.tables import metadata, schema_version
from gateway.uploads.tickets import (
    AlreadyTaken,
    LeaseHeld,
    OnConflict,
    StaleFence,
    Ticket,
    TicketState,
    UploadMethod,
    new_ticket,
)

ROOT = Path(__file__).parents[2]
KILLS = 20
LEASE_S = 30.0
ORDER = [TicketState.VERIFIED, TicketState.SENDING, TicketState.SENT, TicketState.FINALIZED]
PATHS: dict[TicketState, list[tuple[TicketState, dict[str, Any]]]] = {
    TicketState.PENDING: [],
    TicketState.CANCELLED: [(TicketState.CANCELLED, {})],
    TicketState.EXPIRED: [(TicketState.EXPIRED, {})],
    TicketState.VERIFIED: [(TicketState.VERIFIED, {"etag": "e", "verified_size": 3})],
}
PATHS[TicketState.SENDING] = [*PATHS[TicketState.VERIFIED], (TicketState.SENDING, {})]
PATHS[TicketState.UNKNOWN] = [*PATHS[TicketState.SENDING], (TicketState.UNKNOWN, {"error_code": "UNAVAILABLE"})]
PATHS[TicketState.FAILED] = [*PATHS[TicketState.SENDING], (TicketState.FAILED, {"error_code": "FORBIDDEN"})]

Write = Callable[[Journal, Ticket], Awaitable[object]]
WRITES: dict[str, Write] = {
    "advance": lambda journal, ticket: journal.advance(ticket, TicketState.UNKNOWN, error_code="UNAVAILABLE"),
    "adopt": lambda journal, ticket: journal.adopt(ticket, "found"),
    "note": lambda journal, ticket: journal.note(ticket, file_id=1),
    "carried": lambda journal, ticket: journal.carried(ticket, 2),
    "renew": lambda journal, ticket: journal.renew(ticket, LEASE_S),
}


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)

    def __call__(self) -> datetime:
        """Give the time."""
        return self.now

    def forward(self, seconds: float) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)


def pending(clock: Clock, **values: Any) -> Ticket:
    """Make a ticket of 3 bytes that lives for an hour."""
    usual = {
        "principal": "ann",
        "target": "library-7",
        "name": "été.pdf",
        "media_type": "application/pdf",
        "size": 3,
        "method": UploadMethod.PUT,
        "object_key": f"staging/{uuid4().hex}",
        "now": clock(),
        "lifetime": timedelta(hours=1),
    }
    return new_ticket(**{**usual, **values})


async def reach(journal: Journal, clock: Clock, state: TicketState, **values: Any) -> Ticket:
    """Write a ticket, claim it and take it to a state."""
    ticket = pending(clock, **values)
    await journal.create([ticket])
    ticket = await journal.claim(ticket.id, "worker", LEASE_S)
    for to, changes in PATHS[state]:
        ticket = await journal.advance(ticket, to, **changes)
    return ticket


async def outcomes(*calls: Awaitable[Any]) -> list[Any]:
    """Run calls at once and give what each returns or raises."""
    return await asyncio.gather(*calls, return_exceptions=True)


def ids(tickets: list[Ticket]) -> list[str]:
    """Give the ids of tickets."""
    return [ticket.id for ticket in tickets]


class JournalSuite:
    """The checks for every database."""

    @pytest.fixture
    def clock(self) -> Clock:
        """Give a clock that the test moves."""
        return Clock()

    @pytest.fixture
    async def journal(self, url: str, clock: Clock) -> AsyncIterator[Journal]:
        """Open the journal of one process."""
        journal = await Journal.open(url, clock)
        yield journal
        await journal.aclose()

    @pytest.fixture
    async def second(self, url: str, clock: Clock, journal: Journal) -> AsyncIterator[Journal]:  # noqa: ARG002 -- after it
        """Open the journal of another process on the same database."""
        second = await Journal.open(url, clock)
        yield second
        await second.aclose()

    # Reading and writing

    async def test_every_field_comes_back(self, journal: Journal, second: Journal, clock: Clock) -> None:
        """What was written before a crash is what the next process reads, to the byte and the microsecond."""
        # given
        zone = clock().astimezone().tzinfo
        whole = Ticket(
            id="a", tenant="t", principal="é", target="x", options={"internal": True, "folder": ["ü", None]},
            name="naïve \"file\" '/..\\.pdf", media_type="a/b", size=2**53, sha256="00" * 32,
            method=UploadMethod.MULTIPART, object_key="key", multipart_id="m", on_conflict=OnConflict.REPLACE,
            created_at=clock(), updated_at=clock().astimezone(zone), expires_at=clock() + timedelta(days=1),
            state=TicketState.UNKNOWN, attempt=3, fence=2**40, lease_owner="w", lease_until=clock(),
            sending_since=clock(), bytes_carried=2**40, etag='"e"', verified_size=2**53, verified_sha256="11" * 32,
            notes={"file_id": 5, "steps": {"url": None}}, result="r", error_code="UNAVAILABLE", error_message="é",
        )  # fmt: skip

        # when
        await journal.create([whole])

        # then
        assert await second.get("a", "t") == whole

    async def test_create_writes_all_or_none(self, journal: Journal, clock: Clock) -> None:
        """A list of uploads that fails in its middle leaves no half of it."""
        # given
        first, twin = pending(clock), pending(clock)
        await journal.create([twin])

        # when
        (outcome,) = await outcomes(journal.create([first, replace(twin, id="other")]))

        # then
        assert type(outcome) is Conflict
        assert isinstance((await journal.get_many([first.id], ""))[0], NotFound)

    async def test_a_time_without_zone_is_refused(self, journal: Journal, clock: Clock) -> None:
        """A local time that slips in would move a lease by hours."""
        # given
        naive = replace(pending(clock), expires_at=clock().replace(tzinfo=None))

        # when
        (outcome,) = await outcomes(journal.create([naive]))

        # then
        assert isinstance(outcome, Exception)
        assert "zone" in str(outcome)

    async def test_get_many_keeps_order_and_tenants_apart(self, journal: Journal, clock: Clock) -> None:
        """A ticket of another tenant looks like one that is not there, and its neighbours are answered."""
        # given
        mine, foreign = pending(clock, tenant="a"), pending(clock, tenant="b")
        await journal.create([mine, foreign])

        # when
        found = await journal.get_many([foreign.id, mine.id, "missing", mine.id], "a")
        (alone,) = await outcomes(journal.get(foreign.id, "a"))

        # then
        assert [type(each) for each in found] == [NotFound, Ticket, NotFound, Ticket]
        assert found[1] == found[3] == mine
        assert isinstance(alone, NotFound)

    async def test_nothing_asked_is_nothing_done(self, journal: Journal) -> None:
        """Empty lists are answered with empty lists."""
        # when
        await journal.create([])

        # then
        assert await journal.get_many([], "") == []
        assert await journal.unreferenced([]) == frozenset()

    # Leases and fences

    async def test_a_claim_excludes_others_until_it_ends(
        self, journal: Journal, second: Journal, clock: Clock
    ) -> None:
        """Nobody works on a ticket that is being worked on, and nobody waits for ever for a dead worker."""
        # given
        ticket = pending(clock)
        await journal.create([ticket])
        first = await journal.claim(ticket.id, "a", LEASE_S)
        clock.forward(10)

        # when
        (refused,) = await outcomes(second.claim(ticket.id, "a", LEASE_S))
        clock.forward(20)
        taken = await second.claim(ticket.id, "b", LEASE_S)

        # then
        assert isinstance(refused, LeaseHeld)
        assert refused.retry_after == pytest.approx(20)
        assert (first.fence, taken.fence, taken.lease_owner) == (1, 2, "b")

    async def test_a_claim_of_nothing(self, journal: Journal) -> None:
        """A ticket that is not there cannot be taken."""
        # when
        (outcome,) = await outcomes(journal.claim("missing", "a", LEASE_S))

        # then
        assert isinstance(outcome, NotFound)

    async def test_of_many_claims_one_wins(self, journal: Journal, second: Journal, clock: Clock) -> None:
        """Two finalizes at once give one transfer, whichever process they reach."""
        # given
        ticket = pending(clock)
        await journal.create([ticket])

        # when
        found = await outcomes(
            *(each.claim(ticket.id, "w", LEASE_S) for _ in range(25) for each in (journal, second))
        )

        # then
        assert [each.fence for each in found if isinstance(each, Ticket)] == [1]
        assert sum(isinstance(each, LeaseHeld) for each in found) == 49

    @pytest.mark.parametrize("name", WRITES)
    async def test_a_stale_fence_writes_nothing(
        self, journal: Journal, second: Journal, clock: Clock, name: str
    ) -> None:
        """A worker that was paused past its lease, and woke up after another took over, changes nothing at all."""
        # given
        paused = await reach(journal, clock, TicketState.SENDING)
        clock.forward(LEASE_S)
        taken = await second.claim(paused.id, "other", LEASE_S)

        # when
        (outcome,) = await outcomes(WRITES[name](journal, paused))

        # then
        assert isinstance(outcome, StaleFence)
        assert await second.get(paused.id, "") == taken

    async def test_a_lease_that_ended_untouched_is_still_ours(self, journal: Journal, clock: Clock) -> None:
        """What counts is whether somebody took over, not what two clocks think of the time."""
        # given
        ticket = await reach(journal, clock, TicketState.SENDING)
        clock.forward(10 * LEASE_S)

        # when
        sent = await journal.advance(ticket, TicketState.SENT, result="r")

        # then
        assert (sent.state, sent.result) == (TicketState.SENT, "r")

    async def test_renewing_keeps_others_away(self, journal: Journal, second: Journal, clock: Clock) -> None:
        """A long transfer keeps its ticket."""
        # given
        ticket = await reach(journal, clock, TicketState.SENDING)
        clock.forward(LEASE_S - 1)

        # when
        renewed = await journal.renew(ticket, LEASE_S)
        clock.forward(LEASE_S - 1)
        (refused,) = await outcomes(second.claim(ticket.id, "other", LEASE_S))

        # then
        assert renewed.fence == ticket.fence
        assert isinstance(refused, LeaseHeld)

    async def test_releasing_gives_back_only_what_is_ours(
        self, journal: Journal, second: Journal, clock: Clock
    ) -> None:
        """A released ticket can be taken at once; one that was taken over stays with its new worker."""
        # given
        ticket = await reach(journal, clock, TicketState.VERIFIED)

        # when
        await journal.release(ticket)
        taken = await second.claim(ticket.id, "other", LEASE_S)
        await journal.release(ticket)

        # then
        assert await journal.get(ticket.id, "") == taken
        assert taken.is_leased(clock())

    # Steps

    async def test_of_many_steps_one_is_taken(self, journal: Journal, clock: Clock) -> None:
        """The same worker does not take one step twice, however often it is told to."""
        # given
        ticket = await reach(journal, clock, TicketState.VERIFIED)

        # when
        found = await outcomes(*(journal.advance(ticket, TicketState.SENDING) for _ in range(100)))

        # then
        assert [each.attempt for each in found if isinstance(each, Ticket)] == [1]
        assert sum(isinstance(each, StaleFence) for each in found) == 99

    async def test_an_illegal_step_writes_nothing(self, journal: Journal, clock: Clock) -> None:
        """What was never verified is never sent."""
        # given
        ticket = await reach(journal, clock, TicketState.PENDING)

        # when
        (outcome,) = await outcomes(journal.advance(ticket, TicketState.SENDING))

        # then
        assert type(outcome) is Conflict
        assert await journal.get(ticket.id, "") == ticket

    async def test_an_end_gives_the_lease_back(self, journal: Journal, second: Journal, clock: Clock) -> None:
        """Who resolves an unknown outcome need not wait for the lease of the worker that gave up."""
        # given
        ticket = await reach(journal, clock, TicketState.UNKNOWN)

        # when
        taken = await second.claim(ticket.id, "person", LEASE_S)

        # then
        assert ticket.lease_until is None
        assert taken.state is TicketState.UNKNOWN

    async def test_a_ticket_at_rest_gets_no_lease(self, journal: Journal, clock: Clock) -> None:
        """A renewal that comes too late must not keep the next worker away from what has ended."""
        # given
        ticket = await reach(journal, clock, TicketState.SENDING)
        ended = await journal.advance(ticket, TicketState.FAILED, error_code="UNAVAILABLE", error_message="")

        # when
        (refused,) = await outcomes(journal.renew(ticket, LEASE_S))

        # then
        assert isinstance(refused, StaleFence)
        assert (await journal.get(ended.id, "")).lease_until is None

    async def test_notes_add_up(self, journal: Journal, second: Journal, clock: Clock) -> None:
        """The upstream's id is on disk before the step that needs it, whoever takes that step."""
        # given
        ticket = await reach(journal, clock, TicketState.SENDING)
        await journal.note(ticket, file_id=5, url="first")

        # when
        await journal.note(ticket, url="second")

        # then
        assert (await second.get(ticket.id, "")).notes == {"file_id": 5, "url": "second"}

    async def test_an_older_copy_does_not_undo_notes(self, journal: Journal, clock: Clock) -> None:
        """A step writes what it says and nothing else, so a copy read before the notes does no harm."""
        # given
        ticket = await reach(journal, clock, TicketState.SENDING)
        await journal.note(ticket, file_id=5)
        await journal.carried(ticket, 2)

        # when
        sent = await journal.advance(ticket, TicketState.SENT, result="r")

        # then
        assert (sent.notes, sent.bytes_carried) == ({"file_id": 5}, 2)

    async def test_progress_is_of_one_attempt(self, journal: Journal, clock: Clock) -> None:
        """A second attempt counts its bytes from zero, and a late count of the first is refused."""
        # given
        ticket = await reach(journal, clock, TicketState.SENDING)
        await journal.carried(ticket, 2)

        # when
        back = await journal.advance(ticket, TicketState.VERIFIED)
        (late,) = await outcomes(journal.carried(ticket, 3))
        again = await journal.advance(back, TicketState.SENDING)

        # then
        assert isinstance(late, StaleFence)
        assert (again.attempt, again.bytes_carried) == (2, 0)

    # Recovery

    async def test_stuck_are_those_whose_worker_died(self, journal: Journal, clock: Clock) -> None:
        """The sweeper finds each upload that nobody works on, and takes none away from a living worker."""
        # given
        dead = [
            await reach(journal, clock, state)
            for state in (TicketState.SENDING, TicketState.VERIFIED, TicketState.UNKNOWN, TicketState.PENDING)
        ]
        sent = await journal.advance(
            await reach(journal, clock, TicketState.SENDING), TicketState.SENT, result="r"
        )
        clock.forward(LEASE_S)
        await reach(journal, clock, TicketState.SENDING)

        # when
        found = await journal.stuck(clock(), 10)

        # then
        assert sorted(ids(found)) == sorted(ids([*dead[:2], dead[3], sent]))

    async def test_stuck_does_not_starve(self, journal: Journal, clock: Clock) -> None:
        """A ticket that fails each time goes to the end of the line."""
        # given
        first = await reach(journal, clock, TicketState.SENDING)
        clock.forward(1)
        other = await reach(journal, clock, TicketState.SENDING)
        clock.forward(LEASE_S)
        (before,) = await journal.stuck(clock(), 1)

        # when
        await journal.release(await journal.claim(first.id, "sweeper", LEASE_S))
        (after,) = await journal.stuck(clock(), 1)

        # then
        assert (before.id, after.id) == (first.id, other.id)

    async def test_expired_are_those_that_nobody_finalized(self, journal: Journal, clock: Clock) -> None:
        """A place that was never used is given up, but not while somebody verifies what lies there."""
        # given
        old, new = pending(clock), pending(clock, lifetime=timedelta(hours=3))
        await journal.create([old, new])
        clock.forward(3600)
        await reach(journal, clock, TicketState.PENDING, lifetime=timedelta(0))

        # when
        found = await journal.expired(clock(), 10)

        # then
        assert ids(found) == [old.id]

    async def test_results_of_a_target_are_accounted_for(self, journal: Journal, clock: Clock) -> None:
        """An object upstream that is one ticket's result is not offered to another."""
        # given
        sent = await journal.advance(
            await reach(journal, clock, TicketState.SENDING), TicketState.SENT, result="r"
        )
        doubted = await reach(journal, clock, TicketState.UNKNOWN)
        elsewhere = await reach(journal, clock, TicketState.SENDING, target="library-8")

        # when
        taken, own = (
            await journal.by_target("library-7", sent.tenant),
            await journal.by_target("library-7", sent.tenant, but=sent.id),
        )
        rivals = await journal.rivals(await reach(journal, clock, TicketState.SENDING))

        # then
        assert (taken, own) == ({"r"}, frozenset())
        assert ids(rivals) == [doubted.id]
        assert elsewhere.id not in ids(rivals)

    async def test_one_object_is_adopted_once(self, journal: Journal, second: Journal, clock: Clock) -> None:
        """Two uploads of one name that both find one file upstream do not both take it for theirs."""
        # given
        seekers = [await reach(journal, clock, TicketState.SENDING) for _ in range(6)]

        # when
        found = await outcomes(
            *((journal, second)[number % 2].adopt(each, "r") for number, each in enumerate(seekers))
        )

        # then
        assert sum(isinstance(each, Ticket) for each in found) == 1
        assert sum(isinstance(each, AlreadyTaken) for each in found) == 5

    async def test_what_no_ticket_needs_may_go(self, journal: Journal, clock: Clock) -> None:
        """The sweeper removes staged bytes only when no ticket can ask for them again."""
        # given
        needed = (TicketState.PENDING, TicketState.VERIFIED, TicketState.SENDING, TicketState.UNKNOWN)
        kept = [await reach(journal, clock, state) for state in needed]
        ended = (TicketState.FAILED, TicketState.CANCELLED, TicketState.EXPIRED)
        gone = [await reach(journal, clock, state) for state in ended]
        retried = await journal.advance(
            await reach(journal, clock, TicketState.SENDING), TicketState.FAILED, error_code="UNAVAILABLE"
        )
        keys = [each.object_key for each in (*kept, *gone, retried)] + ["stray"]

        # when
        now = await journal.unreferenced(keys)
        clock.forward(3601)
        later = await journal.unreferenced(keys)

        # then
        assert now == {each.object_key for each in gone} | {"stray"}
        assert later == now | {retried.object_key}

    async def test_ended_tickets_are_dropped_after_a_while(self, journal: Journal, clock: Clock) -> None:
        """The journal does not grow for ever, and forgets nothing that is still open."""
        # given
        ended = [await reach(journal, clock, TicketState.FAILED) for _ in range(3)]
        doubted = await reach(journal, clock, TicketState.UNKNOWN)
        clock.forward(10)
        young = await reach(journal, clock, TicketState.CANCELLED)

        # when
        dropped = [await journal.drop_ended(clock(), 2), await journal.drop_ended(clock(), 2)]
        left = await journal.get_many([*ids(ended), doubted.id, young.id], "")

        # then
        assert dropped == [2, 1]
        assert [type(each) for each in left] == [NotFound, NotFound, NotFound, Ticket, Ticket]

    # Requests that come twice

    async def test_of_many_equal_requests_one_is_new(self, journal: Journal, second: Journal) -> None:
        """100 creates with one key at once have one effect and 100 equal answers."""
        # given
        key = RequestKey("t", "ann", "stagedUploadsCreate", "k1")

        # when
        begun = await asyncio.gather(*(each.begin(key, "h") for _ in range(50) for each in (journal, second)))
        (new,) = [each for each in begun if isinstance(each, New)]
        await journal.finish(new, {"ids": ["é", None, 1]})
        answers = await asyncio.gather(*(second.begin(key, "h") for _ in range(99)))

        # then
        assert not new.resumed
        assert sum(isinstance(each, InProgress) for each in begun) == 99
        assert set(map(repr, answers)) == {repr(Replay({"ids": ["é", None, 1]}))}

    async def test_a_key_belongs_to_one_request(self, journal: Journal) -> None:
        """Another body under the same key is an error, and another person's key is another key."""
        # given
        key = RequestKey("t", "ann", "op", "k")
        others = [replace(key, **{name: "other"}) for name in ("tenant", "principal", "operation", "key")]
        new = await journal.begin(key, "h")

        # when
        working = await journal.begin(key, "another")
        assert isinstance(new, New)
        await journal.finish(new, {})
        done = await journal.begin(key, "another")

        # then
        assert working == done == Mismatch()
        assert all([isinstance(await journal.begin(each, "h"), New) for each in others])

    async def test_work_of_a_dead_process_is_taken_over(
        self, journal: Journal, second: Journal, clock: Clock
    ) -> None:
        """A crash does not block a key for a day, and the dead process, should it live, does not answer for us."""
        # given
        key = RequestKey("", "ann", "op", "k")
        dead = await journal.begin(key, "h", LEASE_S)
        clock.forward(10)
        waiting = await second.begin(key, "h", LEASE_S)

        # when
        clock.forward(20)
        resumed = await second.begin(key, "h", LEASE_S)
        assert isinstance(dead, New)
        late = await outcomes(journal.finish(dead, {"late": True}), journal.extend(dead), journal.forget(dead))
        await second.finish(resumed, {"late": False})

        # then
        assert waiting == InProgress(20)
        assert resumed == New(key, 2, resumed=True)
        assert [type(each) for each in late] == [StaleFence, StaleFence, type(None)]
        assert await journal.begin(key, "h") == Replay({"late": False})

    async def test_long_work_keeps_its_key(self, journal: Journal, clock: Clock) -> None:
        """Work that is extended in time is not taken over."""
        # given
        key = RequestKey("", "ann", "op", "k")
        new = await journal.begin(key, "h", LEASE_S)
        clock.forward(LEASE_S - 1)
        assert isinstance(new, New)

        # when
        await journal.extend(new, LEASE_S)
        clock.forward(LEASE_S - 1)

        # then
        assert await journal.begin(key, "h") == InProgress(1)

    async def test_work_without_effect_frees_its_key(self, journal: Journal) -> None:
        """Who was refused before anything happened may mend the request and send it again."""
        # given
        key = RequestKey("", "ann", "op", "k")
        new = await journal.begin(key, "h")
        assert isinstance(new, New)

        # when
        await journal.forget(new)

        # then
        assert isinstance(await journal.begin(key, "another"), New)

    async def test_answers_live_for_a_day(self, journal: Journal, clock: Clock) -> None:
        """The answer is there for 24 hours; then the key is as good as new, pruned or not."""
        # given
        keys = [RequestKey("", "ann", "op", name) for name in ("a", "b")]
        for key in keys:
            new = await journal.begin(key, "h")
            assert isinstance(new, New)
            await journal.finish(new, {})
        clock.forward(24 * 3600 - 1)

        # when
        early = (await journal.prune(), await journal.begin(keys[0], "h"))
        clock.forward(1)
        late = (await journal.begin(keys[0], "another"), await journal.prune())

        # then
        assert early == (0, Replay({}))
        assert late == (New(keys[0], 2, resumed=False), 1)

    # The schema

    async def test_many_processes_migrate_one_database(self, url: str, clock: Clock) -> None:
        """Replicas that start together make the schema once."""
        # given
        journals = [Journal(url, clock) for _ in range(6)]

        # when
        added = await asyncio.gather(*(each.migrate() for each in journals))
        again = await journals[0].migrate()

        # then
        assert (sorted(added), again) == ([0, 0, 0, 0, 0, migrations.NEWEST], 0)
        await asyncio.gather(*(each.aclose() for each in journals))

    async def test_a_newer_schema_is_refused(self, journal: Journal, url: str, clock: Clock) -> None:
        """An old gateway does not write into what it does not understand."""
        # given
        newer = insert(schema_version).values(version=999, applied_at=clock())
        await journal._database.write(lambda connection: connection.execute(newer).rowcount)

        # when
        (outcome,) = await outcomes(Journal.open(url, clock))

        # then
        assert isinstance(outcome, migrations.JournalTooNew)
        assert "999" in outcome.message
        assert not outcome.retryable

    async def test_migrations_make_the_tables_that_queries_use(self, journal: Journal) -> None:
        """The schema that migrations build up is the one that the code reads and writes."""
        # given
        wanted = {
            table.name: {(column.name, bool(column.nullable)) for column in table.columns}
            for table in metadata.sorted_tables
        }

        # when
        made = await journal._database.read(_tables)

        # then
        assert made == wanted

    # Trouble

    async def test_cancelled_calls_leave_the_journal_usable(self, journal: Journal, clock: Clock) -> None:
        """A client that goes away in the middle of a write leaves no lock and no half of a write."""
        # given
        tickets = [await reach(journal, clock, TicketState.VERIFIED) for _ in range(10)]
        tasks = [asyncio.create_task(journal.advance(each, TicketState.SENDING)) for each in tickets * 5]

        # when
        for number, task in enumerate(tasks):
            await asyncio.sleep(0 if number % 3 else 0.002)
            task.cancel()
        await outcomes(*tasks)

        # then
        states = [(each.state, each.attempt) for each in await journal.get_many(ids(tickets), "")]
        assert set(states) <= {(TicketState.VERIFIED, 0), (TicketState.SENDING, 1)}
        assert isinstance(await reach(journal, clock, TicketState.SENDING), Ticket)

    async def test_trouble_is_told_without_details(self, journal: Journal, clock: Clock) -> None:
        """No error of the journal shows SQL, a path or a key to the client."""
        # given
        ticket = await reach(journal, clock, TicketState.SENDING)
        clock.forward(LEASE_S)
        await journal.claim(ticket.id, "other", LEASE_S)

        # when
        found = await outcomes(
            journal.get("missing", ""),
            journal.claim(ticket.id, "w", 1),
            journal.carried(ticket, 1),
            journal.create([replace(ticket, id="x")]),
        )

        # then
        assert all(isinstance(each, GatewayError) for each in found)
        assert not [each for each in found if ticket.object_key in repr(each) or "tickets" in repr(each)]

    @pytest.mark.slow
    async def test_kill_in_the_middle_of_a_step(self, journal: Journal, url: str) -> None:
        """Whatever moment a process dies at, each step it was told is done is done, and nothing is broken."""
        # given
        dice = random.Random(7)  # noqa: S311 -- the same moments each time
        told: list[tuple[str, TicketState]] = []

        # when
        for _ in range(KILLS):
            told += await asyncio.to_thread(_work_and_die, url, dice.randrange(2, 12))
        stored = {
            each.id: each
            for each in await journal.get_many([ticket for ticket, _ in told], "")
            if _is_found(each)
        }

        # then
        assert len(told) >= 2 * KILLS
        assert [
            ticket
            for ticket, state in told
            if ORDER.index(stored[ticket].state) < ORDER.index(state)
        ] == []  # fmt: skip
        await self.check_integrity(journal)

    async def check_integrity(self, journal: Journal) -> None:
        """Ask the database whether its file is whole, where there is such a question."""


def _is_found(each: Ticket | NotFound) -> bool:
    return isinstance(each, Ticket)


def _tables(connection: Connection) -> dict[str, set[tuple[str, bool]]]:
    inspector = inspect(connection)
    return {
        name: {(column["name"], _nullable(inspector, name, column)) for column in inspector.get_columns(name)}
        for name in inspector.get_table_names()
    }


def _nullable(inspector: Any, table: str, column: Any) -> bool:
    """Read SQLite's "TEXT PRIMARY KEY" as the NOT NULL that it means elsewhere."""
    return (
        column["nullable"] and column["name"] not in inspector.get_pk_constraint(table)["constrained_columns"]
    )


def _work_and_die(url: str, steps: int) -> list[tuple[str, TicketState]]:
    """Run a worker, kill it after so many steps, and give the steps that it was told are done."""
    command = [sys.executable, "-m", "tests.conformance.journal_worker", url]
    told: list[str] = []
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as worker:  # noqa: S603
        assert worker.stdout is not None
        told += [worker.stdout.readline() for _ in range(steps)]
        worker.kill()
        told += worker.stdout.readlines()
    return [(line.split()[0], TicketState[line.split()[1]]) for line in told if line.endswith("\n")]
