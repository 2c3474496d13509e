"""How scalars and enums are written: the value as it is where its class is right, else as its type serializes it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from graphql import GraphQLEnumType, GraphQLScalarType, Undefined
from strawberry.schema.schema_converter import CustomGraphQLEnumType

from resolvers.scalars import write_time


class NoValue(Exception):
    """A leaf that must be there and is not."""


@dataclass(frozen=True, slots=True)
class LeafWriter:
    """Writes one leaf type. A value of the class ``plain`` is answered as it is.

    ``is_time`` marks the gateway's own DateTime. ``members`` gives the names of enum members by the members'
    identities: a member is made once and never dies.
    """

    serialize: Callable[[Any], Any]
    plain: str | None = None
    members: dict[int, str] | None = None
    is_time: bool = False

    def expression(self, value: str, name: Callable[[Any], str]) -> str:
        """Write the expression of a value that must be there."""
        serialize, bound = name(self.serialize), "w" if value == "w" else f"(w := {value})"
        if self.members is not None:
            return f"({name(self.members)}.get(id({bound})) or {serialize}(w))"
        if self.plain is not None:
            return f"(w if {bound}.__class__ is {self.plain} else {serialize}(w))"
        if self.is_time:
            return f"(w if {bound}.__class__ is datetime and w.tzinfo is UTC else {serialize}(w))"
        return f"{serialize}({value})"


PLAIN = {"Boolean": "bool", "ByteCount": "int", "ID": "str", "String": "str", "URL": "str"}
"""The classes whose values their types write unchanged. Int is not among them: it has to be checked for 32 bits."""


def leaf_writer(leaf_type: GraphQLScalarType | GraphQLEnumType) -> LeafWriter:
    """Find the writer of a leaf type."""
    serialize = leaf_type.coerce_output_value

    def present(value: Any) -> Any:
        if value is None or isinstance(value, Exception):
            raise NoValue
        written = serialize(value)
        if written is None or written is Undefined:
            raise NoValue
        return written

    members = _members(leaf_type) if isinstance(leaf_type, CustomGraphQLEnumType) else None
    return LeafWriter(present, PLAIN.get(leaf_type.name), members, is_time=leaf_type.serialize is write_time)


def _members(enum_type: CustomGraphQLEnumType) -> dict[int, str]:
    members: Iterable[Enum] = enum_type.wrapped_cls
    return {id(member): enum_type.coerce_output_value(member) for member in members}
