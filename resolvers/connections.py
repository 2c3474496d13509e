"""Connections by Relay's rules: pages of ordered lists with cursors."""

from collections.abc import Callable, Hashable, Sequence
from functools import cached_property
from typing import Annotated, Any, Generic, TypeVar

import msgspec
import strawberry
from strawberry import UNSET

from gateway.domain.paging import Page, PageRequest
from gateway.domain.snapshot import Lasting, Origin

T = TypeVar("T")

First = Annotated[int | None, strawberry.argument(description="How many from the start, 1 to 100.")]
After = Annotated[str | None, strawberry.argument(description="The cursor to start after.")]
Last = Annotated[int | None, strawberry.argument(description="How many from the end, 1 to 100.")]
Before = Annotated[str | None, strawberry.argument(description="The cursor to end before.")]

LARGEST_PAGE = 100


@strawberry.type(description="Where a page stands in its list.")
class PageInfo:
    """Relay's page information."""

    start_cursor: str | None = strawberry.field(
        description="The cursor of the first item; null on an empty page."
    )
    end_cursor: str | None = strawberry.field(description="The cursor of the last item; null on an empty page.")
    has_next_page: bool = strawberry.field(description="Whether there is an item after this page.")
    has_previous_page: bool = strawberry.field(description="Whether there is an item before this page.")


class Edge(msgspec.Struct, Generic[T], frozen=True, gc=False):
    """One item of a page; what the edge types of the schema show."""

    node: T
    page: Page[Any]
    index: int

    @property
    def cursor(self) -> str:
        """Write the cursor, which few clients ask every edge for."""
        return self.page.cursor(self.index)


class Ends(msgspec.Struct, frozen=True):
    """Where a page begins and ends; what `PageInfo` shows."""

    page: Page[Any]

    @property
    def start_cursor(self) -> str | None:
        """Write the cursor of the first item."""
        return self.page.cursor(0) if self.page.items else None

    @property
    def end_cursor(self) -> str | None:
        """Write the cursor of the last item."""
        return self.page.cursor(-1) if self.page.items else None

    @property
    def has_next_page(self) -> bool:
        """Tell whether an item follows."""
        return self.page.has_next

    @property
    def has_previous_page(self) -> bool:
        """Tell whether an item precedes."""
        return self.page.has_previous


class Connection(msgspec.Struct, Generic[T], frozen=True):
    """One page; what the connection types of the schema show."""

    edges: Sequence[Edge[T]]
    page_info: Ends
    total_count: int
    source_statuses: Sequence[Any] = ()


class LastingConnection(Lasting, Generic[T]):
    """A page whose written form may be kept: it is made only where that is not, or something else is wanted.

    ``name`` tells it from other pages of the list.
    """

    def __init__(self, origin: Origin, name: Hashable, make: Callable[[], Connection[T]]) -> None:
        self.origin = Origin(origin.forms, (origin.name, name))
        self._make = make

    @cached_property
    def _made(self) -> Connection[T]:
        return self._make()

    @property
    def edges(self) -> Sequence[Edge[T]]:
        """Make the page and give its edges."""
        return self._made.edges

    @property
    def page_info(self) -> Ends:
        """Make the page and give its ends."""
        return self._made.page_info

    @property
    def total_count(self) -> int:
        """Make the page and give how many there are on all pages."""
        return self._made.total_count


def connection(page: Page[T], source_statuses: Sequence[Any] = ()) -> Connection[T]:
    """Show a page as a connection."""
    edges = [Edge(item, page, index) for index, item in enumerate(page.items)]
    return Connection(edges, Ends(page), page.total, source_statuses)


def given(value: T | None) -> T | None:
    """Read an argument that may be left out: strawberry's UNSET, which keeps `= null` out of the schema, is None."""
    return None if value is UNSET else value


def page_request(first: int | None, after: str | None, last: int | None, before: str | None) -> PageRequest:
    """Collect the four arguments of a connection."""
    return PageRequest(
        None if first is UNSET else first,
        None if after is UNSET else after,
        None if last is UNSET else last,
        None if before is UNSET else before,
    )
