"""Pages of an ordered list, by cursors that hold a position and not a number.

A cursor carries the sort key of its item, so it stays right when items come and go between two pages. It also
carries a digest of what it belongs to (field, parent, filter, order) and is refused anywhere else.
Relay's rules: https://relay.dev/graphql/connections.htm
"""

import base64
import binascii
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec

from gateway.domain.errors import BadCursor, BadInput

T = TypeVar("T")

LONGEST_CURSOR = 4096


@dataclass(frozen=True, slots=True)
class PageRequest:
    """What a client asks of a connection: ``first`` with ``after``, or ``last`` with ``before``."""

    first: int | None = None
    after: str | None = None
    last: int | None = None
    before: str | None = None

    def size(self, most: int) -> int:
        """Give the number of items wanted; raises BadInput outside 1 to ``most`` or for both ends at once."""
        if self.first is not None and self.last is not None:
            raise BadInput("Give `first` or `last`, not both.")
        for name, value in (("first", self.first), ("last", self.last)):
            if value is not None and not 1 <= value <= most:
                raise BadInput(f"`{name}` must be 1 to {most:,}.")
        return self.first or self.last or most


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page with a cursor per item."""

    items: Sequence[T]
    cursors: Sequence[str]
    has_next: bool
    has_previous: bool
    total: int


def scope(*parts: object) -> str:
    """Digest what a cursor belongs to."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:8]


def paginate(
    items: Sequence[T],
    request: PageRequest,
    *,
    key: Callable[[T], Any],
    descending: bool = False,
    ordered: bool = True,
    belongs_to: str,
    most: int,
) -> Page[T]:
    """Cut one page out of a list.

    The list is sorted by ``key``, or ``ordered`` is False and the key only tells items apart: then a cursor ends
    with its item. Raises BadInput for a wrong size and BadCursor for a cursor that has ended or is of another list.
    """
    size = request.size(most)
    keys = [key(item) for item in items]
    start, end = 0, len(items)
    if request.after is not None:
        at = _read(request.after, belongs_to)
        start = _position(keys, at, descending=descending, past_equal=True) if ordered else _index(keys, at) + 1
    if request.before is not None:
        at = _read(request.before, belongs_to)
        end = max(start, _position(keys, at, descending=descending) if ordered else _index(keys, at))
    if request.last is not None:
        start = max(start, end - size)
    else:
        end = min(end, start + size)
    cursors = [_write(keys[index], belongs_to) for index in range(start, end)]
    return Page(items[start:end], cursors, end < len(items), start > 0, len(items))


def _position(keys: list[Any], at: Any, *, descending: bool, past_equal: bool = False) -> int:
    """Find where a key stands, or would stand had its item not gone."""
    low, high = 0, len(keys)
    try:
        while low < high:
            middle = (low + high) // 2
            before = keys[middle] > at if descending else keys[middle] < at
            if before or (past_equal and keys[middle] == at):
                low = middle + 1
            else:
                high = middle
    except TypeError as exc:  # cursors are not sealed, so a key may be of any form
        raise BadCursor("This is not a cursor of this field.") from exc
    return low


def _index(keys: list[Any], at: Any) -> int:
    try:
        return keys.index(at)
    except ValueError as exc:
        raise BadCursor("The item of this cursor is gone.") from exc


def _write(key: Any, belongs_to: str) -> str:
    raw = msgspec.json.encode((belongs_to, key))
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def _read(cursor: str, belongs_to: str) -> Any:
    try:
        if len(cursor) > LONGEST_CURSOR:
            raise BadCursor("This is too long to be a cursor of this field.")
        raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        owner, key = msgspec.json.decode(raw, type=tuple[str, Any])
        frozen = _frozen(key)
    except (binascii.Error, ValueError, msgspec.MsgspecError, RecursionError) as exc:
        raise BadCursor("This is not a cursor of this field.") from exc
    if owner != belongs_to:
        raise BadCursor("This cursor belongs to another field, filter or order.")
    return frozen


def _frozen(key: Any) -> Any:
    """Turn JSON's lists back into the tuples that keys are made of."""
    return tuple(_frozen(part) for part in key) if isinstance(key, list) else key
