"""What Arrhes sends and takes (`upstreams.md` 2), and what it means here."""

import re
import weakref
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from sys import intern
from typing import Any, Generic, TypeVar

import msgspec

from gateway.domain.changes import KEEP, FileChange, FolderChange, Kept, UploadItem
from gateway.domain.details import ArrhesDetails
from gateway.domain.errors import BadInput, BadResponse, Conflict, GatewayError, QuotaExceeded, TooLarge
from gateway.domain.media_types import media_type_of
from gateway.domain.model import Branch, File, FileState, Folder, Library
from gateway.domain.refs import Ref, RefType
from gateway.domain.tree import Tree, build_tree
from gateway.transport.messages import Response
from gateway.transport.payloads import decode_json, parse_time, uncollected
from gateway.upstreams.base import not_found, status_error

LARGEST_FILE = 50_000_000
"""Bytes: the API's "50 Mo" are decimal (`upstreams.md` 2.4)."""
LONGEST_TEXT = 256
"""UTF-16 units, which is what JavaScript counts."""
MEDIA_TYPE = re.compile(r"[!-.0-~]+/[!-~][ -~]{0,127}")
REFERENCE = "reference"
FILE, FOLDER = RefType.FILE, RefType.FOLDER
AVAILABLE, PENDING = FileState.AVAILABLE, FileState.PENDING
"""By names of their own, because a list has thousands of files and an enum is slow to ask."""


# Wire shapes


class WireFile(msgspec.Struct, rename="camel", gc=False):
    """A file as the server writes it. It holds texts and numbers only, so the garbage collector may skip it."""

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


class WireFolder(msgspec.Struct, rename="camel", gc=False):
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


class WireResult(msgspec.Struct):
    """A file below a key of its own: so text recognition answers, and newer servers finalize (`upstreams.md` 2.3)."""

    file: WireFile | None = None


class WireRefusal(msgspec.Struct):
    """A refusal; its text is compared, never shown."""

    message: Any = None


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


# Into the domain


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads what one source sends; ``year`` names the library of what is not read as part of one."""

    source: str
    organization: str
    year: str

    @property
    def library(self) -> Library:
        """The library of files and folders that are asked for by id."""
        return Library(Ref(self.source, RefType.LIBRARY, (self.organization, self.year)))

    def native_id(self, noun: Noun[Any], ref: Ref) -> str:
        """Give the id that the server knows an object by; raises NotFound for a reference of another form."""
        if ref.source != self.source or ref.type is not noun.ref_type or len(ref.key) != 1:
            raise not_found(self.source)
        return ref.key[0]

    def own(self, wire: W) -> W:
        """Refuse objects of another organisation: the key decides, whatever the path says (`upstreams.md` 2.4)."""
        if wire.id_organization != self.organization:
            message = "The key belongs to another organisation than the settings."
            raise BadResponse(message, source=self.source)
        return wire

    def one(self, noun: Noun[W], body: bytes) -> W:
        """Read one file or folder; raises BadResponse."""
        return self.own(decode_json(body, noun.shape, self.source))

    def several(self, noun: Noun[W], body: bytes) -> list[W]:
        """Read a list of files or folders; raises BadResponse."""
        shape: Any = list[noun.shape]  # type: ignore[name-defined]
        return [self.own(wire) for wire in decode_json(body, shape, self.source)]

    def result(self, body: bytes) -> WireFile:
        """Read a file that stands alone or below ``file``; raises BadResponse."""
        wrapped = decode_json(body, WireResult, self.source).file
        return self.own(wrapped) if wrapped else self.one(FILES, body)

    def entry(self, wire: WireFile | WireFolder) -> File | Folder:
        """Read what was asked for by id, without its tree."""
        if isinstance(wire, WireFile):
            return self.file(wire, self.library, {})
        return self.folder(wire, self.library, None)

    def folder(self, wire: WireFolder, library: Library, branch: Branch | None) -> Folder:
        """Read a folder; raises BadResponse for a time in an unknown spelling."""
        source = self.source
        return Folder(
            Ref(source, FOLDER, (wire.id,)),
            wire.name,
            library,
            self._folder_ref(wire.id_folder_parent),
            parse_time(wire.created_at, source),
            parse_time(wire.last_updated_at, source),
            wire.created_by or None,
            wire.last_updated_by or None,
            branch,
        )

    def tree(self, library: Library, folders: bytes, files: bytes) -> Tree:
        """Read a library's tree from its two lists; raises BadResponse."""
        with uncollected():
            found = self.several(FOLDERS, folders)
            wires = self.several(FILES, files)
            return build_tree(
                library,
                (self.folder(wire, library, Branch()) for wire in found),
                lambda by_ref: self._files(wires, library, by_ref),
            )

    def _files(
        self, wires: Iterable[WireFile], library: Library, folders: Mapping[Ref, Folder]
    ) -> Iterable[File]:
        by_id = {ref.key[0]: folder for ref, folder in folders.items()}
        return [self.file(wire, library, by_id) for wire in wires]

    def file(self, wire: WireFile, library: Library, folders: Mapping[str, Folder]) -> File:
        """Read a file, and link it to its folder where that is among the given ones, which are known by native id."""
        source, name, native_id = self.source, wire.name, wire.id
        folder = folders.get(wire.id_folder) if wire.id_folder else None
        # Texts that many files share are kept once: a list of a thousand has one organisation and a few users.
        details = ArrhesDetails(
            native_id,
            self.organization,
            wire.storage_key or None,
            intern(wire.created_by) if wire.created_by else None,
            intern(wire.last_updated_by) if wire.last_updated_by else None,
            wire.id_file_parent or None,
        )
        return File(
            Ref(source, FILE, (native_id,)),
            name,
            wire.size,
            intern(wire.type) if wire.type else media_type_of(name),
            parse_time(wire.created_at, source),
            parse_time(wire.last_updated_at, source) if wire.last_updated_at else None,
            library,
            folder.ref if folder else self._folder_ref(wire.id_folder),
            _document_date(wire.date, source) if wire.date else None,
            wire.hash or None,
            wire.reference or None,
            AVAILABLE if wire.storage_key else PENDING,
            details,
            True,
            True,
            None if folder is None else weakref.ref(folder),
        )

    def _folder_ref(self, native_id: str | None) -> Ref | None:
        return Ref(self.source, FOLDER, (native_id,)) if native_id else None


# From the domain


def is_library(ref: Ref) -> bool:
    """Tell whether a reference has the form of a library: an organisation and a year."""
    return ref.type is RefType.LIBRARY and len(ref.key) == len(("organization", "year"))


def new_file(item: UploadItem) -> Mapping[str, str | None]:
    """Write the record of an upload, all keys of it: the server wants them present (`upstreams.md` 2.4).

    Raises BadInput for what the server, or the header of the bytes, would not take.
    """
    source = item.target.source
    unknown = item.options.keys() - {REFERENCE}
    if unknown:
        raise BadInput(f"Uploads to this source have no option `{min(unknown)}`.", source=source)
    if not MEDIA_TYPE.fullmatch(item.media_type):
        raise BadInput("The media type must be a type and a subtype, as `application/pdf`.", source=source)
    return {
        "name": checked_name(item.name, source),
        REFERENCE: _checked_reference(item.options.get(REFERENCE), source),
        "hash": item.sha256.lower() or None,
        "idFolder": item.target.key[0] if item.target.type is RefType.FOLDER else None,
    }


def is_record_of(wire: WireFile, item: UploadItem) -> bool:
    """Tell whether a record without bytes may be what the first step of an upload made."""
    record = {"name": wire.name, REFERENCE: wire.reference, "hash": wire.hash, "idFolder": wire.id_folder}
    return wire.storage_key is None and record == new_file(item)


def changed_file(change: FileChange) -> dict[str, str | None]:
    """Write what of a file is to change, which is all that the server changes; raises BadInput."""
    source, body = change.ref.source, _places("idFolder", change.folder)
    if change.name is not KEEP:
        body["name"] = checked_name(change.name, source)
    if change.reference is not KEEP:
        body[REFERENCE] = _checked_reference(change.reference, source)
    if change.document_date is not KEEP:
        body["date"] = change.document_date.isoformat() if change.document_date else None
    return body


def changed_folder(change: FolderChange) -> dict[str, str | None]:
    """Write what of a folder is to change; raises BadInput."""
    body = _places("idFolderParent", change.parent)
    if change.name is not KEEP:
        body["name"] = checked_name(change.name, change.ref.source)
    return body


def checked_name(name: str, source: str) -> str:
    """Give a name back that the server keeps; raises BadInput.

    The server takes empty names too, but nobody finds such a file again.
    """
    if not name.strip():
        raise BadInput("A name must have at least one character.", source=source)
    return _checked_text(name, "name", source)


def _checked_reference(text: Any, source: str) -> str | None:
    if text is not None and not isinstance(text, str):
        raise BadInput("`reference` must be a text.", source=source)
    return _checked_text(text, REFERENCE, source) if text else None


def _checked_text(text: str, what: str, source: str) -> str:
    """Refuse what the server answers 400 or 500 to: long texts, the NUL character, and halves of characters."""
    broken = "\0" in text or any("\ud800" <= one <= "\udfff" for one in text)
    if broken or len(text.encode("utf-16-le")) > 2 * LONGEST_TEXT:
        message = f"`{what}` has more than {LONGEST_TEXT} characters, or one that the source cannot store."
        raise BadInput(message, source=source)
    return text


def _places(key: str, place: Ref | Kept | None) -> dict[str, str | None]:
    if place is KEEP:
        return {}
    return {key: place.key[0] if place else None}


# Which folder lies in which

Present = dict[str, WireFolder]
"""The folders that there are, by id."""


def tree_of(folder_id: str, present: Present) -> set[str]:
    """Collect the ids of a folder and of all below it, once each even where they are a cycle."""
    below: dict[str | None, list[str]] = {}
    for wire in present.values():
        below.setdefault(wire.id_folder_parent, []).append(wire.id)
    found, pending = {folder_id}, [folder_id]
    while pending:
        new = [one for one in below.get(pending.pop(), ()) if one not in found]
        found.update(new)
        pending.extend(new)
    return found


# Refusals


NO_BYTES = "The bytes of this file have not arrived."
REFUSALS: Sequence[tuple[str, type[GatewayError], str]] = (
    ("Fichier trop volumineux", TooLarge, "The source does not take so many bytes."),
    ("Limite de stockage atteinte", QuotaExceeded, "The organisation's storage at the source is full."),
    ("pages OCR", QuotaExceeded, "The organisation has no pages of text recognition left."),
    ("compatible avec l'OCR", BadInput, "Text is recognized in pictures and PDFs only."),
    ("Le fichier source n'a pas de contenu", Conflict, NO_BYTES),
    ("Le fichier associé n'existe pas", Conflict, NO_BYTES),
)
"""Pieces of what the server says, and what it means (`upstreams.md` 2.1, 2.6)."""
TEXTUAL = frozenset({400, 403})


def _document_date(text: str, source: str) -> datetime | None:
    """Read a date that people type in; the server prints those before and after our years in ways of its own."""
    with suppress(BadResponse):
        return parse_time(text, source)
    return None


def refusal(response: Response, source: str) -> GatewayError:
    """Name the error of an answer that is not 200."""
    said = _message(response, source) if response.status in TEXTUAL else ""
    for text, cls, message in REFUSALS:
        if text in said:
            return cls(message, source=source)
    return status_error(response, source)


def _message(response: Response, source: str) -> str:
    with suppress(BadResponse):  # a page of a proxy, or a body that was cut: the status alone counts then
        return str(decode_json(response.body, WireRefusal, source).message)
    return ""
