"""Decisiv's Platform API 0.0.7: attachments of service cases, in XML (`upstreams.md` 3)."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import ClassVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from gateway.domain.changes import UploadItem
from gateway.domain.errors import (
    BadInput,
    BadResponse,
    GatewayError,
    NotFound,
    OutcomeUnknown,
    TooLarge,
    Unauthenticated,
)
from gateway.domain.model import Attachment, AttachmentListing, Listed, Record, RecordKind, SourceKind
from gateway.domain.refs import Ref
from gateway.domain.secret import Secret
from gateway.transport.addresses import is_web, last_segment
from gateway.transport.auth import Auth, TokenAuth, basic, bearer, fingerprint
from gateway.transport.bodies import between, whole
from gateway.transport.call import Call
from gateway.transport.egress import Addresses
from gateway.transport.elements import Fields
from gateway.transport.messages import Response, Stream
from gateway.transport.multipart import new_boundary
from gateway.transport.payloads import decode_xml
from gateway.transport.retry import TRIES
from gateway.transport.templates import check_template, fill_template
from gateway.upstreams.base import (
    SERVER_ERROR,
    TOO_MANY_REQUESTS,
    Content,
    Note,
    OpenBytes,
    SourceSettings,
    connect,
    each,
    not_found,
    open_door,
    status_error,
)
from gateway.upstreams.reconciling import made_by
from gateway.upstreams.unchanged import UnchangedLists
from gateway.upstreams.wire.decisiv import (
    ATTACHMENT_ID,
    CASE_ID,
    LIST,
    NewAttachment,
    Reader,
    is_attachment,
    is_case,
    native_id_of,
    new_attachment,
    unprocessable,
)

OK = 200
CREATED = 201
UNAUTHORIZED = 401
UNPROCESSABLE = 422
REFUSED = (400, 401, 403)
TOKEN_PATH = "/oauth2/token"  # noqa: S105 - a path
NO_CASE = "0"
XML = {"Accept": "application/xml"}
AS_IT_IS = {"Accept": "*/*", "Accept-Encoding": "identity"}
"""Asks for bytes that nobody compresses on the way, so that their announced length is that of the file."""


# Settings


class DecisivSettings(SourceSettings, frozen=True, kw_only=True):
    """A Decisiv account; ``url`` ends with ``/platform_api``.

    The credential is either a bearer ``token``, or a ``consumer_key`` and ``consumer_secret`` that bearers are
    fetched for. ``transition_token`` goes with every request of attachments, in a header whose default name is
    misspelt by the vendor himself (`upstreams.md` 3.1). ``timezone`` is that of the times, which come without one.
    The vendor's pages disagree about paths (3.6), so the templates of both can be changed; what replaces
    ``{case_id}`` and ``{id}`` is percent-encoded. ``max_upload`` is in bytes of a file; the vendor names a limit for
    another of his APIs only, which is the default here (`upstreams.md` 8). ``kept_answers`` bounds the bytes of JSON
    that are remembered of lists.
    """

    token: Secret | None = None
    consumer_key: str | None = None
    consumer_secret: Secret | None = None
    transition_token: Secret | None = None
    transition_header: str = "X-DECISIV-TRANSITON-TOKEN"
    timezone: str = "UTC"
    list_path: str = "/cases/{case_id}/attachments"
    item_path: str = "/cases/{case_id}/attachments/{id}"
    max_upload: int = 10_000_000
    kept_answers: int = 16 * 1024 * 1024

    def __post_init__(self) -> None:
        """Refuse what could only fail later, with ValueError."""
        self.credential()
        check_template("list_path", self.list_path, CASE_ID)
        check_template("item_path", self.item_path, CASE_ID, ATTACHMENT_ID)
        try:
            ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as exc:
            raise ValueError(f"`timezone` names no known zone: {self.timezone!r}") from exc

    def credential(self) -> Secret | tuple[str, Secret]:
        """Give the bearer, or the consumer's key and secret; raises ValueError unless exactly one is set."""
        token, key, secret = self.token, self.consumer_key, self.consumer_secret
        if token is not None and key is None and secret is None:
            return token
        if token is None and key is not None and secret is not None:
            return key, secret
        raise ValueError("give either `token`, or both `consumer_key` and `consumer_secret`")


# Credentials


class Consumer:
    """Fetches bearers for a consumer key and secret: 1 request each, which no trace of an operation shows."""

    def __init__(self, settings: SourceSettings, key: str, secret: Secret) -> None:
        self._name = settings.name
        self._client = connect(settings, basic(key, secret))
        self._seconds = TRIES * settings.try_timeout

    async def fetch(self) -> Secret:
        """Get a bearer; its answer does not tell when it ends, so it is used until it is refused.

        Raises Unauthenticated for a refused key. Never NotFound, which would be taken for an attachment's.
        """
        headers = {**XML, "Content-Type": "application/x-www-form-urlencoded"}
        body = b"grant_type=client_credentials"
        call = Call.lasting(self._seconds)
        response = await self._client.request(
            "POST", TOKEN_PATH, call, headers=headers, body=body, repeatable=True
        )
        if response.status in REFUSED:
            raise Unauthenticated("The source refused the consumer key and secret.", source=self._name)
        if response.status != OK:
            raise self._failure(response)
        token = Fields(decode_xml(response.body, self._name), self._name).word("token")
        if token is None:
            raise BadResponse("The source answered a token request without a token.", source=self._name)
        return Secret(token)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    def _failure(self, response: Response) -> GatewayError:
        if response.status >= SERVER_ERROR or response.status == TOO_MANY_REQUESTS:
            return status_error(response, self._name)
        return BadResponse(f"The source answered {response.status} to a token request.", source=self._name)


def _credential(settings: DecisivSettings) -> tuple[Auth, Consumer | None]:
    """Make the source's credential, and what has to be closed with it."""
    match settings.credential():
        case Secret() as token:
            return bearer(token), None
        case key, secret:
            consumer = Consumer(settings, key, secret)
            return TokenAuth(fingerprint("decisiv", key, secret.reveal()), consumer.fetch), consumer


class DecisivAdapter:
    """Reads and makes the attachments of service cases; the vendor has nothing that changes or deletes one.

    Costs of reading: 1 request for each case whose attachments are asked for, however many they are, and 1 more for
    each attachment that its case does not list.
    """

    kind: ClassVar = SourceKind.DECISIV
    record_kind: ClassVar[RecordKind | None] = RecordKind.CASE
    supports_range: ClassVar[bool] = False

    def __init__(self, settings: DecisivSettings, auth: Auth | None = None) -> None:
        self.name = settings.name
        self.passes_through = bool(settings.pass_through)
        self._settings = settings
        self._reader = Reader(settings.name, ZoneInfo(settings.timezone))
        own, self._consumer = _credential(settings)
        self._client = connect(settings, auth or own)
        self._lists = UnchangedLists(0 if settings.pass_through else settings.kept_answers)
        self._addresses = Addresses(self._client, open_door(settings))

    async def fetch(self, refs: Sequence[Ref], call: Call) -> Sequence[Attachment | GatewayError]:
        """Get attachments: 1 request per case, because only lists tell the format.

        An attachment that its list lacks is asked for by itself, 1 request more: what is internal to another
        group may be hidden in one place and not in the other, and only the second answer says that it is gone.
        """
        cases = list(dict.fromkeys(ref.key[0] for ref in refs if is_attachment(ref)))
        listed = dict(zip(cases, await each(cases, lambda case: self._list(case, call)), strict=True))
        return await each(refs, lambda ref: self._pick(ref, listed, call))

    async def children(self, parents: Sequence[Ref], call: Call) -> Sequence[AttachmentListing | GatewayError]:
        """List the attachments of cases: 1 request per case; a list comes whole, whatever its length."""
        return await each(parents, lambda parent: self._listing(parent, call))

    async def probe(self, call: Call) -> None:
        """List a case that is not there: 404 comes after the credential was looked at, so it is proof enough.

        Only a 404 in XML or without a body is: pages in anything else come from another server, or another path,
        than the API's, and mean that ``url`` is wrong.
        """
        response = await self._get(fill_template(self._settings.list_path, case_id=NO_CASE), call)
        try:
            self._read(response, LIST)
        except NotFound:
            if response.body and "xml" not in response.headers.get("content-type", ""):
                raise

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()
        await self._addresses.egress.exchange.aclose()
        if self._consumer is not None:
            await self._consumer.aclose()

    # Content

    @asynccontextmanager
    async def open(self, ref: Ref, call: Call, byte_range: str | None = None) -> AsyncIterator[Content]:  # noqa: ARG002 - not offered
        """Open the whole file: 2 requests, one for the address and one for the bytes; 2 more where it redirects.

        The credential goes along only to the API's own address; other hosts must be named in ``link_hosts``.
        Raises BadResponse for any other host, and for an attachment without an address.
        """
        url = (await self._single(ref, call)).word("downloadURL")
        if url is None or not is_web(url):
            raise BadResponse("The source gives no address for the bytes of this attachment.", source=self.name)
        async with self._addresses.stream(url, call, AS_IT_IS, self._transition()) as stream:
            if stream.status != OK:
                raise status_error(stream, self.name)
            yield Content(_length(stream), None, stream.chunks)

    # Uploading

    @property
    def max_bytes(self) -> int | None:
        """The largest file, in bytes."""
        return self._settings.max_upload

    def check(self, item: UploadItem) -> None:
        """Refuse what the server would, or would keep under another name.

        Raises TooLarge, and BadInput for a name with a slash, a backslash, a line break or what looks like an escaped
        quote, for texts that XML cannot hold, and where ``internal`` is not given.
        """
        self._checked(item)

    async def upload(
        self,
        item: UploadItem,
        bytes_of: OpenBytes,
        call: Call,
        note: Note,  # noqa: ARG002 - one request has no steps between
    ) -> Ref:
        """Send the file as a form of two parts. 1 request, up to 2 more where the answer does not say what came out.

        1 or 2 more when a bearer has ended. Options: ``internal``, which has no default because leaving it out shows
        the file to both parties; ``description``, else the name; ``sender_id``, else a user that the server chooses.
        """
        new = self._checked(item)
        response = await self._post(new, bytes_of, call)
        if response.status == UNAUTHORIZED and self._consumer is not None:
            response = await self._post(new, bytes_of, call)  # a bearer had ended; now there is another
        if response.status not in (OK, CREATED):
            raise self._error(response)
        ref = self._reader.told(response.body, new.case) or await self._located(response, new, call)
        ref = ref or await self.reconcile(item, call)
        if ref is None:
            raise BadResponse("The source took the file, but does not say as what.", source=self.name)
        return ref

    async def reconcile(self, item: UploadItem, call: Call) -> Ref | None:
        """Look for an attachment of the same name, size and texts that the case has since the attempt began.

        1 request. None proves nothing while the server may still be working on the upload: the caller waits first.
        """
        new = new_attachment(item)
        try:
            wire = self._read(await self._fresh(self._list_path(new.case), call), LIST)
        except NotFound as exc:
            raise OutcomeUnknown("The case cannot be seen any more.", source=self.name) from exc
        found = self._reader.listing(wire, new.case)
        return made_by(item, new.twins(found.values()), self._reader.zone)

    async def _post(self, new: NewAttachment, bytes_of: OpenBytes, call: Call) -> Response:
        boundary = new_boundary()
        head, tail = new.frame(boundary)
        headers = {
            **self._headers(),
            "Content-Type": f"multipart/form-data; boundary={boundary}",
            "Content-Length": str(len(head) + new.size + len(tail)),
        }
        async with bytes_of() as chunks:
            body = between(head, whole(chunks, new.size), tail)
            path = self._list_path(new.case)
            return await self._client.request("POST", path, call, headers=headers, body=body)

    async def _located(self, response: Response, new: NewAttachment, call: Call) -> Ref | None:
        """Read what came out from the answer's ``Location``, and look whether it is that. 1 request."""
        native_id = last_segment(response.headers.get("location"))
        if native_id is None:
            return None
        ref = self._reader.ref(new.case, native_id)
        try:
            found = self._reader.attachment(await self._single(ref, call), ref)
        except (BadInput, BadResponse, NotFound):
            return None
        return ref if ref in new.twins([found]) else None

    def _checked(self, item: UploadItem) -> NewAttachment:
        if item.size > self._settings.max_upload:
            raise TooLarge(f"The source takes {self._settings.max_upload:,} bytes at most.", source=self.name)
        return new_attachment(item)

    # Reading

    async def _pick(
        self, ref: Ref, listed: Mapping[str, Mapping[Ref, Attachment] | GatewayError], call: Call
    ) -> Attachment:
        """Take one attachment out of the list of its case, or ask for it."""
        case = listed.get(ref.key[0]) if is_attachment(ref) else not_found(self.name)
        if isinstance(case, GatewayError):
            raise case
        found = case.get(ref) if case else None
        return found or self._reader.attachment(await self._single(ref, call), ref)

    async def _listing(self, parent: Ref, call: Call) -> AttachmentListing:
        if not is_case(parent):
            raise not_found(self.name)
        response = await self._get(self._list_path(parent.key[0]), call)
        return self._lists.of(Record(parent, RecordKind.CASE), response, self._listed)

    def _listed(self, case: Record, response: Response) -> Listed:
        return Listed(tuple(self._by_ref(case.ref.key[0], response).values()))

    async def _list(self, case: str, call: Call) -> Mapping[Ref, Attachment]:
        """Get the attachments of a case in their order."""
        return self._by_ref(case, await self._get(self._list_path(case), call))

    def _by_ref(self, case: str, response: Response) -> Mapping[Ref, Attachment]:
        return self._reader.listing(self._read(response, LIST), case)

    def _list_path(self, case: str) -> str:
        return fill_template(self._settings.list_path, case_id=case)

    async def _single(self, ref: Ref, call: Call) -> Fields:
        if not is_attachment(ref):
            raise not_found(self.name)
        case, native_id = ref.key
        path = fill_template(self._settings.item_path, case_id=case, id=native_id)
        wire = self._read(await self._get(path, call), "attachment")
        if native_id_of(wire) != native_id:
            raise BadResponse("The source answered another attachment than it was asked for.", source=self.name)
        return wire

    async def _get(self, path: str, call: Call) -> Response:
        return await self._client.get(path, call, headers=self._headers())

    async def _fresh(self, path: str, call: Call) -> Response:
        """Get what is there now: an answer shared with who asked earlier could be older than what was just done."""
        return await self._client.request("GET", path, call, headers=self._headers(), repeatable=True)

    def _read(self, response: Response, root_name: str) -> Fields:
        """Read a 200 whose root has this local name."""
        if response.status != OK:
            raise self._error(response)
        return self._reader.root(response.body, root_name)

    def _headers(self) -> dict[str, str]:
        return {**XML, **self._transition()}

    def _transition(self) -> dict[str, str]:
        token = self._settings.transition_token
        return {self._settings.transition_header: token.reveal()} if token else {}

    # Errors

    def _error(self, response: Response) -> GatewayError:
        """Name an error by its status, and 422 by what its body says (`upstreams.md` 3.5)."""
        if response.status == UNPROCESSABLE:
            return unprocessable(response.body, self.name)
        return status_error(response, self.name)


def _length(stream: Stream) -> int | None:
    """Read the announced bytes; None where they are those of a compressed form."""
    length = stream.headers.get("content-length", "")
    plain = stream.headers.get("content-encoding", "identity").lower() == "identity"
    return int(length) if plain and length.isdigit() else None
