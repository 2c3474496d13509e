"""Remembers what was made of a source's answers, so that those that come again unchanged are not read again.

Nothing is taken from it without asking the source: the new answers are compared with the old ones, by SHA-256.
Reading a tree of a thousand files takes ten times as long as that, and most trees are asked for far more often than
they change. So are lists of records, but there are far more of these: of them only what was written is kept.
"""

import hashlib
from collections.abc import Callable, Hashable, Sequence
from typing import Generic, TypeVar

from cachetools import LRUCache

from gateway.domain.model import AttachmentListing, Listed, Record
from gateway.domain.snapshot import Forms, Origin
from gateway.transport.messages import Response

T = TypeVar("T")

MARK = 4096
"""Bytes that something takes which was made of next to nothing: an empty tree, and the question that it answers."""


class Unchanged(Generic[T]):
    """What was made of the last answers to each question, which nobody may change any more.

    It belongs to one adapter, and so to one tenant and one credential. ``most_bytes`` bounds the bytes of the
    answers; what is made of them, which is what is kept, takes some three times as much, and what is written of that
    (`gateway.domain.snapshot`) up to as much again.
    """

    def __init__(self, most_bytes: int) -> None:
        self._kept: LRUCache[Hashable, tuple[bytes, int, T]] = LRUCache(
            most_bytes, getsizeof=lambda kept: kept[1]
        )

    def of(self, question: Hashable, answers: Sequence[bytes], make: Callable[[], T]) -> T:
        """Give what was made of these answers to a question, or make it; raises what ``make`` raises."""
        size = MARK + sum(map(len, answers))
        if size > self._kept.maxsize:
            return make()
        seen = b"".join([hashlib.sha256(answer).digest() for answer in answers])
        kept = self._kept.get(question)
        if kept is not None and kept[0] == seen:
            return kept[2]
        made = make()
        self._kept[question] = (seen, size, made)
        return made


class UnchangedLists:
    """Knows the lists of records that came before, and keeps what was written of them, up to ``most_bytes``.

    What is made of a list takes some five times as much as its JSON in an answer, so it is made again where another
    document asks for it. It belongs to one adapter, and so to one tenant and one credential.
    """

    def __init__(self, most_bytes: int) -> None:
        self._forms = Forms(most_bytes)

    def of(
        self, record: Record, answer: Response, read: Callable[[Record, Response], Listed]
    ) -> AttachmentListing:
        """Give the list of a record; it is read now, and raises what ``read`` raises, unless it came before.

        A list is noted once it was read without an error.
        """
        if not self._forms.room:
            return AttachmentListing.of(record, read(record, answer))
        digest = hashlib.sha256(f"{answer.status} {record.ref.key} ".encode())
        digest.update(answer.body)
        name = digest.digest()
        origin = Origin(self._forms, name)
        if self._forms.is_noted(name):
            return AttachmentListing(record, lambda: read(record, answer), origin)
        listed = read(record, answer)
        self._forms.note(name)
        return AttachmentListing(record, lambda: listed, origin)
