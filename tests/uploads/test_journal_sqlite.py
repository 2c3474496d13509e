"""The journal on SQLite: the suite, and what only a file can have."""

import asyncio
import resource
import sqlite3
import stat
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Connection, event, text

from gateway.domain.errors import BadInput, Conflict, NotFound, StorageUnavailable
from gateway.uploads.journal import Journal
from gateway.uploads.tickets import TicketState
from tests.conformance.journal_suite import Clock, JournalSuite, ids, outcomes, pending, reach

PATIENCE = 60.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Name the journal's file."""
    return tmp_path / "deep" / "journal.db"


async def _pragma(journal: Journal, name: str) -> object:
    def ask(connection: Connection) -> object:
        result = connection.execute(text(f"PRAGMA {name}"))
        return result.scalar() if result.returns_rows else None

    return await journal._database.read(ask)


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
        impatient = Journal(url, clock, patience=0.5)

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
        with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
            other.execute("CREATE TABLE something (x)")
            other.execute("BEGIN IMMEDIATE")
            pauses: list[float] = []
            monkeypatch.setattr(
                "gateway.uploads.sqlite.time.sleep",
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
        # given a write that has changed a row, and does not end
        ticket = await reach(journal, clock, TicketState.VERIFIED)
        changed, read_meanwhile = threading.Event(), threading.Event()

        def change(connection: Connection) -> bool:
            connection.execute(text("UPDATE tickets SET name = 'changed'"))
            changed.set()
            return read_meanwhile.wait(PATIENCE)

        writing = asyncio.create_task(journal._database.write(change))
        assert await asyncio.to_thread(changed.wait, PATIENCE)

        # when
        read = await journal.get(ticket.id, "")
        read_meanwhile.set()

        # then
        assert await writing
        assert read == ticket

    async def test_what_waits_is_committed_together(self, journal: Journal, clock: Clock) -> None:
        """A commit waits for the disk, so two hundred writes cost a few; one that fails, fails alone."""
        # given two hundred tickets, one of which is there already
        there = pending(clock)
        await journal.create([there])
        new = [pending(clock) for _ in range(199)]
        commits: list[Connection] = []
        event.listen(journal._database._engine, "commit", commits.append)  # type: ignore[attr-defined]

        # when each is written by itself, all at once
        written = await outcomes(*(journal.create([ticket]) for ticket in [*new[:100], there, *new[100:]]))

        # then the one is refused, and the others are there
        assert [place for place, outcome in enumerate(written) if outcome is not None] == [100]
        assert isinstance(written[100], Conflict)
        assert await journal.get_many(ids(new), "") == new
        assert len(commits) < 10

    async def test_a_write_that_nobody_waits_for_is_left_out(self, journal: Journal, clock: Clock) -> None:
        """A client that goes away while its write stands in line costs nothing, and the others come sooner."""
        # given a write that is on the disk's way, and one behind it
        begun, go_on = threading.Event(), threading.Event()

        def slow(_: Connection) -> bool:
            begun.set()
            return go_on.wait(PATIENCE)

        writing = asyncio.create_task(journal._database.write(slow))
        assert await asyncio.to_thread(begun.wait, PATIENCE)
        ticket = pending(clock)
        leaving = asyncio.create_task(journal.create([ticket]))
        await asyncio.sleep(0)

        # when
        leaving.cancel()
        await asyncio.wait([leaving])
        go_on.set()

        # then
        assert await writing
        assert [type(found) for found in await journal.get_many([ticket.id], "")] == [NotFound]

    async def test_a_closed_journal_says_so(self, journal: Journal, clock: Clock) -> None:
        """Whoever still works when the gateway stops gets an error that he knows, and hangs nowhere."""
        # given
        await journal.aclose()

        # when
        found = await outcomes(journal.create([pending(clock)]), journal.get("any", ""))

        # then
        assert [type(each) for each in found] == [StorageUnavailable] * 2
