"""How scalars and enums are written: the value as it is where its class is right, else as its type serializes it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from graphql import GraphQLEnumType, GraphQLScalarType


class NoValue(Exception):
    """A leaf that must be there and is not."""


@dataclass(frozen=True, slots=True)
class LeafWriter:
    """Writes one leaf type. A value of the class ``plain`` is answered as they are."""

    serialize: Callable[[Any], Any]
    plain: str | None

    def expression(self, value: str, name: Callable[[Any], str]) -> str:
        """Write the expression of a value that must be there."""
        serialize = name(self.serialize)
        if self.plain is None:
            return f"{serialize}({value})"
        return f"(x if (x := {value}).__class__ is {self.plain} else {serialize}(x))"


PLAIN = {"Boolean": "bool", "ByteCount": "int", "ID": "str", "String": "str", "URL": "str"}
"""The classes whose values their types write unchanged. Int is not among them: it has to be checked for 32 bits."""


def leaf_writer(leaf_type: GraphQLScalarType | GraphQLEnumType) -> LeafWriter:
    """Find the writer of a leaf type."""
    serialize = leaf_type.serialize

    def present(value: Any) -> Any:
        if value is None:
            raise NoValue
        written = serialize(value)
        if written is None:
            raise NoValue
        return written

    return LeafWriter(present, PLAIN.get(leaf_type.name))
