"""What an EspoCRM remembers: records of each type, bytes, users with their rights, settings, refused logins."""

import zlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from gateway.sandbox.espocrm.contents import Contents, Uploaded
from gateway.sandbox.espocrm.entities import TYPES

MEBIBYTE = 1024 * 1024
BODY_LIMIT = 60 * MEBIBYTE
"""Bytes of a request body above which the web server before EspoCRM answers 413; base64 takes a third of it."""

ALL = frozenset({"create", "read", "edit", "delete", "stream"})
READ = frozenset({"read", "stream"})


def now() -> datetime:
    """Give the time, aware and in UTC."""
    return datetime.now(UTC)


@dataclass(slots=True)
class Record:
    """One record of any type; ``values`` holds the attributes that somebody set, the id included."""

    type: str
    values: dict[str, Any]

    @property
    def id(self) -> str:
        """The id, 17 hexadecimal characters."""
        return str(self.values["id"])

    @property
    def deleted(self) -> bool:
        """Whether the record is deleted, which only hides it from everyone but admins."""
        return bool(self.values["deleted"])


@dataclass(frozen=True, slots=True)
class Role:
    """What users of a role may do with records of a type, whoever owns them."""

    id: str
    name: str
    scopes: Mapping[str, frozenset[str]]


@dataclass(frozen=True, slots=True)
class Login:
    """How a user proves who it is, and its role; exactly one of password and key is set.

    ``secret`` makes the key one that signs requests (HMAC) instead of being sent as it is.
    """

    user_id: str
    name: str
    role: Role | None = None
    password: str | None = field(default=None, repr=False)
    key: str | None = field(default=None, repr=False)
    secret: str | None = field(default=None, repr=False)
    admin: bool = False


def default_settings() -> dict[str, Any]:
    """Give the settings that matter here, as a fresh installation has them; sizes are in MiB."""
    return {
        "applicationName": "EspoCRM",
        "version": "9.2.7",
        "language": "fr_FR",
        "timeZone": "Europe/Paris",
        "maintenanceMode": False,
        "attachmentUploadMaxSize": 256,
        "attachmentUploadChunkSize": 4,
        "inlineAttachmentUploadMaxSize": 20,
        "recordListMaxSizeLimit": 200,
    }


@dataclass(slots=True)
class State:
    """Everything one sandbox EspoCRM has, and the clock by which it writes times (aware, UTC)."""

    clock: Callable[[], datetime] = now
    records: dict[str, dict[str, Record]] = field(default_factory=lambda: {name: {} for name in TYPES})
    files: dict[str, Contents] = field(default_factory=dict)
    """Bytes by the id of the attachment that brought them; copies share them through ``sourceId``."""
    settings: dict[str, Any] = field(default_factory=default_settings)
    logins: list[Login] = field(default_factory=list)
    tokens: dict[str, str] = field(default_factory=dict)
    """User ids by the tokens that were handed out."""
    denied: deque[tuple[str, float]] = field(default_factory=lambda: deque(maxlen=1000))
    """Addresses and times (seconds since 1970) of refused logins."""
    body_limit: int = BODY_LIMIT
    made: int = 0
    """How many ids were made."""

    def new_id(self) -> str:
        """Make an id as EspoCRM does, beginning with the time, but never at random."""
        self.made += 1
        head = f"{int(self.clock().timestamp()):08x}{self.made:05x}"
        return head + f"{zlib.crc32(head.encode()) & 0xFFFF:04x}"

    def stamp(self) -> str:
        """Write the present time as EspoCRM does: UTC without saying so."""
        return self.clock().astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")

    def find(self, kind: str | None, key: str | None) -> Record | None:
        """Find a record that is not deleted."""
        found = self.records.get(kind or "", {}).get(key or "")
        return None if found is None or found.deleted else found

    def alive(self, kind: str) -> Iterator[Record]:
        """Go through the records of a type that are not deleted."""
        return (record for record in self.records[kind].values() if not record.deleted)

    def add(self, record: Record) -> Record:
        """Keep a new record; types with numbers and versions get theirs."""
        kind = TYPES[record.type]
        if "number" in kind.attributes:
            record.values.setdefault("number", len(self.records[record.type]) + 1)
        if kind.versioned:
            record.values.setdefault("versionNumber", 1)
        if "streamUpdatedAt" in kind.attributes:
            record.values.setdefault("streamUpdatedAt", record.values["createdAt"])
        self.records[record.type][record.id] = record
        return record

    def touch(self, record: Record, user_id: str) -> None:
        """Note that a user changed a record just now."""
        record.values["modifiedAt"] = self.stamp()
        if "modifiedById" in TYPES[record.type].attributes:
            record.values["modifiedById"] = user_id
        if TYPES[record.type].versioned:
            record.values["versionNumber"] += 1

    def limit(self, role: str | None) -> int:
        """Give the bytes that an attachment of a role may have."""
        inline = role == "Inline Attachment"
        name = "inlineAttachmentUploadMaxSize" if inline else "attachmentUploadMaxSize"
        return int(self.settings[name]) * MEBIBYTE


def new_file() -> Uploaded:
    """Make an empty file for bytes that arrive."""
    return Uploaded()
