"""What stays as it is, and holds the JSON that was written of it for those who ask for it again."""

from collections.abc import Hashable
from typing import NamedTuple, TypeVar

import msgspec
from cachetools import LRUCache

T = TypeVar("T")

UNKNOWN = msgspec.Raw()
"""Stands for what is not there: None stands for what was noted."""
MARK = 256
"""What it counts in bytes that something was asked for: the names and their places in the memory take as much."""


class Forms:
    """Written forms by their names, up to ``room`` bytes: those that were asked for longest ago go first.

    A form is kept when it is asked for the second time, for most lists are read once.
    """

    def __init__(self, room: int) -> None:
        self.room = room
        self._kept: LRUCache[Hashable, msgspec.Raw | None] = LRUCache(room, getsizeof=_size)

    def get(self, name: Hashable) -> msgspec.Raw | None:
        """Give a form that was kept."""
        return self._kept.get(name)

    def is_noted(self, name: Hashable) -> bool:
        """Tell whether somebody has asked for this form before; to ask again keeps the note among the latest."""
        return self._kept.get(name, UNKNOWN) is not UNKNOWN

    def note(self, name: Hashable) -> None:
        """Take note that somebody asks for a form that is not kept."""
        if self.room >= MARK:
            self._kept[name] = None

    def keep(self, name: Hashable, form: msgspec.Raw) -> None:
        """Keep a form, unless it is longer than all may be."""
        if _size(form) <= self.room:
            self._kept[name] = form


class Origin(NamedTuple):
    """Where the written forms of something are, and what its own are told by there."""

    forms: Forms
    name: Hashable = None


class Lasting:
    """Something that stays as it is, so that what is written of it does too."""

    origin: Origin


class Snapshot(tuple[T, ...], Lasting):  # noqa: SLOT001 - tuples take no slots that hold something
    """What a source listed at one time, in a tuple that remembers its written forms."""

    @classmethod
    def of(cls, items: "tuple[T, ...] | list[T]", room: int) -> "Snapshot[T]":
        """Take items that nobody changes any more, and ``room`` bytes for what is written of them."""
        made = cls(items)
        made.origin = Origin(Forms(room))
        return made


def _size(form: msgspec.Raw | None) -> int:
    return MARK if form is None else MARK + len(memoryview(form))
