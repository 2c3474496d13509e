"""Pages of an ordered list, by cursors that hold a position and not a number.

A cursor carries the sort key of its item, so it stays right when items come and go between two pages. It also
carries a digest of what it belongs to (field, parent, filter, order) and is refused anywhere else. It is sealed for
its tenant, because sort keys hold identifiers of the source.
Relay's rules: https://relay.dev/graphql/connections.htm
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from gateway.domain.errors import BadCursor, BadInput

T = TypeVar("T")


class Sealing(Protocol):
    """Makes text of bytes that nobody else can read or change."""

    def seal(self, content: bytes) -> str:
        """Seal bytes."""

    def open(self, text: str) -> bytes:
        """Open a text; raises ValueError for one that was not sealed so."""


class PageRequest(msgspec.Struct, frozen=True):
    """What a client asks of a connection: ``first`` with ``after``, or ``last`` with ``before``."""

    first: int | None = None
    after: str | None = None
    last: int | None = None
    before: str | None = None

    @property
    def has_cursor(self) -> bool:
        """Tell whether the page begins or ends at an item of an earlier page, which may be gone."""
        return self.after is not None or self.before is not None

    def size(self, most: int) -> int:
        """Give the number of items wanted; raises BadInput outside 1 to ``most`` or for both ends at once."""
        if self.first is not None and self.last is not None:
            raise BadInput("Give `first` or `last`, not both.")
        for name, value in (("first", self.first), ("last", self.last)):
            if value is not None and not 1 <= value <= most:
                raise BadInput(f"`{name}` must be 1 to {most:,}.")
        return self.first or self.last or most


class Page(msgspec.Struct, Generic[T], frozen=True):
    """One page; its cursors are made of the sort keys of its items, when they are asked for."""

    items: Sequence[T]
    has_next: bool
    has_previous: bool
    total: int
    key: Callable[[T], Any]
    scope: "Scope"
    sealing: Sealing

    def cursor(self, index: int) -> str:
        """Write the cursor of an item of the page, which takes some 2 µs."""
        return self.sealing.seal(msgspec.json.encode((self.scope.digest, self.key(self.items[index]))))


@dataclass(frozen=True)
class Scope:
    """What cursors belong to: the field, its parent, the filter and the order."""

    parts: tuple[object, ...]

    @cached_property
    def digest(self) -> str:
        """Give the text that cursors carry, which is worked out where there are any."""
        return hashlib.sha256(repr(self.parts).encode()).hexdigest()[:8]


def scope(*parts: object) -> Scope:
    """Say what a cursor belongs to."""
    return Scope(parts)


def paginate(
    items: Sequence[T],
    request: PageRequest,
    *,
    key: Callable[[T], Any],
    descending: bool = False,
    ordered: bool = True,
    belongs_to: Scope,
    sealing: Sealing,
    most: int,
) -> Page[T]:
    """Cut one page out of a list.

    The list is sorted by ``key``, or ``ordered`` is False and the key only tells items apart: then a cursor ends
    with its item. Raises BadInput for a wrong size and BadCursor for a cursor that has ended or is of another list.
    """
    size = request.size(most)
    keys = [key(item) for item in items] if request.has_cursor else []
    start, end = 0, len(items)
    if request.after is not None:
        at = _read(request.after, belongs_to, sealing)
        start = _position(keys, at, descending=descending, past_equal=True) if ordered else _index(keys, at) + 1
    if request.before is not None:
        at = _read(request.before, belongs_to, sealing)
        end = max(start, _position(keys, at, descending=descending) if ordered else _index(keys, at))
    if request.last is not None:
        start = max(start, end - size)
    else:
        end = min(end, start + size)
    more = (end < len(items), start > 0)
    return Page(items[start:end], *more, len(items), key, belongs_to, sealing)


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
    except TypeError as exc:  # an older version of the gateway may have had keys of another form
        raise BadCursor("This is not a cursor of this field.") from exc
    return low


def _index(keys: list[Any], at: Any) -> int:
    try:
        return keys.index(at)
    except ValueError as exc:
        raise BadCursor("The item of this cursor is gone.") from exc


def _read(cursor: str, belongs_to: Scope, sealing: Sealing) -> Any:
    try:
        owner, key = msgspec.json.decode(sealing.open(cursor), type=tuple[str, Any])
    except (ValueError, msgspec.MsgspecError) as exc:
        raise BadCursor("This is not a cursor of this field.") from exc
    if owner != belongs_to.digest:
        raise BadCursor("This cursor belongs to another field, filter or order.")
    return _frozen(key)


def _frozen(key: Any) -> Any:
    """Turn JSON's lists back into the tuples that keys are made of."""
    return tuple(_frozen(part) for part in key) if isinstance(key, list) else key
