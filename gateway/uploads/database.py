"""The database under the journal: SQLite or PostgreSQL, chosen by its address."""

from collections.abc import Callable
from typing import Protocol, TypeVar

from sqlalchemy import URL, Connection, exc, make_url

from gateway.domain.errors import BadInput
from gateway.uploads.sqlite import Sqlite
from gateway.uploads.trouble import translated

T = TypeVar("T")
Work = Callable[[Connection], T]

DRIVERS = {
    "sqlite": "sqlite+pysqlite",
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
}


class Database(Protocol):
    """Transactions; a work never waits for anything but the database, as others stand in line behind it."""

    async def read(self, work: Work[T]) -> T:
        """Run the work on a connection that may read. Raises StorageUnavailable."""

    async def write(self, work: Work[T]) -> T:
        """Run the work in a transaction that is durable when this returns. Raises StorageUnavailable."""

    async def aclose(self) -> None:
        """Let what was begun come to its end, and close the connections."""


def open_database(url: str, patience: float) -> Database:
    """Open the database of an address; ``patience`` is in seconds. No connection is made yet.

    Raises BadInput for an address that is none of theirs, and StorageUnavailable where a file cannot be made.
    """
    parsed = _parsed(url)
    with translated():
        if parsed.get_backend_name() == "sqlite":
            return Sqlite(parsed, patience)
        # What speaks to a server takes 8 MB, which a gateway with a file does not need.
        from gateway.uploads.postgresql import Postgresql  # noqa: PLC0415

        return Postgresql(parsed, patience)


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
