"""Answers to requests that come twice: the first with a key does the work, the others get its answer.

Each function works inside of a write transaction that the journal gives it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Insert, and_, delete, select, update
from sqlalchemy.dialects import sqlite

from gateway.domain.errors import StorageUnavailable
from gateway.uploads.tables import idempotency
from gateway.uploads.tickets import StaleFence

LIFETIME = timedelta(hours=24)
"""How long an answer is kept for those who ask again."""
WORKING = "working"
DONE = "done"
TRIES = 5
"""How often an entry may vanish between two statements, which takes somebody who forgets it each time."""


@dataclass(frozen=True, slots=True)
class RequestKey:
    """What makes two requests the same one: who asks for which operation under which key of his own."""

    tenant: str
    principal: str
    operation: str
    key: str

    def matches(self) -> ColumnElement[bool]:
        """Give the condition that finds the entry."""
        columns = idempotency.c
        return and_(
            columns.tenant == self.tenant,
            columns.principal == self.principal,
            columns.operation == self.operation,
            columns.key == self.key,
        )

    def values(self) -> dict[str, str]:
        """Give the columns of the entry that hold the key."""
        return {name: getattr(self, name) for name in ("tenant", "principal", "operation", "key")}


@dataclass(frozen=True, slots=True)
class New:
    """Do the work, then ``finish`` or ``forget``.

    ``resumed`` says that another process began it and died, so that some or all of the work may be done.
    """

    key: RequestKey
    fence: int
    resumed: bool


@dataclass(frozen=True, slots=True)
class Replay:
    """The work was done: answer this again."""

    answer: dict[str, Any]


@dataclass(frozen=True, slots=True)
class InProgress:
    """Somebody does the work now; ``retry_after`` is in seconds."""

    retry_after: float


@dataclass(frozen=True, slots=True)
class Mismatch:
    """The key was used for another request."""


Begun = New | Replay | InProgress | Mismatch


def begin(connection: Connection, key: RequestKey, request_hash: str, now: datetime, lease: timedelta) -> Begun:
    """Enter a key, or tell what became of it; of any number at once, one gets New."""
    for _ in range(TRIES):
        if _enter(connection, key, request_hash, now, lease):
            return New(key, 1, resumed=False)
        begun = _look(connection, key, request_hash, now, lease)
        if begun is not None:
            return begun
    raise StorageUnavailable("The journal is busy.")


def _enter(connection: Connection, key: RequestKey, request_hash: str, now: datetime, lease: timedelta) -> bool:
    values = {**key.values(), "fence": 1, **_begun(request_hash, now, lease)}
    if connection.dialect.name == "sqlite":
        entry: Insert = sqlite.insert(idempotency).values(values).on_conflict_do_nothing()
    else:
        from sqlalchemy.dialects import postgresql  # noqa: PLC0415 - see gateway.uploads.database

        entry = postgresql.insert(idempotency).values(values).on_conflict_do_nothing()
    return connection.execute(entry.returning(idempotency.c.fence)).first() is not None


def _begun(request_hash: str, now: datetime, lease: timedelta) -> dict[str, Any]:
    return {
        "request_hash": request_hash,
        "state": WORKING,
        "answer": None,
        "created_at": now,
        "lease_until": now + lease,
    }


def _look(
    connection: Connection, key: RequestKey, request_hash: str, now: datetime, lease: timedelta
) -> Begun | None:
    """Judge the entry that is there; None where it was forgotten in the meantime."""
    entry = connection.execute(select(idempotency).where(key.matches()).with_for_update()).first()
    if entry is None:
        return None
    if entry.created_at + LIFETIME <= now and not (entry.state == WORKING and entry.lease_until > now):
        return _restart(connection, key, entry.fence + 1, _begun(request_hash, now, lease), resumed=False)
    if entry.request_hash != request_hash:
        return Mismatch()
    if entry.state == DONE:
        return Replay(entry.answer)
    if entry.lease_until > now:
        return InProgress((entry.lease_until - now).total_seconds())
    return _restart(connection, key, entry.fence + 1, {"lease_until": now + lease}, resumed=True)


def _restart(
    connection: Connection, key: RequestKey, fence: int, changes: dict[str, Any], *, resumed: bool
) -> New:
    connection.execute(update(idempotency).where(key.matches()).values(fence=fence, **changes))
    return New(key, fence, resumed)


def extend(connection: Connection, entry: New, until: datetime) -> None:
    """Keep the entry from being taken over; raises StaleFence where it was."""
    _write(connection, entry, {"lease_until": until})


def finish(connection: Connection, entry: New, answer: dict[str, Any]) -> None:
    """Keep the answer for those who ask again; raises StaleFence where the entry was taken over."""
    _write(connection, entry, {"state": DONE, "answer": answer})


def _write(connection: Connection, entry: New, changes: dict[str, Any]) -> None:
    written = connection.execute(update(idempotency).where(_is_ours(entry)).values(changes))
    if written.rowcount != 1:
        raise StaleFence("Somebody else has taken over the work of this key.")


def forget(connection: Connection, entry: New) -> None:
    """Remove an entry whose work had no effect, so that the key can be used again; another's is left alone."""
    connection.execute(delete(idempotency).where(_is_ours(entry)))


def _is_ours(entry: New) -> ColumnElement[bool]:
    columns = idempotency.c
    return and_(entry.key.matches(), columns.fence == entry.fence, columns.state == WORKING)


def prune(connection: Connection, now: datetime) -> int:
    """Remove the entries that nobody can ask for any more; gives their number."""
    columns = idempotency.c
    old = and_(columns.created_at <= now - LIFETIME, (columns.state == DONE) | (columns.lease_until <= now))
    return connection.execute(delete(idempotency).where(old)).rowcount
