"""EspoCRM: attachments in fields of any record (`upstreams.md` 5)."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, ClassVar, Literal

import msgspec
from msgspec.structs import replace

from gateway.domain.changes import KEEP, Deletion, DeletionState, FileChange, UploadItem
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
    Unsupported,
)
from gateway.domain.media_types import is_accepted
from gateway.domain.model import Attachment, AttachmentListing, Entry, Listed, Record, RecordKind, SourceKind
from gateway.domain.refs import Ref, RefType
from gateway.domain.secret import Secret
from gateway.transport.auth import Auth, HeaderAuth, HmacAuth, basic
from gateway.transport.bodies import Measured
from gateway.transport.call import Call
from gateway.transport.client import join_path
from gateway.transport.payloads import decode_json
from gateway.upstreams.base import (
    SERVER_ERROR,
    Content,
    Listing,
    Note,
    OpenBytes,
    SourceSettings,
    connect,
    each,
    not_found,
)
from gateway.upstreams.steps.espocrm import JSON, Closed, Contents, Fields, confirm
from gateway.upstreams.wire.espocrm import (
    Held,
    WireAttachment,
    WireList,
    batches,
    check_name,
    check_options,
    check_type,
    is_record,
    native_id_of,
    parse_attachment,
    reason_in,
    where_id_in,
    with_more,
)

FORBIDDEN = 403
MEBIBYTE = 1024 * 1024

NOTED = "attachment"
"""The note that holds the id of an attachment that is being made."""

REFUSALS = (*(BadInput, Conflict, Forbidden, NotFound, RateLimited, Unauthenticated, Unsupported),)
"""Errors after which nothing may be left of an upload."""


# Settings


class EspoCrmSettings(SourceSettings, frozen=True, kw_only=True):
    """One EspoCRM, whose ``url`` ends in ``/api/v1``, and the user that the gateway is there.

    ``auth`` says which keys count: ``api_key`` needs that key, ``hmac`` also ``secret``, ``basic`` needs
    ``username`` and ``password``. Only a user who is an administrator gets many attachments by one request.
    ``max_upload`` and ``chunk_size`` are in bytes and not above the server's own ``attachmentUploadMaxSize`` and
    ``attachmentUploadChunkSize``; ``accept`` lists the extensions and media types that may be uploaded, none for all.
    """

    auth: Literal["api_key", "hmac", "basic"] = "api_key"
    api_key: Secret | None = None
    secret: Secret | None = None
    username: str | None = None
    password: Secret | None = None
    max_upload: int = 256 * MEBIBYTE
    chunk_size: int = 4 * MEBIBYTE
    accept: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse, by ValueError, values that could not work, and an address that HMAC could not sign below."""
        if not self.url.rstrip("/").endswith("/api/v1"):
            raise ValueError("The url of an EspoCRM ends in /api/v1.")
        if self.chunk_size < 1:
            raise ValueError("The chunk_size is at least 1 byte.")
        if not all(pattern.startswith(".") or "/" in pattern for pattern in self.accept):
            raise ValueError(
                "The accept lists extensions with their dot, as .pdf, and media types, as image/*."
            )
        self.credential()

    def credential(self) -> Auth:
        """Make what signs the requests; raises ValueError where a key of the chosen ``auth`` is missing."""
        if self.auth == "api_key" and self.api_key:
            return HeaderAuth({"X-Api-Key": self.api_key})
        if self.auth == "hmac" and self.api_key and self.secret:
            return HmacAuth(self.api_key, self.secret)
        if self.auth == "basic" and self.username and self.password:
            return basic(self.username, self.password)
        raise ValueError(
            "The auth needs its keys: api_key, for hmac also secret, for basic username and password."
        )


Found = Mapping[str, Attachment | GatewayError]
"""Attachments, or why there is none, by native id."""


class EspoCrmAdapter:
    """Attachments of records, whatever their type and field.

    Costs: one attachment 1 request. Several: 1 per 200 (fewer where ids are long) for an administrator, else 1 each,
    all at once, and 1 more that shows once which of the two it is. Listing adds 1 per record, however many of its
    fields are asked for. What writing costs is said at each method.
    """

    kind: ClassVar = SourceKind.ESPOCRM
    record_kind: ClassVar[RecordKind | None] = RecordKind.ENTITY

    def __init__(self, settings: EspoCrmSettings, auth: Auth | None = None) -> None:
        self.name = settings.name
        self.passes_through = bool(settings.pass_through)
        self._settings = settings
        self._client = connect(settings, auth or settings.credential())
        self._fields = Fields(self._client)
        self._contents = Contents(self._client, settings.chunk_size)
        self._may_list: bool | None = None
        """Whether the credential may list attachments; None until the first list has been asked for."""

    async def fetch(self, refs: Sequence[Ref], call: Call) -> Sequence[Entry | GatewayError]:
        """Get attachments by their ids; the class says at what cost."""
        ids = [native_id_of(ref) for ref in refs]
        found = await self._attachments([native_id for native_id in ids if native_id], call)
        return [found[native_id] if native_id else not_found(self.name) for native_id in ids]

    async def children(self, parents: Sequence[Ref], call: Call) -> Sequence[Listing | GatewayError]:
        """List what is in fields of records: 1 request per record, then all attachments as ``fetch`` gets them.

        A field that the record does not have gives BadInput. A field that links to something else than attachments
        looks the same as a file field, and gives an empty listing.
        """
        named = dict(
            zip(parents, await each(parents, lambda parent: self._fields.held(parent, call)), strict=True)
        )
        wanted = [native_id for held in named.values() if isinstance(held, Held) for native_id in held.ids]
        found = await self._attachments(wanted, call)
        return [self._listing(parent, named[parent], found) for parent in parents]

    async def probe(self, call: Call) -> None:
        """Ask who the credential is, which every kind of user may."""
        response = await self._client.get("/App/user", call)
        confirm(response, self.name)
        decode_json(response.body, dict[str, Any], self.name)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    # Content

    supports_range: ClassVar[bool] = False
    """The server sends the whole file whatever range is asked for (`upstreams.md` 5.8)."""

    @asynccontextmanager
    async def open(self, ref: Ref, call: Call, byte_range: str | None = None) -> AsyncIterator[Content]:  # noqa: ARG002 - see supports_range
        """Open the bytes of a file. 1 request; 1 more to tell a deleted attachment from a fault of the server."""
        native_id = native_id_of(ref)
        if native_id is None:
            raise not_found(self.name)
        path = join_path("Attachment", "file", native_id)
        # Compressed, the announced length would not be that of the file.
        async with self._client.stream(path, call, headers={"Accept-Encoding": "identity"}) as stream:
            if stream.status == SERVER_ERROR:
                await self._attachment(native_id, call)
            confirm(stream, self.name)
            length = stream.headers.get("content-length", "")
            yield Content(int(length) if length.isdecimal() else None, None, stream.chunks)

    # Reading

    async def _attachments(self, native_ids: Sequence[str], call: Call) -> Found:
        """Get distinct attachments by as few requests as the credential permits."""
        ids = list(dict.fromkeys(native_ids))
        pending = batches(ids) if len(ids) > 1 and self._may_list is not False else [ids]
        found: dict[str, Attachment | GatewayError] = {}
        if self._may_list is None:  # the first goes alone, because it shows what the others may do
            found.update(await self._batch(pending.pop(0), call))
        for part in await asyncio.gather(*(self._batch(batch, call) for batch in pending)):
            found.update(part)
        return found

    async def _batch(self, native_ids: Sequence[str], call: Call) -> Found:
        """Get attachments by one list, or one by one where that is refused or they are not several."""
        try:
            together = len(native_ids) > 1 and self._may_list is not False
            listed = await self._list(native_ids, call) if together else None
        except GatewayError as exc:
            return dict.fromkeys(native_ids, exc)
        if listed is None:
            outcomes = await each(native_ids, lambda native_id: self._attachment(native_id, call))
            return dict(zip(native_ids, outcomes, strict=True))
        return {native_id: listed.get(native_id) or not_found(self.name) for native_id in native_ids}

    async def _list(self, native_ids: Sequence[str], call: Call) -> Found | None:
        """List attachments by their ids. None where the credential may not, which is remembered.

        Two other 403 say nothing about it: the server's page may be smaller than usual, and a shut-out address gets
        one that has no reason at all (`upstreams.md` 5.6, 5.8).
        """
        query = (("searchParams", where_id_in(native_ids)),)
        response = await self._client.get("/Attachment", call, query=query, headers={"X-No-Total": "true"})
        if response.status == FORBIDDEN:
            reason = reason_in(response.headers)
            if reason is not None and not reason.startswith("Max size"):
                self._may_list = False
            return None
        confirm(response, self.name)
        wires = decode_json(response.body, WireList, self.name).list
        self._may_list = True
        return {wire.id: self._outcome(wire) for wire in wires}

    async def _attachment(self, native_id: str, call: Call) -> Attachment:
        response = await self._client.get(join_path("Attachment", native_id), call)
        confirm(response, self.name)
        wire = decode_json(response.body, WireAttachment, self.name)
        if wire.deleted or wire.id != native_id:  # its database finds ids whatever their case
            raise not_found(self.name)
        return parse_attachment(wire, self.name)

    def _listing(
        self, parent: Ref, held: Held | GatewayError, found: Found
    ) -> AttachmentListing | GatewayError:
        """Put together a listing, without what has vanished since or what the credential may not see."""
        if isinstance(held, GatewayError):
            return held
        record = Record(parent, RecordKind.ENTITY)
        attachments: list[Attachment] = []
        for outcome in (found[native_id] for native_id in held.ids):
            if isinstance(outcome, Attachment):
                attachments.append(replace(outcome, record=record))
            elif not isinstance(outcome, NotFound | Closed):
                return outcome
        return AttachmentListing.of(record, Listed(tuple(attachments)))

    def _outcome(self, wire: WireAttachment) -> Attachment | GatewayError:
        """Parse one of a list, so that an odd one does not fail the others."""
        try:
            return not_found(self.name) if wire.deleted else parse_attachment(wire, self.name)
        except BadResponse as exc:
            return exc

    # Uploads

    @property
    def max_bytes(self) -> int:
        """The setting ``max_upload``."""
        return self._settings.max_upload

    def check(self, item: UploadItem) -> None:
        """Refuse bad names, types and options, and more bytes than ``max_upload``."""
        if not is_record(item.target):
            raise not_found(self.name)
        if item.size > self.max_bytes:
            raise TooLarge(f"The source takes at most {self.max_bytes:,} bytes.", source=self.name)
        check_name(item.name, self.name)
        check_type(item.media_type, self.name)
        check_options(item.options, self.name)
        if not is_accepted(self._settings.accept, item.name, item.media_type):
            raise BadInput(
                "The source does not take files of this type (its setting `accept`).", source=self.name
            )

    async def upload(self, item: UploadItem, bytes_of: OpenBytes, call: Call, note: Note) -> Ref:
        """Make an attachment, in chunks where it is larger than one, then hang it into its field.

        Costs 5 requests, and for chunks 1 more and 1 for each. A file field that holds a file is a Conflict, unless
        the option ``replace`` is true: then the server deletes the old file.
        """
        self.check(item)
        replacing = bool(item.options.get("replace"))
        held = await self._fields.held(item.target, call, fresh=True)
        # A field that will not take the file says so here, before a byte leaves; the marker stands for its id.
        with_more(held, [item.marker], self.name, replace=replacing)
        async with bytes_of() as chunks:
            staged = Measured(chunks)
            made = await self._contents.create(item, staged, call, in_set=held.is_set)
            async with self._taken_back_if_refused(made.id, call):
                await note({NOTED: made.id})
                await self._contents.send(made, item, staged, call)
        async with self._taken_back_if_refused(made.id, call):
            await self._fields.hang(item.target, [made.id], call, replacing=replacing)
        return Ref(self.name, RefType.ATTACHMENT, (made.id,))

    async def reconcile(self, item: UploadItem, call: Call) -> Ref | None:
        """Look whether the record holds the attachment that was noted; if not, take that away. 2 requests at most.

        Without a note nothing was linked: what the server may have is an attachment that hangs nowhere, which it
        cleans up by itself (`upstreams.md` 5.7).
        """
        native_id = item.notes.get(NOTED)
        if native_id is None:
            return None
        try:
            held = await self._fields.held(item.target, call, fresh=True)
        except (NotFound, BadInput):  # no such record or field any more
            held = None
        if held and native_id in held.ids:
            return Ref(self.name, RefType.ATTACHMENT, (native_id,))
        await self._take_back(native_id, call)
        return None

    @asynccontextmanager
    async def _taken_back_if_refused(self, native_id: str, call: Call) -> AsyncIterator[None]:
        """Delete a half-made attachment when a step is refused; after other errors ``reconcile`` does."""
        try:
            yield
        except REFUSALS:
            try:
                await self._take_back(native_id, call)
            except GatewayError as left:
                message = "The source refused the file, and then to take it away again."
                raise Unavailable(message, source=self.name) from left
            raise

    async def _take_back(self, native_id: str, call: Call) -> None:
        """Delete an attachment that hangs nowhere; where that is not allowed the server will."""
        try:
            await self._contents.remove(native_id, call)
        except Forbidden:
            return

    # Links

    async def link(self, record: Ref, attachments: Sequence[Ref], call: Call) -> AttachmentListing:
        """Hang attachments into a field of a record: 3 requests, then as ``children``.

        One that hangs elsewhere is taken from there (`upstreams.md` 5.8). A file field that holds another file is a
        Conflict.
        """
        ids = [native_id_of(ref) or "" for ref in attachments]
        if not is_record(record) or not all(ids):
            raise not_found(self.name)
        held = await self._fields.hang(record, ids, call)
        listing = self._listing(record, held, await self._attachments(held.ids, call))
        if isinstance(listing, GatewayError):
            raise listing
        return listing

    # Changes

    async def update(self, changes: Sequence[FileChange], call: Call) -> Sequence[Entry | GatewayError]:
        """Rename attachments, 1 request each; nothing else of them can be changed (`upstreams.md` 5.3)."""
        return await each(changes, lambda change: self._update(change, call))

    async def _update(self, change: FileChange, call: Call) -> Attachment:
        native_id = native_id_of(change.ref)
        if native_id is None:
            raise not_found(self.name)
        if {change.folder, change.reference, change.document_date} != {KEEP}:
            raise Unsupported("The source changes nothing of an attachment but its name.", source=self.name)
        if change.name is KEEP:
            return await self._attachment(native_id, call)
        check_name(change.name, self.name)
        path, body = join_path("Attachment", native_id), msgspec.json.encode({"name": change.name})
        response = await self._client.request("PUT", path, call, headers=JSON, body=body, repeatable=True)
        confirm(response, self.name)
        return parse_attachment(decode_json(response.body, WireAttachment, self.name), self.name)

    # Deletions

    async def delete(self, refs: Sequence[Ref], call: Call) -> Sequence[Deletion | GatewayError]:
        """Delete attachments, 1 request each. A file field that held one keeps its id, and shows nothing."""
        return await each(refs, lambda ref: self._delete(ref, call))

    async def deletion(self, deletion: Deletion, call: Call) -> Deletion:  # noqa: ARG002 - nothing to ask
        """Give the deletion back: here they are done at once."""
        return deletion

    async def _delete(self, ref: Ref, call: Call) -> Deletion:
        native_id = native_id_of(ref)
        if native_id is None:
            raise not_found(self.name)
        await self._contents.remove(native_id, call)
        return Deletion(ref, DeletionState.DELETED)
