"""Makes the Python values of arguments by functions that are put together once a plan, and not once a value.

Strawberry looks at the types of an argument anew for each value in it: fifty lookups in a list take it 2 ms.
"""

from collections.abc import Callable, Mapping
from dataclasses import MISSING
from typing import Any

from graphql import FieldNode, GraphQLField, Undefined, VariableNode
from strawberry.scalars import is_scalar
from strawberry.schema.config import StrawberryConfig
from strawberry.types.base import (
    StrawberryList,
    StrawberryMaybe,
    StrawberryObjectDefinition,
    StrawberryOptional,
    has_object_definition,
)
from strawberry.types.enum import StrawberryEnumDefinition, has_enum_definition
from strawberry.types.field import StrawberryField
from strawberry.types.lazy_type import LazyType
from strawberry.types.unset import UNSET

from resolvers.execution.fields import NotCompilable

Convert = Callable[[Any], Any]
"""Makes the Python value of one that is neither null nor left out."""


class Converters:
    """Makes the converters of a schema's arguments; they give what strawberry's own conversion gives."""

    def __init__(self, config: StrawberryConfig, scalars: Mapping[object, Any]) -> None:
        self._names = config.name_converter
        self._scalars = scalars
        self._inputs: dict[type, Convert] = {}
        self._begun: set[type] = set()

    def of_field(self, definition: StrawberryField) -> Convert:
        """Make the function that turns a field's coerced arguments into keywords; raises NotCompilable."""
        parts = [
            (self._names.from_argument(argument), argument.python_name, self._of(argument.type))
            for argument in definition.arguments
        ]

        def keywords(values: Mapping[str, Any]) -> dict[str, Any]:
            return {name: convert(values[key]) for key, name, convert in parts if key in values}

        return keywords

    def _of(self, kind: Any) -> Convert:
        if isinstance(kind, StrawberryMaybe):
            raise NotCompilable("an argument that tells null from nothing")
        if isinstance(kind, StrawberryOptional):
            return self._of(kind.of_type)
        if isinstance(kind, LazyType):
            return self._of(kind.resolve_type())
        if isinstance(kind, StrawberryList):
            return _list(self._of(kind.of_type))
        if (
            is_scalar(kind, self._scalars)
            or isinstance(kind, StrawberryEnumDefinition)
            or has_enum_definition(kind)
        ):
            return _as_it_is
        if has_object_definition(kind):
            return self._of_input(kind)
        raise NotCompilable("an argument of no known kind")

    def _of_input(self, kind: type) -> Convert:
        found = self._inputs.get(kind)
        if found is None:
            if kind in self._begun:
                raise NotCompilable("an input that holds itself")
            self._begun.add(kind)
            found = self._inputs[kind] = self._input(kind)
        return found

    def _input(self, kind: Any) -> Convert:
        definition: StrawberryObjectDefinition = kind.__strawberry_definition__
        if definition.from_input is not None:
            raise NotCompilable("an input that makes itself")
        parts = [
            (
                self._names.from_field(field),
                field.python_name,
                self._of(field.resolve_type(type_definition=definition)),
            )
            for field in definition.fields
        ]
        absent = {
            field.python_name: None
            for field in definition.fields
            if field.default_value is MISSING and field.default_factory is MISSING
        }

        def convert(value: Any) -> Any:
            if value is None or value is UNSET:
                return value
            given = {name: part(value[key]) for key, name, part in parts if key in value}
            return kind(**{**absent, **given})

        return convert


def by_variables(field: GraphQLField, node: FieldNode) -> list[tuple[str, str]] | None:
    """Name the arguments of a field with the variables that they are given by.

    None where one is given in another way, or has a default that stands in for it where it is not given.
    """
    found: list[tuple[str, str]] = []
    given = {argument.name.value: argument.value for argument in node.arguments or ()}
    for name, definition in field.args.items():
        value = given.get(name)
        if isinstance(value, VariableNode):
            found.append((definition.out_name or name, value.name.value))
        elif value is not None or definition.default_value is not Undefined or definition.default is not None:
            return None
    return found


def _as_it_is(value: Any) -> Any:
    return value


def _list(convert: Convert) -> Convert:
    """Make the function of a list, which is copied: graphql-core gives one default to all who leave it out."""

    def converted(values: Any) -> Any:
        if values is None or values is UNSET:
            return values
        return list(values) if convert is _as_it_is else [convert(value) for value in values]

    return converted
