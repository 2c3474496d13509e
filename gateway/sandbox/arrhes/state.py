"""Records of the Arrhes sandbox and the rules that its database keeps (`upstreams.md` sections 2.2 to 2.6).

Functions that change something raise `Refused` with the answer of the real server, which calls many a client's error
an internal one. Tables keep the physical order of rows: a changed row moves to the end.
"""

import secrets
import string
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

ALPHABET = string.digits + string.ascii_lowercase
ID_LENGTH = 16
LARGEST_FILE = 50_000_000
"""Bytes; 50 Mo are decimal in the API."""


class Refused(Exception):
    """What the server answers instead of a result."""

    def __init__(self, status: int, message: str, cause: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"message": message} | ({} if cause is None else {"cause": cause})


def internal_error() -> Refused:
    """Make the answer to unknown ids, broken foreign keys and everything else that the server does not foresee."""
    return Refused(500, "Internal error")


@dataclass(slots=True)
class Organization:
    """One customer; limits are in bytes and pages."""

    id: str
    storage_limit: int = 10_000_000_000
    storage_used: int = 0
    ocr_pages: int = 100


@dataclass(frozen=True, slots=True)
class Account:
    """Whom an API key stands for."""

    organization: Organization
    user: str


@dataclass(slots=True)
class Folder:
    """A row of the folder table; attribute names are those of the API, since they are its JSON keys."""

    id: str
    idOrganization: str  # noqa: N815 - as in the API
    idFolderParent: str | None  # noqa: N815
    name: str
    createdAt: str  # noqa: N815
    lastUpdatedAt: str | None = None  # noqa: N815
    createdBy: str | None = None  # noqa: N815
    lastUpdatedBy: str | None = None  # noqa: N815


@dataclass(slots=True)
class File:
    """A row of the file table; without ``storageKey`` it has no contents yet."""

    id: str
    idOrganization: str  # noqa: N815 - as in the API
    idFolder: str | None  # noqa: N815
    reference: str | None
    name: str
    storageKey: str | None  # noqa: N815
    type: str | None
    size: int | None
    createdAt: str  # noqa: N815
    lastUpdatedAt: str | None = None  # noqa: N815
    hash: str | None = None
    date: str | None = None
    createdBy: str | None = None  # noqa: N815
    lastUpdatedBy: str | None = None  # noqa: N815


@dataclass(slots=True)
class State:
    """Everything that the sandbox remembers.

    ``contents`` gives the bytes of seeded files that are not in the store yet, by file id. ``recognize`` is the
    engine for text recognition: from a file and its bytes it makes Markdown; None is a server without one.
    """

    accounts: dict[str, Account]
    """By API key."""
    files: dict[str, File] = field(default_factory=dict)
    folders: dict[str, Folder] = field(default_factory=dict)
    contents: dict[str, Callable[[], bytes]] = field(default_factory=dict)
    recognize: Callable[[File, bytes], str] | None = None
    bucket: str = "arrhes"
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    def stamp(self) -> str:
        """Give the present time as the database prints it."""
        return timestamp(self.clock())


def timestamp(moment: datetime) -> str:
    """Print a time like a PostgreSQL ``timestamptz(0)`` in UTC: rounded to seconds, ``2026-11-22 05:40:45+00``."""
    rounded = moment.astimezone(UTC) + timedelta(microseconds=500_000)
    return f"{rounded.year:04}-{rounded:%m-%d %H:%M:%S}+00"


def new_id() -> str:
    """Make an id as the server does: 16 digits and small letters."""
    return "".join(secrets.choice(ALPHABET) for _ in range(ID_LENGTH))


Row = TypeVar("Row", File, Folder)


def own(rows: dict[str, Row], account: Account, key: str) -> Row:
    """Find a row of the account's organization; one that is unknown, or somebody else's, is an internal error."""
    row = rows.get(key)
    if row is None or row.idOrganization != account.organization.id:
        raise internal_error()
    return row


def changed(state: State, rows: dict[str, Row], row: Row, account: Account, values: dict[str, Any]) -> Row:
    """Set columns of a row, even none, and move it to the end of its table."""
    for name, value in values.items():
        setattr(row, name, value)
    row.lastUpdatedAt = state.stamp()
    row.lastUpdatedBy = account.user
    rows[row.id] = rows.pop(row.id)
    return row


def create_folder(state: State, account: Account, values: dict[str, Any]) -> Folder:
    """Add a folder; the parent may be any organization's."""
    _check(state, values, "idFolderParent")
    folder = Folder(
        id=new_id(),
        idOrganization=account.organization.id,
        idFolderParent=values.get("idFolderParent"),
        name=values["name"],
        createdAt=state.stamp(),
        createdBy=account.user,
    )
    state.folders[folder.id] = folder
    return folder


def change_folder(state: State, account: Account, values: dict[str, Any]) -> Folder:
    """Rename or move a folder, into itself and its own descendants too."""
    folder = own(state.folders, account, values.pop("idFolder"))
    _check(state, values, "idFolderParent")
    return changed(state, state.folders, folder, account, values)


def delete_folder(state: State, account: Account, values: dict[str, Any]) -> None:
    """Delete a folder and every folder below it, of whichever organization; their files move to the root."""
    gone = [own(state.folders, account, values["idFolder"]).id]
    for parent in gone:  # grows while it is walked: parents come before their children
        gone += [key for key, one in state.folders.items() if one.idFolderParent == parent and key not in gone]
    for key in gone:
        del state.folders[key]
        for file in [one for one in state.files.values() if one.idFolder == key]:
            file.idFolder = None
            state.files[file.id] = state.files.pop(file.id)


def create_file(state: State, account: Account, values: dict[str, Any]) -> File:
    """Add a file without contents; a hash that the organization has already is an internal error."""
    _check(state, values, "idFolder")
    owned = (one.hash for one in state.files.values() if one.idOrganization == account.organization.id)
    if values["hash"] is not None and values["hash"] in owned:
        raise internal_error()
    file = File(
        id=new_id(),
        idOrganization=account.organization.id,
        idFolder=values.get("idFolder"),
        reference=values["reference"],
        name=values["name"],
        storageKey=None,
        type=None,
        size=None,
        createdAt=state.stamp(),
        hash=values["hash"],
        createdBy=account.user,
    )
    state.files[file.id] = file
    return file


def change_file(state: State, account: Account, values: dict[str, Any]) -> File:
    """Rename, move, date or refer a file anew."""
    file = own(state.files, account, values.pop("idFile"))
    _check(state, values, "idFolder")
    if values.get("date") is not None:
        values["date"] = _day(values["date"])
    return changed(state, state.files, file, account, values)


def delete_file(state: State, account: Account, values: dict[str, Any]) -> None:
    """Delete a file's record and give its size back to the quota; the object in the store stays."""
    file = own(state.files, account, values["idFile"])
    account.organization.storage_used = max(0, account.organization.storage_used - (file.size or 0))
    del state.files[file.id]


def storage_key(file: File) -> str:
    """Name the object in the store that a file's contents go to."""
    return f"organizations/{file.idOrganization}/storage/{file.id}"


def _check(state: State, values: dict[str, Any], parent: str) -> None:
    """Refuse what the database does: a folder that does not exist, and the NUL character in a text."""
    key = values.get(parent)
    unknown = key is not None and key not in state.folders
    if unknown or any("\0" in value for value in values.values() if isinstance(value, str)):
        raise internal_error()


def _day(text: str) -> str:
    """Read a date as PostgreSQL does, in UTC where it names no zone; ``14/03/2025`` is an internal error."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise internal_error() from None
    return timestamp(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
