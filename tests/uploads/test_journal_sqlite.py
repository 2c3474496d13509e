"""The journal on SQLite: the suite, and what only a file can have."""

import asyncio
import resource
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.domain.errors import BadInput, StorageUnavailable
from gateway.uploads.journal import Journal
from gateway.uploads.tickets import Ticket, TicketState
from tests.conformance.journal_suite import Clock, JournalSuite, outcomes, pending, reach


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Name the journal's file."""
    return tmp_path / "deep" / "journal.db"


async def _pragma(journal: Journal, name: str) -> object:
    result = await journal._database.read(lambda connection: connection.execute(text(f"PRAGMA {name}")))
    return result.scalar() if result.returns_rows else None


@contextmanager
def _files_end_at(size: int) -> Iterator[None]:
    """Let the kernel refuse to make any file of this process longer than so many bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


class TestOnSqlite(JournalSuite):
    """The suite on a file, and its own troubles."""

    @pytest.fixture
    def url(self, path: Path) -> str:
        """Name a journal that is not there yet."""
        return f"sqlite:///{path}"

    async def check_integrity(self, journal: Journal) -> None:
        """Let SQLite look at each page of the file."""
        assert await _pragma(journal, "integrity_check") == "ok"

    async def test_commits_are_durable(self, journal: Journal) -> None:
        """A power cut after an answer takes nothing back: the log is flushed with every commit."""
        # when
        settings = [await _pragma(journal, name) for name in ("journal_mode", "synchronous", "foreign_keys")]

        # then
        assert settings == ["wal", 2, 1]

    async def test_only_the_owner_reads_the_file(self, journal: Journal, path: Path, clock: Clock) -> None:
        """Names of files and people are nobody's business on a shared machine."""
        # given
        await reach(journal, clock, TicketState.SENDING)

        # when
        modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()}

        # then
        assert set(modes) == {"journal.db", "journal.db-wal", "journal.db-shm"}
        assert set(modes.values()) == {0o600}

    async def test_a_locked_file_is_busy(self, journal: Journal, url: str, path: Path, clock: Clock) -> None:
        """A backup that holds the file for long is a typed error for writers, nothing for readers, and passes."""
        # given
        ticket = await reach(journal, clock, TicketState.VERIFIED)
        impatient = Journal(url, clock, patience=0.05)

        # when
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            refused = await outcomes(
                impatient.advance(ticket, TicketState.SENDING), *(impatient.prune() for _ in range(5))
            )
            read = await impatient.get(ticket.id, "")
            other.execute("ROLLBACK")

        # then
        assert [(type(each), each.message) for each in refused] == [
            (StorageUnavailable, "The journal is busy.")
        ] * 6
        assert read == ticket
        assert (await impatient.advance(ticket, TicketState.SENDING)).attempt == 1
        await impatient.aclose()

    async def test_a_new_file_that_others_open_too(
        self, path: Path, url: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Two processes at their first start on one file get in each other's way, and both start."""
        # given
        path.parent.mkdir()
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("CREATE TABLE something (x)")
            other.execute("BEGIN IMMEDIATE")
            pauses: list[float] = []
            monkeypatch.setattr(
                "gateway.uploads.database.time.sleep",
                lambda pause: (pauses.append(pause), other.execute("ROLLBACK")),
            )

            # when
            journal = await Journal.open(url, clock, patience=1)

        # then
        assert len(pauses) == 1
        assert await _pragma(journal, "journal_mode") == "wal"
        await journal.aclose()

    async def test_a_full_disk_loses_nothing(self, journal: Journal, clock: Clock) -> None:
        """Without room writes are refused, reads go on, the file stays whole, and with room it goes on."""
        # given
        ticket = await reach(journal, clock, TicketState.VERIFIED)
        pages = await _pragma(journal, "page_count")
        await _pragma(journal, f"max_page_count={pages}")
        many = [pending(clock, name="x" * 5000) for _ in range(20)]

        # when
        (refused,) = await outcomes(journal.create(many))
        read = await journal.get(ticket.id, "")
        whole = await _pragma(journal, "integrity_check")
        await _pragma(journal, "max_page_count=100000")
        await journal.create(many)

        # then
        assert isinstance(refused, StorageUnavailable)
        assert refused.message == "The journal's disk is full."
        assert (read, whole) == (ticket, "ok")
        assert await journal.get(many[19].id, "") == many[19]

    async def test_a_write_that_the_kernel_cuts_loses_nothing(self, journal: Journal, clock: Clock) -> None:
        """A write that fails in its middle is as if it had never begun."""
        # given
        ticket = await reach(journal, clock, TicketState.VERIFIED)
        many = [pending(clock, name="x" * 50_000) for _ in range(20)]

        # when
        with _files_end_at(200_000):
            (refused,) = await outcomes(journal.create(many))
        whole = await _pragma(journal, "integrity_check")

        # then
        assert isinstance(refused, StorageUnavailable)
        assert whole == "ok"
        assert (await journal.advance(ticket, TicketState.SENDING)).attempt == 1
        await journal.create(many)

    async def test_a_read_only_file_can_be_read(self, journal: Journal, clock: Clock) -> None:
        """A journal that cannot be written refuses writes by name and still answers."""
        # given
        ticket = await reach(journal, clock, TicketState.VERIFIED)
        await _pragma(journal, "query_only=ON")

        # when
        (refused,) = await outcomes(journal.advance(ticket, TicketState.SENDING))

        # then
        assert isinstance(refused, StorageUnavailable)
        assert refused.message == "The journal is read-only."
        assert await journal.get(ticket.id, "") == ticket

    async def test_a_file_that_is_no_journal(self, path: Path, url: str, clock: Clock) -> None:
        """Another program's file is refused and left as it is."""
        # given
        diary = b"Dear diary, " * 500
        path.parent.mkdir()
        await asyncio.to_thread(path.write_bytes, diary)

        # when
        (refused,) = await outcomes(Journal.open(url, clock))

        # then
        assert isinstance(refused, StorageUnavailable)
        assert await asyncio.to_thread(path.read_bytes) == diary

    async def test_a_place_where_no_file_can_be(self, tmp_path: Path, clock: Clock) -> None:
        """A wrong path is told at the start, in words."""
        # given
        (tmp_path / "file").touch()

        # when
        found = await outcomes(
            Journal.open(f"sqlite:///{tmp_path}/file/journal.db", clock),
            Journal.open(f"sqlite:///{tmp_path}", clock),
        )

        # then
        assert [type(each) for each in found] == [StorageUnavailable, StorageUnavailable]

    @pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "mysql://host/db", "journal.db", ""])
    async def test_addresses_that_are_refused(self, url: str, clock: Clock) -> None:
        """A journal in memory would promise what it cannot keep, and other databases are not tested."""
        # when
        (refused,) = await outcomes(Journal.open(url, clock))

        # then
        assert isinstance(refused, BadInput)

    async def test_readers_do_not_wait_for_a_writer(self, journal: Journal, clock: Clock) -> None:
        """Progress is shown while something is being written."""
        # given
        ticket = await reach(journal, clock, TicketState.VERIFIED)

        # when
        async def change_and_read(connection: AsyncConnection) -> Ticket:
            await connection.execute(text("UPDATE tickets SET name = 'changed'"))
            return await asyncio.wait_for(journal.get(ticket.id, ""), 5)

        read = await journal._database.write(change_and_read)

        # then
        assert read == ticket
