"""Filters and orders stored files of any source, in one order that is total and does not depend on luck."""

import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from datetime import datetime
from enum import Enum
from typing import ClassVar

from gateway.domain.model import FileState, StoredFile
from gateway.domain.refs import Ref

SortKey = tuple[bool, str | int, str, str, tuple[str, ...]]
"""Whether the value is known, the value, and what tells two files of one value apart."""


class OrderField(Enum):
    """What stored files can be ordered by."""

    NAME = "name"
    SIZE = "size"
    CREATED_AT = "created_at"
    UPDATED_AT = "updated_at"


class Direction(Enum):
    """Which end comes first."""

    ASC = "asc"
    DESC = "desc"


@dataclass(frozen=True, slots=True)
class Order:
    """An order of stored files; where the value is not known a file comes last, whatever the direction."""

    field: OrderField = OrderField.UPDATED_AT
    direction: Direction = Direction.DESC
    sorts: ClassVar = True

    @property
    def descending(self) -> bool:
        """Whether the largest comes first."""
        return self.direction is Direction.DESC

    def key(self, file: StoredFile) -> SortKey:
        """Give the key of a file: larger comes later when ascending, earlier when descending."""
        value = _VALUES[self.field](file)
        known = (value is not None) if self.descending else (value is None)
        ref = file.ref
        return (known, "" if value is None else value, ref.source, ref.type.value, ref.key)


@dataclass(frozen=True, slots=True)
class SourceOrder:
    """The order in which the source lists its files, whatever that is; keys only tell files apart."""

    sorts: ClassVar = False
    descending: ClassVar = False

    def key(self, file: StoredFile) -> tuple[str, ...]:
        """Give what a file is known by."""
        return file.ref.key


@dataclass(frozen=True, slots=True)
class Filter:
    """Which files are wanted; a criterion that is None takes all, and one that a source cannot tell takes none.

    Sizes are in bytes; lower bounds are inclusive, upper bounds are not. Media types are in small letters.
    """

    name_contains: str | None = None
    media_types: frozenset[str] | None = None
    min_size: int | None = None
    max_size: int | None = None
    created_from: datetime | None = None
    created_before: datetime | None = None
    updated_from: datetime | None = None
    updated_before: datetime | None = None
    states: frozenset[FileState] | None = None

    @property
    def criteria(self) -> tuple[object, ...]:
        """Give all criteria in one spelling for every process: the order of a set is not."""
        values = (getattr(self, one.name) for one in fields(self))
        return tuple(sorted(map(str, one)) if isinstance(one, frozenset) else one for one in values)

    def accepts(self, file: StoredFile) -> bool:
        """Tell whether a file is wanted."""
        return (
            (self.name_contains is None or _folded(self.name_contains) in _folded(file.name))
            and (self.media_types is None or (file.media_type or "").lower() in self.media_types)
            and (self.states is None or state_of(file) in self.states)
            and _within(file.size, self.min_size, self.max_size)
            and _within(file.created_at, self.created_from, self.created_before)
            and _within(changed_at(file), self.updated_from, self.updated_before)
        )


def _folded(text: str) -> str:
    """Make texts alike that people read alike: names from macOS have accents as letters of their own."""
    return unicodedata.normalize("NFC", text).casefold()


def state_of(file: StoredFile) -> FileState:
    """Tell whether the bytes are there; an attachment always has them."""
    return getattr(file, "state", FileState.AVAILABLE)


def changed_at(file: StoredFile) -> datetime | None:
    """Tell when a file last changed: at its creation, where no change is known."""
    return file.updated_at or file.created_at


def arrange(
    files: Iterable[StoredFile], wanted: Filter | None, order: "Order | SourceOrder"
) -> list[StoredFile]:
    """Keep the wanted files, each once, in the given order; None wants all."""
    kept = files if wanted is None else filter(wanted.accepts, files)
    distinct: dict[Ref, StoredFile] = {file.ref: file for file in kept}
    if not order.sorts:
        return list(distinct.values())
    return sorted(distinct.values(), key=order.key, reverse=order.descending)


def _within(
    value: "int | datetime | None", low: "int | datetime | None", high: "int | datetime | None"
) -> bool:
    if low is None and high is None:
        return True
    if value is None:
        return False
    return (low is None or value >= low) and (high is None or value < high)  # type: ignore[operator]


def _microseconds(moment: datetime | None) -> int | None:
    return None if moment is None else round(moment.timestamp() * 1_000_000)


_VALUES: dict[OrderField, Callable[[StoredFile], str | int | None]] = {
    OrderField.NAME: lambda file: file.name.casefold(),
    OrderField.SIZE: lambda file: file.size,
    OrderField.CREATED_AT: lambda file: _microseconds(file.created_at),
    OrderField.UPDATED_AT: lambda file: _microseconds(changed_at(file)),
}
