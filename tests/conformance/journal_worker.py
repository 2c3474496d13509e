"""A process that works on tickets until it is killed: ``python -m tests.conformance.journal_worker URL``.

It prints a line ``<ticket> <state>`` after each step that the journal has acknowledged.
"""

import asyncio
import sys
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from gateway.uploads.journal import Journal
from gateway.uploads.tickets import Ticket, TicketState, UploadMethod, new_ticket

LEASE_S = 60.0


def clock() -> datetime:
    """Give the time."""
    return datetime.now(UTC)


def ticket() -> Ticket:
    """Make a ticket that no other process knows."""
    return new_ticket(
        principal="worker",
        target="parent",
        name="été.pdf",
        media_type="application/pdf",
        size=10,
        method=UploadMethod.PUT,
        object_key=uuid4().hex,
        now=clock(),
        lifetime=timedelta(hours=1),
    )


async def carry(journal: Journal) -> None:
    """Take one ticket from the beginning to the end."""
    new = ticket()
    await journal.create([new])
    ours = await journal.claim(new.id, "worker", LEASE_S)
    steps = (
        (TicketState.VERIFIED, {"etag": "e", "verified_size": 10}),
        (TicketState.SENDING, {}),
        (TicketState.SENT, {"result": new.id}),
        (TicketState.FINALIZED, {}),
    )
    for state, changes in steps:
        ours = await journal.advance(ours, state, **changes)
        print(ours.id, state.name, flush=True)  # noqa: T201 -- what the other process reads


async def main(url: str) -> None:
    """Work until killed."""
    journal = await Journal.open(url, clock)
    while True:
        await carry(journal)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
