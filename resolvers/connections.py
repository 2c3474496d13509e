"""Connections by Relay's rules: pages of ordered lists with cursors."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar

import strawberry
from strawberry import UNSET

from gateway.domain.paging import Page, PageRequest

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


@dataclass(frozen=True, slots=True)
class Edge(Generic[T]):
    """One item and its cursor; what the edge types of the schema show."""

    node: T
    cursor: str


@dataclass(frozen=True, slots=True)
class Connection(Generic[T]):
    """One page; what the connection types of the schema show."""

    edges: Sequence[Edge[T]]
    page_info: PageInfo
    total_count: int
    source_statuses: Sequence[Any] = ()


def connection(page: Page[T], source_statuses: Sequence[Any] = ()) -> Connection[T]:
    """Show a page as a connection."""
    edges = [Edge(item, cursor) for item, cursor in zip(page.items, page.cursors, strict=True)]
    info = PageInfo(
        start_cursor=page.cursors[0] if page.cursors else None,
        end_cursor=page.cursors[-1] if page.cursors else None,
        has_next_page=page.has_next,
        has_previous_page=page.has_previous,
    )
    return Connection(edges, info, page.total, source_statuses)


def given(value: T | None) -> T | None:
    """Read an argument that may be left out: strawberry's UNSET, which keeps `= null` out of the schema, is None."""
    return None if value is UNSET else value


def page_request(first: int | None, after: str | None, last: int | None, before: str | None) -> PageRequest:
    """Collect the four arguments of a connection."""
    return PageRequest(first=given(first), after=given(after), last=given(last), before=given(before))
