"""Remembers what was made of a source's answers, so that those that come again unchanged are not read again.

Nothing is taken from it without asking the source: the new answers are compared with the old ones, byte for byte.
Reading a tree of a thousand files takes ten times as long as comparing it, and most trees are asked for far more
often than they change.
"""

from collections.abc import Callable, Hashable, Sequence
from typing import Generic, TypeVar

from cachetools import LRUCache

from gateway.upstreams.base import SourceSettings

T = TypeVar("T")


class Unchanged(Generic[T]):
    """What was made of the last answers to each question, which nobody may change any more.

    It belongs to one adapter, and so to one tenant and one credential. The setting ``kept_answers`` bounds the bytes
    of answers that are remembered; what is made of them takes some three times as much again. Where each user has an
    adapter of his own nothing is remembered.
    """

    def __init__(self, settings: SourceSettings) -> None:
        most_bytes = 0 if settings.pass_through else settings.kept_answers
        self._kept: LRUCache[Hashable, tuple[Sequence[bytes], T]] = LRUCache(most_bytes, getsizeof=_size)

    def of(self, question: Hashable, answers: Sequence[bytes], make: Callable[[], T]) -> T:
        """Give what was made of these answers to a question, or make it; raises what ``make`` raises."""
        kept = self._kept.get(question)
        if kept is not None and kept[0] == answers:
            return kept[1]
        made = make()
        if sum(map(len, answers)) <= self._kept.maxsize:
            self._kept[question] = (answers, made)
        return made


def _size(kept: tuple[Sequence[bytes], object]) -> int:
    return sum(map(len, kept[0]))
