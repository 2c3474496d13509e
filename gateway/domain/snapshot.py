"""What stays as it is, and holds the JSON that was written of it for those who ask for it again."""

from collections.abc import Hashable
from typing import NamedTuple, TypeVar

import msgspec
from cachetools import LRUCache

T = TypeVar("T")

MARK = 768
"""Bytes that a form takes beside its text: its name, and its place in the memory. So does one that is noted alone."""


class Forms:
    """Written forms by their names, up to ``room`` bytes: those that were asked for longest ago go first.

    A form is kept when it is asked for the second time, for most lists are read once.
    """

    def __init__(self, room: int) -> None:
        self.room = room
        self._kept: LRUCache[Hashable, msgspec.Raw | None] = LRUCache(room, getsizeof=_size)

    def get(self, name: Hashable) -> msgspec.Raw | None:
        """Give a form that was kept."""
        try:  # which is how a cache is asked once; its own `get` asks twice
            return self._kept[name]
        except KeyError:
            return None

    def is_noted(self, name: Hashable) -> bool:
        """Tell whether a name was noted, or has a form; to ask keeps it among the latest."""
        try:
            self._kept[name]
        except KeyError:
            return False
        return True

    def note(self, name: Hashable) -> None:
        """Take note of a name that has no form: of what somebody asked for once, or of a list that was read."""
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
