"""The life of one upload: what a ticket holds, and the only ways in which it may change. Pure: nothing awaits.

::

    PENDING ──> VERIFIED ──> SENDING ──> SENT ──> FINALIZED
       │           │  ^         │ │        ^
       │           │  └─────────┘ └─> UNKNOWN ──> VERIFIED | FAILED
       └───────────┴─> FAILED | CANCELLED | EXPIRED

An attempt that died in SENDING is never sent again blindly: it goes to SENT when the upstream has the file, back to
VERIFIED when it provably has not, and to UNKNOWN when neither can be told. FAILED goes back to VERIFIED only where
its cause may pass, as ``retryable`` of the error's class says.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, TypedDict, Unpack
from uuid import uuid4

from gateway.domain.errors import Conflict, error_classes


class TicketState(Enum):
    """How far an upload has come; the value stands in the journal and never changes."""

    PENDING = "pending"
    """A place to put the bytes was given out; nobody has said that they are there."""
    VERIFIED = "verified"
    """The staged object is what was announced: its size, hash and type were checked."""
    SENDING = "sending"
    """The upstream may have got some, all or none of it. Written before the first byte leaves."""
    SENT = "sent"
    """The upstream has it, and ``result`` says as what."""
    FINALIZED = "finalized"
    """As SENT, and the staged object is removed."""
    FAILED = "failed"
    """The upstream does not have it, and ``error_code`` says why."""
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    UNKNOWN = "unknown"
    """Whether the upstream has it cannot be found out by the gateway; a person decides."""


class UploadMethod(Enum):
    """How the client brings the bytes to the object store."""

    PUT = "put"
    POST = "post"
    MULTIPART = "multipart"


class OnConflict(Enum):
    """What happens where the target has a file of that name, or a field that is filled."""

    FAIL = "fail"
    RENAME = "rename"
    REPLACE = "replace"


_S = TicketState
TRANSITIONS: Mapping[TicketState, frozenset[TicketState]] = {
    _S.PENDING: frozenset({_S.VERIFIED, _S.FAILED, _S.CANCELLED, _S.EXPIRED}),
    _S.VERIFIED: frozenset({_S.SENDING, _S.FAILED, _S.CANCELLED, _S.EXPIRED}),
    _S.SENDING: frozenset({_S.SENT, _S.VERIFIED, _S.UNKNOWN, _S.FAILED}),
    _S.SENT: frozenset({_S.FINALIZED}),
    _S.UNKNOWN: frozenset({_S.SENT, _S.VERIFIED, _S.FAILED}),
    _S.FAILED: frozenset({_S.VERIFIED}),
    _S.FINALIZED: frozenset(),
    _S.CANCELLED: frozenset(),
    _S.EXPIRED: frozenset(),
}
"""Every step that there is; FAILED to VERIFIED is for causes that may pass."""

RESTING = frozenset({_S.FINALIZED, _S.FAILED, _S.CANCELLED, _S.EXPIRED, _S.UNKNOWN})
"""Where nobody works any more, so that reaching one gives the lease back."""
IN_DOUBT = frozenset({_S.SENDING, _S.UNKNOWN})
"""The upstream may hold a file of a ticket that does not know it."""
UNFINISHED = frozenset({_S.VERIFIED, _S.SENDING, _S.SENT})
"""With no live lease, its worker has died and another takes it up."""

FACTS: Mapping[TicketState, tuple[str, ...]] = {
    _S.VERIFIED: ("etag", "verified_size"),
    _S.SENT: ("result",),
    _S.FAILED: ("error_code",),
    _S.UNKNOWN: ("error_code",),
}
"""What a ticket must hold to be in a state."""

PASSING = frozenset(cls.code for cls in error_classes() if cls.retryable)
"""The codes of causes that may pass."""


class LeaseHeld(Conflict):
    """Somebody else works on the ticket; ``retry_after`` (seconds) is when his lease ends."""

    retryable = True


class StaleFence(Conflict):
    """The ticket was taken over, or has moved on, since it was read. Nothing was written: stop working on it."""


class AlreadyTaken(Conflict):
    """The upstream's object is the result of another ticket."""


class Changes(TypedDict, total=False):
    """What a step may write besides the state; ``notes`` replaces all notes."""

    name: str
    media_type: str
    multipart_id: str | None
    etag: str
    verified_size: int
    verified_sha256: str | None
    notes: dict[str, Any]
    result: str
    error_code: str
    error_message: str | None
    bytes_carried: int
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """One upload, as the journal holds it. Sizes are in bytes, times are aware and UTC.

    ``target`` is the reference (``Ref.to_text``) of the record, library or folder that gets the file, ``options``
    what its adapter wants to know besides. ``notes`` are what the adapter wrote down between its steps, ``result``
    is the reference of what came out. ``fence`` grows with each claim: who writes with an older one has been taken
    over.
    ``attempt`` counts how often it became SENDING, ``sending_since`` is when that was last.
    """

    id: str
    tenant: str
    principal: str
    target: str
    options: dict[str, Any]
    name: str
    media_type: str
    size: int
    sha256: str | None
    method: UploadMethod
    object_key: str = field(repr=False)
    multipart_id: str | None = field(default=None, repr=False)
    on_conflict: OnConflict
    created_at: datetime
    updated_at: datetime
    expires_at: datetime
    state: TicketState = TicketState.PENDING
    attempt: int = 0
    fence: int = 0
    lease_owner: str | None = None
    lease_until: datetime | None = None
    sending_since: datetime | None = None
    bytes_carried: int = 0
    etag: str | None = None
    verified_size: int | None = None
    verified_sha256: str | None = None
    notes: dict[str, Any] = field(default_factory=dict)
    result: str | None = None
    error_code: str | None = None
    error_message: str | None = None

    @property
    def may_be_retried(self) -> bool:
        """Whether the ticket failed of something that may pass."""
        return self.state is TicketState.FAILED and self.error_code in PASSING

    def is_leased(self, now: datetime) -> bool:
        """Tell whether somebody works on it."""
        return self.lease_until is not None and self.lease_until > now


def new_ticket(
    *,
    principal: str,
    target: str,
    name: str,
    media_type: str,
    size: int,
    method: UploadMethod,
    object_key: str,
    now: datetime,
    lifetime: timedelta,
    tenant: str = "",
    options: dict[str, Any] | None = None,
    sha256: str | None = None,
    multipart_id: str | None = None,
    on_conflict: OnConflict = OnConflict.FAIL,
) -> Ticket:
    """Make a PENDING ticket with a random id; ``sha256`` is in lower-case hex, ``size`` in bytes."""
    return Ticket(
        id=uuid4().hex,
        tenant=tenant,
        principal=principal,
        target=target,
        options=options or {},
        name=name,
        media_type=media_type,
        size=size,
        sha256=sha256,
        method=method,
        object_key=object_key,
        multipart_id=multipart_id,
        on_conflict=on_conflict,
        created_at=now,
        updated_at=now,
        expires_at=now + lifetime,
    )


def may_step(ticket: Ticket, to: TicketState) -> bool:
    """Tell whether a ticket may go to a state from where it is."""
    if ticket.state is TicketState.FAILED and not ticket.may_be_retried:
        return False
    return to in TRANSITIONS[ticket.state]


def effects(ticket: Ticket, to: TicketState, now: datetime, changes: Changes) -> dict[str, Any]:
    """Give the fields that a step writes, those that follow from the state included.

    Raises Conflict for a step that there is not, and ValueError where a fact is missing that the state needs.
    """
    if not may_step(ticket, to):
        raise Conflict(f"An upload that is {ticket.state.name} cannot become {to.name}.")
    written = {"state": to, "updated_at": now, **_consequences(ticket, to, now), **changes}
    lacking = [name for name in FACTS.get(to, ()) if written.get(name, getattr(ticket, name)) is None]
    if lacking:
        raise ValueError(f"a ticket is not {to.name} without {', '.join(lacking)}")
    return written


def step(ticket: Ticket, to: TicketState, now: datetime, **changes: Unpack[Changes]) -> Ticket:
    """Give the ticket as it is after a step; raises what ``effects`` raises."""
    return replace(ticket, **effects(ticket, to, now, changes))


def _consequences(ticket: Ticket, to: TicketState, now: datetime) -> dict[str, Any]:
    consequences: dict[str, Any] = {}
    if to in {TicketState.VERIFIED, TicketState.SENDING, TicketState.SENT}:
        consequences |= {"error_code": None, "error_message": None}
    if to is TicketState.VERIFIED:
        consequences |= {"sending_since": None}
    if to is TicketState.SENDING:
        consequences |= {"attempt": ticket.attempt + 1, "sending_since": now, "bytes_carried": 0}
    if to in RESTING:
        consequences |= {"lease_owner": None, "lease_until": None}
    return consequences
