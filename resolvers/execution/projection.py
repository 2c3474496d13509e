"""Writes one Python function per object type and selection, which makes the answer's dict from an object.

The functions are text that Python compiles, as `dataclasses` does it: a dict display with plain attribute access is
several times faster than any loop over fields. Nothing of a client's text becomes code: functions and constants are
numbered, and response keys are written with ``repr``.

A value that its type does not allow raises `Misfit` or an error of Python's own. Then graphql-core executes the
document again and words the error: the functions never guess.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from types import CoroutineType
from typing import Any, NoReturn

import msgspec
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
    get_named_type,
    get_nullable_type,
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
from gateway.domain.snapshot import Snapshot
from resolvers.execution.arguments import Converters, by_variables
from resolvers.execution.fields import NotCompilable, Reader, reader_of
from resolvers.execution.leaves import leaf_writer
from resolvers.execution.run import Call, Complete, Misfit, Run

Project = Complete
"""The function of a selection: makes the dict of an object."""

NO_INFO: Any = None
"""The types of the schema tell their values by class and need no information."""

KNOWN = {
    "Coroutine": CoroutineType,
    "GatewayError": GatewayError,
    "LISTS": (list, tuple, Snapshot),
    "Misfit": Misfit,
    "UTC": UTC,
    "datetime": datetime,
}
"""What the functions may use besides their numbered constants."""

LONGEST_KEYS = 1024
"""Characters of the keys of a class that is remembered beyond its plan."""
MOST_NAMES = 20_000
"""How much one operation may need: a document of a few kilobytes can ask for far more than any client means to."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of ``o``: its value as an expression, and the steps that follow where it may have to be loaded."""

    value: str
    steps: list[str] = field(default_factory=list)
    there: str = ""
    """An expression that holds for an ``o`` that needs no steps; empty where all need them."""
    lasts: bool = True
    """Whether the value depends on ``o`` and the tenant alone, as long as nothing has to be loaded."""


@dataclass(frozen=True, slots=True)
class Selected:
    """What is selected of one object type: a display of ``o`` as a dict, and the steps after it that complete it.

    ``shaped`` makes an object of `shape_of` instead, for each ``o`` of which all is there. ``there`` tells those:
    it is empty where none is, and "True" where all are.
    """

    display: str
    steps: list[str]
    shaped: str
    there: str
    checked: str
    """An expression that holds for an ``o`` of the type, and else raises Misfit."""
    lasts: bool


@dataclass(slots=True)
class Compiler:
    """Compiles one operation, for one set of values of the variables that its conditions use."""

    schema: GraphQLSchema
    fragments: dict[str, FragmentDetails]
    operation: OperationDefinitionNode
    variables: VariableValues
    converters: Converters
    _names: dict[str, Any] = field(default_factory=lambda: dict(KNOWN))
    _selections: dict[Any, Selected] = field(default_factory=dict)
    _functions: dict[int, Project] = field(default_factory=dict)
    _checks: dict[str, str] = field(default_factory=dict)

    def compile(self) -> Project:
        """Give the function of the whole operation; raises NotCompilable."""
        root = self.schema.query_type
        if root is None:
            raise NotCompilable("a schema without queries")
        collected = collect_fields(self.schema, self.fragments, self.variables, root, self.operation)
        return self._body(self._written(root, collected), check=[])

    # Objects

    def _selected(self, object_type: GraphQLObjectType, details: FieldDetailsList) -> Selected:
        """Write a selection once, however many paths lead to it."""
        collected = collect_subfields(
            self.schema, self.fragments, self.variables, self.operation, object_type, details
        )
        nodes = ((key, *(id(one.node) for one in found)) for key, found in collected.grouped_field_set.items())
        same = (object_type.name, *nodes)
        if same not in self._selections:
            self._selections[same] = self._written(object_type, collected)
        return self._selections[same]

    def _written(self, object_type: GraphQLObjectType, collected: CollectedFields) -> Selected:
        """Write a selection: plain fields in one display, the others one by one after it."""
        if collected.new_defer_usages:
            raise NotCompilable("@defer")
        fields = {
            key: self._field(object_type, key, details) for key, details in collected.grouped_field_set.items()
        }
        display = ", ".join(f"{key!r}: {one.value}" for key, one in fields.items())
        shaped = ", ".join(one.value for one in fields.values())
        loading = [one for one in fields.values() if one.steps]
        ready = object_type is not self.schema.query_type and all(one.there for one in loading)
        return Selected(
            f"{{{display}}}",
            [step for one in loading for step in one.steps],
            f"{self._name(shape_of(tuple(fields)))}({shaped})",
            (" and ".join(one.there for one in loading) or "True") if ready else "",
            self._check(object_type),
            all(one.lasts for one in fields.values()),
        )

    def _object(self, object_type: GraphQLObjectType, details: FieldDetailsList) -> Project:
        return self._function(self._selected(object_type, details))

    def _function(self, selected: Selected) -> Project:
        """Make the function of one selection."""
        if id(selected) not in self._functions:
            self._functions[id(selected)] = self._body(selected, check=[selected.checked])
        return self._functions[id(selected)]

    def _body(self, selected: Selected, check: list[str]) -> Project:
        if not selected.steps and selected.there:
            return self._made("o", [*check, f"return {selected.shaped}"])
        shaped = [f"if {selected.there}: return {selected.shaped}"] if selected.there else []
        return self._made("o", [*check, *shaped, f"d = {selected.display}", *selected.steps, "return d"])

    def _check(self, object_type: GraphQLObjectType) -> str:
        """Write the test that a value is of a type, which is done once a class."""
        if object_type.name not in self._checks:
            known, learn = _class_test(object_type)
            self._checks[object_type.name] = f"o.__class__ in {self._name(known)} or {self._name(learn)}(o)"
        return self._checks[object_type.name]

    # Fields

    def _field(self, object_type: GraphQLObjectType, key: str, details: FieldDetailsList) -> Field:
        """Write a field."""
        name = details[0].node.name.value
        if name == "__typename":
            return Field(repr(object_type.name))
        field_def = object_type.fields.get(name)
        if field_def is None:
            raise NotCompilable("introspection")
        reader = reader_of(field_def)
        lasts = reader.lasting and not field_def.args and self._lasts(field_def.type, details)
        if reader.attribute is not None:
            value = f"o.{reader.attribute}"
            return Field(self._expression(field_def.type, value, details), lasts=lasts)
        if reader.prompt:
            value = f"{self._name(reader.function)}({'o, run.info' if reader.takes_info else 'o'})"
            return Field(self._expression(field_def.type, value, details), lasts=lasts)
        info = f"run.root_info({key!r})" if object_type is self.schema.query_type else "run.info"
        steps = self._steps(field_def, reader, key, details, info)
        if reader.loaded is None:
            return Field("None", steps, lasts=lasts)
        value = f"o.{reader.loaded}"
        there = self._present(get_nullable_type(field_def.type), "w", details)
        written = f"(None if (w := {value}) is None else {there})"
        return Field(written, [f"if {value} is None:", *_indented(steps)], f"{value} is not None", lasts)

    def _steps(
        self, field_def: GraphQLField, reader: Reader, key: str, details: FieldDetailsList, info: str
    ) -> list[str]:
        """Write the call of a resolver that may load: its value comes now, later, or not at all."""
        nodes = [detail.node for detail in details]
        keywords = self.converters.of_field(reader.definition)
        complete, lasts = self._completion(field_def.type, details), self._lasts(field_def.type, details)
        call = Call(key, nodes, field_def, keywords, complete, lasts, by_variables(field_def, nodes[0]))
        function, slot = self._name(reader.function), self._name(call)
        arguments = f", **run.arguments({slot})" if field_def.args else ""
        return [
            "try:",
            f"    v = {function}(o, {info}{arguments})",
            "except GatewayError as error:",
            f"    run.fail(error, {slot}, d)",
            "else:",
            "    if v.__class__ is Coroutine:",
            f"        run.later({slot}, v, d)",
            "    else:",
            f"        d[{key!r}] = {self._expression(field_def.type, 'v', details)}",
        ]

    def _lasts(self, output_type: GraphQLOutputType, details: FieldDetailsList) -> bool:
        """Tell whether what is made of a value depends on it and the tenant alone."""
        named = get_named_type(output_type)
        if isinstance(named, GraphQLObjectType):
            return self._selected(named, details).lasts
        if is_abstract_type(named):
            return all(self._selected(one, details).lasts for one in self.schema.get_possible_types(named))
        return True

    # Values

    def _completion(self, output_type: GraphQLOutputType, details: FieldDetailsList) -> Complete:
        return self._made("value", [f"return {self._expression(output_type, 'value', details)}"])

    def _expression(self, output_type: GraphQLOutputType, value: str, details: FieldDetailsList) -> str:
        """Write a value as its type wants it."""
        if isinstance(output_type, GraphQLNonNull):
            return self._present(output_type.of_type, value, details)
        return f"(None if (w := {value}) is None else {self._present(output_type, 'w', details)})"

    def _present(self, output_type: GraphQLOutputType, value: str, details: FieldDetailsList) -> str:
        """Write a value that must be there."""
        if isinstance(output_type, GraphQLScalarType | GraphQLEnumType):
            return leaf_writer(output_type).expression(value, self._name)
        return f"{self._name(self._complete(output_type, details))}({value}, run)"

    def _complete(self, output_type: GraphQLOutputType, details: FieldDetailsList) -> Complete:
        """Make the function of a value that has parts."""
        if isinstance(output_type, GraphQLList):
            return self._list(output_type.of_type, details)
        if isinstance(output_type, GraphQLObjectType):
            return self._object(output_type, details)
        if is_abstract_type(output_type):
            return self._dispatch(output_type, details)
        raise NotCompilable("a type of no known kind")

    def _list(self, item_type: GraphQLOutputType, details: FieldDetailsList) -> Complete:
        """Make the function of a list; where items may be null, one that fails leaves its own place null."""
        if isinstance(item_type, GraphQLNonNull):
            return self._made("items", [LISTS_ONLY, f"return {self._items(item_type.of_type, details)}"])
        complete = self._completion(item_type, details)
        nodes = [detail.node for detail in details]

        def nullable_items(items: Any, run: Run) -> list[Any]:
            answers: list[Any] = []
            for item in items if isinstance(items, list | tuple) else _no_list():
                if isinstance(item, GatewayError):
                    run.fail_item(item, nodes, answers)
                else:
                    answers.append(complete(item, run))
            return answers

        return nullable_items

    def _items(self, item_type: GraphQLOutputType, details: FieldDetailsList) -> str:
        """Write the items of a list; where nothing of them is loaded, without a call for each."""
        if isinstance(item_type, GraphQLObjectType):
            selected = self._selected(item_type, details)
            if selected.there:
                other = f" if {selected.there} else {self._name(self._function(selected))}(o, run)"
                made = selected.shaped + (other if selected.steps else "")
                return f"[{made} for o in items if {selected.checked}]"
        return f"[{self._present(item_type, 'item', details)} for item in items]"

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
            return (by_class.get(value.__class__) or learn(value))(value, run)

        return dispatch

    # Text

    def _made(self, parameter: str, body: list[str]) -> Complete:
        """Compile a function of a value and the run."""
        source = f"def made({parameter}, run):\n" + "".join(f"    {line}\n" for line in body)
        made: dict[str, Complete] = {}
        exec(source, self._names, made)  # noqa: S102 - see the module's docstring
        return made["made"]

    def _name(self, value: Any) -> str:
        """Give a constant a name that the functions can use."""
        if len(self._names) > MOST_NAMES:
            raise NotCompilable("a selection that is far too large")
        name = f"c{len(self._names)}"
        self._names[name] = value
        return name


def shape_of(keys: tuple[str, ...]) -> type[msgspec.Struct]:
    """Give the class of answers with these keys; aliases of any length are not remembered."""
    return _known_shape(keys) if sum(map(len, keys)) <= LONGEST_KEYS else _shape(keys)


def _shape(keys: tuple[str, ...]) -> type[msgspec.Struct]:
    """Make the class of answers with these keys, whose values are all there when they are made.

    Such an object takes a third of a dict's time and memory, and is written as the same JSON.
    """
    names = [f"f{number}" for number in range(len(keys))]
    renamed = dict(zip(names, keys, strict=True))
    return msgspec.defstruct("Shape", [(name, Any) for name in names], rename=renamed, frozen=True, gc=False)


_known_shape = lru_cache(1024)(_shape)


def _indented(lines: list[str]) -> list[str]:
    return [f"    {line}" for line in lines]


LISTS_ONLY = "if items.__class__ not in LISTS: raise Misfit('no list')"
"""Other iterables may be read once only, and graphql-core has its own mind about text and mappings."""


def _no_list() -> NoReturn:
    raise Misfit("no list")


def _class_test(object_type: GraphQLObjectType) -> tuple[set[type], Callable[[Any], bool]]:
    """Give the classes that are known to fit a type, and the function that learns them or raises Misfit."""
    known: set[type] = set()

    def learn(value: Any) -> bool:
        fits = value is not None and not isinstance(value, Exception)
        if not fits or (object_type.is_type_of and not object_type.is_type_of(value, NO_INFO)):
            raise Misfit(f"a value that is no {object_type.name}")
        known.add(value.__class__)
        return True

    return known, learn
