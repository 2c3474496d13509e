"""The contract of an adapter, and what all adapters are made of.

An adapter is one file laid out in the same sections: settings, the adapter with its core protocol, one section per
optional protocol, errors. What the upstream writes and how it becomes domain objects is beside it in ``wire``, and
uploads that take several requests have theirs in ``steps``. Capabilities are derived from the protocols that a class
implements, so declaring and implementing cannot drift apart.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import ClassVar, Protocol, TypeVar, runtime_checkable
from urllib.parse import parse_qs, urlsplit

import msgspec

from gateway.domain.capabilities import Capability, Operation
from gateway.domain.changes import (
    Deletion,
    FileChange,
    FolderChange,
    FolderDeletion,
    NewFolder,
    UploadItem,
)
from gateway.domain.errors import (
    BadInput,
    BadResponse,
    Conflict,
    Forbidden,
    GatewayError,
    NotFound,
    RateLimited,
    TooLarge,
    Unauthenticated,
    Unavailable,
)
from gateway.domain.model import (
    AttachmentListing,
    Entry,
    File,
    Folder,
    RecordKind,
    SignedLink,
    Source,
    SourceKind,
)
from gateway.domain.refs import Ref, RefType
from gateway.domain.tree import Tree
from gateway.transport.auth import Auth
from gateway.transport.call import Call
from gateway.transport.client import SourceClient
from gateway.transport.egress import Egress
from gateway.transport.exchange import Exchange
from gateway.transport.messages import Limits, Response, Stream
from gateway.transport.retry import retry_after

K = TypeVar("K", bound=Hashable)
Q = TypeVar("Q")
R = TypeVar("R")
Listing = AttachmentListing | Tree

SERVER_ERROR = 500


# Settings


class SourceSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every ``[[sources]]`` table may hold; each kind adds its own keys.

    ``url`` is the base URL of the upstream's API. Times are in seconds, ``max_body`` in bytes. ``link_hosts`` names
    the hosts, as ``host`` or ``host:port``, that the source may point the gateway at, and ``private_links`` says
    whether these may have private addresses and, with a port, be asked without TLS: None is no, and what
    ``Settings`` makes true outside of production. ``tenant`` says whose the source is, where there are tenants.
    ``pass_through`` names the header in which users bring their own credential for the source, and
    ``pass_through_as`` the one in which it is sent on, unchanged.
    """

    name: str
    kind: str
    url: str
    connect_timeout: float = 1.0
    try_timeout: float = 3.0
    concurrency: int = 32
    max_body: int = 10 * 1024 * 1024
    link_hosts: tuple[str, ...] = ()
    private_links: bool | None = None
    tenant: str = ""
    pass_through: str = ""
    pass_through_as: str = "Authorization"  # noqa: S105 - a header's name

    def limits(self) -> Limits:
        """Give the bounds of the source's client."""
        return Limits(
            connect_timeout=self.connect_timeout,
            try_timeout=self.try_timeout,
            concurrency=self.concurrency,
            max_body=self.max_body,
        )


def connect(settings: SourceSettings, auth: Auth) -> SourceClient:
    """Make the client of a source; it opens no connection yet."""
    return SourceClient(settings.name, settings.url, auth, Exchange(settings.name, settings.limits()))


def open_door(settings: SourceSettings) -> Egress:
    """Make the door to the hosts that a source may point at; it opens no connection yet."""
    private = bool(settings.private_links)
    exchange = Exchange(settings.name, settings.limits(), private=private)
    return Egress(settings.name, frozenset(settings.link_hosts), exchange, private)


# The contract


class Adapter(Protocol):
    """What every adapter does.

    Every method takes the call whose deadline and trace it spends. Results come in the order of the keys, one per
    key, duplicates included; the empty list gives the empty list and costs nothing. A key that fails is a
    GatewayError *value* in its place, NotFound for what is not there, and never fails its neighbours.
    """

    kind: ClassVar[SourceKind]
    record_kind: ClassVar[RecordKind | None]
    """What this kind's attachments hang on; None where files live in folders."""

    @property
    def name(self) -> str:
        """The name that the operator gave the source."""

    async def fetch(self, refs: Sequence[Ref], call: Call) -> Sequence[Entry | GatewayError]:
        """Get attachments, files or folders; the adapter says how many upstream requests that costs."""

    async def children(self, parents: Sequence[Ref], call: Call) -> Sequence[Listing | GatewayError]:
        """List what hangs on records (an AttachmentListing each) or stands in libraries (a Tree each)."""

    async def probe(self, call: Call) -> None:
        """Ask the cheapest question that shows whether address and credential work; raises what it finds."""

    async def aclose(self) -> None:
        """Close the connections."""


@dataclass(frozen=True, slots=True)
class Content:
    """The bytes of a file on their way.

    ``size`` is how many bytes come, where it is known; ``content_range`` is set when they are only a part (206).
    """

    size: int | None
    content_range: str | None
    chunks: AsyncIterator[bytes] = field(repr=False)


@runtime_checkable
class SupportsSignedLinks(Protocol):
    """The source signs links that need no credential."""

    async def sign(self, ref: Ref, call: Call) -> SignedLink:
        """Get a signed link to a file's bytes. One upstream request."""


@runtime_checkable
class SupportsContent(Protocol):
    """The gateway can carry a file's bytes from the source."""

    supports_range: ClassVar[bool]

    def open(self, ref: Ref, call: Call, byte_range: str | None = None) -> AbstractAsyncContextManager[Content]:
        """Open a file's bytes, or the one range of them, as a stream. One upstream request."""


Note = Callable[[Mapping[str, str]], Awaitable[None]]
"""Records durably what a later step or a reconciliation needs; awaited before the step that it is about."""
OpenBytes = Callable[[], AbstractAsyncContextManager[AsyncIterator[bytes]]]
"""Opens the staged bytes from their beginning."""


@runtime_checkable
class SupportsUpload(Protocol):
    """The source takes new files."""

    @property
    def max_bytes(self) -> int | None:
        """The largest file it takes, where there is a limit."""

    def check(self, item: UploadItem) -> None:
        """Refuse an upload that cannot succeed: BadInput, TooLarge, Unsupported. No upstream request."""

    async def upload(self, item: UploadItem, bytes_of: OpenBytes, call: Call, note: Note) -> Ref:
        """Carry the bytes and give the new object's reference.

        BadInput, TooLarge, NotFound, Forbidden, Unauthenticated, QuotaExceeded, Conflict, Unsupported and RateLimited
        mean that nothing was made, or that what was made is gone again. After anything else the caller reconciles.
        """

    async def reconcile(self, item: UploadItem, call: Call) -> Ref | None:
        """Find out what an attempt without an answer did: the object's reference, or None when it is proven absent.

        Takes away half-made objects first. Raises OutcomeUnknown where the source cannot tell.
        """


@runtime_checkable
class SupportsUpdate(Protocol):
    """The source renames, moves or re-dates files."""

    async def update(self, changes: Sequence[FileChange], call: Call) -> Sequence[Entry | GatewayError]:
        """Change files, one result per change in order: the file as it is afterwards."""


@runtime_checkable
class SupportsDelete(Protocol):
    """The source deletes files."""

    async def delete(self, refs: Sequence[Ref], call: Call) -> Sequence[Deletion | GatewayError]:
        """Delete files, one result per reference in order. What is not there any more counts as deleted."""

    async def deletion(self, deletion: Deletion, call: Call) -> Deletion:
        """Ask how far a deletion is that takes time."""


@runtime_checkable
class SupportsFolders(Protocol):
    """The source makes, moves and deletes folders."""

    async def create_folders(self, folders: Sequence[NewFolder], call: Call) -> Sequence[Folder | GatewayError]:
        """Make folders, one result per folder in order."""

    async def update_folders(
        self, changes: Sequence[FolderChange], call: Call
    ) -> Sequence[Folder | GatewayError]:
        """Rename and move folders; a move below itself is a Conflict (the source would accept it)."""

    async def delete_folders(
        self, folders: Sequence[FolderDeletion], call: Call
    ) -> Sequence[Ref | GatewayError]:
        """Delete folders; one that holds anything is a Conflict unless its contents may go the source's way."""


@runtime_checkable
class SupportsTextRecognition(Protocol):
    """The source makes a text file of a scan."""

    async def recognize_text(self, ref: Ref, call: Call) -> File:
        """Make the text file; QuotaExceeded where no pages are left."""


@runtime_checkable
class SupportsLinking(Protocol):
    """The source hangs attachments that exist on another record."""

    async def link(self, record: Ref, attachments: Sequence[Ref], call: Call) -> AttachmentListing:
        """Hang attachments on a record without dropping those that hang there; gives all that hang there then."""


@runtime_checkable
class PassesThrough(Protocol):
    """The source may be asked with the credential of the user alone."""

    @property
    def passes_through(self) -> bool:
        """Whether it is, so that nothing can be done at it once the user has gone."""


@runtime_checkable
class Narrowed(Protocol):
    """The source's settings rule out something that its adapter implements."""

    def ruled_out(self) -> Mapping[Operation, str]:
        """Say what, and why not. No upstream request."""


PROTOCOLS: Mapping[Operation, tuple[type, ...]] = {
    Operation.DOWNLOAD: (SupportsSignedLinks, SupportsContent),
    Operation.UPLOAD: (SupportsUpload,),
    Operation.UPDATE: (SupportsUpdate,),
    Operation.DELETE: (SupportsDelete,),
    Operation.CHANGE_FOLDERS: (SupportsFolders,),
    Operation.RECOGNIZE_TEXT: (SupportsTextRecognition,),
    Operation.LINK: (SupportsLinking,),
}
CORE_OPERATIONS = (Operation.LIST, Operation.FETCH)


def describe(adapter: Adapter) -> Source:
    """Say what a source is and can do. No upstream request."""
    ref = Ref(adapter.name, RefType.SOURCE, (adapter.kind.value,))
    return Source(ref, adapter.name, adapter.kind, adapter.record_kind, tuple(capabilities(adapter)))


def capabilities(adapter: Adapter) -> list[Capability]:
    """Derive what a source can do from the protocols that its adapter implements and its settings allow."""
    return [_capability(adapter, operation) for operation in Operation]


def needs_its_user(adapter: Adapter) -> bool:
    """Tell whether a source is asked with the credential of the user alone."""
    return isinstance(adapter, PassesThrough) and adapter.passes_through


def _capability(adapter: Adapter, operation: Operation) -> Capability:
    supported = operation in CORE_OPERATIONS or isinstance(adapter, PROTOCOLS[operation])
    if not supported:
        return Capability(operation, supported=False, reason="This system has no such operation.")
    reason = adapter.ruled_out().get(operation) if isinstance(adapter, Narrowed) else None
    if operation is Operation.UPLOAD and needs_its_user(adapter):
        reason = "Uploads go on without their user, and this source is asked with his credential alone."
    if reason is not None:
        return Capability(operation, supported=False, reason=reason)
    uploads = operation is Operation.UPLOAD
    return Capability(
        operation, supported=True, max_bytes=getattr(adapter, "max_bytes", None) if uploads else None
    )


# What adapters are made of


async def each(keys: Sequence[K], one: Callable[[K], Awaitable[R]]) -> list[R | GatewayError]:
    """Ask for each distinct key at once, as far as the client's concurrency allows, with failures as values."""
    if len(keys) == 1:  # alone it needs no task
        return [await as_value(one(keys[0]))]
    distinct = list(dict.fromkeys(keys))
    outcomes = await asyncio.gather(*(as_value(one(key)) for key in distinct))
    by_key = dict(zip(distinct, outcomes, strict=True))
    return [by_key[key] for key in keys]


async def together(first: Awaitable[Q], second: Awaitable[R]) -> tuple[Q, R]:
    """Wait for two requests at once; when one fails the other is cancelled, so that nothing is left running."""
    tasks = (asyncio.ensure_future(first), asyncio.ensure_future(second))
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()


async def as_value(awaitable: Awaitable[R]) -> R | GatewayError:
    """Wait for a result, or for the error that stands in its place."""
    try:
        return await awaitable
    except GatewayError as exc:
        return exc


def not_found(source: str) -> NotFound:
    """Make the error of a key that is not there."""
    return NotFound("There is no such object, or it may not be seen.", source=source)


def status_error(response: Response | Stream, source: str) -> GatewayError:
    """Name the error of a status where the upstream gives it its usual meaning (`upstreams.md` 6.2)."""
    status = response.status
    wait = retry_after(response.headers.get("retry-after"))
    if status == TOO_MANY_REQUESTS:
        return RateLimited("The source asks for fewer requests.", source=source, retry_after=wait)
    if status >= SERVER_ERROR:
        return Unavailable(f"The source answered {status}.", source=source, retry_after=wait)
    if status in _BY_STATUS:
        cls, message = _BY_STATUS[status]
        return cls(message, source=source)
    return BadResponse(f"The source answered {status}, which its contract does not have.", source=source)


TOO_MANY_REQUESTS = 429
_BY_STATUS: Mapping[int, tuple[type[GatewayError], str]] = {
    400: (BadInput, "The source refused a value of the request."),
    401: (Unauthenticated, "The source refused the gateway's credential."),
    403: (Forbidden, "The source does not let this credential do this."),
    404: (NotFound, "There is no such object, or it may not be seen."),
    409: (Conflict, "The source holds another state than the request assumed."),
    413: (TooLarge, "The source does not take so many bytes."),
    422: (BadInput, "The source refused a value of the request."),
}


def signed_until(url: str) -> datetime | None:
    """Read when a signed S3 link ends: version 4's date and seconds, or version 2's epoch."""
    query = {name.lower(): values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    try:
        if "x-amz-date" in query:
            start = datetime.strptime(query["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
            return start + timedelta(seconds=int(query["x-amz-expires"]))
        if "expires" in query:
            return datetime.fromtimestamp(int(query["expires"]), UTC)
    except (KeyError, ValueError, OverflowError, OSError):
        return None  # a link in no known form still works; how long is not known
    return None
