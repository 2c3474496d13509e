"""The nouns of the gateway: attachments on records, files and folders in libraries.

Objects are frozen and complete when they leave an adapter: what GraphQL reads below them are plain attributes. They
are msgspec structs, because a tree has thousands of them and those are made several times faster than dataclasses;
where lists are long, adapters give the fields by position, since naming sixteen takes 1 µs and placing them 0.1 µs.
What links objects to each other (``Folder.branch``, ``File.folder``) takes no part in equality, because it
depends on what was loaded together. Links down a tree hold what is below; links up only refer to it, so that a tree
is freed with its last user and not left to the garbage collector, which costs time and the memory of several trees.
So nothing leads in a circle, and what is there by the thousand is kept out of the collector's sight (``gc=False``).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from functools import cached_property
from typing import NamedTuple
from weakref import ReferenceType

import msgspec

from gateway.domain.capabilities import Capability
from gateway.domain.details import ArrhesDetails, AttachmentDetails
from gateway.domain.refs import Ref
from gateway.domain.snapshot import Origin


class SourceKind(Enum):
    """The upstream systems the gateway speaks to."""

    ARRHES = "arrhes"
    DECISIV = "decisiv"
    DIRECTMAIL = "directmail"
    ESPOCRM = "espocrm"
    MAARCH = "maarch"


class RecordKind(Enum):
    """What attachments hang on."""

    MAIL = "mail"
    CASE = "case"
    MESSAGE = "message"
    ENTITY = "entity"


class FileState(Enum):
    """Whether the bytes of a file have arrived."""

    PENDING = "pending"
    AVAILABLE = "available"


class Placement(Enum):
    """Whether a folder stands where its source says."""

    IN_PLACE = "in_place"
    ORPHAN = "orphan"
    CYCLE = "cycle"


@dataclass(frozen=True, slots=True)
class Source:
    """One configured upstream system; ``record_kind`` is None where files live in folders."""

    ref: Ref
    name: str
    kind: SourceKind
    record_kind: RecordKind | None
    capabilities: tuple[Capability, ...]


class Record(msgspec.Struct, frozen=True, gc=False):
    """What attachments hang on; known by its reference alone, so making one costs nothing."""

    ref: Ref
    kind: RecordKind


class Library(msgspec.Struct, frozen=True, gc=False):
    """The root of a folder tree; known by its reference alone."""

    ref: Ref


class Attachment(msgspec.Struct, frozen=True, gc=False):
    """A file that hangs on a record.

    ``size`` is in bytes, times are aware, and what the source does not tell is None. ``record`` is None where
    the source does not say what the attachment hangs on.
    """

    ref: Ref
    name: str
    size: int | None
    media_type: str | None
    created_at: datetime | None
    updated_at: datetime | None
    record: Record | None
    details: AttachmentDetails
    can_update: bool
    can_delete: bool


class Folder(msgspec.Struct, frozen=True, eq=False, weakref=True):
    """A folder of a library.

    ``parent_ref`` is what the source says; ``branch`` holds the neighbours, and is None when the folder was
    fetched without its tree.
    """

    ref: Ref
    name: str
    library: Library
    parent_ref: Ref | None
    created_at: datetime | None
    updated_at: datetime | None
    created_by: str | None
    updated_by: str | None
    branch: "Branch | None" = None

    def __eq__(self, other: object) -> bool:
        """Compare what the source says, which does not depend on what was loaded together."""
        return isinstance(other, Folder) and _said(self, "branch") == _said(other, "branch")

    def __hash__(self) -> int:
        """Hash by identity of the object at its source."""
        return hash(self.ref)


class File(msgspec.Struct, frozen=True, eq=False, gc=False):
    """A file in a folder tree.

    ``folder_ref`` is what the source says, None at the root; ``kept_in`` refers to that folder where it was loaded
    too.
    """

    ref: Ref
    name: str
    size: int | None
    media_type: str | None
    created_at: datetime | None
    updated_at: datetime | None
    library: Library
    folder_ref: Ref | None
    document_date: datetime | None
    checksum: str | None
    reference: str | None
    state: FileState
    details: ArrhesDetails
    can_update: bool = True
    can_delete: bool = True
    kept_in: "ReferenceType[Folder] | None" = None

    @property
    def folder(self) -> Folder | None:
        """Give the folder that was loaded too, as long as somebody holds its tree."""
        return None if self.kept_in is None else self.kept_in()

    def __eq__(self, other: object) -> bool:
        """Compare what the source says, which does not depend on what was loaded together."""
        return isinstance(other, File) and _said(self, "kept_in") == _said(other, "kept_in")

    def __hash__(self) -> int:
        """Hash by identity of the object at its source."""
        return hash(self.ref)


def _said(one: msgspec.Struct, link: str) -> list[object]:
    return [getattr(one, name) for name in one.__struct_fields__ if name != link]


@dataclass(slots=True, eq=False, repr=False)
class Branch:
    """Where a folder stands in its tree: filled while the tree is built, never changed afterwards."""

    above: ReferenceType[Folder] | None = None
    folders: list[Folder] = field(default_factory=list)
    files: list[File] = field(default_factory=list)
    placement: Placement = Placement.IN_PLACE

    @property
    def parent(self) -> Folder | None:
        """Give the folder above, None at the root. To ask it when nobody holds the tree is a defect: LookupError."""
        if self.above is None:
            return None
        parent = self.above()
        if parent is None:
            raise LookupError("The tree of the folder is gone.")
        return parent


StoredFile = Attachment | File
Entry = Attachment | File | Folder


class Listed(NamedTuple):
    """What a list says."""

    attachments: tuple[Attachment, ...]
    registered_mail: bool | None = None
    """Whether the mail can be sent as registered mail (Maarch's `mailevaEnabled`)."""


class AttachmentListing(msgspec.Struct, frozen=True, dict=True, eq=False):
    """All attachments of a record, in the order of the source.

    ``read`` gives them when somebody asks: of a list that came before, what was written of it may be enough.
    ``origin`` says where that is kept, and is None where nothing is.
    """

    record: Record
    read: Callable[[], Listed]
    origin: Origin | None = None

    @classmethod
    def of(cls, record: Record, listed: Listed) -> "AttachmentListing":
        """Make the listing of a list that was read."""
        return cls(record, lambda: listed)

    @cached_property
    def listed(self) -> Listed:
        """Read the list: what can be wrong with it was found when it came for the first time."""
        return self.read()

    @property
    def attachments(self) -> tuple[Attachment, ...]:
        """Give the attachments."""
        return self.listed.attachments

    @property
    def registered_mail(self) -> bool | None:
        """Tell whether the mail can be sent as registered mail."""
        return self.listed.registered_mail


@dataclass(frozen=True, slots=True)
class SignedLink:
    """A link that needs no credential. ``url`` is a secret: it is shown to the caller and nobody else."""

    url: str = field(repr=False)
    expires_at: datetime | None
