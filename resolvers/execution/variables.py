"""Reads the variables of a request as graphql-core does, by functions that are put together once.

graphql-core looks at the types of a variable anew for each value in it. What these functions do not take is read by
graphql-core after all: it has the words for what is wrong.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from graphql import (
    GraphQLError,
    GraphQLID,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLSchema,
    GraphQLString,
    OperationDefinitionNode,
    Undefined,
)
from graphql.execution.get_variable_signature import GraphQLVariableSignature, get_variable_signature
from graphql.execution.values import VariableValues, VariableValueSource, get_variable_values

from resolvers.execution.fields import NotCompilable

Read = Callable[[Any], Any]
"""Gives the value that a type makes of a JSON value; Undefined where it is none of the type."""


class Variables:
    """The variables of one operation of a validated document."""

    __slots__ = ("_operation", "_readers", "_schema")

    def __init__(self, schema: GraphQLSchema, operation: OperationDefinitionNode) -> None:
        self._schema = schema
        self._operation = operation
        found = [get_variable_signature(schema, node) for node in operation.variable_definitions or ()]
        self._readers = [(one, _found(one.type)) for one in found if not isinstance(one, GraphQLError)]

    def read(self, given: Mapping[str, Any], *, hide_suggestions: bool) -> VariableValues | list[GraphQLError]:
        """Coerce what a request gives; or say what is wrong with it, in graphql-core's words."""
        return self._read(given) or get_variable_values(
            self._schema,
            self._operation.variable_definitions or (),
            dict(given),
            hide_suggestions=hide_suggestions,
        )

    def _read(self, given: Mapping[str, Any]) -> VariableValues | None:
        sources: dict[str, VariableValueSource] = {}
        coerced: dict[str, Any] = {}
        for signature, read in self._readers:
            name = signature.name
            if name in given:
                value = given[name]
                found = read(value)
                if found is Undefined:
                    return None
                coerced[name] = found
                sources[name] = VariableValueSource(signature, value)
            elif _may_be_left_out(signature):
                sources[name] = VariableValueSource(signature)
            else:
                return None
        return VariableValues(sources, coerced)


def _may_be_left_out(signature: GraphQLVariableSignature) -> bool:
    return signature.default is None and not isinstance(signature.type, GraphQLNonNull)


def _found(input_type: Any) -> Read:
    """Make the function of a type; of one that cannot be put together it is one that takes nothing."""
    try:
        return _reader(input_type)
    except (NotCompilable, RecursionError):
        return lambda _: Undefined


def _reader(input_type: Any) -> Read:
    """Make the function of a type; raises NotCompilable."""
    if isinstance(input_type, GraphQLNonNull):
        present = _present(input_type.of_type)
        return lambda value: Undefined if value is None else present(value)
    present = _present(input_type)
    return lambda value: None if value is None else present(value)


def _present(input_type: Any) -> Read:
    """Make the function for values that are not null."""
    if isinstance(input_type, GraphQLList):
        return _list(_reader(input_type.of_type))
    if isinstance(input_type, GraphQLInputObjectType):
        return _object(input_type)
    return _leaf(input_type)


def _leaf(leaf_type: Any) -> Read:
    coerce = _quietly(leaf_type.coerce_input_value)
    if leaf_type not in (GraphQLID, GraphQLString):
        return coerce
    return lambda value: value if value.__class__ is str else coerce(value)


def _quietly(make: Read) -> Read:
    """Give Undefined where a function raises: graphql-core will call it again and word what it raises."""

    def read(value: Any) -> Any:
        try:
            return make(value)
        except Exception:  # noqa: BLE001 - scalars are free to raise anything
            return Undefined

    return read


def _list(item: Read) -> Read:
    def read(value: Any) -> Any:
        values = []
        for one in value if isinstance(value, list) else (value,):
            found = item(one)
            if found is Undefined:
                return Undefined
            values.append(found)
        return values

    return read


@lru_cache(256)
def _object(object_type: GraphQLInputObjectType) -> Read:
    """Make the function of an input object; raises NotCompilable where its fields have defaults."""
    fields = object_type.fields
    if any(field.default is not None or field.default_value is not Undefined for field in fields.values()):
        raise NotCompilable(object_type.name)
    parts = [
        (name, field.out_name or name, _reader(field.type), isinstance(field.type, GraphQLNonNull))
        for name, field in fields.items()
    ]
    one_of, make = object_type.is_one_of, _quietly(object_type.out_type)

    def read(value: Any) -> Any:
        if not isinstance(value, dict):
            return Undefined
        found: dict[str, Any] = {}
        for name, out_name, part, required in parts:
            if name in value:
                held = found[out_name] = part(value[name])
                if held is Undefined or (held is None and one_of):
                    return Undefined
            elif required:
                return Undefined
        if len(found) < len(value) or (one_of and len(found) != 1):  # there may be no such field
            return Undefined
        return make(found)

    return read
