"""Reads from the schema how each field gets its value, so that nothing is said twice."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from graphql import GraphQLField
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.types.field import StrawberryField


class NotCompilable(Exception):
    """Something that the compiled executor does not know: graphql-core executes the document instead."""


@dataclass(frozen=True, slots=True)
class Reader:
    """How a field gets its value from its object.

    ``attribute`` names a plain attribute; otherwise ``function`` is the resolver, which takes the object and, where
    ``takes_info``, the information and the arguments. One that is ``prompt`` has its value at once: it takes no
    arguments and is annotated with what it gives, where one that may have to load is annotated with Any. ``loaded``
    names the attribute whose value, where it has one, saves the call. What a ``lasting`` field gives at once depends
    on its object and the tenant alone.
    """

    definition: StrawberryField
    attribute: str | None
    function: Callable[..., Any] | None
    takes_info: bool
    prompt: bool = False
    loaded: str | None = None
    lasting: bool = True


def reader_of(field: GraphQLField) -> Reader:
    """Find out how a field of the schema gets its value; raises NotCompilable for what has hooks of its own."""
    definition = field.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
    if not isinstance(definition, StrawberryField) or definition.extensions:
        raise NotCompilable("a field that strawberry does not resolve plainly")
    resolver = definition.base_resolver
    if resolver is None:
        return Reader(definition, definition.python_name, None, takes_info=False)
    function = resolver.wrapped_func
    if isinstance(function, staticmethod | classmethod):
        raise NotCompilable("a resolver that is not a function of its object")
    signature = inspect.signature(function)
    names = list(signature.parameters)
    loads = inspect.iscoroutinefunction(function)
    if names == ["root"] and not loads:
        return Reader(definition, None, function, takes_info=False, prompt=True)
    lasting = bool(definition.metadata.get("lasting"))
    if names == ["root", "info"] and not loads and signature.return_annotation is not Any:
        return Reader(definition, None, function, takes_info=True, prompt=True, lasting=lasting)
    if names[:2] != ["root", "info"]:
        raise NotCompilable("a resolver that is not a function of its object and the information")
    loaded = definition.metadata.get("loaded")
    return Reader(definition, None, function, takes_info=True, loaded=loaded, lasting=lasting)
