"""Does the work of a write once per idempotency key, and answers the same to everybody who asks with that key."""

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from gateway.domain.errors import BadInput, GatewayError, KeyReused, StorageUnavailable
from gateway.uploads.idempotency import InProgress, Mismatch, New, Replay, RequestKey
from gateway.uploads.journal import KEY_LEASE, Journal
from gateway.uploads.tickets import LeaseHeld, StaleFence

LONGEST_KEY = 255
FIRST_LOOK, LONGEST_LOOK = 0.05, 0.4
"""Seconds between two looks at work that another process does; they grow from the first to the longest."""

Answer = dict[str, Any]
Work = Callable[[bool], Awaitable[Answer]]
"""Does the work and gives its answer as JSON; told whether another process began it and died.

An answer whose ``kept`` is False is given and forgotten: the same request does the work again.
"""


async def once(journal: Journal, key: RequestKey, body: bytes, work: Work, seconds: float) -> Answer:
    """Give the answer of a write: of the work, if this is the first request with the key, else of the first one.

    ``body`` is what the request says, ``seconds`` how long to wait for work that another request does. Of equal
    requests at once, one in each process asks the journal. Raises KeyReused for a key of another body, LeaseHeld
    where that work takes longer, BadInput for a bad key, and what the work raises, after which the key is free again.
    """
    if not 0 < len(key.key) <= LONGEST_KEY:
        raise BadInput(f"An `idempotencyKey` has 1 to {LONGEST_KEY} characters.")
    digest = hashlib.sha256(body).hexdigest()
    flight = (key, digest)
    patience = seconds if journal.flights.running(flight) else None
    try:
        async with asyncio.timeout(patience):
            return await journal.flights.run(flight, lambda: _first(journal, key, digest, work, seconds))
    except TimeoutError as exc:
        raise _still_working() from exc


async def _first(journal: Journal, key: RequestKey, digest: str, work: Work, seconds: float) -> Answer:
    begun = await _begin(journal, key, digest, time.monotonic() + seconds)
    if isinstance(begun, Replay):
        return begun.answer
    keeper = asyncio.create_task(_keep(journal, begun))
    try:
        answer = await work(begun.resumed)
    except GatewayError:
        await journal.forget(begun)
        raise
    finally:
        keeper.cancel()
    if answer.get("kept", True):
        await journal.finish(begun, answer)
    else:
        await journal.forget(begun)
    return answer


async def _begin(journal: Journal, key: RequestKey, digest: str, until: float) -> New | Replay:
    pause = FIRST_LOOK
    while True:
        begun = await journal.begin(key, digest)
        if isinstance(begun, Mismatch):
            raise KeyReused("This `idempotencyKey` was used for another request within 24 hours.")
        if not isinstance(begun, InProgress):
            return begun
        if time.monotonic() >= until:
            raise _still_working()
        await asyncio.sleep(pause)
        pause = min(2 * pause, LONGEST_LOOK)


def _still_working() -> LeaseHeld:
    message = "The first request with this `idempotencyKey` is still being worked on."
    return LeaseHeld(message, retry_after=1.0)


async def _keep(journal: Journal, begun: New) -> None:
    """Keep the work from being taken over while it is done; where it was, finishing it will say so."""
    with suppress(StaleFence):
        while True:
            await asyncio.sleep(KEY_LEASE / 3)
            with suppress(StorageUnavailable):  # the next try may find the journal again, in time
                await journal.extend(begun)
