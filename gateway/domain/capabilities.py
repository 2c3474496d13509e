"""What can be done at a source: the operations, and the answer to "may I, and why not"."""

from dataclasses import dataclass
from enum import Enum


class Operation(Enum):
    """What a source may be able to do."""

    LIST = "list"
    FETCH = "fetch"
    DOWNLOAD = "download"
    UPLOAD = "upload"
    UPDATE = "update"
    DELETE = "delete"
    CHANGE_FOLDERS = "change_folders"
    RECOGNIZE_TEXT = "recognize_text"
    LINK = "link"


@dataclass(frozen=True, slots=True)
class Capability:
    """Whether a source supports an operation; ``reason`` says why not, ``max_bytes`` bounds uploads."""

    operation: Operation
    supported: bool
    reason: str | None = None
    max_bytes: int | None = None
