"""The enums of the schema: the domain's own, with a description for each value."""

from collections.abc import Mapping
from enum import Enum
from typing import TypeVar

import strawberry

from gateway.domain.capabilities import Operation
from gateway.domain.errors import error_classes
from gateway.domain.model import FileState, Placement, RecordKind, SourceKind
from gateway.domain.ordering import Direction, OrderField

E = TypeVar("E", bound=type[Enum])


def described(cls: E, name: str, description: str, values: Mapping[Enum, str]) -> E:
    """Give an enum its GraphQL name and descriptions; a value that lacks one cannot be defined."""
    definition = strawberry.enum(cls, name=name, description=description)
    for value in definition.__strawberry_definition__.values:  # type: ignore[attr-defined]
        value.description = values[cls[value.name]]
    return cls


described(
    SourceKind,
    "SourceKind",
    "The upstream systems that the gateway speaks to.",
    {
        SourceKind.ARRHES: "Arrhes: files in folders of an organisation's accounting year.",
        SourceKind.DECISIV: "Decisiv: attachments of service cases.",
        SourceKind.DIRECTMAIL: "Direct Mail: attachments of e-mail messages.",
        SourceKind.ESPOCRM: "EspoCRM: attachments of any CRM record.",
        SourceKind.MAARCH: "Maarch Courrier or MEM Courrier: attachments of mails.",
    },
)
described(
    RecordKind,
    "RecordKind",
    "What attachments hang on.",
    {
        RecordKind.CASE: "A service case of a Decisiv platform.",
        RecordKind.ENTITY: "A record of an EspoCRM, with the field that holds the files.",
        RecordKind.MAIL: "A mail of a Maarch or MEM Courrier.",
        RecordKind.MESSAGE: "An e-mail message of a Direct Mail project.",
    },
)
described(
    FileState,
    "FileState",
    "Whether the bytes of a file have arrived at its source.",
    {
        FileState.AVAILABLE: "The bytes are there.",
        FileState.PENDING: "The file is announced, but its bytes have not arrived: there is nothing to download.",
    },
)
described(
    Placement,
    "FolderPlacement",
    "Whether a folder stands where its source says.",
    {
        Placement.CYCLE: "The folder is its own ancestor at the source, so it stands at the root here.",
        Placement.IN_PLACE: "The folder stands where its source says.",
        Placement.ORPHAN: "The folder's parent is not there, so it stands at the root here.",
    },
)
described(
    Operation,
    "Operation",
    "What a source may be able to do.",
    {
        Operation.CHANGE_FOLDERS: "Create, rename, move and delete folders.",
        Operation.DELETE: "Delete files.",
        Operation.DOWNLOAD: "Hand out the bytes of a file.",
        Operation.FETCH: "Give one file by its identifier.",
        Operation.LINK: "Hang attachments that exist on another record.",
        Operation.LIST: "List the files of a record or a library.",
        Operation.RECOGNIZE_TEXT: "Make a text file of a scan.",
        Operation.UPDATE: "Rename, move or re-date files.",
        Operation.UPLOAD: "Take new files.",
    },
)
described(
    OrderField,
    "StoredFileOrderField",
    "What files can be ordered by. Where a source does not tell the value, the file comes last.",
    {
        OrderField.CREATED_AT: "When it was created.",
        OrderField.NAME: "Its name, without regard to case.",
        OrderField.SIZE: "Its size.",
        OrderField.UPDATED_AT: "When it last changed: its creation, where no change is known.",
    },
)
described(
    Direction,
    "OrderDirection",
    "Which end comes first.",
    {
        Direction.ASC: "The smallest, earliest or alphabetically first.",
        Direction.DESC: "The largest, latest or alphabetically last.",
    },
)

_CODES = {cls.code: cls.meaning for cls in error_classes()}
ErrorCode = Enum("ErrorCode", {code: code for code in _CODES})  # type: ignore[misc]
described(
    ErrorCode,
    "ErrorCode",
    "What went wrong, as in `errors[].extensions.code`.",
    {value: _CODES[value.name] for value in ErrorCode},
)
