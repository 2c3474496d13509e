"""Plain Strawberry and httpx over the static upstream, as their documentation writes it.

`UPSTREAM` names the upstream's origin. It reads the same bodies as the product, with one client and one pool, a
DataLoader for what many ask for, and the caches for parsing and validation that Strawberry has. It checks nothing.
"""

import asyncio
import os
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar

import httpx
import strawberry
from strawberry.asgi import GraphQL
from strawberry.dataloader import DataLoader
from strawberry.extensions import ParserCache, SchemaExtension, ValidationCache

T = TypeVar("T")
Place = str
"""The path of a library."""
client = httpx.AsyncClient(
    base_url=os.environ.get("UPSTREAM", ""),
    limits=httpx.Limits(max_connections=100),
    timeout=30,
    trust_env=False,
)


async def read(path: str) -> Any:
    """Get what the upstream has at a path."""
    return (await client.get(path)).raise_for_status().json()


@strawberry.type
class File:
    """A file of a library."""

    id: strawberry.ID
    name: str
    reference: str | None
    hash: str | None
    date: str | None
    size: int | None
    type: str | None
    created_at: str
    place: strawberry.Private[Place]
    folder_id: strawberry.Private[str]

    @strawberry.field
    async def folder(
        self, info: strawberry.Info
    ) -> Annotated["Folder", strawberry.lazy("tests.benchmark.plain")] | None:
        """Find the folder that the file is in."""
        _, by_id = await info.context["folders"].load(self.place)
        return by_id.get(self.folder_id)


@strawberry.type
class Folder:
    """A folder of a library."""

    id: strawberry.ID
    name: str
    place: strawberry.Private[Place]

    @strawberry.field
    async def folders(self, info: strawberry.Info) -> list["Folder"]:
        """List the folders in it."""
        by_parent, _ = await info.context["folders"].load(self.place)
        return by_parent.get(self.id, [])

    @strawberry.field
    async def files(self, info: strawberry.Info) -> list[File]:
        """List the files in it."""
        by_folder = await info.context["files"].load(self.place)
        return by_folder.get(self.id, [])


@strawberry.type
class Attachment:
    """An attachment of a mail."""

    id: strawberry.ID
    title: str | None
    chrono: str | None
    status: str
    created_at: str
    updated_at: str | None
    can_update: bool | None
    can_delete: bool | None


@strawberry.type
class Mail:
    """A mail, of which only the number is known before it is asked for."""

    id: strawberry.ID

    @strawberry.field
    async def attachments(self, info: strawberry.Info) -> list[Attachment]:
        """List what hangs on it."""
        return await info.context["attachments"].load(self.id)


@strawberry.type
class Query:
    """What the four queries need."""

    @strawberry.field
    async def folders(self, info: strawberry.Info, organization: str, year: str) -> list[Folder]:
        """List the folders at the root of a library."""
        by_parent, _ = await info.context["folders"].load(place_of(organization, year))
        return by_parent.get(None, [])

    @strawberry.field
    async def files(self, organization: str, year: str) -> list[File]:
        """List all files of a library."""
        return await files_at(place_of(organization, year))

    @strawberry.field
    async def attachment(self, id: strawberry.ID) -> Attachment:  # noqa: A002 - GraphQL's name
        """Get one attachment."""
        return attachment_of(await read(f"/rest/attachments/{id}"))

    @strawberry.field
    def mails(self, ids: list[strawberry.ID]) -> list[Mail]:
        """Name mails."""
        return [Mail(id=one) for one in ids]


def place_of(organization: str, year: str) -> Place:
    """Make the path of a library."""
    return f"/v1/organizations/{organization}/years/{year}"


async def files_at(place: Place) -> list[File]:
    """Read the files of a library."""
    return [
        File(
            id=one["id"],
            name=one["name"],
            reference=one["reference"],
            hash=one["hash"],
            date=one["date"],
            size=one["size"],
            type=one["type"],
            created_at=one["createdAt"],
            place=place,
            folder_id=one["idFolder"],
        )
        for one in await read(f"{place}/files")
    ]


async def files_by_folder(place: Place) -> dict[str, list[File]]:
    """Sort the files of a library into their folders."""
    found: dict[str, list[File]] = defaultdict(list)
    for one in await files_at(place):
        found[one.folder_id].append(one)
    return found


async def folders_at(place: Place) -> tuple[dict[str | None, list[Folder]], dict[str, Folder]]:
    """Read the folders of a library, by what they lie in and by their ids."""
    by_parent: dict[str | None, list[Folder]] = defaultdict(list)
    by_id = {}
    for one in await read(f"{place}/folders"):
        by_id[one["id"]] = folder = Folder(id=one["id"], name=one["name"], place=place)
        by_parent[one["idFolderParent"]].append(folder)
    return by_parent, by_id


def attachment_of(one: dict[str, Any]) -> Attachment:
    """Read an attachment."""
    return Attachment(
        id=one["resId"],
        title=one["title"],
        chrono=one["chrono"],
        status=one["status"],
        created_at=one["creationDate"],
        updated_at=one["modificationDate"],
        can_update=one["canUpdate"],
        can_delete=one["canDelete"],
    )


async def attachments_of(mail: str) -> list[Attachment]:
    """Read the attachments of a mail."""
    body = await read(f"/rest/resources/{mail}/attachments")
    return [attachment_of(one) for one in body["attachments"]]


def loader(one: Callable[[str], Awaitable[T]]) -> "DataLoader[str, T]":
    """Make a loader that gets each key once, all at the same time."""

    async def load(keys: list[str]) -> list[T]:
        return await asyncio.gather(*(one(key) for key in keys))

    return DataLoader(load)


class Endpoint(GraphQL[dict[str, Any], None]):
    """The ASGI application, with loaders for each request."""

    async def get_context(self, *_: Any, **__: Any) -> dict[str, Any]:
        """Make the loaders."""
        return {
            "folders": loader(folders_at),
            "files": loader(files_by_folder),
            "attachments": loader(attachments_of),
        }


caches: list[SchemaExtension] = [ParserCache(maxsize=100), ValidationCache(maxsize=100)]
"""Made once: strawberry wants extensions made for each request, but these would forget everything."""
schema = strawberry.Schema(Query, extensions=[lambda: caches[0], lambda: caches[1]])
app = Endpoint(schema)
