"""A source that keeps what it is given, and an upload service over it, a real journal and the real store."""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import httpx

from gateway.domain.changes import UploadItem
from gateway.domain.details import DecisivDetails
from gateway.domain.errors import BadInput, GatewayError, OutcomeUnknown, Unavailable
from gateway.domain.model import (
    Attachment,
    AttachmentListing,
    Entry,
    Listed,
    Record,
    RecordKind,
    SourceKind,
)
from gateway.domain.refs import Ref, RefType
from gateway.sandbox.store import Store
from gateway.transport.call import Call
from gateway.uploads.journal import Journal
from gateway.uploads.service import NewUpload, UploadService
from gateway.uploads.storage import StagingStore
from gateway.uploads.tickets import Ticket, TicketState, UploadMethod
from gateway.uploads.transfer import Patience
from gateway.upstreams.base import Listing, Note, OpenBytes

CASE = Ref("shelf", RefType.RECORD, ("1",))
BODY = b"%PDF-1.7\n" + bytes(range(256)) * 20
LEASE = 15.0


@dataclass(slots=True)
class Clock:
    """The time, which a test puts forward."""

    ahead: timedelta = timedelta()

    def __call__(self) -> datetime:
        """Give the time."""
        return datetime.now(UTC) + self.ahead

    def pass_by(self, seconds: float) -> None:
        """Let time pass."""
        self.ahead += timedelta(seconds=seconds)


@dataclass
class Shelf:
    """A source that takes any file at once, of whatever name, unless a test tells it otherwise.

    ``before`` and ``after`` run around the taking of a file and may raise or wait; ``knows`` is whether it can tell
    afterwards what it has taken, ``lists`` whether it shows the names of what it has.
    """

    files: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    """Names and contents by the markers of the uploads that brought them."""
    attempts: int = 0
    asked: int = 0
    before: Callable[[], Any] | None = None
    after: Callable[[], Any] | None = None
    knows: bool = True
    lists: bool = False
    name: str = "shelf"
    max_bytes: int | None = None

    kind: ClassVar = SourceKind.DECISIV
    record_kind: ClassVar[RecordKind | None] = RecordKind.CASE

    async def fetch(self, refs: Sequence[Ref], call: Call) -> Sequence[Entry | GatewayError]:  # noqa: ARG002
        """Know no single file."""
        return [BadInput("This source lists nothing.", source=self.name) for _ in refs]

    async def children(self, parents: Sequence[Ref], call: Call) -> Sequence[Listing | GatewayError]:  # noqa: ARG002
        """List what it has, where a test wants names to be taken."""
        return [
            AttachmentListing.of(Record(one, RecordKind.CASE), Listed(self._attachments(one)))
            for one in parents
        ]

    def _attachments(self, parent: Ref) -> tuple[Attachment, ...]:
        record = Record(parent, RecordKind.CASE)
        return tuple(
            Attachment(
                ref=Ref(self.name, RefType.ATTACHMENT, ("1", marker)),
                name=name,
                size=len(body),
                media_type=None,
                created_at=None,
                updated_at=None,
                record=record,
                details=DecisivDetails(marker, *[None] * 9),
                can_update=False,
                can_delete=False,
            )
            for marker, (name, body) in self.files.items()
            if self.lists
        )

    async def probe(self, call: Call) -> None:
        """Do nothing: it is always there."""

    async def aclose(self) -> None:
        """Hold no connection."""

    def check(self, item: UploadItem) -> None:
        """Refuse nothing but one name."""
        if item.name == "refused.pdf":
            raise BadInput("The source takes no such file.", source=self.name)

    async def upload(self, item: UploadItem, bytes_of: OpenBytes, call: Call, note: Note) -> Ref:  # noqa: ARG002
        """Take the bytes, and keep them when all have come."""
        self.attempts += 1
        async with bytes_of() as chunks:
            body = b"".join([chunk async for chunk in chunks])
        await _run(self.before)
        self.files[item.marker] = (item.name, body)
        await _run(self.after)
        return self._ref(item)

    async def reconcile(self, item: UploadItem, call: Call) -> Ref | None:  # noqa: ARG002
        """Look for a file of this upload."""
        self.asked += 1
        if not self.knows:
            raise OutcomeUnknown("The source tells nothing.", source=self.name)
        return self._ref(item) if item.marker in self.files else None

    def _ref(self, item: UploadItem) -> Ref:
        return Ref(self.name, RefType.ATTACHMENT, ("1", item.marker))


async def _run(step: Callable[[], Any] | None) -> None:
    if step is not None and asyncio.iscoroutine(waiting := step()):
        await waiting


def broken(error: GatewayError | None = None, times: int = 1) -> Callable[[], None]:
    """Make a step that raises so many times, by default as if the connection had broken."""
    left = [error or Unavailable("The source broke off its answer.", source="shelf")] * times

    def step() -> None:
        if left:
            raise left.pop()

    return step


@dataclass(slots=True)
class Desk:
    """A service with all that it works with."""

    shelf: Shelf
    journal: Journal
    staging: StagingStore
    service: UploadService
    clock: Clock

    async def staged(self, body: bytes | None = BODY, **more: Any) -> Ticket:
        """Prepare one upload, and bring its bytes to the store unless they are None."""
        size = len(BODY if body is None else body)
        hashed = {} if body is None or "method" in more else {"sha256": hashlib.sha256(body).hexdigest()}
        usual = {"target": CASE, "name": "devis.pdf", "media_type": "application/pdf", "size": size}
        values = {**usual, **hashed, **more}
        (made,) = await self.service.create([NewUpload(**values)], "me", "")
        assert not isinstance(made, GatewayError), made
        if body is not None and made.ticket.method is not UploadMethod.MULTIPART:
            await put(made.targets[0], body)
        return made.ticket

    async def read(self, ticket: Ticket) -> Ticket:
        """Read a ticket as it is now."""
        return await self.journal.get(ticket.id, "")

    async def left_in(self, state: TicketState, **facts: Any) -> Ticket:
        """Leave an upload as a worker that died in a state left it; its lease is over."""
        ticket = await self.journal.claim((await self.staged()).id, "dead", LEASE)
        if state is not TicketState.PENDING:
            stored = await self.staging.stat(ticket.object_key)
            digest = hashlib.sha256(BODY).hexdigest()
            seen: dict[str, Any] = {
                "etag": stored.etag,
                "verified_size": stored.size,
                "verified_sha256": digest,
            }
            ticket = await self.journal.advance(ticket, TicketState.VERIFIED, **seen)
        if state in (TicketState.SENDING, TicketState.SENT):
            ticket = await self.journal.advance(ticket, TicketState.SENDING)
        if state is TicketState.SENT:
            ticket = await self.journal.advance(ticket, TicketState.SENT, **facts)
        self.clock.pass_by(LEASE + 1)
        return ticket


async def put(target: Any, body: bytes) -> None:
    """Send bytes to the store as a target says."""
    async with httpx.AsyncClient(trust_env=False) as client:
        if target.method == "POST":
            sent = await client.post(target.url, data=dict(target.parameters), files={"file": ("x.pdf", body)})
        else:
            sent = await client.put(target.url, content=body, headers=dict(target.headers))
    sent.raise_for_status()


async def until(condition: Callable[[], Any], seconds: float = 60.0) -> None:
    """Wait for something that another task brings about."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if await found if asyncio.iscoroutine(found) else found:
            return
        assert time.monotonic() < deadline, "it did not come about"
        await asyncio.sleep(0.01)


@asynccontextmanager
async def a_desk(store: Store, bucket: str, folder: Path, lease: float = LEASE) -> AsyncIterator[Desk]:
    """Open a desk; an attempt without an answer is looked for at once."""
    clock, shelf = Clock(), Shelf()
    journal = await Journal.open(f"sqlite:///{folder}/journal.db", clock)
    staging = StagingStore(await asyncio.to_thread(store.settings, bucket))
    service = UploadService(
        journal, staging, lambda _: {"shelf": shelf}, patience=Patience(settling=0.0), lease=lease, now=clock
    )
    try:
        yield Desk(shelf, journal, staging, service, clock)
    finally:
        await service.aclose()
        await staging.aclose()
        await journal.aclose()
