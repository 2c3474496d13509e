"""EspoCRM: attachments in fields of any record (`upstreams.md` 5)."""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from mimetypes import guess_type
from typing import Any, ClassVar, Literal

import msgspec

from gateway.domain.details import EspoCrmDetails
from gateway.domain.errors import BadInput, BadResponse, Conflict, Forbidden, GatewayError, NotFound, TooLarge
from gateway.domain.model import Attachment, AttachmentListing, Entry, Record, RecordKind, SourceKind
from gateway.domain.refs import Ref, RefType
from gateway.domain.secret import Secret
from gateway.transport.auth import Auth, HeaderAuth, HmacAuth, basic
from gateway.transport.call import Call
from gateway.transport.client import join_path
from gateway.transport.exchange import Response, Stream
from gateway.transport.payloads import decode_json, parse_time, text_or_none
from gateway.upstreams.base import (
    SERVER_ERROR,
    Content,
    Listing,
    SourceSettings,
    connect,
    each,
    not_found,
    status_error,
)

OK = 200
BAD_REQUEST = 400
FORBIDDEN = 403

NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*")
NATIVE_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""Ids: 17 hexadecimal digits where EspoCRM made them, but imports bring their own."""

LONGEST_LIST = 200
"""Records of one list: above that the server answers 403 (`upstreams.md` 5.6)."""
LONGEST_QUERY = 5_600
"""Bytes of percent-encoded ids in one URL, which with the rest of it stays below 6 kB (`upstreams.md` 5.6)."""
QUOTES_AND_COMMA = len("%22%22%2C")


# Settings


class EspoCrmSettings(SourceSettings, frozen=True, kw_only=True):
    """One EspoCRM, whose ``url`` ends in ``/api/v1``, and the user that the gateway is there.

    ``auth`` says which keys count: ``api_key`` needs that key, ``hmac`` also ``secret``, ``basic`` needs
    ``username`` and ``password``. Only a user who is an administrator gets many attachments by one request.
    """

    auth: Literal["api_key", "hmac", "basic"] = "api_key"
    api_key: Secret | None = None
    secret: Secret | None = None
    username: str | None = None
    password: Secret | None = None

    def __post_init__(self) -> None:
        """Refuse, by ValueError, an incomplete credential and an address that HMAC could not sign below."""
        if not self.url.rstrip("/").endswith("/api/v1"):
            raise ValueError("The url of an EspoCRM ends in /api/v1.")
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


# Wire shapes


class WireAttachment(msgspec.Struct, rename="camel"):
    """An attachment as the server writes it (`upstreams.md` 5.5)."""

    id: str
    name: str
    deleted: bool = False
    type: str | None = None
    size: int | None = None
    field: str | None = None
    role: str | None = None
    parent_id: str | None = None
    parent_type: str | None = None
    parent_name: str | None = None
    related_id: str | None = None
    related_type: str | None = None
    source_id: str | None = None
    is_being_uploaded: bool | None = None
    is_global: bool | None = msgspec.field(default=None, name="global")
    storage: str | None = None
    storage_file_path: str | None = None
    created_at: str | None = None
    modified_at: str | None = None
    created_by_id: str | None = None
    created_by_name: str | None = None


class WireList(msgspec.Struct):
    """A page of attachments; the total is not counted, so it is not read."""

    list: tuple[WireAttachment, ...]


Found = Mapping[str, Attachment | GatewayError]
"""Attachments, or why there is none, by native id."""


def is_record(ref: Ref) -> bool:
    """Tell whether a reference has the form of a record and its field: (type, id, field)."""
    if ref.type is not RefType.RECORD or len(ref.key) != len(("type", "id", "field")):
        return False
    entity_type, native_id, field = ref.key
    return bool(NAME.fullmatch(entity_type) and NATIVE_ID.fullmatch(native_id) and NAME.fullmatch(field))


def batches(native_ids: Sequence[str]) -> list[Sequence[str]]:
    """Split ids into lists that fit one URL: of 200, or of fewer where one is longer than 19 characters."""
    longest = max(map(len, native_ids), default=0) + QUOTES_AND_COMMA
    size = min(LONGEST_LIST, LONGEST_QUERY // longest)
    return [native_ids[start : start + size] for start in range(0, len(native_ids), size)]


def where_id_in(native_ids: Sequence[str]) -> str:
    """Write the search for ids as JSON, the shortest of the forms that the server takes (`upstreams.md` 5.6)."""
    where = {"type": "in", "attribute": "id", "value": native_ids}
    return msgspec.json.encode({"where": [where], "maxSize": len(native_ids)}).decode()


class EspoCrmAdapter:
    """Reads attachments of records, whatever their type and field.

    Costs: one attachment 1 request. Several: 1 per 200 (fewer where ids are long) for an administrator, else 1 each,
    all at once, and 1 more that shows once which of the two it is. Listing adds 1 per record, however many of its
    fields are asked for.
    """

    kind: ClassVar = SourceKind.ESPOCRM
    record_kind: ClassVar[RecordKind | None] = RecordKind.ENTITY

    def __init__(self, settings: EspoCrmSettings) -> None:
        self.name = settings.name
        self._client = connect(settings, settings.credential())
        self._may_list: bool | None = None
        """Whether the credential may list attachments; None until the first list has been asked for."""

    async def fetch(self, refs: Sequence[Ref], call: Call) -> Sequence[Entry | GatewayError]:
        """Get attachments by their ids; the class says at what cost."""
        ids = [self._native_id(ref) for ref in refs]
        found = await self._attachments([native_id for native_id in ids if native_id], call)
        return [found[native_id] if native_id else not_found(self.name) for native_id in ids]

    async def children(self, parents: Sequence[Ref], call: Call) -> Sequence[Listing | GatewayError]:
        """List what is in fields of records: 1 request per record, then all attachments as ``fetch`` gets them.

        A field that the record does not have gives BadInput. A field that links to something else than attachments
        looks the same as a file field, and gives an empty listing.
        """
        named = dict(zip(parents, await each(parents, lambda parent: self._named(parent, call)), strict=True))
        wanted = [native_id for ids in named.values() if isinstance(ids, list) for native_id in ids]
        found = await self._attachments(wanted, call)
        return [self._listing(parent, named[parent], found) for parent in parents]

    async def probe(self, call: Call) -> None:
        """Ask who the credential is, which every kind of user may."""
        response = await self._client.get("/App/user", call)
        self._confirm(response)
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
        native_id = self._native_id(ref)
        if native_id is None:
            raise not_found(self.name)
        path = join_path("Attachment", "file", native_id)
        # Compressed, the announced length would not be that of the file.
        async with self._client.stream(path, call, headers={"Accept-Encoding": "identity"}) as stream:
            if stream.status == SERVER_ERROR:
                await self._attachment(native_id, call)
            self._confirm(stream)
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
            reason = reason_of(response)
            if reason is not None and not reason.startswith("Max size"):
                self._may_list = False
            return None
        self._confirm(response)
        wires = decode_json(response.body, WireList, self.name).list
        self._may_list = True
        return {wire.id: self._outcome(wire) for wire in wires}

    async def _attachment(self, native_id: str, call: Call) -> Attachment:
        response = await self._client.get(join_path("Attachment", native_id), call)
        self._confirm(response)
        wire = decode_json(response.body, WireAttachment, self.name)
        if wire.deleted or wire.id != native_id:  # its database finds ids whatever their case
            raise not_found(self.name)
        return self._parse(wire)

    async def _named(self, parent: Ref, call: Call) -> list[str]:
        """Read which attachments a field of a record names, in the order of the record.

        Several fields of one record share its request: the client shares identical ones that run at once.
        """
        if not is_record(parent):
            raise not_found(self.name)
        entity_type, native_id, field = parent.key
        response = await self._client.get(join_path(entity_type, native_id), call)
        self._confirm(response)
        record = decode_json(response.body, dict[str, Any], self.name)
        if "id" not in record:
            raise BadResponse("The source sent a record without an id.", source=self.name)
        if record.get("deleted") or record["id"] != native_id:  # an administrator gets deleted records too
            raise not_found(self.name)
        if f"{field}Ids" not in record and f"{field}Id" not in record:
            raise BadInput("The record has no such field for attachments.", source=self.name)
        named = record.get(f"{field}Ids", record.get(f"{field}Id")) or []
        ids = named if isinstance(named, list) else [named]
        if not all(isinstance(native_id, str) and NATIVE_ID.fullmatch(native_id) for native_id in ids):
            raise BadResponse("The source sent ids of attachments in an unknown form.", source=self.name)
        return list(dict.fromkeys(ids))

    def _listing(self, parent: Ref, named: list[str] | GatewayError, found: Found) -> Listing | GatewayError:
        """Put together a listing, without what has vanished since or what the credential may not see."""
        if isinstance(named, GatewayError):
            return named
        record = Record(parent, RecordKind.ENTITY)
        attachments: list[Attachment] = []
        for outcome in (found[native_id] for native_id in named):
            if isinstance(outcome, Attachment):
                attachments.append(replace(outcome, record=record))
            elif not isinstance(outcome, NotFound | Closed):
                return outcome
        return AttachmentListing(record, tuple(attachments))

    # Errors

    def _confirm(self, response: Response | Stream) -> None:
        """Raise the error of an answer that is not 200.

        Where the status is too coarse the reason decides; it is never shown, since it may quote anything.
        """
        if response.status == OK:
            return
        reason = (reason_of(response) or "") if response.status in (BAD_REQUEST, FORBIDDEN) else ""
        for beginnings, error, message in REASONS:
            if reason.startswith(beginnings):
                raise error(message, source=self.name)
        raise status_error(response, self.name)

    # Parsing

    def _native_id(self, ref: Ref) -> str | None:
        """Read an attachment's reference; None where it has another form."""
        well_formed = ref.type is RefType.ATTACHMENT and len(ref.key) == 1 and NATIVE_ID.fullmatch(ref.key[0])
        return ref.key[0] if well_formed else None

    def _outcome(self, wire: WireAttachment) -> Attachment | GatewayError:
        """Parse one of a list, so that an odd one does not fail the others."""
        try:
            return not_found(self.name) if wire.deleted else self._parse(wire)
        except BadResponse as exc:
            return exc

    def _parse(self, wire: WireAttachment) -> Attachment:
        """Make an attachment.

        Nothing in the answer says what the credential may change, so both flags are true and a write is what tells.
        """
        return Attachment(
            ref=Ref(self.name, RefType.ATTACHMENT, (wire.id,)),
            name=wire.name,
            size=wire.size,
            media_type=wire.type or guess_type(wire.name)[0],
            created_at=parse_time(wire.created_at, self.name),
            updated_at=parse_time(wire.modified_at, self.name),
            record=self._record_of(wire),
            details=details_of(wire),
            can_update=True,
            can_delete=True,
        )

    def _record_of(self, wire: WireAttachment) -> Record | None:
        """Tell what an attachment hangs on: the parent of a set's member, the related record of a file field's."""
        place = (wire.parent_type, wire.parent_id)
        if not all(place):
            place = (wire.related_type, wire.related_id)
        ref = Ref(self.name, RefType.RECORD, tuple(part or "" for part in (*place, wire.field)))
        return Record(ref, RecordKind.ENTITY) if is_record(ref) else None


class Closed(Forbidden):
    """One object that the credential may not see, though it works."""


SIZE_TEXTS = ("Attachment size exceeds", "Max attachment size", "File size should not")
TYPE_TEXTS = ("Not allowed file type", "Passed type", "Detected mime type")
REASONS: Sequence[tuple[tuple[str, ...], type[GatewayError], str]] = (
    (("No 'read' access",), Closed, "The source does not let this credential see this."),
    (SIZE_TEXTS, TooLarge, "The source does not take so many bytes."),
    (TYPE_TEXTS, BadInput, "The field does not take files of this type."),
    (("Field ", "Role not allowed"), BadInput, "The source refuses this field, its value or the role."),
    (("Attachment is not being-uploaded",), Conflict, "The upload has ended already."),
)
"""What the source means by 400 and 403, by how its reason begins (`upstreams.md` 5.3, 5.4, 5.8)."""


def reason_of(response: Response | Stream) -> str | None:
    """Read why the source refused, from the only place where it says so; None where it says nothing.

    The header holds UTF-8 (`upstreams.md` 5.2), which reads as Latin-1 where another header is no UTF-8.
    """
    text = response.headers.get("x-status-reason")
    if text is None:
        return None
    try:
        return text.encode("latin-1").decode()
    except UnicodeError:
        return text


def details_of(wire: WireAttachment) -> EspoCrmDetails:
    """Take over what only this kind of source knows, with None for empty texts."""
    return EspoCrmDetails(
        native_id=wire.id,
        field=text_or_none(wire.field),
        role=text_or_none(wire.role),
        parent_type=text_or_none(wire.parent_type),
        parent_id=text_or_none(wire.parent_id),
        parent_name=text_or_none(wire.parent_name),
        related_type=text_or_none(wire.related_type),
        related_id=text_or_none(wire.related_id),
        copied_from=text_or_none(wire.source_id),
        is_being_uploaded=wire.is_being_uploaded,
        is_global=wire.is_global,
        storage=text_or_none(wire.storage),
        storage_path=text_or_none(wire.storage_file_path),
        created_by_id=text_or_none(wire.created_by_id),
        created_by_name=text_or_none(wire.created_by_name),
    )
