"""The versions of the journal's schema, in order. A version that was released is never edited: add the next one.

Each is plain SQL that SQLite and PostgreSQL read alike, and runs in one transaction with the note that it ran, so a
process that dies in the middle leaves the version before. ``tables`` says what the newest looks like.
"""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import Connection, func, insert, select, text

from gateway.domain.errors import StorageUnavailable
from gateway.uploads.tables import schema_version

ADVISORY_LOCK = 0x6174_7467
"""Any number that no other program takes for a lock of PostgreSQL in the same database."""

Migration = Callable[[Connection], None]


class JournalTooNew(StorageUnavailable):
    """The journal was written by a newer gateway; waiting does not help, installing that version does."""

    retryable = False


def _first(connection: Connection) -> None:
    for statement in (
        """
        CREATE TABLE tickets (
          id TEXT PRIMARY KEY,
          tenant TEXT NOT NULL,
          principal TEXT NOT NULL,
          target TEXT NOT NULL,
          options JSON NOT NULL,
          name TEXT NOT NULL,
          media_type TEXT NOT NULL,
          size BIGINT NOT NULL,
          sha256 TEXT,
          method TEXT NOT NULL,
          object_key TEXT NOT NULL UNIQUE,
          multipart_id TEXT,
          on_conflict TEXT NOT NULL,
          created_at TIMESTAMP WITH TIME ZONE NOT NULL,
          updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
          expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
          state TEXT NOT NULL,
          attempt INTEGER NOT NULL,
          fence BIGINT NOT NULL,
          lease_owner TEXT,
          lease_until TIMESTAMP WITH TIME ZONE,
          sending_since TIMESTAMP WITH TIME ZONE,
          bytes_carried BIGINT NOT NULL,
          etag TEXT,
          verified_size BIGINT,
          verified_sha256 TEXT,
          notes JSON NOT NULL,
          result TEXT,
          error_code TEXT,
          error_message TEXT
        )
        """,
        "CREATE INDEX tickets_by_state ON tickets (state, updated_at)",
        "CREATE INDEX tickets_by_target ON tickets (target)",
        """
        CREATE TABLE idempotency (
          tenant TEXT NOT NULL,
          principal TEXT NOT NULL,
          operation TEXT NOT NULL,
          key TEXT NOT NULL,
          request_hash TEXT NOT NULL,
          state TEXT NOT NULL,
          answer JSON,
          fence BIGINT NOT NULL,
          lease_until TIMESTAMP WITH TIME ZONE NOT NULL,
          created_at TIMESTAMP WITH TIME ZONE NOT NULL,
          PRIMARY KEY (tenant, principal, operation, key)
        )
        """,
        "CREATE INDEX idempotency_by_age ON idempotency (created_at)",
    ):
        connection.execute(text(statement))


def _second(connection: Connection) -> None:
    """Give what was written before there were tenants to the one that there is where none is configured."""
    for table in ("tickets", "idempotency"):
        connection.execute(text(f"UPDATE {table} SET tenant = 'default' WHERE tenant = ''"))  # noqa: S608 - ours


MIGRATIONS: tuple[Migration, ...] = (_first, _second)
NEWEST = len(MIGRATIONS)


def migrate(connection: Connection, now: datetime) -> int:
    """Bring the schema to the newest version inside of a write transaction; gives the number of versions added.

    The first of several processes does it while the others wait: SQLite's write lock sees to that, and on PostgreSQL
    a lock of our own. Raises JournalTooNew, and changes nothing, for a version that this gateway does not know.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(ADVISORY_LOCK)))
    connection.execute(
        text(
            "CREATE TABLE IF NOT EXISTS schema_version"
            " (version INTEGER PRIMARY KEY, applied_at TIMESTAMP WITH TIME ZONE NOT NULL)"
        )
    )
    at = connection.scalar(select(func.coalesce(func.max(schema_version.c.version), 0))) or 0
    if at > NEWEST:
        raise JournalTooNew(f"The journal has schema {at}, and this gateway knows {NEWEST} at most: update it.")
    for version, migration in enumerate(MIGRATIONS[at:], start=at + 1):
        migration(connection)
        connection.execute(insert(schema_version).values(version=version, applied_at=now))
    return NEWEST - at
