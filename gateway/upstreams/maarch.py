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
LARGEST_ID = 2**31 - 1
"""What the database's integers hold; the server crashes on more."""
HIDDEN_TYPES = frozenset({"signed_response", "summary_sheet"})
"""Types that no list shows (`upstreams.md` 1.6)."""
STATUSES = ("A_TRA", "TRA", "SEND_MASS")
"""What a new attachment may be, and what one must be to be changed (`upstreams.md` 1.3, 1.4)."""
EXTENSION = re.compile(r"[A-Za-z0-9]{1,32}")
JSON = {"Content-Type": "application/json"}


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
