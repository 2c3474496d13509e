"""The journal on PostgreSQL: the suite, and what only a server can have."""

import sys
from collections.abc import Iterator

import psycopg
import pytest

from gateway.domain.errors import BadInput, StorageUnavailable
from gateway.uploads.journal import Journal
from gateway.uploads.tickets import Ticket, TicketState
from tests.conformance.journal_suite import LEASE_S, Clock, JournalSuite, outcomes, reach
from tests.uploads.postgres import Postgres, own, running


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """Give a server for the whole module."""
    with running() as server:
        yield server


@pytest.fixture
def url(server: Postgres) -> Iterator[str]:
    """Name an empty database of the server."""
    with server.database() as url:
        yield url


class TestOnPostgres(JournalSuite):
    """The suite on a server, and its own troubles."""

    async def test_an_address_may_hold_options_of_libpq(self, url: str, clock: Clock) -> None:
        """An operator pastes the address that his provider gave him, with what is in its query."""
        # given
        pasted = (
            f"{url}?sslmode=prefer&application_name=gateway&options=-c%20default_transaction_read_only%3Don"
        )

        # when
        found = await outcomes(Journal.open(pasted, clock))

        # then
        assert [(type(each), each.message) for each in found] == [
            (StorageUnavailable, "The journal is read-only.")
        ]

    async def test_old_postgres_urls_work(self, url: str, clock: Clock) -> None:
        """The scheme `postgres:`, which hosting services still print, is understood."""
        # when
        journal = await Journal.open(url.replace("postgresql:", "postgres:"), clock)

        # then
        assert await journal.prune() == 0
        await journal.aclose()

    async def test_ended_sessions_are_replaced(self, journal: Journal, url: str, clock: Clock) -> None:
        """When the server ends all sessions, as in a restart, the next write goes through on a new one."""
        # given
        ticket = await reach(journal, clock, TicketState.VERIFIED)

        # when
        with psycopg.connect(url) as other:
            ended = other.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            ).fetchall()
        sending = await journal.advance(ticket, TicketState.SENDING)

        # then
        assert ended == [(True,)]
        assert sending.attempt == 1

    async def test_a_locked_row_is_busy(self, journal: Journal, url: str, clock: Clock) -> None:
        """A session that holds a row for long is a typed error after our patience, and not a hanging request."""
        # given
        ticket = await reach(journal, clock, TicketState.VERIFIED)
        impatient = Journal(url, clock, patience=1.0)

        # when
        with psycopg.connect(url) as other:
            other.execute("SELECT * FROM tickets FOR UPDATE")
            (refused,) = await outcomes(impatient.advance(ticket, TicketState.SENDING))
            read = await impatient.get(ticket.id, "")

        # then
        assert isinstance(refused, StorageUnavailable)
        assert (refused.message, refused.retryable) == ("The journal is busy.", True)
        assert read == ticket
        assert (await impatient.advance(ticket, TicketState.SENDING)).attempt == 1
        await impatient.aclose()

    async def test_a_password_is_not_told(self, server: Postgres, clock: Clock) -> None:
        """An address that cannot be reached is told without what is in it."""
        # given
        wrong = server.url.set(username="nobody", password="s3cret", database="missing")

        # when
        (refused,) = await outcomes(Journal.open(wrong.render_as_string(hide_password=False), clock))

        # then
        assert isinstance(refused, StorageUnavailable)
        assert "s3cret" not in f"{refused!r} {refused.__cause__!r} {refused.__cause__}"

    async def test_a_missing_driver_is_named(
        self, server: Postgres, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Who has not installed the extra is told its name."""
        # given
        monkeypatch.setitem(sys.modules, "psycopg", None)

        # when
        (refused,) = await outcomes(Journal.open(server.url.render_as_string(), clock))

        # then
        assert isinstance(refused, BadInput)
        assert "attachment-gateway[postgres]" in refused.message


async def test_a_server_that_crashes_and_comes_back() -> None:
    """While the server is away writes and reads are refused by name; afterwards all is there and goes on."""
    # given
    clock = Clock()
    with own() as server, server.database() as url:
        journal = await Journal.open(url, clock)
        ticket = await reach(journal, clock, TicketState.VERIFIED)

        # when
        server.stop()
        refused = await outcomes(
            journal.advance(ticket, TicketState.SENDING), journal.get(ticket.id, ""), Journal.open(url, clock)
        )
        server.start()
        sending = await journal.advance(ticket, TicketState.SENDING)
        clock.forward(LEASE_S)
        taken = await journal.claim(ticket.id, "other", LEASE_S)
        await journal.aclose()

    # then
    assert [type(each) for each in refused] == [StorageUnavailable] * 3
    assert (sending.attempt, type(taken), taken.fence) == (1, Ticket, 2)
