"""How fast this could be without GraphQL: four operations known by name, msgspec, aiohttp, and nothing else.

It is no candidate: it parses no document, and has no errors, identities, limits or timeouts. `UPSTREAM` names the
upstream's origin.
"""

import asyncio
import os
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import cache
from typing import Any, TypeVar

import aiohttp
import msgspec
from starlette.types import Receive, Scope, Send

T = TypeVar("T")
UPSTREAM = os.environ.get("UPSTREAM", "")
encode = msgspec.json.Encoder().encode


class File(msgspec.Struct, rename="camel", gc=False):
    """Of a file, what is asked for, and its folder."""

    id: str
    name: str
    reference: str | None
    hash: str | None
    date: str | None
    size: int | None
    type: str | None
    created_at: str
    id_folder: str


class Folder(msgspec.Struct, rename="camel", gc=False):
    """Of a folder, what is asked for, and where it lies."""

    id: str
    name: str
    id_folder_parent: str | None


class Attachment(msgspec.Struct, rename="camel", gc=False):
    """Of an attachment, what is asked for."""

    res_id: int
    title: str | None
    chrono: str | None
    status: str
    creation_date: str
    modification_date: str | None
    can_update: bool | None
    can_delete: bool | None


class Listing(msgspec.Struct):
    """The attachments of a mail."""

    attachments: list[Attachment]


class Request(msgspec.Struct, rename="camel"):
    """What of a request counts."""

    operation_name: str
    variables: dict[str, Any]


@cache
def session() -> aiohttp.ClientSession:
    """Open the client, once there is a loop."""
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=100))


async def read(path: str, shape: type[T]) -> T:
    """Get what the upstream has at a path."""
    async with session().get(UPSTREAM + path) as answer:
        return msgspec.json.decode(await answer.read(), type=shape)


async def library(organization: str, year: str) -> tuple[list[Folder], list[File]]:
    """Get both lists of a library."""
    place = f"/v1/organizations/{organization}/years/{year}"
    return await asyncio.gather(read(f"{place}/folders", list[Folder]), read(f"{place}/files", list[File]))


async def tree(organization: str, year: str) -> Mapping[str, object]:
    """Answer Q1."""
    folders, files = await library(organization, year)
    below, held = defaultdict(list), defaultdict(list)
    for folder in folders:
        below[folder.id_folder_parent].append(folder)
    for file in files:
        held[file.id_folder].append(file_of(file))

    def branch(folder: Folder) -> Mapping[str, object]:
        inner = [branch(one) for one in below.get(folder.id, ())]
        return {"id": folder.id, "name": folder.name, "files": held.get(folder.id, []), "folders": inner}

    return {"folders": [branch(folder) for folder in below[None]]}


def file_of(file: File) -> dict[str, object]:
    """Write a file."""
    return {
        "id": file.id,
        "name": file.name,
        "reference": file.reference,
        "hash": file.hash,
        "date": file.date,
        "size": file.size,
        "type": file.type,
        "createdAt": file.created_at,
    }


def attachment_of(one: Attachment) -> Mapping[str, object]:
    """Write an attachment."""
    return {
        "id": one.res_id,
        "title": one.title,
        "chrono": one.chrono,
        "status": one.status,
        "createdAt": one.creation_date,
        "updatedAt": one.modification_date,
        "canUpdate": one.can_update,
        "canDelete": one.can_delete,
    }


async def attachment(id: str) -> Mapping[str, object]:  # noqa: A002 - the variable's name
    """Answer Q2."""
    return {"attachment": attachment_of(await read(f"/rest/attachments/{id}", Attachment))}


async def mails(ids: Sequence[str]) -> Mapping[str, object]:
    """Answer Q3."""
    found = await asyncio.gather(*(read(f"/rest/resources/{one}/attachments", Listing) for one in ids))
    return {
        "mails": [
            {"id": one, "attachments": [attachment_of(each) for each in listing.attachments]}
            for one, listing in zip(ids, found, strict=True)
        ]
    }


async def files_with_folder(organization: str, year: str) -> Mapping[str, object]:
    """Answer Q4."""
    folders, files = await library(organization, year)
    names = {folder.id: {"name": folder.name} for folder in folders}
    return {"files": [file_of(file) | {"folder": names[file.id_folder]} for file in files]}


OPERATIONS: Mapping[str, Callable[..., Awaitable[Mapping[str, object]]]] = {
    "Q1": tree,
    "Q2": attachment,
    "Q3": mails,
    "Q4": files_with_folder,
}
requests = msgspec.json.Decoder(Request)


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request."""
    if scope["type"] != "http":
        return
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message["body"], message.get("more_body", False)
    asked = requests.decode(body)
    answer = encode({"data": await OPERATIONS[asked.operation_name](**asked.variables)})
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})
