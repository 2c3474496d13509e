"""Arrhes "Stockage": files in folders of an organisation's accounting year (`upstreams.md` 2)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar, Generic, TypeVar

import msgspec

from gateway.domain.details import ArrhesDetails
from gateway.domain.errors import BadResponse, Conflict, GatewayError
from gateway.domain.media_types import media_type_of
from gateway.domain.model import (
    Branch,
    Entry,
    File,
    FileState,
    Folder,
    Library,
    RecordKind,
    SignedLink,
    SourceKind,
)
from gateway.domain.refs import Ref, RefType
from gateway.domain.secret import Secret
from gateway.domain.tree import Tree, build_tree
from gateway.transport.auth import bearer
from gateway.transport.call import Call
from gateway.transport.client import join_path
from gateway.transport.exchange import Response
from gateway.transport.payloads import decode_json, parse_time, text_or_none
from gateway.upstreams.base import (
    SERVER_ERROR,
    Listing,
    SourceSettings,
    connect,
    each,
    not_found,
    signed_until,
    status_error,
    together,
)

OK = 200
BAD_REQUEST = 400


# Settings


class ArrhesSettings(SourceSettings, frozen=True, kw_only=True):
    """One organisation at Arrhes: its id and the API key that is bound to it.

    ``year`` names the library of files that are asked for by id; the server ignores it (`upstreams.md` 2.4).
    """

    organization: str
    key: Secret
    year: str = str(datetime.now(UTC).year)


# Wire shapes


class WireFile(msgspec.Struct, rename="camel"):
    """A file as the server writes it."""

    id: str
    id_organization: str
    name: str
    created_at: str
    id_folder: str | None = None
    id_file_parent: str | None = None
    reference: str | None = None
    storage_key: str | None = None
    type: str | None = None
    size: int | None = None
    hash: str | None = None
    date: str | None = None
    last_updated_at: str | None = None
    created_by: str | None = None
    last_updated_by: str | None = None


class WireFolder(msgspec.Struct, rename="camel"):
    """A folder as the server writes it."""

    id: str
    id_organization: str
    name: str
    created_at: str
    id_folder_parent: str | None = None
    last_updated_at: str | None = None
    created_by: str | None = None
    last_updated_by: str | None = None


class WireUrl(msgspec.Struct):
    """The answer of the signing routes."""

    url: str


W = TypeVar("W", WireFile, WireFolder)


@dataclass(frozen=True, slots=True)
class Noun(Generic[W]):
    """What the routes of files and of folders differ by.

    The id goes into the path and into the named parameter: servers read one or the other (`upstreams.md` 2.4).
    """

    ref_type: RefType
    plural: str
    parameter: str
    shape: type[W]


FILES = Noun(RefType.FILE, "files", "idFile", WireFile)
FOLDERS = Noun(RefType.FOLDER, "folders", "idFolder", WireFolder)
JSON = {"Content-Type": "application/json"}


def is_library(ref: Ref) -> bool:
    """Tell whether a reference has the form of a library: an organisation and a year."""
    return ref.type is RefType.LIBRARY and len(ref.key) == len(("organization", "year"))


class ArrhesAdapter:
    """Reads one organisation's files and folders.

    Costs: a tree 2 requests whatever its size; one file or folder 1, and 1 more to tell a missing one from a fault
    of the server; several 1 per list, because the server has no other batch.
    """

    kind: ClassVar = SourceKind.ARRHES
    record_kind: ClassVar[RecordKind | None] = None

    def __init__(self, settings: ArrhesSettings) -> None:
        self.name = settings.name
        self._settings = settings
        self._client = connect(settings, bearer(settings.key))

    async def fetch(self, refs: Sequence[Ref], call: Call) -> Sequence[Entry | GatewayError]:
        """Get files and folders: 1 request for one of them, else 1 per list that holds some of them."""
        files, folders = await together(self._entries(FILES, refs, call), self._entries(FOLDERS, refs, call))
        found: dict[Ref, Entry | GatewayError] = {**files, **folders}
        return [found.get(ref) or not_found(self.name) for ref in refs]

    async def children(self, parents: Sequence[Ref], call: Call) -> Sequence[Listing | GatewayError]:
        """Take a snapshot of each library's tree: 2 requests each, at the same time."""
        return await each(parents, lambda parent: self._tree(parent, call))

    async def probe(self, call: Call) -> None:
        """List the folders, which are the smaller list."""
        await self._list(FOLDERS, self._settings.year, call)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    # Signed links

    async def sign(self, ref: Ref, call: Call) -> SignedLink:
        """Get the store's own link, which lives for an hour. 1 request, 1 more for an unknown file.

        Raises Conflict while the file's bytes have not arrived.
        """
        native_id = self._native_id(FILES, ref)
        path = self._path(FILES, self._settings.year, native_id, "download-url")
        body = msgspec.json.encode({FILES.parameter: native_id})
        response = await self._client.request("POST", path, call, headers=JSON, body=body, repeatable=True)
        if response.status == BAD_REQUEST:
            raise Conflict("The bytes of this file have not arrived.", source=self.name)
        await self._confirm(FILES, native_id, response, call)
        url = decode_json(response.body, WireUrl, self.name).url
        return SignedLink(url, signed_until(url))

    # Reading

    async def _entries(
        self, noun: Noun[Any], refs: Sequence[Ref], call: Call
    ) -> Mapping[Ref, Entry | GatewayError]:
        """Get those of the references that are of one noun."""
        wanted = [ref for ref in dict.fromkeys(refs) if ref.type is noun.ref_type]
        try:
            if len(wanted) == 1:
                return {wanted[0]: await self._one(noun, wanted[0], call)}
            wires = await self._list(noun, self._settings.year, call) if wanted else []
        except GatewayError as exc:
            return dict.fromkeys(wanted, exc)
        asked = {ref.key for ref in wanted}
        entries = (self._entry(wire) for wire in wires if (wire.id,) in asked)
        return {entry.ref: entry for entry in entries}

    async def _one(self, noun: Noun[Any], ref: Ref, call: Call) -> Entry:
        native_id = self._native_id(noun, ref)
        path = self._path(noun, self._settings.year, native_id)
        response = await self._client.get(path, call, query=((noun.parameter, native_id),), headers=JSON)
        await self._confirm(noun, native_id, response, call)
        return self._entry(self._own(decode_json(response.body, noun.shape, self.name)))

    async def _list(self, noun: Noun[W], year: str, call: Call) -> list[W]:
        response = await self._client.get(self._path(noun, year), call, headers=JSON)
        if response.status != OK:
            raise status_error(response, self.name)
        return [self._own(wire) for wire in decode_json(response.body, list[noun.shape], self.name)]  # type: ignore[name-defined]

    async def _tree(self, parent: Ref, call: Call) -> Tree:
        organization, year = parent.key if is_library(parent) else ("", "")
        if organization != self._settings.organization:
            raise not_found(self.name)
        library = Library(parent)
        folders, files = await together(self._list(FOLDERS, year, call), self._list(FILES, year, call))
        return build_tree(
            library,
            (self._folder(wire, library, Branch()) for wire in folders),
            lambda by_ref: (self._file(wire, library, by_ref) for wire in files),
        )

    # Errors

    async def _confirm(self, noun: Noun[Any], native_id: str, response: Response, call: Call) -> None:
        """Raise the error of an answer that is not 200.

        The server answers 500 for an unknown id (`upstreams.md` 2.4): only the list tells it from a fault.
        """
        if response.status == SERVER_ERROR:
            wires = await self._list(noun, self._settings.year, call)
            if all(wire.id != native_id for wire in wires):
                raise not_found(self.name)
        if response.status != OK:
            raise status_error(response, self.name)

    def _own(self, wire: W) -> W:
        """Refuse objects of another organisation: the key decides, whatever the path says (`upstreams.md` 2.4)."""
        if wire.id_organization != self._settings.organization:
            raise BadResponse("The key belongs to another organisation than the settings.", source=self.name)
        return wire

    # Parsing

    def _path(self, noun: Noun[Any], year: str, *more: str) -> str:
        return join_path("organizations", self._settings.organization, "years", year, noun.plural, *more)

    def _native_id(self, noun: Noun[Any], ref: Ref) -> str:
        if ref.type is not noun.ref_type or len(ref.key) != 1:
            raise not_found(self.name)
        return ref.key[0]

    def _ref(self, ref_type: RefType, native_id: str | None) -> Ref | None:
        return Ref(self.name, ref_type, (native_id,)) if native_id else None

    def _library(self) -> Library:
        return Library(Ref(self.name, RefType.LIBRARY, (self._settings.organization, self._settings.year)))

    def _entry(self, wire: WireFile | WireFolder) -> Entry:
        if isinstance(wire, WireFile):
            return self._file(wire, self._library(), {})
        return self._folder(wire, self._library(), None)

    def _folder(self, wire: WireFolder, library: Library, branch: Branch | None) -> Folder:
        return Folder(
            ref=Ref(self.name, RefType.FOLDER, (wire.id,)),
            name=wire.name,
            library=library,
            parent_ref=self._ref(RefType.FOLDER, wire.id_folder_parent),
            created_at=parse_time(wire.created_at, self.name),
            updated_at=parse_time(wire.last_updated_at, self.name),
            created_by=text_or_none(wire.created_by),
            updated_by=text_or_none(wire.last_updated_by),
            branch=branch,
        )

    def _file(self, wire: WireFile, library: Library, folders: Mapping[Ref, Folder]) -> File:
        folder_ref = self._ref(RefType.FOLDER, wire.id_folder)
        return File(
            ref=Ref(self.name, RefType.FILE, (wire.id,)),
            name=wire.name,
            size=wire.size,
            media_type=text_or_none(wire.type) or media_type_of(wire.name),
            created_at=parse_time(wire.created_at, self.name),
            updated_at=parse_time(wire.last_updated_at, self.name),
            library=library,
            folder_ref=folder_ref,
            folder=folders.get(folder_ref) if folder_ref else None,
            document_date=parse_time(wire.date, self.name),
            checksum=text_or_none(wire.hash),
            reference=text_or_none(wire.reference),
            state=FileState.AVAILABLE if wire.storage_key else FileState.PENDING,
            details=ArrhesDetails(
                native_id=wire.id,
                organization_id=wire.id_organization,
                storage_key=text_or_none(wire.storage_key),
                created_by=text_or_none(wire.created_by),
                updated_by=text_or_none(wire.last_updated_by),
                recognized_from=text_or_none(wire.id_file_parent),
            ),
        )
