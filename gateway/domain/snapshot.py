"""Lists that stay as they are, and hold what was made of them for those who ask for it again."""

from collections.abc import Hashable
from typing import TypeVar

import msgspec
from cachetools import LRUCache

T = TypeVar("T")

MARK = 64
"""What it counts in bytes that something was asked for once."""


class Snapshot(tuple[T, ...]):  # noqa: SLOT001 - tuples take no slots that hold something
    """What a source listed at one time, in a tuple that remembers its written forms.

    A form is kept when it is asked for the second time, for most lists are read once. ``room`` bounds the bytes of
    all forms; those that were asked for longest ago go first.
    """

    _forms: LRUCache[Hashable, msgspec.Raw | None]

    @classmethod
    def of(cls, items: "tuple[T, ...] | list[T]", room: int) -> "Snapshot[T]":
        """Take items that nobody changes any more."""
        made = cls(items)
        made._forms = LRUCache(room, getsizeof=_size)
        return made

    def form(self, name: Hashable) -> msgspec.Raw | None:
        """Give a form that was kept."""
        return self._forms.get(name)

    def is_wanted_again(self, name: Hashable) -> bool:
        """Tell whether somebody has asked for this form before, and take note that somebody does now."""
        if name in self._forms:
            return True
        if self._forms.maxsize >= MARK:
            self._forms[name] = None
        return False

    def keep(self, name: Hashable, form: msgspec.Raw) -> None:
        """Keep a form, unless it is longer than all may be."""
        if _size(form) <= self._forms.maxsize:
            self._forms[name] = form


def _size(form: msgspec.Raw | None) -> int:
    return MARK if form is None else MARK + len(memoryview(form))
