"""The requests that write to EspoCRM, and what its refusals mean (`upstreams.md` 5)."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

import msgspec

from gateway.domain.changes import UploadItem
from gateway.domain.errors import (
    BadInput,
    BadResponse,
    Conflict,
    DeadlineExceeded,
    Forbidden,
    GatewayError,
    NotFound,
    OutcomeUnknown,
    TooLarge,
)
from gateway.domain.refs import Ref
from gateway.transport.bodies import Body, Measured, base64_between
from gateway.transport.call import Call
from gateway.transport.client import SourceClient, join_path
from gateway.transport.messages import Response, Stream
from gateway.transport.payloads import decode_json
from gateway.upstreams.base import not_found, status_error
from gateway.upstreams.wire.espocrm import (
    DATA_URI,
    Held,
    WireAttachment,
    is_record,
    new_attachment,
    new_contents,
    parse_held,
    reason_in,
    whole_file,
    with_more,
)

OK = 200
BAD_REQUEST = 400
FORBIDDEN = 403
NOT_FOUND = 404
CONFLICT = 409
JSON = {"Content-Type": "application/json"}

MOST_TRIES = 5
"""How often a record that others change at the same time is read and written."""


# Fields of records


class Fields:
    """Reads and writes which attachments hang in fields of records; one writer of this process a record."""

    def __init__(self, client: SourceClient) -> None:
        self._client = client
        self._source = client.source
        self._locks: WeakValueDictionary[tuple[str, ...], asyncio.Lock] = WeakValueDictionary()

    async def held(self, place: Ref, call: Call, *, fresh: bool = False) -> Held:
        """Read what a field of a record holds.

        Several fields of one record share its request: the client shares identical ones that run at once. One that
        is ``fresh`` shares none that began before a write.
        """
        if not is_record(place):
            raise not_found(self._source)
        path = join_path(*place.key[:2])
        ask = (
            self._client.request("GET", path, call, repeatable=True) if fresh else self._client.get(path, call)
        )
        response = await ask
        confirm(response, self._source)
        held = parse_held(response.body, place, self._source)
        if held is None:
            raise not_found(self._source)
        return held

    async def hang(self, place: Ref, native_ids: Sequence[str], call: Call, *, replacing: bool = False) -> Held:
        """Read, add, write, and read again until the field shows what was added, alone on the record meanwhile.

        A set is written whole, so another process that writes between loses ours, or gives a 409 where the type
        counts versions (`upstreams.md` 5.7).
        """
        async with self._alone(place, call):
            held = await self.held(place, call, fresh=True)
            for _ in range(MOST_TRIES):
                wanted = with_more(held, native_ids, self._source, replace=replacing)
                if wanted == held.ids:
                    return held
                if await self._write(place, held, wanted, call):
                    replacing = False  # whatever is there next came after ours
                held = await self._read_again(place, call)
            if set(native_ids) <= set(held.ids):
                return held
        raise Conflict("Others change the record all the time.", source=self._source)

    async def _write(self, place: Ref, held: Held, wanted: Sequence[str], call: Call) -> bool:
        """Write what a field is to hold; False where the record has changed since it was read."""
        version = {} if held.version is None else {"X-Version-Number": str(held.version)}
        body = new_contents(place, held, wanted)
        path = join_path(*place.key[:2])
        response = await self._client.request("PUT", path, call, headers={**JSON, **version}, body=body)
        if response.status == CONFLICT:
            return False
        confirm(response, self._source)
        return True

    async def _read_again(self, place: Ref, call: Call) -> Held:
        """Read after a write: where that fails, whether the write lasted is not known."""
        try:
            return await self.held(place, call, fresh=True)
        except GatewayError as exc:
            message = "The source was written to, but does not show the record."
            raise OutcomeUnknown(message, source=self._source) from exc

    @asynccontextmanager
    async def _alone(self, place: Ref, call: Call) -> AsyncIterator[None]:
        """Keep other writers of this process away from a record."""
        lock = self._locks.setdefault(place.key[:2], asyncio.Lock())
        try:
            async with asyncio.timeout(call.remaining()):
                await lock.acquire()
        except TimeoutError as exc:
            raise DeadlineExceeded(
                "The record was written by others all the time.", source=self._source
            ) from exc
        try:
            yield
        finally:
            lock.release()


# Contents


class Contents:
    """Carries the bytes of new attachments, in chunks of ``chunk_size`` bytes where there are more than that."""

    def __init__(self, client: SourceClient, chunk_size: int) -> None:
        self._client = client
        self._source = client.source
        self._chunk_size = chunk_size

    async def create(self, item: UploadItem, staged: Measured, call: Call, *, in_set: bool) -> WireAttachment:
        """Make an attachment that hangs nowhere: with its bytes if they are no more than a chunk, else without."""
        fields = new_attachment(item, in_set=in_set)
        if item.size > self._chunk_size:
            body = msgspec.json.encode({**fields, "isBeingUploaded": True})
            response = await self._client.request("POST", "/Attachment", call, headers=JSON, body=body)
            confirm(response, self._source)
        else:
            head, tail = whole_file(fields)
            whole = base64_between(head, staged, item.size, tail)
            response = await self._post("/Attachment", whole, JSON["Content-Type"], call)
        return decode_json(response.body, WireAttachment, self._source)

    async def send(self, made: WireAttachment, item: UploadItem, staged: Measured, call: Call) -> None:
        """Send what was not sent yet, in chunks, and compare what the server counted."""
        if item.size > (step := self._chunk_size):
            path = join_path("Attachment", "chunk", made.id)
            for start in range(0, item.size, step):
                chunk = base64_between(DATA_URI, staged, min(step, item.size - start))
                await self._post(path, chunk, "text/plain", call)
            response = await self._client.get(join_path("Attachment", made.id), call)
            confirm(response, self._source)
            made = decode_json(response.body, WireAttachment, self._source)
        await staged.end()
        if made.size not in (None, item.size) or made.is_being_uploaded:
            raise BadResponse("The source holds another number of bytes than it was sent.", source=self._source)

    async def _post(self, path: str, body: Body, media_type: str, call: Call) -> Response:
        headers = {"Content-Type": media_type, "Content-Length": str(body.length)}
        response = await self._client.request("POST", path, call, headers=headers, body=body.chunks)
        confirm(response, self._source)
        return response

    async def remove(self, native_id: str, call: Call) -> None:
        """Delete an attachment; one that is not there counts as deleted."""
        path = join_path("Attachment", native_id)
        response = await self._client.request("DELETE", path, call, repeatable=True)
        if response.status != NOT_FOUND:
            confirm(response, self._source)


# Errors


def confirm(response: Response | Stream, source: str) -> None:
    """Raise the error of an answer that is not 200.

    Where the status is too coarse the reason decides; it is never shown, since it may quote anything.
    """
    if response.status == OK:
        return
    coarse = response.status in (BAD_REQUEST, FORBIDDEN)
    reason = (reason_in(response.headers) or "") if coarse else ""
    for beginnings, error, message in REASONS:
        if reason.startswith(beginnings):
            raise error(message, source=source)
    raise status_error(response, source)


class Closed(Forbidden):
    """One object that the credential may not see, though it works."""


SIZE_TEXTS = ("Attachment size exceeds", "Max attachment size", "File size should not")
TYPE_TEXTS = ("Not allowed file type", "Passed type", "Detected mime type")
REASONS: Sequence[tuple[tuple[str, ...], type[GatewayError], str]] = (
    (("No 'read' access",), Closed, "The source does not let this credential see this."),
    (SIZE_TEXTS, TooLarge, "The source does not take so many bytes."),
    (TYPE_TEXTS, BadInput, "The field does not take files of this type."),
    (("Can't relate with non-existing",), NotFound, "There is no such object, or it may not be seen."),
    (("Field ", "Role not allowed"), BadInput, "The source refuses this field, its value or the role."),
    (("Attachment is not being-uploaded",), Conflict, "The upload has ended already."),
)
"""What the source means by 400 and 403, by how its reason begins (`upstreams.md` 5.3, 5.4, 5.8)."""
