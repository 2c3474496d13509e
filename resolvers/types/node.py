"""Node: every object with an identifier."""

from collections.abc import Callable
from typing import Any

import strawberry
from strawberry.types import Info as StrawberryInfo

from gateway.context import RequestContext

Info = StrawberryInfo[RequestContext, None]


def resolved(resolver: Callable[..., Any], description: str) -> Any:
    """Make a field of a resolver that gives domain objects, which the annotated type of the schema shows."""
    return strawberry.field(resolver=resolver, description=description)


def _id(root: Any) -> strawberry.ID:
    return strawberry.ID(root.ref.to_id())


@strawberry.interface(description="Every object with an identifier.")
class Node:
    """The interface of objects that `node(id:)` can give; its values are objects with a `ref`."""

    id: strawberry.ID = resolved(_id, "The opaque global identifier: the same object always has the same one.")
