"""The requests to Arrhes, and what its answers mean (`upstreams.md` 2.3 to 2.6)."""

import time
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

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
    QuotaExceeded,
    RateLimited,
    Unauthenticated,
    Unavailable,
    Unsupported,
)
from gateway.transport.bodies import whole
from gateway.transport.call import Call
from gateway.transport.client import SourceClient, join_path
from gateway.transport.egress import Egress
from gateway.transport.messages import Response
from gateway.transport.payloads import decode_json
from gateway.upstreams.base import SERVER_ERROR, OpenBytes, not_found
from gateway.upstreams.wire.arrhes import (
    FILES,
    FOLDERS,
    Noun,
    Reader,
    W,
    WireFile,
    WireFolder,
    WireUrl,
    new_file,
    refusal,
)

OK = 200
FORBIDDEN = 403
PUT_DONE = range(200, 300)
JSON = {"Content-Type": "application/json"}
STEP = 30.0
"""Seconds that a step of an upload may take: one that is given up too early may still take effect."""
NO_ANSWER = (Unavailable, DeadlineExceeded, BadResponse)
"""What leaves it open whether a request took effect."""
DEFINITE = (
    BadInput, Conflict, Forbidden, NotFound, QuotaExceeded, RateLimited, Unauthenticated, Unsupported,
)  # fmt: skip
"""What promises that nothing was made, so that what was made has to be taken back first."""


@dataclass(frozen=True, slots=True)
class Requests:
    """Asks one organisation's server.

    Ids go into the path and into the query or the body, always equal (`upstreams.md` 2.4, 2.6). A POST is never sent
    twice, but for those that only sign.
    """

    client: SourceClient
    egress: Egress
    reader: Reader

    # Reading

    async def one(self, noun: Noun[W], native_id: str, call: Call) -> W:
        """Get a file or a folder: 1 request, 1 more for an unknown id."""
        query = ((noun.parameter, native_id),)
        response = await self.client.get(self._path(noun, native_id), call, query=query, headers=JSON)
        await self._confirm(noun, native_id, response, call)
        return self.reader.one(noun, response.body)

    async def all(self, noun: Noun[W], call: Call, year: str | None = None, *, fresh: bool = False) -> list[W]:
        """List the files or the folders: 1 request.

        A ``fresh`` list shares no request that somebody sent before: it shows what was written until now.
        """
        return self.reader.several(noun, await self.listed(noun, call, year, fresh=fresh))

    async def places(self, call: Call) -> dict[str, str | None]:
        """Tell in which folder each file lies now; None is the root. 1 request."""
        return {wire.id: wire.id_folder for wire in await self.all(FILES, call, fresh=True)}

    async def listed(
        self, noun: Noun[Any], call: Call, year: str | None = None, *, fresh: bool = False
    ) -> bytes:
        """Give a list as the server writes it: 1 request."""
        path = self._path(noun, year=year)
        if fresh:
            response = await self.client.request("GET", path, call, headers=JSON, repeatable=True)
        else:
            response = await self.client.get(path, call, headers=JSON)
        if response.status != OK:
            raise refusal(response, self.reader.source)
        return response.body

    async def signed(self, action: str, file_id: str, call: Call, body: Mapping[str, Any] | None = None) -> str:
        """Have a URL signed: 1 request, 1 more for an unknown file."""
        sent = {**(body or {}), FILES.parameter: file_id}
        response = await self._send("POST", FILES, call, sent, file_id, action, repeatable=True)
        await self._confirm(FILES, file_id, response, call)
        return decode_json(response.body, WireUrl, self.reader.source).url

    # Changing

    async def changed(self, noun: Noun[W], native_id: str, body: Mapping[str, Any], call: Call) -> W:
        """Change a file or a folder, which may be repeated: 1 request, 1 more for an unknown id."""
        sent = {**body, noun.parameter: native_id}
        response = await self._send("PATCH", noun, call, sent, native_id, repeatable=True)
        await self._confirm(noun, native_id, response, call)
        return self.reader.one(noun, response.body)

    async def remove(self, noun: Noun[Any], native_id: str, call: Call) -> None:
        """Delete a file or a folder: 1 request, 1 more for one that is gone already, which is no error."""
        sent = {noun.parameter: native_id}
        response = await self._send("DELETE", noun, call, sent, native_id, repeatable=True)
        if response.status == SERVER_ERROR and await self._lacks(noun, native_id, call):
            return
        if response.status != OK:
            raise refusal(response, self.reader.source)

    async def new_folder(self, name: str, parent: str | None, known: Collection[str], call: Call) -> WireFolder:
        """Make a folder: 1 request, 1 more where its answer is lost. ``known`` are the ids of those there are.

        Raises OutcomeUnknown where a lost answer may have made one that cannot be told from others.
        """
        try:
            response = await self._send("POST", FOLDERS, call, {"name": name, "idFolderParent": parent})
            if response.status != OK:
                raise refusal(response, self.reader.source)
            return self.reader.one(FOLDERS, response.body)
        except NO_ANSWER as exc:
            return await self._new_folder_in_list(name, parent, known, exc, call)

    async def _new_folder_in_list(
        self, name: str, parent: str | None, known: Collection[str], cause: GatewayError, call: Call
    ) -> WireFolder:
        unknown = OutcomeUnknown("The source may have made the folder.", source=self.reader.source)
        try:
            wires = await self.all(FOLDERS, call, fresh=True)
        except GatewayError:
            raise unknown from cause
        made = [
            one for one in wires if one.id not in known and (one.name, one.id_folder_parent) == (name, parent)
        ]
        if len(made) == 1:
            return made[0]
        if made or isinstance(cause, DeadlineExceeded):  # a server that is late may still make it
            raise unknown from cause
        raise cause

    # Uploading

    async def new_file(self, item: UploadItem, call: Call) -> WireFile:
        """Make the record of a file: 1 request, 1 more where the server has a fault.

        Raises Conflict for bytes that the library has already: the server answers 500 then (`upstreams.md` 2.6, 1).
        """
        record = new_file(item)
        response = await self._send_patiently(call, record)
        if response.status == SERVER_ERROR:
            taken = {wire.hash for wire in await self.all(FILES, call, fresh=True)} - {None}
            if record["hash"] in taken:
                message = "The library has a file of the same bytes already."
                raise Conflict(message, source=self.reader.source)
        if response.status != OK:
            raise refusal(response, self.reader.source)
        return self.reader.one(FILES, response.body)

    async def put(self, file_id: str, item: UploadItem, bytes_of: OpenBytes, call: Call) -> None:
        """Carry the bytes to the store: 2 requests, 4 where the first URL has expired, after 60 seconds.

        The store sees no credential, and wants the exact length and the declared type (`upstreams.md` 2.4).
        """
        source = self.reader.source
        headers = {"Content-Length": str(item.size), "Content-Type": item.media_type}
        for attempt in ("first", "second"):
            wanted = {"type": item.media_type, "size": item.size}
            url = self.egress.check(await self.signed("upload-url", file_id, call, wanted))
            async with bytes_of() as chunks:
                response = await self.egress.put(url, call, headers, whole(chunks, item.size))
            if response.status != FORBIDDEN or attempt == "second":
                break
        if response.status == FORBIDDEN:
            raise Forbidden("The source's store refuses the URLs that the source signs.", source=source)
        if response.status not in PUT_DONE:
            raise Unavailable(f"The source's store answered {response.status}.", source=source)

    async def finalize(self, file_id: str, call: Call) -> None:
        """Have the server look at the bytes, once: each time adds their size to the quota (`upstreams.md` 2.4)."""
        response = await self._send_patiently(call, {FILES.parameter: file_id}, file_id, "finalize")
        await self._confirm(FILES, file_id, response, call)
        self.reader.result(response.body)

    @asynccontextmanager
    async def taken_back(self, file_id: str, call: Call) -> AsyncIterator[None]:
        """Delete the record when its upload fails for good: 1 request then.

        Where that fails too the error is one that leaves things open, so that somebody looks again.
        """
        try:
            yield
        except DEFINITE:
            try:
                await self.remove(FILES, file_id, call)
            except GatewayError as exc:
                message = "The source refused the upload, and what it had made of it is still there."
                raise Unavailable(message, source=self.reader.source) from exc
            raise

    async def recognize(self, file_id: str, call: Call) -> WireFile:
        """Have a text file made of a scan, for pages of the quota: 1 request that lasts as long as the call.

        Raises OutcomeUnknown where no answer came.
        """
        sent = {FILES.parameter: file_id}
        try:
            response = await self._send_patiently(call, sent, file_id, "ocr", seconds=call.remaining())
        except NO_ANSWER as exc:
            message = "The source may have made the text file, or may still do so."
            raise OutcomeUnknown(message, source=self.reader.source) from exc
        await self._confirm(FILES, file_id, response, call)
        return self.reader.result(response.body)

    # What requests are made of

    async def _confirm(self, noun: Noun[Any], native_id: str, response: Response, call: Call) -> None:
        """Raise the error of an answer that is not 200.

        The server answers 500 for an unknown id (`upstreams.md` 2.4): only the list tells it from a fault.
        """
        if response.status == SERVER_ERROR and await self._lacks(noun, native_id, call):
            raise not_found(self.reader.source)
        if response.status != OK:
            raise refusal(response, self.reader.source)

    async def _lacks(self, noun: Noun[Any], native_id: str, call: Call) -> bool:
        return all(wire.id != native_id for wire in await self.all(noun, call, fresh=True))

    async def _send(
        self,
        method: str,
        noun: Noun[Any],
        call: Call,
        body: Mapping[str, Any],
        *more: str,
        repeatable: bool = False,
    ) -> Response:
        sent = msgspec.json.encode(body)
        path = self._path(noun, *more)
        return await self.client.request(method, path, call, headers=JSON, body=sent, repeatable=repeatable)

    async def _send_patiently(
        self, call: Call, body: Mapping[str, Any], *more: str, seconds: float = STEP
    ) -> Response:
        """Post about files, and wait longer for the answer than one try of a source may take.

        A body that is a stream is given that time, and is sent once.
        """
        sent = msgspec.json.encode(body)
        headers = {**JSON, "Content-Length": str(len(sent))}
        step = Call(min(call.deadline, time.monotonic() + seconds), call.request_id, call.trace)
        return await self.client.request(
            "POST", self._path(FILES, *more), step, headers=headers, body=_stream_of(sent)
        )

    def _path(self, noun: Noun[Any], *more: str, year: str | None = None) -> str:
        reader = self.reader
        year = reader.year if year is None else year
        return join_path("organizations", reader.organization, "years", year, noun.plural, *more)


async def _stream_of(body: bytes) -> AsyncIterator[bytes]:
    yield body
