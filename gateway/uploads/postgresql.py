"""The journal on a PostgreSQL server, which any number of gateways share."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from sqlalchemy import URL, Connection
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from gateway.domain.errors import BadInput
from gateway.transport.unheard import look_at
from gateway.uploads.trouble import translated

T = TypeVar("T")
Work = Callable[[Connection], T]

CONNECTIONS = 8
UNREACHABLE_AFTER = 5
"""Seconds until a server that does not answer counts as lost."""


class Postgresql:
    """Transactions on a server; made inside of the loop that uses it.

    ``patience`` is in seconds: how long a write waits for a connection of this process, and then for other writers.
    """

    def __init__(self, url: URL, patience: float) -> None:
        self._begun: set[asyncio.Task[Any]] = set()
        self._engine = _engine(url, patience)

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
        await self._engine.dispose()

    async def _unbroken(self, work: Coroutine[Any, Any, T]) -> T:
        """Bring a transaction to its end even if nobody waits for it any more, so that its connection stays whole."""
        task = asyncio.create_task(work)
        self._begun.add(task)
        task.add_done_callback(self._begun.discard)
        task.add_done_callback(look_at)
        return await asyncio.shield(task)

    async def _read(self, work: Work[T]) -> T:
        with translated():
            async with self._engine.connect() as connection:
                return await connection.run_sync(work)

    async def _write(self, work: Work[T]) -> T:
        with translated():
            async with self._engine.begin() as connection:
                return await connection.run_sync(work)


def _engine(url: URL, patience: float) -> AsyncEngine:
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
