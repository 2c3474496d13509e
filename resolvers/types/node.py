"""Node: every object with an identifier."""

from collections.abc import Callable, Container
from typing import Any

import strawberry
from strawberry.types import Info as StrawberryInfo

from gateway.context import RequestContext
from gateway.domain.errors import BadIdentifier, NotFound
from gateway.domain.refs import Ref, RefType

Info = StrawberryInfo[RequestContext, None]

NOT_THERE = "There is no such object, or it may not be seen."


def resolved(resolver: Callable[..., Any], description: str, *, lasting: bool = False) -> Any:
    """Make a field of a resolver that gives domain objects, which the annotated type of the schema shows.

    One that asks for information is ``lasting`` if it gives the same to everybody of the tenant, at any time.
    """
    return strawberry.field(resolver=resolver, description=description, metadata={"lasting": lasting})


def opened(text: str, context: RequestContext, types: Container[RefType] = frozenset(RefType)) -> Ref:
    """Read the identifier of what a query asks for, of one of some types. No upstream request.

    Raises NotFound for any other text: whether it is another tenant's, of another type or made up is not told.
    """
    try:
        ref = context.ids.open(text)
    except BadIdentifier as exc:
        raise NotFound(NOT_THERE) from exc
    if ref.type not in types:
        raise NotFound(NOT_THERE, source=ref.source)
    return ref


def _id(root: Any, info: Info) -> strawberry.ID:
    return info.context.ids.seal(root.ref)  # type: ignore[return-value] # a call of ID would be as dear as sealing


@strawberry.interface(description="Every object with an identifier.")
class Node:
    """The interface of objects that `node(id:)` can give; its values are objects with a `ref`."""

    id: strawberry.ID = resolved(
        _id, "The opaque global identifier: the same object always has the same one.", lasting=True
    )
