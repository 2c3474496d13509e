"""Writes one Python function per object type and selection, which makes the answer's dict from an object.

The functions are text that Python compiles, as `dataclasses` does it: a dict display with plain attribute access is
several times faster than any loop over fields. Nothing of a client's text becomes code: functions and constants are
numbered, and response keys are written with ``repr``.

A value that its type does not allow raises `Misfit` or an error of Python's own. Then graphql-core executes the
document again and words the error: the functions never guess.
"""

from dataclasses import dataclass, field
from types import CoroutineType
from typing import Any

from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLScalarType,
    GraphQLSchema,
    OperationDefinitionNode,
    is_abstract_type,
)
from graphql.execution.collect_fields import (
    CollectedFields,
    FieldDetailsList,
    FragmentDetails,
    collect_fields,
    collect_subfields,
)
from graphql.execution.values import VariableValues

from gateway.domain.errors import GatewayError
from resolvers.execution.fields import NotCompilable, Reader, reader_of
from resolvers.execution.leaves import leaf_writer
from resolvers.execution.run import Call, Complete, Run

Project = Complete
"""The function of a selection: makes the dict of an object."""


NO_INFO: Any = None
"""The types of the schema tell their values by class and need no information."""


class Misfit(Exception):
    """A value that its type does not allow."""


@dataclass(slots=True)
class Compiler:
    """Compiles one operation, for one set of values of the variables that its conditions use."""

    schema: GraphQLSchema
    fragments: dict[str, FragmentDetails]
    operation: OperationDefinitionNode
    variables: VariableValues
    _names: dict[str, Any] = field(
        default_factory=lambda: {"GatewayError": GatewayError, "Coroutine": CoroutineType}
    )

    def compile(self) -> Project:
        """Give the function of the whole operation; raises NotCompilable."""
        root = self.schema.query_type
        if root is None:
            raise NotCompilable("a schema without queries")
        collected = collect_fields(self.schema, self.fragments, self.variables, root, self.operation)
        return self._function(root, collected)

    # Objects

    def _object(self, object_type: GraphQLObjectType, details: FieldDetailsList) -> Project:
        collected = collect_subfields(
            self.schema, self.fragments, self.variables, self.operation, object_type, details
        )
        return self._function(object_type, collected)

    def _function(self, object_type: GraphQLObjectType, collected: CollectedFields) -> Project:
        """Write the function of one selection: plain fields in one display, the others one by one after it."""
        if collected.new_defer_usages:
            raise NotCompilable("@defer")
        display: list[str] = []
        steps: list[str] = []
        for key, details in collected.grouped_field_set.items():
            expression, step = self._field(object_type, key, details)
            display.append(f"{key!r}: {expression}")
            steps += step
        body = [f"d = {{{', '.join(display)}}}", *steps, "return d"]
        source = "def made(o, run):\n" + "".join(f"    {line}\n" for line in body)
        return self._made(source)

    def _field(
        self, object_type: GraphQLObjectType, key: str, details: FieldDetailsList
    ) -> tuple[str, list[str]]:
        """Write a field as an expression, and as the steps that follow where it may have to be loaded."""
        name = details[0].node.name.value
        if name == "__typename":
            return repr(object_type.name), []
        field_def = object_type.fields.get(name)
        if field_def is None:
            raise NotCompilable("introspection")
        reader = reader_of(field_def)
        if reader.attribute is not None:
            return self._expression(field_def.type, f"o.{reader.attribute}", details), []
        if not reader.takes_info:
            return self._expression(field_def.type, f"{self._name(reader.function)}(o)", details), []
        return "None", self._steps(field_def, reader, key, details)

    def _steps(self, field_def: GraphQLField, reader: Reader, key: str, details: FieldDetailsList) -> list[str]:
        """Write the call of a resolver that may load: its value comes now, later, or not at all."""
        nullable = not isinstance(field_def.type, GraphQLNonNull)
        nodes = [detail.node for detail in details]
        call = Call(key, nodes, field_def, reader.definition, self._completion(field_def.type, details))
        function, slot = self._name(reader.function), self._name(call)
        arguments = f", **run.arguments({slot})" if field_def.args else ""
        lines = [
            f"v = {function}(o, run.info({slot}){arguments})",
            "if v.__class__ is Coroutine:",
            f"    run.later({slot}, v, d)",
            "else:",
            f"    d[{key!r}] = {slot}.complete(v, run)",
        ]
        if not nullable:
            return lines
        guarded = ["try:", *(f"    {line}" for line in lines), "except GatewayError as error:"]
        return [*guarded, f"    run.fail(error, {slot}.nodes, d, {key!r})"]

    # Values

    def _completion(self, output_type: GraphQLOutputType, details: FieldDetailsList) -> Complete:
        expression = self._expression(output_type, "value", details)
        source = f"def made(value, run):\n    return {expression}\n"
        return self._made(source)

    def _expression(self, output_type: GraphQLOutputType, value: str, details: FieldDetailsList) -> str:
        """Write a value as its type wants it."""
        if isinstance(output_type, GraphQLNonNull):
            return self._present(output_type.of_type, value, details)
        inner = self._present(output_type, "w", details)
        return f"(None if (w := {value}) is None else {inner})"

    def _present(self, output_type: GraphQLOutputType, value: str, details: FieldDetailsList) -> str:
        """Write a value that must be there."""
        if isinstance(output_type, GraphQLList):
            return f"{self._name(self._list(output_type, details))}({value}, run)"
        if isinstance(output_type, GraphQLScalarType | GraphQLEnumType):
            return leaf_writer(output_type).expression(value, self._name)
        if isinstance(output_type, GraphQLObjectType):
            return f"{self._name(self._object(output_type, details))}({value}, run)"
        if is_abstract_type(output_type):
            return f"{self._name(self._dispatch(output_type, details))}({value}, run)"
        raise NotCompilable("a type of no known kind")

    def _list(self, output_type: GraphQLList[Any], details: FieldDetailsList) -> Complete:
        """Make the function of a list; where items may be null, one that fails leaves its own place null."""
        item_type = output_type.of_type
        if isinstance(item_type, GraphQLNonNull):
            expression = self._present(item_type.of_type, "item", details)
            source = f"def made(items, run):\n    return [{expression} for item in items]\n"
            return self._made(source)
        complete = self._completion(item_type, details)
        nodes = [detail.node for detail in details]

        def nullable_items(items: Any, run: Run) -> list[Any]:
            answers: list[Any] = []
            for index, item in enumerate(items):
                failed = isinstance(item, GatewayError)
                if failed:
                    run.fail(item, nodes, answers, index)
                answers.append(None if failed else complete(item, run))
            return answers

        return nullable_items

    def _dispatch(self, abstract_type: Any, details: FieldDetailsList) -> Complete:
        """Make the function of an interface or union: it finds the object type by the value's class, once a class."""
        possible = self.schema.get_possible_types(abstract_type)
        by_class: dict[type, Project] = {}

        def learn(value: Any) -> Project:
            for object_type in possible:
                if object_type.is_type_of is not None and object_type.is_type_of(value, NO_INFO):
                    return by_class.setdefault(value.__class__, self._object(object_type, details))
            raise Misfit(f"a value that is no {abstract_type.name}")

        def dispatch(value: Any, run: Run) -> Any:
            project = by_class.get(value.__class__) or learn(value)
            return project(value, run)

        return dispatch

    def _made(self, source: str) -> Complete:
        """Compile the text of a function named `made`."""
        made: dict[str, Complete] = {}
        exec(source, self._names, made)  # noqa: S102 - see the module's docstring
        return made["made"]

    def _name(self, value: Any) -> str:
        """Give a constant a name that the functions can use."""
        name = f"c{len(self._names)}"
        self._names[name] = value
        return name
