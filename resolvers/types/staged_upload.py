"""StagedUpload: a file on its way, from the announcement to the source that owns it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import strawberry

from gateway.domain import model
from gateway.domain.errors import BadIdentifier, NotFound
from gateway.domain.refs import Ref, RefType
from gateway.uploads.targets import StagedTarget, part_size
from gateway.uploads.tickets import OnConflict, Ticket, TicketState, UploadMethod
from resolvers.enums import ErrorCode, described
from resolvers.scalars import URL, ByteCount
from resolvers.types.node import Info, Node, resolved
from resolvers.types.stored_file import StoredFile

described(
    TicketState,
    "StagedUploadState",
    "How far an upload has come.",
    {
        TicketState.CANCELLED: "The caller ended it before anything was sent.",
        TicketState.EXPIRED: "The bytes did not arrive in time.",
        TicketState.FAILED: "The source does not have it; the error says why. Some causes pass: finalize again.",
        TicketState.FINALIZED: "The source has it, and the staged bytes are gone.",
        TicketState.PENDING: "The target was given out; the bytes may be on their way to it.",
        TicketState.SENDING: "The gateway carries it to its source.",
        TicketState.SENT: "The source has it.",
        TicketState.UNKNOWN: "Whether the source has it cannot be found out: decide with `stagedUploadResolve`.",
        TicketState.VERIFIED: "The bytes are there and are what was announced.",
    },
)
described(
    UploadMethod,
    "UploadMethod",
    "How the bytes are sent to the store.",
    {
        UploadMethod.MULTIPART: "In parts, for large or resumable uploads.",
        UploadMethod.POST: "As an HTML form with the file as its last field.",
        UploadMethod.PUT: "As the body of one request.",
    },
)
described(
    OnConflict,
    "ConflictBehavior",
    "What to do when the name is taken, or a field that holds one file is filled.",
    {
        OnConflict.FAIL: "Refuse the upload. Finding out costs one or two upstream requests.",
        OnConflict.RENAME: "Number the name. Finding out costs one or two upstream requests.",
        OnConflict.REPLACE: "Take the place of a file in a field that holds one; elsewhere both stay.",
    },
)


@dataclass(frozen=True, slots=True)
class Pair:
    """What `NameValue` shows."""

    name: str
    value: str


@strawberry.type(description="A name and a value, to be sent as they are.")
class NameValue:
    """A view of `Pair`."""

    name: str = strawberry.field(description="The name.")
    value: str = strawberry.field(description="The value.")


def _headers(root: StagedTarget) -> list[Pair]:
    return [Pair(name, value) for name, value in root.headers.items()]


def _parameters(root: StagedTarget) -> list[Pair]:
    return [Pair(name, value) for name, value in root.parameters.items()]


@strawberry.type(
    description="Where to send the bytes, exactly as told. Whoever has it may upload: it is a secret."
)
class StagedUploadTarget:
    """A view of `gateway.uploads.targets.StagedTarget`."""

    method: UploadMethod = resolved(
        lambda root: UploadMethod[root.method], "How: PUT for one body or one part, POST for a form."
    )
    url: URL = strawberry.field(description="The address.")
    headers: list[NameValue] = resolved(_headers, "Headers to send as they are (PUT).")
    parameters: list[NameValue] = resolved(_parameters, "Form fields to send before the field `file` (POST).")
    expires_at: datetime = strawberry.field(description="When the store stops taking it.")


@dataclass(frozen=True, slots=True)
class Upload:
    """What `StagedUpload` shows."""

    ticket: Ticket

    @property
    def ref(self) -> Ref:
        """Make the identifier."""
        return Ref(Ref.from_text(self.ticket.target).source, RefType.UPLOAD, (self.ticket.id,))


async def find_upload(ref: Ref, info: Info) -> Upload:
    """Find an upload by its identifier; raises BadIdentifier and NotFound. No upstream request."""
    uploads = info.context.uploads
    if ref.type is not RefType.UPLOAD or len(ref.key) != 1:
        raise BadIdentifier("This is not the identifier of an upload.")
    if uploads is None:
        raise NotFound("There is no such upload, or it may not be seen.")
    return Upload(await uploads.journal.get(ref.key[0], info.context.writer.tenant))


def _targets(root: Upload, info: Info) -> Sequence[StagedTarget]:
    """Sign where the bytes go; no request."""
    uploads = info.context.uploads
    return () if uploads is None else uploads.staged(root.ticket).targets


def _part_size(root: Upload) -> int | None:
    return part_size(root.ticket.size) if root.ticket.method is UploadMethod.MULTIPART else None


async def _file(root: Upload, info: Info) -> model.Entry | None:
    if root.ticket.result is None:
        return None
    return await info.context.loaders.entries.load(Ref.from_text(root.ticket.result))


@strawberry.type(description="What kept an upload from going on.")
class StagedUploadProblem:
    """A view of the error that a ticket holds."""

    code: ErrorCode = resolved(lambda root: ErrorCode[root.error_code], "What it is.")
    message: str = resolved(lambda root: root.error_message or "", "The same in a sentence for people.")
    retryable: bool = resolved(lambda root: root.may_be_retried, "Whether finalizing it again may help.")


def _problem(root: Upload) -> Ticket | None:
    return root.ticket if root.ticket.error_code else None


@strawberry.type(description="A file on its way. Asking for it costs no upstream request, but its `file` does.")
class StagedUpload(Node):
    """A view of `Upload`."""

    name: str = resolved(lambda root: root.ticket.name, "The name it will have, or has.")
    media_type: str = resolved(lambda root: root.ticket.media_type, "The media type that was announced.")
    size: ByteCount = resolved(lambda root: root.ticket.size, "The size that was announced.")
    method: UploadMethod = resolved(lambda root: root.ticket.method, "How its bytes are sent to the store.")
    state: TicketState = resolved(lambda root: root.ticket.state, "How far it has come.")
    bytes_carried: ByteCount = resolved(
        lambda root: root.ticket.bytes_carried, "How much of it has left for its source, in this attempt."
    )
    created_at: datetime = resolved(lambda root: root.ticket.created_at, "When it was announced.")
    expires_at: datetime = resolved(lambda root: root.ticket.expires_at, "When the gateway gives it up.")
    targets: list[StagedUploadTarget] = resolved(
        _targets,
        "Where to send the bytes while it is PENDING: one target, or one for each of the first 100 parts. They are "
        "signed anew before they end, so whoever comes too late asks for them again: here, or by repeating "
        "`stagedUploadsCreate` with its key.",
    )
    part_size: ByteCount | None = resolved(
        _part_size, "The size of every part but the last, for an upload in parts."
    )
    problem: StagedUploadProblem | None = resolved(
        _problem, "What kept it from going on; null when all is well."
    )
    file: StoredFile | None = resolved(
        _file, "What it became at its source; null until it is SENT. One upstream request."
    )

    @classmethod
    def is_type_of(cls, obj: Any, _: Any) -> bool:
        """Tell whether a value is shown as a StagedUpload."""
        return isinstance(obj, Upload)
