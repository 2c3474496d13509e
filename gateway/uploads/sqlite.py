"""The journal in a file: one writer thread that commits what waits together, and some threads that read.

SQLite has one writer at a time, and a durable commit costs a wait for the disk, which is most of what a write costs.
So the writes of a process stand in one line, and all that wait while one commit is made are in the next one.
"""

import asyncio
import os
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event, exc
from sqlalchemy.engine.interfaces import DBAPIConnection, DBAPICursor
from sqlalchemy.pool import ConnectionPoolEntry

from gateway.domain.errors import StorageUnavailable
from gateway.uploads.trouble import BUSY, DEFECTS, reason, translated

T = TypeVar("T")
Work = Callable[[Connection], T]

READERS = 4
TOGETHER = 100
"""Writes that one commit takes at most, so that the first of them do not wait for long."""
PRIVATE = 0o600
SWITCH_PAUSE = 0.01
"""Seconds between two tries to switch a new file."""


@dataclass(frozen=True, slots=True, eq=False)
class _Write:
    """A write that stands in the line; ``until`` is a reading of ``time.monotonic``."""

    work: Work[Any]
    answer: "asyncio.Future[Any]"
    until: float


class Sqlite:
    """Transactions on a file; made inside of the loop that uses it.

    ``patience`` is in seconds: how long a write stands in this process's line, and then waits for writers of other
    processes. Who stops waiting for a write that has begun does not end it.
    """

    def __init__(self, url: URL, patience: float) -> None:
        self._patience = patience
        self._closed = False
        self._line: deque[_Write] = deque()
        self._committing: asyncio.Task[None] | None = None
        self._engine = _engine(url, patience)
        self._writing = self._engine.execution_options(writes=True)
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="journal-writer")
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="journal-reader")

    async def read(self, work: Work[T]) -> T:
        """Run the work in a thread that may read. Raises StorageUnavailable."""
        self._check_open()
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, work)

    async def write(self, work: Work[T]) -> T:
        """Run the work in a transaction, and answer when it is durable; nothing of it is written where it raises.

        Raises StorageUnavailable, and then nothing was written.
        """
        self._check_open()
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._line.append(_Write(work, answer, time.monotonic() + self._patience))
        if self._committing is None or self._committing.done():
            self._committing = asyncio.create_task(self._commit_all())
        return await answer

    async def aclose(self) -> None:
        """Let what was begun come to its end, and close the file."""
        self._closed = True
        if self._committing is not None:
            await asyncio.wait([self._committing])
        await asyncio.to_thread(self._close)

    def _check_open(self) -> None:
        if self._closed:
            raise StorageUnavailable("The journal is closed.")

    def _close(self) -> None:
        for threads in (self._writer, self._readers):
            threads.shutdown()
        self._engine.dispose()

    async def _commit_all(self) -> None:
        """Commit until nobody stands in the line."""
        while self._line:
            some = self._next()
            works = [write.work for write in some]
            outcomes = await asyncio.get_running_loop().run_in_executor(self._writer, self._together, works)
            for write, outcome in zip(some, outcomes, strict=True):
                _tell(write.answer, outcome)

    def _next(self) -> list[_Write]:
        """Take the first of the line, without those that nobody waits for, and send away who stood there too long."""
        some: list[_Write] = []
        while self._line and len(some) < TOGETHER:
            write = self._line.popleft()
            if time.monotonic() > write.until:
                _tell(write.answer, StorageUnavailable(BUSY))
            elif not write.answer.done():
                some.append(write)
        return some

    # In threads

    def _read(self, work: Work[T]) -> T:
        with translated(), self._engine.connect() as connection:
            return work(connection)

    def _together(self, works: Sequence[Work[Any]]) -> list[Any]:
        """Do works in one transaction, and give what each returns or raises; where it fails, all of them have."""
        if not works:
            return []
        try:
            with translated(), self._writing.begin() as connection:
                if len(works) == 1:
                    return [works[0](connection)]
                return [_apart(connection, work) for work in works]
        except StorageUnavailable as exc_:
            return [_same(exc_) for _ in works]
        except Exception as exc_:  # noqa: BLE001 - as in _apart
            return [exc_ for _ in works]


def _apart(connection: Connection, work: Work[Any]) -> Any:
    """Do one of several works; what it raises undoes what it did, and no other one."""
    try:
        with connection.begin_nested():
            return work(connection)
    except exc.DBAPIError as exc_:
        if not isinstance(exc_, DEFECTS):
            raise  # trouble of the file, after which SQLite may have undone everything
        return exc_
    except Exception as exc_:  # noqa: BLE001 - it is the answer to whoever asked for the work
        return exc_


def _same(trouble: StorageUnavailable) -> StorageUnavailable:
    """Make one error for each who hears it: a traceback grows where its error is raised."""
    copy = type(trouble)(trouble.message, retry_after=trouble.retry_after)
    copy.__cause__ = trouble.__cause__
    return copy


def _tell(answer: "asyncio.Future[Any]", outcome: Any) -> None:
    if answer.done():
        return
    if isinstance(outcome, Exception):
        answer.set_exception(outcome)
    else:
        answer.set_result(outcome)


# Opening


def _engine(url: URL, patience: float) -> Engine:
    _touch(Path(url.database or ""))
    engine = create_engine(
        url,
        hide_parameters=True,
        pool_size=READERS + 1,
        max_overflow=0,
        pool_timeout=patience,
        # Python's own transactions begin late and only before some statements; ours begin where we say.
        connect_args={"timeout": patience, "isolation_level": None, "check_same_thread": False},
    )
    event.listen(engine, "connect", partial(_prepare, patience))
    event.listen(engine, "begin", _begin)
    return engine


def _touch(path: Path) -> None:
    """Make the file readable to its owner alone: it holds names of files and people. Its companions inherit that."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, PRIVATE))
    except OSError as exc_:
        raise StorageUnavailable(f"The journal's file cannot be opened: {exc_.strerror}.") from exc_


def _prepare(patience: float, connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    """Make commits durable (FULL: the log is on disk before a commit answers) and readers independent of writers."""
    cursor = connection.cursor()
    _use_log(cursor, time.monotonic() + 2 * patience)
    for pragma in ("synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _use_log(cursor: DBAPICursor, deadline: float) -> None:
    """Switch a new file to its log, once and for all.

    Where several processes do so at the same moment SQLite refuses all but one without waiting, as they would wait
    for each other; a moment later the others find it done.
    """
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as exc_:
            if reason(exc_) != BUSY or time.monotonic() > deadline:
                raise
            time.sleep(SWITCH_PAUSE)
        else:
            return


def _begin(connection: Connection) -> None:
    """Begin a write as one: SQLite refuses to turn a reader into a writer once somebody else has written."""
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
