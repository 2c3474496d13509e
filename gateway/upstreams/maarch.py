"""Maarch Courrier and MEM Courrier: attachments of mails (`upstreams.md` 1)."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, ClassVar, Literal, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from gateway.domain.changes import KEEP, Deletion, DeletionState, FileChange, UploadItem
from gateway.domain.errors import (
    BadInput,
    BadResponse,
    Conflict,
    Forbidden,
    GatewayError,
    NotFound,
    OutcomeUnknown,
    TooLarge,
    Unauthenticated,
    Unsupported,
)
from gateway.domain.media_types import is_accepted
from gateway.domain.model import Attachment, AttachmentListing, Entry, Listed, Record, RecordKind, SourceKind
from gateway.domain.refs import Ref, RefType
from gateway.domain.secret import Secret
from gateway.transport.auth import Auth, HeaderAuth, TokenAuth, basic, fingerprint
from gateway.transport.bodies import base64_length, base64_of, between, whole
from gateway.transport.call import Call
from gateway.transport.client import join_path
from gateway.transport.messages import Response, Stream
from gateway.transport.payloads import decode_json
from gateway.upstreams.base import (
    Content,
    Note,
    OpenBytes,
    SourceSettings,
    connect,
    each,
    not_found,
    status_error,
)
from gateway.upstreams.reconciling import check_bytes, made_by
from gateway.upstreams.unchanged import UnchangedLists
from gateway.upstreams.wire.maarch import (
    NATIVE_ID,
    STATUSES,
    NewAttachment,
    Reader,
    WireAttachment,
    WireCreated,
    WireListing,
    WireRefusal,
    checked_title,
    new_attachment,
    overwriting,
    refused,
    title_of,
)

OK = 200
NO_CONTENT = 204
DONE = frozenset({OK, NO_CONTENT})
BAD_REQUEST = 400
UNAUTHORIZED = 401
TEXTUAL = frozenset({400, 403, 404})
"""Statuses of which only the text tells what happened (`upstreams.md` 1.2)."""
REFUSED_LOGINS = frozenset({400, 401, 403})
"""What a login may be refused with: 403 is for accounts that get no token, as those of programs."""

LARGEST_REFUSAL = 16 * 1024
"""Bytes of a refused download's body that are read: its text is one line."""
JSON = {"Content-Type": "application/json"}
JSON_END = b'"}'


# Settings


class MaarchSettings(SourceSettings, frozen=True, kw_only=True):
    """One instance, whose ``url`` ends in ``/rest``, and the account that the gateway uses there.

    ``auth`` is ``basic``, or ``bearer`` for tokens that the account asks for; accounts of the mode ``rest`` get
    none. ``timezone`` is that of the server, which writes its times without one (`upstreams.md` 1.6).

    ``max_upload`` is in bytes of a file. The server measures the Base64 text, which is a third longer, and takes the
    smallest of PHP's ``upload_max_filesize``, ``post_max_size`` and ``memory_limit``: three quarters of that, and a
    little less for what else is in the body, is right here. The default suits 100 MiB. ``accept`` lists what may be
    uploaded (``.pdf``, ``image/*``), ``types`` the types that it may get (keys of the server's ``attachmentsTypes``);
    both are empty where the server alone decides. ``kept_answers``: bytes of JSON that are remembered of lists.
    """

    username: str
    password: Secret
    auth: Literal["basic", "bearer"] = "basic"
    timezone: str = "Europe/Paris"
    max_upload: int = 78_000_000
    accept: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    kept_answers: int = 16 * 1024 * 1024

    def __post_init__(self) -> None:
        """Refuse a zone that is not known, by ValueError."""
        try:
            ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as exc:
            raise ValueError(f"There is no time zone named {self.timezone!r}.") from exc


W = TypeVar("W")


class MaarchAdapter:
    """Reads, makes, renames and deletes the attachments of mails.

    Costs of reading: 1 request per attachment and 1 per listed mail, at the same time as far as ``concurrency``
    allows; with tokens 1 more when there is none or it has ended, which is half an hour after it was given.
    """

    kind: ClassVar = SourceKind.MAARCH
    record_kind: ClassVar[RecordKind | None] = RecordKind.MAIL
    supports_range: ClassVar[bool] = False

    def __init__(self, settings: MaarchSettings, auth: Auth | None = None) -> None:
        self.name = settings.name
        self.passes_through = bool(settings.pass_through)
        self._settings = settings
        self._reader = Reader(settings.name, ZoneInfo(settings.timezone))
        self._login = connect(settings, HeaderAuth({}))
        self._client = connect(settings, auth or self._choose_auth())
        self._lists = UnchangedLists(0 if settings.pass_through else settings.kept_answers)

    async def fetch(self, refs: Sequence[Ref], call: Call) -> Sequence[Entry | GatewayError]:
        """Get attachments: 1 request for each distinct one.

        A mail's list is no batch of them: its form lacks the format, the recipient and the versions
        (`upstreams.md` 1.5), and which mail an attachment hangs on is not known beforehand.
        """
        return await each(refs, lambda ref: self._one(ref, call))

    async def children(self, parents: Sequence[Ref], call: Call) -> Sequence[AttachmentListing | GatewayError]:
        """List the attachments of each mail: 1 request for each distinct one.

        Their names lack the extension where the title has none, because lists don't tell the format.
        """
        return await each(parents, lambda parent: self._listing(parent, call))

    async def probe(self, call: Call) -> None:
        """List the types of attachments, which any account may do that has no list of allowed routes."""
        self._decoded(await self._client.get(join_path("attachmentsTypes"), call), dict[str, Any])

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()
        await self._login.aclose()

    # Content

    @asynccontextmanager
    async def open(
        self,
        ref: Ref,
        call: Call,
        byte_range: str | None = None,  # noqa: ARG002 - the server knows no ranges
    ) -> AsyncIterator[Content]:
        """Open the bytes as they were stored, always all of them. 1 request, 1 more when a token has ended.

        The server notes every read in its history (`upstreams.md` 1.6), so nothing else opens contents.
        """
        path = join_path("attachments", self._native_id(RefType.ATTACHMENT, ref), "originalContent")
        async with self._client.stream(path, call) as stream:
            if stream.status != OK:
                raise self._refusal(await _whole(stream, call))
            yield Content(_size(stream), None, stream.chunks)

    # Signing in

    def _choose_auth(self) -> Auth:
        settings = self._settings
        if settings.auth == "basic":
            return basic(settings.username, settings.password)
        identity = fingerprint("maarch", settings.username, settings.password.reveal())
        return TokenAuth(identity, self._get_token)

    async def _get_token(self) -> Secret:
        """Ask for a token, which comes in a header (`upstreams.md` 1.1). 1 request."""
        settings = self._settings
        body = msgspec.json.encode({"login": settings.username, "password": settings.password.reveal()})
        response = await self._login.request(
            "POST",
            join_path("authenticate"),
            Call.lasting(settings.try_timeout),
            headers={"Content-Type": "application/json"},
            body=body,
            repeatable=True,
        )
        if response.status in REFUSED_LOGINS:
            raise Unauthenticated("The source gives this account no token.", source=self.name)
        if response.status != NO_CONTENT:
            raise status_error(response, self.name)
        token = response.headers.get("token")
        if not token:
            raise BadResponse("The source accepted the login but sent no token.", source=self.name)
        return Secret(token)

    # Uploading

    @property
    def max_bytes(self) -> int | None:
        """The largest file, in bytes; the server's own limit is of the Base64 text."""
        return self._settings.max_upload

    def check(self, item: UploadItem) -> None:
        """Refuse what the server would, or would keep under another name.

        Raises TooLarge, and BadInput for an empty file, a name without an extension or with one that is not taken, a
        title above 255 characters or with a line break, and options that the server does not know.
        """
        self._checked(item)

    async def upload(
        self,
        item: UploadItem,
        bytes_of: OpenBytes,
        call: Call,
        note: Note,  # noqa: ARG002 - one request has no steps between
    ) -> Ref:
        """Send the file as one JSON document whose Base64 is made on the way. 1 request.

        1 or 2 more when a token has ended. Options: ``type``, a key of the server's types (``simple_attachment`` by
        default); ``status``, ``A_TRA``, ``TRA`` or ``SEND_MASS``; ``title``, else the name without its extension.
        Office documents are rewritten by the server, so their bytes come back different (`upstreams.md` 1.6).
        """
        head = self._checked(item).head()
        response = await self._post(head, item, bytes_of, call)
        if response.status == UNAUTHORIZED and self._settings.auth == "bearer":
            response = await self._post(head, item, bytes_of, call)  # a token had ended; now there is another
        created = self._decoded(response, WireCreated)
        return Ref(self.name, RefType.ATTACHMENT, (str(created.id),))

    async def reconcile(self, item: UploadItem, call: Call) -> Ref | None:
        """Look for an attachment of the same title and type that the mail has since the attempt began.

        1 request, and 1 more that reads what was found: lists tell neither size nor format, so only its bytes tell
        it from another upload of that title. Office documents are rewritten, so for them the title has to do. None
        proves nothing while the server may still be at work (it converts before it answers): the caller waits first.
        """
        new = new_attachment(item)
        try:
            answer = await self._fresh(self._list_path(item.target), call)
            found = self._listed(self._reader.mail(new.mail), answer).attachments
        except NotFound as exc:
            raise OutcomeUnknown("The mail cannot be seen any more.", source=self.name) from exc
        twins = {one.ref: one.details.created_at_text for one in found if new.equals(one.details)}
        ref = made_by(item, twins, self._reader.zone)
        if ref is not None and new.keeps_bytes and item.sha256:
            await check_bytes(self, ref, item, call)
        return ref

    async def _post(self, head: bytes, item: UploadItem, bytes_of: OpenBytes, call: Call) -> Response:
        length = len(head) + base64_length(item.size) + len(JSON_END)
        headers = {**JSON, "Content-Length": str(length)}
        async with bytes_of() as chunks:
            body = between(head, base64_of(whole(chunks, item.size)), JSON_END)
            return await self._client.request("POST", "/attachments", call, headers=headers, body=body)

    def _checked(self, item: UploadItem) -> NewAttachment:
        new, settings = new_attachment(item), self._settings
        if item.size > settings.max_upload:
            raise TooLarge(f"The source takes {settings.max_upload:,} bytes at most.", source=self.name)
        if item.size == 0:
            raise BadInput("The source takes no empty files.", source=self.name)
        if not is_accepted(settings.accept, item.name, item.media_type):
            raise BadInput(f"The source takes files of: {', '.join(settings.accept)}.", source=self.name)
        if settings.types and new.type not in settings.types:
            raise BadInput(f"`type` must be one of: {', '.join(settings.types)}.", source=self.name)
        return new

    # Changing

    async def update(self, changes: Sequence[FileChange], call: Call) -> Sequence[Entry | GatewayError]:
        """Rename attachments: 3 requests each, as the server overwrites all it knows and answers nothing.

        The new name becomes the title, without the extension that it is shown with. What somebody else changes
        between the first two requests is lost, and so is the effective date, which the server does not tell.
        Conflict for what is signed or sent, Unsupported for anything but the name.
        """
        return await each(changes, lambda change: self._change(change, call))

    async def _change(self, change: FileChange, call: Call) -> Entry:
        if {change.folder, change.reference, change.document_date} != {KEEP}:
            raise Unsupported("Of attachments of this source only the name can change.", source=self.name)
        path = join_path("attachments", self._native_id(RefType.ATTACHMENT, change.ref))
        wire = self._decoded(await self._fresh(path, call), WireAttachment)
        if change.name is KEEP:
            return self._entry(wire)
        self._check_changeable(wire)
        title = checked_title(title_of(change.name, wire.format), self.name)
        body = msgspec.json.encode(overwriting(wire, title))
        response = await self._client.request("PUT", path, call, headers=JSON, body=body, repeatable=True)
        if response.status not in DONE:
            raise self._refusal(response)
        return self._entry(self._decoded(await self._fresh(path, call), WireAttachment))

    def _check_changeable(self, wire: WireAttachment) -> None:
        """Refuse what the server would refuse in words that fit something else ("does not exist")."""
        if wire.status is not None and wire.status not in STATUSES:
            raise Conflict("The attachment is signed or on its way, so it cannot be changed.", source=self.name)
        if wire.can_update is False:
            raise Forbidden("The account of the gateway may not change this attachment.", source=self.name)

    # Deleting

    async def delete(self, refs: Sequence[Ref], call: Call) -> Sequence[Deletion | GatewayError]:
        """Delete attachments, each with every version of it, older and newer: 1 request each.

        The server keeps the rows, but nothing shows them any more, and draft e-mails lose them (`upstreams.md` 1.6).
        """
        return await each(refs, lambda ref: self._delete(ref, call))

    async def deletion(self, deletion: Deletion, call: Call) -> Deletion:  # noqa: ARG002 - done when accepted
        """Give the deletion back: here they are done at once. No request."""
        return deletion

    async def _delete(self, ref: Ref, call: Call) -> Deletion:
        path = join_path("attachments", self._native_id(RefType.ATTACHMENT, ref))
        response = await self._client.request("DELETE", path, call, repeatable=True)
        gone = response.status == BAD_REQUEST and "does not exist" in self._text(response)
        if response.status not in DONE and not gone:
            raise self._refusal(response)
        return Deletion(ref, DeletionState.DELETED)

    # Reading

    async def _one(self, ref: Ref, call: Call) -> Entry:
        path = join_path("attachments", self._native_id(RefType.ATTACHMENT, ref))
        return self._entry(self._decoded(await self._client.get(path, call), WireAttachment))

    def _entry(self, wire: WireAttachment) -> Attachment:
        if wire.res_id_master is None:
            raise BadResponse("The source did not say which mail the attachment hangs on.", source=self.name)
        return self._reader.attachment(wire, self._reader.mail(str(wire.res_id_master)))

    async def _listing(self, parent: Ref, call: Call) -> AttachmentListing:
        response = await self._client.get(self._list_path(parent), call)
        return self._lists.of(self._reader.mail(parent.key[0]), response, self._listed)

    def _list_path(self, parent: Ref) -> str:
        return join_path("resources", self._native_id(RefType.RECORD, parent), "attachments")

    def _listed(self, mail: Record, response: Response) -> Listed:
        return self._reader.listed(mail, self._decoded(response, WireListing))

    async def _fresh(self, path: str, call: Call) -> Response:
        """Get what is there now: an answer shared with who asked earlier could be older than what was just done."""
        return await self._client.request("GET", path, call, repeatable=True)

    # Errors

    def _decoded(self, response: Response, shape: type[W]) -> W:
        """Read an answer, or raise the error that it is."""
        if response.status != OK:
            raise self._refusal(response)
        return decode_json(response.body, shape, self.name)

    def _refusal(self, response: Response) -> GatewayError:
        """Name the error of an answer that is no success, by its text where only that tells."""
        text = self._text(response) if response.status in TEXTUAL else ""
        return refused(text, self.name) or status_error(response, self.name)

    def _text(self, response: Response) -> str:
        with suppress(BadResponse):  # a page of a proxy, or a body that was cut: the status alone counts then
            return decode_json(response.body, WireRefusal, self.name).text()
        return ""

    def _native_id(self, ref_type: RefType, ref: Ref) -> str:
        """Give the number in a reference; the server crashes on anything else (`upstreams.md` 1.7)."""
        if ref.type is not ref_type or len(ref.key) != 1 or not NATIVE_ID.fullmatch(ref.key[0]):
            raise not_found(self.name)
        return ref.key[0]


def _size(stream: Stream) -> int | None:
    """Read the bytes announced; what is compressed on the way has another size than the file."""
    announced = stream.headers.get("content-length", "")
    plain = stream.headers.get("content-encoding", "identity") == "identity"
    return int(announced) if plain and announced.isascii() and announced.isdigit() else None


async def _whole(stream: Stream, call: Call) -> Response:
    """Read a refused download's body as far as it is needed and comes in time."""
    body = bytearray()
    with suppress(TimeoutError):
        async with asyncio.timeout(call.remaining()):
            async for chunk in stream.chunks:
                body += chunk[: LARGEST_REFUSAL - len(body)]
                if len(body) >= LARGEST_REFUSAL:
                    break
    return Response(stream.status, stream.headers, bytes(body))
