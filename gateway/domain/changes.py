"""What clients want changed: new files and folders, new names and places, and what is to go."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any, Final, Literal

from gateway.domain.refs import Ref


class Keep(Enum):
    """The value of a change that leaves a property as it is; None would clear it."""

    KEEP = "keep"


KEEP: Final = Keep.KEEP
Kept = Literal[Keep.KEEP]


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadItem:
    """A file that is to be carried to a source.

    ``target`` is a record, a folder or a library; ``size`` is in bytes and ``sha256`` in hex, both verified against
    the staged object. ``options`` are what the kind of source needs besides, checked by its adapter. ``marker`` is
    the ticket's id, ``started_at`` when this attempt began (aware), ``notes`` what earlier steps recorded, and
    ``claimed`` the objects that belong to other tickets, so that one object is never taken for two uploads.
    """

    target: Ref
    name: str
    media_type: str
    size: int
    sha256: str
    options: Mapping[str, Any]
    marker: str
    started_at: datetime
    notes: Mapping[str, str] = field(default_factory=dict)
    claimed: frozenset[Ref] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class FileChange:
    """New properties of one file; what is KEEP stays."""

    ref: Ref
    name: str | Kept = KEEP
    folder: Ref | Kept | None = KEEP
    reference: str | Kept | None = KEEP
    document_date: datetime | Kept | None = KEEP


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFolder:
    """A folder to be made in a library, below ``parent`` or at the root."""

    library: Ref
    parent: Ref | None
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderChange:
    """A new name or place of one folder; what is KEEP stays."""

    ref: Ref
    name: str | Kept = KEEP
    parent: Ref | Kept | None = KEEP


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderDeletion:
    """A folder to go; one that holds anything goes only when ``with_contents`` says so."""

    ref: Ref
    with_contents: bool = False


class DeletionState(Enum):
    """How far a deletion has come."""

    DELETED = "deleted"
    DELETING = "deleting"


@dataclass(frozen=True, slots=True)
class Deletion:
    """A deletion that the source did or accepted; ``task`` is what it can be asked by, where it takes time."""

    ref: Ref
    state: DeletionState
    task: str | None = field(default=None, repr=False)
