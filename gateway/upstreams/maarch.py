"""Maarch Courrier and MEM Courrier: attachments of mails (`upstreams.md` 1)."""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from mimetypes import MimeTypes
from typing import Any, ClassVar, Literal, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from gateway.domain.details import AttachmentVersion, MaarchDetails
from gateway.domain.errors import BadResponse, GatewayError, TooLarge, Unauthenticated
from gateway.domain.model import Attachment, AttachmentListing, Entry, Record, RecordKind, SourceKind
from gateway.domain.refs import Ref, RefType
from gateway.domain.secret import Secret
from gateway.transport.auth import Auth, HeaderAuth, TokenAuth, basic, fingerprint
from gateway.transport.call import Call
from gateway.transport.client import join_path
from gateway.transport.exchange import Response, Stream
from gateway.transport.payloads import decode_json, parse_time, text_or_none
from gateway.upstreams.base import Content, Listing, SourceSettings, connect, each, not_found, status_error

OK = 200
NO_CONTENT = 204
TEXTUAL = frozenset({400, 403, 404})
"""Statuses of which only the text tells what happened (`upstreams.md` 1.2)."""
REFUSED_LOGINS = frozenset({400, 401, 403})
"""What a login may be refused with: 403 is for accounts that get no token, as those of programs."""

NATIVE_ID = re.compile(r"[1-9][0-9]*")
MISSING = re.compile("does not exist|not found")
LARGEST_REFUSAL = 16 * 1024
"""Bytes of a refused download's body that are read: its text is one line."""


MEDIA_TYPES = MimeTypes()
"""What Python knows by itself and the office formats: a table of the machine's own would change the answers."""
for extension, media_type in {
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "odt": "application/vnd.oasis.opendocument.text",
    "ods": "application/vnd.oasis.opendocument.spreadsheet",
    "odp": "application/vnd.oasis.opendocument.presentation",
    "rtf": "application/rtf",
    "msg": "application/vnd.ms-outlook",
}.items():
    MEDIA_TYPES.add_type(media_type, f".{extension}")


# Settings


class MaarchSettings(SourceSettings, frozen=True, kw_only=True):
    """One instance, whose ``url`` ends in ``/rest``, and the account that the gateway uses there.

    ``auth`` is ``basic``, or ``bearer`` for tokens that the account asks for; accounts of the mode ``rest`` get
    none. ``timezone`` is that of the server, which writes its times without one (`upstreams.md` 1.6).
    """

    username: str
    password: Secret
    auth: Literal["basic", "bearer"] = "basic"
    timezone: str = "Europe/Paris"

    def __post_init__(self) -> None:
        """Refuse a zone that is not known, by ValueError."""
        try:
            ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as exc:
            raise ValueError(f"There is no time zone named {self.timezone!r}.") from exc


# Wire shapes


class WireVersion(msgspec.Struct, rename="camel"):
    """Another version of an attachment."""

    res_id: int
    relation: int | None = None


class WireAttachment(msgspec.Struct, rename="camel"):
    """An attachment in either form, of a list or of a single get (`upstreams.md` 1.5).

    Only its identity is required: which of the others are there depends on the form and on the release.
    """

    res_id: int
    res_id_master: int | None = None
    chrono: str | None = None
    title: str | None = None
    typist: int | None = None
    typist_label: str | None = None
    modified_by: str | int | None = None
    creation_date: str | None = None
    modification_date: str | None = None
    relation: int | None = None
    status: str | None = None
    type: str | None = None
    type_label: str | None = None
    in_signature_book: bool | None = None
    in_send_attach: bool | None = None
    external_state: Any = msgspec.field(name="external_state", default=None)
    signatory: str | None = None
    sign_date: str | None = None
    signed_response: int | None = None
    signatory_id: int | None = None
    can_convert: bool | None = None
    can_update: bool | None = None
    can_delete: bool | None = None
    format: str | None = None
    recipient_id: int | None = None
    recipient_type: str | None = None
    origin_id: int | None = None
    validation_date: str | None = None
    fulltext_result: str | None = None
    versions: list[WireVersion] | None = None


class WireListing(msgspec.Struct, rename="camel"):
    """The attachments of a mail."""

    attachments: list[WireAttachment]
    maileva_enabled: bool | None = None


class WireRefusal(msgspec.Struct):
    """A refusal, in the older form (``errors``) or as a problem object (`upstreams.md` 1.2)."""

    errors: Any = None
    detail: Any = None
    title: Any = None

    def text(self) -> str:
        """Give the text that the server explains itself with, in lower case; it is compared, never shown."""
        errors = list(self.errors.values()) if isinstance(self.errors, dict) else self.errors
        first = next(iter(errors), None) if isinstance(errors, list) else errors
        return str(first or self.detail or self.title or "").casefold()


W = TypeVar("W")


class MaarchAdapter:
    """Reads the attachments of mails.

    Costs: 1 request per attachment and 1 per listed mail, at the same time as far as ``concurrency`` allows;
    with tokens 1 more when there is none or it has ended, which is half an hour after it was given.
    """

    kind: ClassVar = SourceKind.MAARCH
    record_kind: ClassVar[RecordKind | None] = RecordKind.MAIL
    supports_range: ClassVar[bool] = False

    def __init__(self, settings: MaarchSettings) -> None:
        self.name = settings.name
        self._settings = settings
        self._zone = ZoneInfo(settings.timezone)
        self._login = connect(settings, HeaderAuth({}))
        self._client = connect(settings, self._choose_auth())

    async def fetch(self, refs: Sequence[Ref], call: Call) -> Sequence[Entry | GatewayError]:
        """Get attachments: 1 request for each distinct one.

        A mail's list is no batch of them: its form lacks the format, the recipient and the versions
        (`upstreams.md` 1.5), and which mail an attachment hangs on is not known beforehand.
        """
        return await each(refs, lambda ref: self._one(ref, call))

    async def children(self, parents: Sequence[Ref], call: Call) -> Sequence[Listing | GatewayError]:
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

    # Reading

    async def _one(self, ref: Ref, call: Call) -> Entry:
        path = join_path("attachments", self._native_id(RefType.ATTACHMENT, ref))
        wire = self._decoded(await self._client.get(path, call), WireAttachment)
        if wire.res_id_master is None:
            raise BadResponse("The source did not say which mail the attachment hangs on.", source=self.name)
        return self._attachment(wire, self._mail(str(wire.res_id_master)))

    async def _listing(self, parent: Ref, call: Call) -> Listing:
        native_id = self._native_id(RefType.RECORD, parent)
        path = join_path("resources", native_id, "attachments")
        wire = self._decoded(await self._client.get(path, call), WireListing)
        mail = self._mail(native_id)  # MEM 21.03 does not repeat it in the list (`upstreams.md` 1.5)
        found = tuple(self._attachment(attachment, mail) for attachment in wire.attachments)
        return AttachmentListing(mail, found, wire.maileva_enabled)

    # Errors

    def _decoded(self, response: Response, shape: type[W]) -> W:
        """Read an answer, or raise the error that it is."""
        if response.status != OK:
            raise self._refusal(response)
        return decode_json(response.body, shape, self.name)

    def _refusal(self, response: Response) -> GatewayError:
        """Name the error of an answer that is not 200.

        The server answers 400 or 403 for what is not there and for what may not be seen, and only the text tells
        which (`upstreams.md` 1.6). Both become NotFound: to tell them apart would tell what exists. Texts that
        begin with "body" are about values that were sent.
        """
        text = self._text(response) if response.status in TEXTUAL else ""
        if "size is over limit" in text:
            return TooLarge("The source does not take so many bytes.", source=self.name)
        if "out of perimeter" in text or (MISSING.search(text) and not text.startswith("body ")):
            return not_found(self.name)
        return status_error(response, self.name)

    def _text(self, response: Response) -> str:
        with suppress(BadResponse):  # a page of a proxy, or a body that was cut: the status alone counts then
            return decode_json(response.body, WireRefusal, self.name).text()
        return ""

    # Parsing

    def _native_id(self, ref_type: RefType, ref: Ref) -> str:
        """Give the number in a reference; the server crashes on anything else (`upstreams.md` 1.7)."""
        if ref.type is not ref_type or len(ref.key) != 1 or not NATIVE_ID.fullmatch(ref.key[0]):
            raise not_found(self.name)
        return ref.key[0]

    def _mail(self, native_id: str) -> Record:
        return Record(Ref(self.name, RefType.RECORD, (native_id,)), RecordKind.MAIL)

    def _time(self, text: str | None) -> datetime | None:
        """Read a local time; one that the end of summer time repeats is taken as its first occurrence."""
        return parse_time(text, self.name, self._zone)

    def _attachment(self, wire: WireAttachment, mail: Record) -> Attachment:
        return Attachment(
            ref=Ref(self.name, RefType.ATTACHMENT, (str(wire.res_id),)),
            name=_name(wire),
            size=None,
            media_type=MEDIA_TYPES.guess_type(f"file.{wire.format}")[0] if wire.format else None,
            created_at=self._time(wire.creation_date),
            updated_at=self._time(wire.modification_date),
            record=mail,
            details=self._details(wire),
            can_update=bool(wire.can_update),
            can_delete=bool(wire.can_delete),
        )

    def _details(self, wire: WireAttachment) -> MaarchDetails:
        return MaarchDetails(
            native_id=str(wire.res_id),
            chrono=text_or_none(wire.chrono),
            title=text_or_none(wire.title),
            status=text_or_none(wire.status),
            type=text_or_none(wire.type),
            type_label=text_or_none(wire.type_label),
            version=wire.relation,
            typist_id=wire.typist,
            typist_name=text_or_none(wire.typist_label),
            modified_by=_person(wire.modified_by),
            in_signature_book=wire.in_signature_book,
            in_mailing=wire.in_send_attach,
            external_state=wire.external_state if isinstance(wire.external_state, dict) else {},
            signatory_name=text_or_none(wire.signatory),
            signatory_id=wire.signatory_id,
            signed_at=self._time(wire.sign_date),
            signed_response_id=wire.signed_response,
            can_convert=wire.can_convert,
            created_at_text=text_or_none(wire.creation_date),
            updated_at_text=text_or_none(wire.modification_date),
            format=text_or_none(wire.format),
            recipient_id=wire.recipient_id,
            recipient_type=text_or_none(wire.recipient_type),
            origin_id=wire.origin_id,
            validated_at=self._time(wire.validation_date),
            text_extraction=text_or_none(wire.fulltext_result),
            versions=tuple(
                AttachmentVersion(str(other.res_id), other.relation) for other in wire.versions or ()
            ),
        )


def _name(wire: WireAttachment) -> str:
    """Make a file name: the server has none, only a title, which may be missing, and a format."""
    name = wire.title or wire.chrono or str(wire.res_id)
    suffix = f".{wire.format}" if wire.format else ""
    return name if name.casefold().endswith(suffix.casefold()) else name + suffix


def _person(name: str | int | None) -> str | None:
    """Give the name of who changed an attachment, or the number where the server did not look the name up."""
    return text_or_none(str(name)) if name is not None else None


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
