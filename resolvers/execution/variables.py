"""Reads the variables of a request as graphql-core does; what an operation says of them is looked up once."""

from collections.abc import Mapping
from typing import Any

from graphql import GraphQLError, GraphQLSchema, OperationDefinitionNode, Undefined, is_non_null_type
from graphql.execution.get_variable_signature import GraphQLVariableSignature, get_variable_signature
from graphql.execution.values import VariableValues, VariableValueSource, get_variable_values
from graphql.utilities import coerce_input_value

FLAT = (str, int, float, bool, type(None))
"""Values with nothing inside, which no nesting can be hidden in."""


class Variables:
    """The variables of one operation of a validated document."""

    __slots__ = ("_operation", "_schema", "_signatures")

    def __init__(self, schema: GraphQLSchema, operation: OperationDefinitionNode) -> None:
        self._schema = schema
        self._operation = operation
        found = [get_variable_signature(schema, node) for node in operation.variable_definitions or ()]
        self._signatures = [one for one in found if not isinstance(one, GraphQLError)]

    def read(self, given: Mapping[str, Any], *, hide_suggestions: bool) -> VariableValues | list[GraphQLError]:
        """Coerce what a request gives; or say what is wrong with it, in graphql-core's words."""
        return self._flat(given) or get_variable_values(
            self._schema,
            self._operation.variable_definitions or (),
            dict(given),
            hide_suggestions=hide_suggestions,
        )

    def _flat(self, given: Mapping[str, Any]) -> VariableValues | None:
        """Coerce plain values, which most are; None where there is anything else to them."""
        sources: dict[str, VariableValueSource] = {}
        coerced: dict[str, Any] = {}
        for signature in self._signatures:
            name = signature.name
            if name in given:
                value = given[name]
                read = coerce_input_value(value, signature.type) if isinstance(value, FLAT) else Undefined
                if read is Undefined:
                    return None
                coerced[name] = read
                sources[name] = VariableValueSource(signature, value)
            elif _may_be_left_out(signature):
                sources[name] = VariableValueSource(signature)
            else:
                return None
        return VariableValues(sources, coerced)


def _may_be_left_out(signature: GraphQLVariableSignature) -> bool:
    return signature.default is None and not is_non_null_type(signature.type)
