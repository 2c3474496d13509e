"""What lists of files take: filter and order."""

from datetime import datetime

import strawberry
from strawberry import UNSET

from gateway.domain.model import FileState
from gateway.domain.ordering import Direction, Filter, Order, OrderField
from resolvers.connections import given
from resolvers.scalars import ByteCount


@strawberry.input(description="Which files are wanted: all criteria that are given must hold.")
class StoredFileFilter:
    """The input of `gateway.domain.ordering.Filter`."""

    name_contains: str | None = strawberry.field(
        default=UNSET, description="Text that the name holds, without regard to case."
    )
    media_types: list[str] | None = strawberry.field(
        default=UNSET, description="Media types, as `application/pdf`."
    )
    min_size: ByteCount | None = strawberry.field(
        default=UNSET, description="Bytes: the smallest size that is wanted."
    )
    max_size: ByteCount | None = strawberry.field(
        default=UNSET,
        description="Bytes: a file of this size or more is left out.",
    )
    created_from: datetime | None = strawberry.field(default=UNSET, description="Created then or later.")
    created_before: datetime | None = strawberry.field(default=UNSET, description="Created earlier than that.")
    updated_from: datetime | None = strawberry.field(default=UNSET, description="Changed then or later.")
    updated_before: datetime | None = strawberry.field(default=UNSET, description="Changed earlier than that.")
    states: list[FileState] | None = strawberry.field(default=UNSET, description="States that are wanted.")

    def to_filter(self) -> Filter:
        """Give the domain's filter."""
        media_types, states = given(self.media_types), given(self.states)
        return Filter(
            name_contains=given(self.name_contains),
            media_types=None if media_types is None else frozenset(map(str.lower, media_types)),
            min_size=given(self.min_size),
            max_size=given(self.max_size),
            created_from=given(self.created_from),
            created_before=given(self.created_before),
            updated_from=given(self.updated_from),
            updated_before=given(self.updated_before),
            states=None if states is None else frozenset(states),
        )


@strawberry.input(description="The order of a list of files.")
class StoredFileOrder:
    """The input of `gateway.domain.ordering.Order`."""

    field: OrderField = strawberry.field(description="What to order by.")
    direction: Direction = strawberry.field(default=Direction.ASC, description="Which end comes first.")

    def to_order(self) -> Order:
        """Give the domain's order."""
        return Order(self.field, self.direction)


def filter_of(where: StoredFileFilter | None) -> Filter | None:
    """Give the domain's filter; None where nothing is asked."""
    wanted = where.to_filter() if where else None
    return None if wanted == Filter() else wanted
