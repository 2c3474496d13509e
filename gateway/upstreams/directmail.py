"""Direct Mail for Mac, API version 2: attachments of e-mail messages in cloud projects (`upstreams.md` 4)."""

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, ClassVar, TypeVar
from urllib.parse import urlsplit

from gateway.domain.changes import Deletion, DeletionState
from gateway.domain.errors import BadInput, BadResponse, Conflict, GatewayError, NotFound
from gateway.domain.model import (
    Attachment,
    AttachmentListing,
    Listed,
    Record,
    RecordKind,
    SignedLink,
    SourceKind,
)
from gateway.domain.refs import Ref
from gateway.domain.secret import Secret
from gateway.transport.addresses import is_web, next_page
from gateway.transport.auth import Auth, basic
from gateway.transport.call import Call
from gateway.transport.client import join_path
from gateway.transport.messages import Response
from gateway.transport.payloads import decode_json
from gateway.upstreams.base import SourceSettings, connect, each, not_found, signed_until, status_error
from gateway.upstreams.wire.directmail import (
    Message,
    WireAttachment,
    WireLinks,
    is_attachment,
    is_message,
    parse_attachment,
)

OK = 200
ACCEPTED = 202
SEE_OTHER = 303
NOT_FOUND = 404
JSON = {"Accept": "application/json; charset=utf-8"}
PROJECT_KEYS = (("fields", "document_identifier"),)

T = TypeVar("T")


# Settings


class DirectMailSettings(SourceSettings, frozen=True, kw_only=True):
    """A Direct Mail account's API key; ``url`` ends with ``/api/v2``.

    The key sees the cloud projects that it was granted, and 404 for the others.
    """

    key_id: str
    key_secret: Secret


class DirectMailAdapter:
    """The attachments of messages: read and deleted, for the server takes no uploads (`upstreams.md` 4.2).

    Costs: 1 request for each message whose attachments are asked for, however many; 1 more for each further page,
    which begins after 1,000 attachments. Lists are never narrowed with ``fields``: every documented key is shown, so
    nothing would be saved, and two requests for the same list could not share one answer.
    """

    kind: ClassVar = SourceKind.DIRECTMAIL
    record_kind: ClassVar[RecordKind | None] = RecordKind.MESSAGE

    def __init__(self, settings: DirectMailSettings, auth: Auth | None = None) -> None:
        self.name = settings.name
        self.passes_through = bool(settings.pass_through)
        self._base_url = settings.url.rstrip("/")
        self._client = connect(settings, auth or basic(settings.key_id, settings.key_secret))

    async def fetch(self, refs: Sequence[Ref], call: Call) -> Sequence[Attachment | GatewayError]:
        """Get attachments, 1 request per message: the only one of its message by itself, several by their list."""
        by_message: dict[Message, list[Ref]] = {}
        for ref in dict.fromkeys(refs):
            if is_attachment(ref):
                by_message.setdefault(ref.key[:2], []).append(ref)
        messages = list(by_message)
        answers = await each(messages, lambda message: self._some(message, by_message[message], call))
        found = dict(zip(messages, answers, strict=True))
        return [self._pick(ref, found) for ref in refs]

    async def children(self, parents: Sequence[Ref], call: Call) -> Sequence[AttachmentListing | GatewayError]:
        """List the attachments of messages: 1 request per message and 1,000 attachments.

        A list that the server says is longer than what came is a BadResponse.
        """
        return await each(parents, lambda parent: self._listing(parent, call))

    async def probe(self, call: Call) -> None:
        """List the identifiers of the granted projects, which may be none."""
        response = await self._client.get(join_path("projects"), call, query=PROJECT_KEYS, headers=JSON)
        self._read(response, list[Any])

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    # Signed links

    async def sign(self, ref: Ref, call: Call) -> SignedLink:
        """Get the store's own link, made anew for each request. 1 request.

        It is not narrowed with ``fields``, so that it shares the answer of a query for the attachment itself.
        Raises Conflict where the server gives no link, and BadResponse for a link that is no web address.
        """
        if not is_attachment(ref):
            raise not_found(self.name)
        url = (await self._one(ref, call)).link("content")
        if not url:
            raise Conflict("The source gives no link to the bytes of this attachment.", source=self.name)
        if not is_web(url):
            raise BadResponse("The source gives a link that is no web address.", source=self.name)
        return SignedLink(url, signed_until(url))

    # Deletions

    async def delete(self, refs: Sequence[Ref], call: Call) -> Sequence[Deletion | GatewayError]:
        """Ask for attachments to be deleted, 1 request each; the server does it some time later.

        It refuses, as Forbidden, for a message that was sent. What is not there counts as deleted.
        """
        return await each(refs, lambda ref: self._delete(ref, call))

    async def deletion(self, deletion: Deletion, call: Call) -> Deletion:
        """Ask once how far a deletion is: 1 request to its task, and when that is done 1 more for the attachment.

        Raises BadInput for a task of another server, and what the task failed with.
        """
        if deletion.state is DeletionState.DELETED:
            return deletion
        if not is_attachment(deletion.ref) or not self._is_task(deletion.task or ""):
            raise BadInput("This is no deletion of the source.", source=self.name)
        task = self._client.path_of(deletion.task or "")
        response = await self._client.get(task, call, headers=JSON)
        if response.status == ACCEPTED:
            return deletion
        forgotten = response.status == NOT_FOUND  # as a task may be that is done
        if response.status not in (OK, SEE_OTHER) and not forgotten:
            raise status_error(response, self.name)
        if await self._is_gone(deletion.ref, call):
            return Deletion(deletion.ref, DeletionState.DELETED)
        if forgotten:
            raise status_error(response, self.name)
        return deletion

    async def _delete(self, ref: Ref, call: Call) -> Deletion:
        if not is_attachment(ref):
            raise not_found(self.name)
        *message, native_id = ref.key
        path = _attachments_path(tuple(message), native_id)
        response = await self._client.request("DELETE", path, call, headers=JSON, repeatable=True)
        if response.status == NOT_FOUND:
            return Deletion(ref, DeletionState.DELETED)
        if response.status != ACCEPTED:
            raise status_error(response, self.name)
        task = decode_json(response.body, WireLinks, self.name).link("merge-task")
        if not task or not self._is_task(task):
            raise BadResponse("The source's link to the task of a deletion leads elsewhere.", source=self.name)
        return Deletion(ref, DeletionState.DELETING, task)

    def _is_task(self, url: str) -> bool:
        """Tell whether an address is one of the server's tasks, which alone may see the credential (4.4)."""
        return self._client.owns(url) and urlsplit(url).path.endswith("/merge-task")

    async def _is_gone(self, ref: Ref, call: Call) -> bool:
        """Look whether an attachment is there: that a task is done is only the server's word for it."""
        try:
            await self._one(ref, call)
        except NotFound:
            return True
        return False

    # Reading

    async def _some(self, message: Message, refs: Sequence[Ref], call: Call) -> Mapping[Ref, Attachment]:
        """Get at least these attachments of a message, as far as they are there."""
        if len(refs) > 1:
            return await self._list(message, call)
        return {refs[0]: self._attachment(message, await self._one(refs[0], call))}

    def _pick(
        self, ref: Ref, found: Mapping[Message, Mapping[Ref, Attachment] | GatewayError]
    ) -> Attachment | GatewayError:
        answer = found.get(ref.key[:2], {}) if is_attachment(ref) else {}
        return answer if isinstance(answer, GatewayError) else answer.get(ref) or not_found(self.name)

    async def _one(self, ref: Ref, call: Call) -> WireAttachment:
        project, message, native_id = ref.key
        path = _attachments_path((project, message), native_id)
        wire = self._read(await self._client.get(path, call, headers=JSON), WireAttachment)
        if wire.uuid != native_id:
            raise BadResponse("The source answered another attachment than it was asked for.", source=self.name)
        return wire

    async def _listing(self, parent: Ref, call: Call) -> AttachmentListing:
        if not is_message(parent):
            raise not_found(self.name)
        attachments = await self._list(parent.key, call)
        return AttachmentListing.of(Record(parent, RecordKind.MESSAGE), Listed(tuple(attachments.values())))

    async def _list(self, message: Message, call: Call) -> Mapping[Ref, Attachment]:
        """Get all attachments of a message in their order; raises BadResponse rather than give a part of them."""
        found: dict[Ref, Attachment] = {}
        total = 0
        async for response in self._pages(message, call):
            for wire in self._read(response, list[WireAttachment]):
                attachment = self._attachment(message, wire)
                found[attachment.ref] = attachment
            total = _total(response)
        if total > len(found):
            raise BadResponse(
                f"The source announces {total} attachments and gives {len(found)}.", source=self.name
            )
        return found

    async def _pages(self, message: Message, call: Call) -> AsyncIterator[Response]:
        """Get the pages of a list; parameters of pages are not documented, so the server's own links are followed."""
        url: str | None = self._base_url + _attachments_path(message)
        seen: set[str] = set()
        while url is not None:
            if url in seen or not self._client.owns(url):
                raise BadResponse("The source's link to the next page leads elsewhere.", source=self.name)
            seen.add(url)
            response = await self._client.get(self._client.path_of(url), call, headers=JSON)
            yield response
            url = next_page(response.headers.get("link"), url)

    # Errors

    def _read(self, response: Response, shape: type[T]) -> T:
        """Decode a 200; all other statuses have their usual meaning, and their bodies are not documented (4.1)."""
        if response.status != OK:
            raise status_error(response, self.name)
        return decode_json(response.body, shape, self.name)

    # Parsing

    def _attachment(self, message: Message, wire: WireAttachment) -> Attachment:
        content = wire.link("content")
        expires_at = signed_until(content) if content and is_web(content) else None
        return parse_attachment(wire, message, self.name, expires_at)


def _attachments_path(message: Message, *native_id: str) -> str:
    project, uuid = message
    return join_path("projects", project, "messages", uuid, "attachments", *native_id)


def _total(response: Response) -> int:
    """Read how many items there are in all pages; 0 where the server does not say."""
    text = response.headers.get("x-total-count", "")
    return int(text) if re.fullmatch(r"[0-9]{1,18}", text) else 0
