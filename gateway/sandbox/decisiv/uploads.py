"""Takes an upload apart: the file goes to disk as it arrives, the XML body is held to a small limit."""

import asyncio
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from starlette.requests import ClientDisconnect, Request

from gateway.sandbox.decisiv.documents import MalformedRequestError
from gateway.sandbox.decisiv.multipart import (
    Event,
    MultipartError,
    MultipartReader,
    PartEnd,
    PartHead,
    boundary_of,
)
from gateway.sandbox.decisiv.state import State

BODY_LIMIT = 65_536
"""Bytes of XML that one upload may carry; the real limit is not known."""


class TooLargeError(Exception):
    """The file has more bytes than the server takes."""


@dataclass(slots=True)
class Upload:
    """What came in: the XML, and where the file's bytes lie. None stands for a part that did not come."""

    path: Path
    body: bytes | None = None
    filename: str | None = None
    size: int = 0


async def receive(request: Request, state: State) -> Upload:
    """Read the request's parts, the file straight to disk.

    Raises MalformedRequestError for a broken body and TooLargeError above ``state.max_size``, in both cases after
    reading to the end, because a client that still sends would not see the answer. The caller removes the file
    where it keeps no record of it.
    """
    upload = Upload(state.folder / secrets.token_hex(12))
    with await asyncio.to_thread(upload.path.open, "wb") as file:
        problem = await _read(request, _Receiver(upload, file, state.max_size))
    if problem is not None:
        upload.path.unlink()
        raise problem if isinstance(problem, TooLargeError) else MalformedRequestError(str(problem))
    return upload


async def _read(request: Request, receiver: "_Receiver") -> Exception | None:
    problem: Exception | None = None
    try:
        reader = MultipartReader(boundary_of(request.headers.get("content-type", "")))
        async for chunk in request.stream():
            problem = problem or receiver.attempt(reader, chunk)
    except MultipartError as error:
        return error
    except ClientDisconnect:
        return MultipartError("The client hung up")
    return problem or receiver.finish(reader)


class _Receiver:
    """Puts the bytes of each part where they belong."""

    def __init__(self, upload: Upload, file: BinaryIO, max_size: int) -> None:
        self.upload, self.file, self.max_size = upload, file, max_size
        self.part: PartHead | None = None

    def attempt(self, reader: MultipartReader, chunk: bytes) -> Exception | None:
        """Take one chunk and hand back what is wrong with it."""
        try:
            for event in reader.feed(chunk):
                self.take(event)
        except (MultipartError, TooLargeError) as error:
            return error
        return None

    def finish(self, reader: MultipartReader) -> Exception | None:
        """Hand back what is wrong with the body as a whole."""
        try:
            reader.close()
        except MultipartError as error:
            return error
        return None

    def take(self, event: Event) -> None:
        """Follow one event of the reader."""
        if isinstance(event, PartHead):
            self._begin(event)
        elif isinstance(event, PartEnd):
            self.part = None
        elif self.part is not None and self.part.name == "file":
            self._keep(event)
        elif self.part is not None and self.part.name == "body":
            self._extend(event)

    def _begin(self, head: PartHead) -> None:
        self.part = head
        if head.name == "file":
            if self.upload.filename is not None or not head.filename:
                raise MultipartError("Exactly one part named file with a filename is expected")
            self.upload.filename = stored_name(head.filename)
        elif head.name == "body":
            if self.upload.body is not None:
                raise MultipartError("Exactly one part named body is expected")
            self.upload.body = b""

    def _keep(self, data: bytes) -> None:
        self.upload.size += len(data)
        if self.upload.size > self.max_size:
            raise TooLargeError
        self.file.write(data)

    def _extend(self, data: bytes) -> None:
        self.upload.body = (self.upload.body or b"") + data
        if len(self.upload.body) > BODY_LIMIT:
            raise MultipartError("The part named body is too long")


def stored_name(filename: str) -> str:
    """Keep the last segment of a client's path; raises MultipartError for what XML could not carry back."""
    name = filename.replace("\\", "/").rsplit("/", 1)[-1]
    if not name or not name.isprintable():
        raise MultipartError("The filename is not usable")
    return name
