"""The database under the journal: SQLite or PostgreSQL, its transactions, and its failures in the gateway's words."""

import asyncio
import os
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, event, exc, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection, DBAPICursor
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from gateway.domain.errors import BadInput, StorageUnavailable

T = TypeVar("T")
Work = Callable[[AsyncConnection], Awaitable[T]]

DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
}
CONNECTIONS = 8
PRIVATE = 0o600
BUSY = "The journal is busy."
SWITCH_PAUSE = 0.01
"""Seconds between two tries to switch a new file; they block the loop, but only at a first start."""
UNREACHABLE_AFTER = 5
"""Seconds until a PostgreSQL server that does not answer counts as lost."""


class Database:
    """Transactions on one database; made inside of the loop that uses it.

    ``patience`` is in seconds: how long a write waits for its turn within this process, and then again for writers of
    other processes. SQLite has one writer at a time, so the writes of a process queue here, in order, instead of
    asking the file again and again.
    """

    def __init__(self, url: str, patience: float) -> None:
        self._patience = patience
        self._turn = asyncio.Lock()
        self._begun: set[asyncio.Task[Any]] = set()
        with _translated():
            self.engine = _engine(_parsed(url), patience)
        self._writer = self.engine.execution_options(writes=True)

    @property
    def is_sqlite(self) -> bool:
        """Whether the database is a file."""
        return self.engine.dialect.name == "sqlite"

    async def read(self, work: Work[T]) -> T:
        """Run the work on a connection that may read. Raises StorageUnavailable."""
        return await self._unbroken(self._read(work))

    async def write(self, work: Work[T]) -> T:
        """Run the work in a transaction and commit it, durably, unless the work raises.

        Raises StorageUnavailable. Where the connection was lost while committing, whether it was committed is not
        known; every write of the journal is a comparison first, so that repeating it does no harm.
        """
        return await self._unbroken(self._write(work))

    async def aclose(self) -> None:
        """Let what was begun come to its end, and close the connections."""
        await asyncio.gather(*self._begun, return_exceptions=True)
        await self.engine.dispose()

    async def _unbroken(self, work: Coroutine[Any, Any, T]) -> T:
        """Bring a transaction to its end even if nobody waits for it any more.

        SQLite works in a thread that cannot be cancelled: an abandoned one would keep the write lock.
        """
        task = asyncio.create_task(work)
        self._begun.add(task)
        task.add_done_callback(self._begun.discard)
        return await asyncio.shield(task)

    async def _read(self, work: Work[T]) -> T:
        with _translated():
            async with self.engine.connect() as connection:
                return await work(connection)

    async def _write(self, work: Work[T]) -> T:
        async with self._in_turn():
            with _translated():
                async with self._writer.begin() as connection:
                    return await work(connection)

    @asynccontextmanager
    async def _in_turn(self) -> AsyncIterator[None]:
        if not self.is_sqlite:
            yield
            return
        try:
            async with asyncio.timeout(self._patience):
                await self._turn.acquire()
        except TimeoutError as exc_:
            raise StorageUnavailable(BUSY) from exc_
        try:
            yield
        finally:
            self._turn.release()


# Opening


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
    except exc.ArgumentError as exc_:
        raise BadInput("The journal's address is no URL such as sqlite:///journal.db.") from exc_
    if parsed.drivername not in DRIVERS:
        raise BadInput("The journal lives in SQLite (sqlite:///journal.db) or PostgreSQL (postgresql://…).")
    if parsed.drivername == "sqlite" and (parsed.database or ":memory:") == ":memory:":
        raise BadInput("The journal's address names no file: what is in memory does not survive a crash.")
    return parsed.set(drivername=DRIVERS[parsed.drivername])


def _engine(url: URL, patience: float) -> AsyncEngine:
    if url.get_backend_name() == "sqlite":
        return _sqlite(url, patience)
    return _postgresql(url, patience)


def _sqlite(url: URL, patience: float) -> AsyncEngine:
    _touch(Path(url.database or ""))
    engine = create_async_engine(
        url,
        hide_parameters=True,
        pool_size=CONNECTIONS,
        max_overflow=0,
        pool_timeout=patience,
        # Python's own transactions begin late and only before some statements; ours begin where we say.
        connect_args={"timeout": patience, "isolation_level": None},
    )
    event.listen(engine.sync_engine, "connect", partial(_prepare, patience))
    event.listen(engine.sync_engine, "begin", _begin)
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
            if _reason(exc_) != BUSY or time.monotonic() > deadline:
                raise
            time.sleep(SWITCH_PAUSE)
        else:
            return


def _begin(connection: Connection) -> None:
    """Begin a write as one: SQLite refuses to turn a reader into a writer once somebody else has written."""
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _postgresql(url: URL, patience: float) -> AsyncEngine:
    arguments = {
        "connect_timeout": UNREACHABLE_AFTER,
        "tcp_user_timeout": UNREACHABLE_AFTER * 1000,
        "options": _session_options(patience),
    }
    try:
        return create_async_engine(
            url,
            hide_parameters=True,
            isolation_level="READ COMMITTED",
            pool_size=CONNECTIONS,
            max_overflow=0,
            pool_timeout=patience,
            pool_pre_ping=True,
            connect_args={name: value for name, value in arguments.items() if name not in url.query},
        )
    except ImportError as exc_:
        raise BadInput("PostgreSQL needs a driver: install attachment-gateway[postgres].") from exc_


def _session_options(patience: float) -> str:
    """Bound what one session may block: a process that is paused in a transaction must not stop the others."""
    wait = round(patience * 1000)
    bounds = {
        "lock_timeout": wait,
        "statement_timeout": 2 * wait,
        "idle_in_transaction_session_timeout": 2 * wait,
    }
    return " ".join(f"-c {name}={milliseconds}" for name, milliseconds in bounds.items())


# Failures

_DEFECTS = (exc.IntegrityError, exc.ProgrammingError, exc.DataError, exc.NotSupportedError)
_REASONS = {
    "SQLITE_BUSY": BUSY,
    "SQLITE_LOCKED": BUSY,
    "55P03": BUSY,
    "57014": BUSY,
    "SQLITE_FULL": "The journal's disk is full.",
    "53100": "The journal's disk is full.",
    "SQLITE_READONLY": "The journal is read-only.",
    "25006": "The journal is read-only.",
}
"""By the start of SQLite's error name or PostgreSQL's SQLSTATE, since their texts depend on the language."""


@contextmanager
def _translated() -> Iterator[None]:
    """Name what went wrong below. Defects of our own SQL pass: they are no trouble of the storage."""
    try:
        yield
    except _DEFECTS:
        raise
    except (exc.DBAPIError, sqlite3.Error) as exc_:
        raise StorageUnavailable(_reason(exc_)) from exc_
    except (exc.TimeoutError, OSError) as exc_:
        raise StorageUnavailable("The journal cannot be reached.") from exc_


def _reason(error: Exception) -> str:
    driver = getattr(error, "orig", None) or error
    name = getattr(driver, "sqlite_errorname", None) or getattr(driver, "sqlstate", None) or ""
    for start, reason in _REASONS.items():
        if name.startswith(start):
            return reason
    return "The journal cannot be reached."
