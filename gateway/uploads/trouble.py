"""Failures of the journal's databases in the gateway's words."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import exc

from gateway.domain.errors import StorageUnavailable

BUSY = "The journal is busy."
DEFECTS = (exc.IntegrityError, exc.ProgrammingError, exc.DataError, exc.NotSupportedError)
"""What is wrong with the statement, and no trouble of the storage."""
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
def translated() -> Iterator[None]:
    """Name what went wrong below as StorageUnavailable. Defects of our own SQL pass."""
    try:
        yield
    except DEFECTS:
        raise
    except (exc.DBAPIError, sqlite3.Error) as exc_:
        raise StorageUnavailable(reason(exc_)) from exc_
    except (exc.TimeoutError, OSError) as exc_:
        raise StorageUnavailable("The journal cannot be reached.") from exc_


def reason(error: Exception) -> str:
    """Say in a sentence what a driver's error means."""
    driver = getattr(error, "orig", None) or error
    name = getattr(driver, "sqlite_errorname", None) or getattr(driver, "sqlstate", None) or ""
    for start, sentence in _REASONS.items():
        if name.startswith(start):
            return sentence
    return "The journal cannot be reached."
