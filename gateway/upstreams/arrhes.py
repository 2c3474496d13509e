"""Arrhes "Stockage": files in folders of an organisation's accounting year (`upstreams.md` 2)."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, ClassVar, TypeVar

import msgspec

from gateway.domain.capabilities import Operation
from gateway.domain.changes import (
    Deletion,
    DeletionState,
    FileChange,
    FolderChange,
    FolderDeletion,
    NewFolder,
    UploadItem,
)
from gateway.domain.errors import (
    BadInput,
    BadResponse,
    Conflict,
    GatewayError,
    TooLarge,
    Unsupported,
)
from gateway.domain.model import (
    Entry,
    File,
    Folder,
    Library,
    RecordKind,
    SignedLink,
    SourceKind,
)
from gateway.domain.refs import Ref, RefType
from gateway.domain.secret import Secret
from gateway.domain.tree import Tree
from gateway.transport.addresses import is_web
from gateway.transport.auth import Auth, bearer
from gateway.transport.call import Call
from gateway.upstreams.base import (
    Listing,
    Note,
    OpenBytes,
    SourceSettings,
    as_value,
    connect,
    each,
    not_found,
    open_door,
    signed_until,
    together,
)
from gateway.upstreams.reconciling import made_by
from gateway.upstreams.steps.arrhes import Requests
from gateway.upstreams.unchanged import Unchanged
from gateway.upstreams.wire.arrhes import (
    FILES,
    FOLDERS,
    LARGEST_FILE,
    NO_BYTES,
    Noun,
    Present,
    Reader,
    WireFile,
    changed_file,
    changed_folder,
    checked_name,
    is_library,
    is_record_of,
    new_file,
    tree_of,
)

K = TypeVar("K", bound=Hashable)
R = TypeVar("R")
FILE_ID = "file_id"
PUT = "put"
NO_STORE = "Uploads go to the source's store, whose host the setting `link_hosts` has to name."


# Settings


class ArrhesSettings(SourceSettings, frozen=True, kw_only=True):
    """One organisation at Arrhes: its id and the API key that is bound to it.

    ``year`` names the library of files that are asked for by id; the server ignores it (`upstreams.md` 2.4).
    ``max_upload`` is in bytes, and so is ``kept_answers``: of the lists whose trees are remembered, so that those
    that come again unchanged are not read again. Uploads go to URLs that the server signs, on the host of its object
    store: without that host in ``link_hosts`` there are none.
    """

    organization: str
    key: Secret
    year: str = msgspec.field(default_factory=lambda: str(datetime.now(UTC).year))
    max_upload: int = LARGEST_FILE
    kept_answers: int = 8 * 1024 * 1024

    def __post_init__(self) -> None:
        """Refuse a limit that the server does not have, with ValueError."""
        if not 0 < self.max_upload <= LARGEST_FILE:
            raise ValueError(f"`max_upload` must be 1 to {LARGEST_FILE:_}, which is the server's limit")


class ArrhesAdapter:
    """Reads and writes one organisation's files and folders.

    Costs: a tree 2 requests whatever its size; one file or folder 1, and 1 more to tell a missing one from a fault
    of the server; several 1 per list, because the server has no other batch.
    """

    kind: ClassVar = SourceKind.ARRHES
    record_kind: ClassVar[RecordKind | None] = None

    def __init__(self, settings: ArrhesSettings, auth: Auth | None = None) -> None:
        self.name = settings.name
        self.passes_through = bool(settings.pass_through)
        self._settings = settings
        self._client = connect(settings, auth or bearer(settings.key))
        self._egress = open_door(settings)
        self._reader = Reader(settings.name, settings.organization, settings.year)
        self._requests = Requests(self._client, self._egress, self._reader)
        self._changing_folders = asyncio.Lock()
        self._trees: Unchanged[Tree] = Unchanged(0 if settings.pass_through else settings.kept_answers)

    async def fetch(self, refs: Sequence[Ref], call: Call) -> Sequence[Entry | GatewayError]:
        """Get files and folders: 1 request for one of them, else 1 per list that holds some of them."""
        files, folders = await together(self._entries(FILES, refs, call), self._entries(FOLDERS, refs, call))
        found: dict[Ref, Entry | GatewayError] = {**files, **folders}
        return [found.get(ref) or not_found(self.name) for ref in refs]

    async def children(self, parents: Sequence[Ref], call: Call) -> Sequence[Listing | GatewayError]:
        """Take a snapshot of each library's tree: 2 requests each, at the same time.

        A tree whose lists come as they came the last time is the one that was made then.
        """
        return await each(parents, lambda parent: self._tree(parent, call))

    async def probe(self, call: Call) -> None:
        """List the folders, which are the smaller list."""
        await self._requests.all(FOLDERS, call)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()
        await self._egress.exchange.aclose()

    def ruled_out(self) -> Mapping[Operation, str]:
        """Say that there are no uploads while nobody has named the store that they go to."""
        return {} if self._settings.link_hosts else {Operation.UPLOAD: NO_STORE}

    # Signed links

    async def sign(self, ref: Ref, call: Call) -> SignedLink:
        """Get the store's own link, which lives for an hour. 1 request, 1 more for an unknown file.

        Raises Conflict while the file's bytes have not arrived, and BadResponse for a link that is no web address.
        """
        url = await self._requests.signed("download-url", self._reader.native_id(FILES, ref), call)
        if not is_web(url):
            raise BadResponse("The source gives a link that is no web address.", source=self.name)
        return SignedLink(url, signed_until(url))

    # Uploads

    @property
    def max_bytes(self) -> int | None:
        """The largest file, in bytes: 50,000,000, or less by the setting ``max_upload``."""
        return self._settings.max_upload

    def check(self, item: UploadItem) -> None:
        """Refuse an upload that cannot succeed: BadInput, TooLarge, NotFound, Unsupported. No upstream request.

        The target is a library or a folder; the only option is ``reference``, a text of up to 256 characters.
        """
        if not self._settings.link_hosts:
            raise Unsupported(NO_STORE, source=self.name)
        if item.target.type is RefType.FOLDER:
            self._reader.native_id(FOLDERS, item.target)
        elif item.target.type is RefType.LIBRARY:
            self._own_library(item.target)
        else:
            raise BadInput("Files of this source lie in libraries and their folders.", source=self.name)
        if item.size > self._settings.max_upload:
            message = f"This source takes files of {self._settings.max_upload:,} bytes at most."
            raise TooLarge(message, source=self.name)
        new_file(item)

    async def upload(self, item: UploadItem, bytes_of: OpenBytes, call: Call, note: Note) -> Ref:
        """Make the record, have a URL signed, put the bytes there, finalize: 4 requests, 1 more into a folder.

        The record's id is noted before the bytes go, so that whatever happens then concerns this record alone.
        """
        self.check(item)
        if item.target.type is RefType.FOLDER:
            self._folder_id(item.target, await self._present(call))
        record = await self._requests.new_file(item, call)
        await note({FILE_ID: record.id})
        async with self._requests.taken_back(record.id, call):
            await self._requests.put(record.id, item, bytes_of, call)
        await note({PUT: "done"})
        async with self._requests.taken_back(record.id, call):
            await self._requests.finalize(record.id, call)
        return self._file_ref(record.id)

    async def reconcile(self, item: UploadItem, call: Call) -> Ref | None:
        """Find the file, or take its half-made record away: 1 or 2 requests.

        A record that is not finalized goes: finalizing it once more might count it twice (`upstreams.md` 2.4).
        """
        files = await self._requests.all(FILES, call, fresh=True)
        noted = next((wire for wire in files if wire.id == item.notes.get(FILE_ID)), None)
        made = noted or self._unnoted(item, files)
        if made is not None and made.storage_key:
            return self._file_ref(made.id)
        if made is not None:
            await self._requests.remove(FILES, made.id, call)
        return None

    def _unnoted(self, item: UploadItem, files: Sequence[WireFile]) -> WireFile | None:
        """Find what an attempt made that ended before its note; it never came further than the record."""
        records = {self._file_ref(wire.id): wire for wire in files if is_record_of(wire, item)}
        found = made_by(item, {ref: wire.created_at for ref, wire in records.items()}, UTC)
        return records[found] if found else None

    # Changes

    async def update(self, changes: Sequence[FileChange], call: Call) -> Sequence[Entry | GatewayError]:
        """Change files: 1 request each, 1 more for all that move into folders."""
        return await each(changes, lambda change: self._update(change, call))

    async def _update(self, change: FileChange, call: Call) -> Entry:
        native_id, body = self._reader.native_id(FILES, change.ref), changed_file(change)
        if isinstance(change.folder, Ref):
            self._folder_id(change.folder, await self._present(call))
        if not body:  # even an empty change moves the time of the last one (`upstreams.md` 2.6, 10)
            return self._reader.entry(await self._requests.one(FILES, native_id, call))
        return self._reader.entry(await self._requests.changed(FILES, native_id, body, call))

    # Deletions

    async def delete(self, refs: Sequence[Ref], call: Call) -> Sequence[Deletion | GatewayError]:
        """Delete files: 1 request each, 1 more for those that are gone already.

        A signed link that was given out before works on until it ends (`upstreams.md` 2.6, 2).
        """
        return await each(refs, lambda ref: self._delete(ref, call))

    async def deletion(self, deletion: Deletion, call: Call) -> Deletion:  # noqa: ARG002 - deletions take no time here
        """Give the deletion back: it was done at once. No request."""
        return deletion

    async def _delete(self, ref: Ref, call: Call) -> Deletion:
        await self._requests.remove(FILES, self._reader.native_id(FILES, ref), call)
        return Deletion(ref, DeletionState.DELETED)

    # Folders

    async def create_folders(self, folders: Sequence[NewFolder], call: Call) -> Sequence[Folder | GatewayError]:
        """Make folders, one after the other: 1 request each, and 1 for all."""
        return await self._in_turn(folders, call, lambda new, present: self._create(new, present, call))

    async def update_folders(
        self, changes: Sequence[FolderChange], call: Call
    ) -> Sequence[Folder | GatewayError]:
        """Rename and move folders, one after the other: 1 request each, and 1 for all.

        A move below itself is a Conflict: the server would take it (`upstreams.md` 2.4).
        """
        return await self._in_turn(changes, call, lambda change, present: self._change(change, present, call))

    async def delete_folders(
        self, folders: Sequence[FolderDeletion], call: Call
    ) -> Sequence[Ref | GatewayError]:
        """Delete folders, one after the other: 1 request each, and 2 for all.

        What is in them goes the server's way: folders are deleted with them, files move to the root.
        """
        places: dict[str, str | None] = {}

        async def look() -> None:
            places.update(await self._requests.places(call))

        return await self._in_turn(folders, call, partial(self._raze, places=places, call=call), look)

    async def _in_turn(
        self,
        keys: Sequence[K],
        call: Call,
        one: Callable[[K, Present], Awaitable[R]],
        look: Callable[[], Awaitable[None]] | None = None,
    ) -> Sequence[R | GatewayError]:
        """Change folders on one list of them, which each change keeps up: what is checked is what is there.

        Only one operation at a time does so, or two moves could make the cycle that neither sees; ``look`` sees more.
        """
        if not keys:
            return []
        async with self._changing_folders:
            try:
                present = await self._present(call, fresh=True)
                if look is not None:
                    await look()
            except GatewayError as exc:
                return [exc for _ in keys]
            return [await as_value(one(key, present)) for key in keys]

    async def _create(self, new: NewFolder, present: Present, call: Call) -> Folder:
        library = self._own_library(new.library)
        parent = self._folder_id(new.parent, present) if new.parent else None
        name = checked_name(new.name, self.name)
        wire = await self._requests.new_folder(name, parent, present, call)
        present[wire.id] = wire
        return self._reader.folder(wire, library, None)

    async def _change(self, change: FolderChange, present: Present, call: Call) -> Folder:
        folder_id, body = self._folder_id(change.ref, present), changed_folder(change)
        if isinstance(change.parent, Ref) and self._folder_id(change.parent, present) in tree_of(
            folder_id, present
        ):
            raise Conflict("A folder cannot lie in itself or in a folder below it.", source=self.name)
        if body:
            present[folder_id] = await self._requests.changed(FOLDERS, folder_id, body, call)
        return self._reader.folder(present[folder_id], self._reader.library, None)

    async def _raze(
        self, deletion: FolderDeletion, present: Present, places: dict[str, str | None], call: Call
    ) -> Ref:
        folder_id = self._folder_id(deletion.ref, present)
        gone = tree_of(folder_id, present)
        files = [file for file, place in places.items() if place in gone]
        if not deletion.with_contents and (len(gone) > 1 or files):
            held = f"{len(gone) - 1:,} folders and {len(files):,} files"
            raise Conflict(f"The folder is not empty: it holds {held} on all levels.", source=self.name)
        await self._requests.remove(FOLDERS, folder_id, call)
        for one in gone:
            del present[one]
        places.update(dict.fromkeys(files))
        return deletion.ref

    # Text recognition

    async def recognize_text(self, ref: Ref, call: Call) -> File:
        """Make a Markdown file beside a scan: 2 requests, the second as long as the call lasts.

        Raises QuotaExceeded where no pages are left, Conflict while the bytes have not arrived, BadInput for what is
        neither a picture nor a PDF, and OutcomeUnknown where no answer came: each try costs pages.
        """
        file_id = self._reader.native_id(FILES, ref)
        if not (await self._requests.one(FILES, file_id, call)).storage_key:
            raise Conflict(NO_BYTES, source=self.name)
        wire = await self._requests.recognize(file_id, call)
        return self._reader.file(wire, self._reader.library, {})

    # Reading

    async def _entries(
        self, noun: Noun[Any], refs: Sequence[Ref], call: Call
    ) -> Mapping[Ref, Entry | GatewayError]:
        """Get those of the references that are of one noun."""
        wanted = [ref for ref in dict.fromkeys(refs) if ref.type is noun.ref_type]
        try:
            if len(wanted) == 1:
                native_id = self._reader.native_id(noun, wanted[0])
                return {wanted[0]: self._reader.entry(await self._requests.one(noun, native_id, call))}
            wires = await self._requests.all(noun, call) if wanted else []
        except GatewayError as exc:
            return dict.fromkeys(wanted, exc)
        asked = {ref.key for ref in wanted}
        entries = (self._reader.entry(wire) for wire in wires if (wire.id,) in asked)
        return {entry.ref: entry for entry in entries}

    async def _tree(self, parent: Ref, call: Call) -> Tree:
        library, (_, year) = self._own_library(parent), parent.key
        lists = await together(
            self._requests.listed(FOLDERS, call, year), self._requests.listed(FILES, call, year)
        )
        return self._trees.of(year, lists, lambda: self._reader.tree(library, *lists))

    async def _present(self, call: Call, *, fresh: bool = False) -> Present:
        return {wire.id: wire for wire in await self._requests.all(FOLDERS, call, fresh=fresh)}

    def _folder_id(self, ref: Ref, present: Present) -> str:
        """Give the id of a folder of this organisation; the server would take any other's (`upstreams.md` 2.6, 9)."""
        folder_id = self._reader.native_id(FOLDERS, ref)
        if folder_id not in present:
            raise not_found(self.name)
        return folder_id

    def _own_library(self, ref: Ref) -> Library:
        if ref.source != self.name or not is_library(ref) or ref.key[0] != self._settings.organization:
            raise not_found(self.name)
        return Library(ref)

    def _file_ref(self, native_id: str) -> Ref:
        return Ref(self.name, RefType.FILE, (native_id,))
