"""Writes valid GraphQL documents over a whole schema, with values that mean something in a world.

The writer walks the schema and draws every choice from Hypothesis, so that a document that fails shrinks. Two rules
make all documents valid: a response key always stands for one field with one set of arguments and one type, so that
fields can be merged wherever they meet, and a fragment is written before it is spread, so that there are no cycles.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNamedType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    get_named_type,
    is_abstract_type,
    is_composite_type,
)

Values = Callable[[str, Any, "Draw"], Any]
Draw = Callable[[int], int]
"""Gives a number from 0 to less than its argument; 0 is the simplest."""

DEEPEST = 4
MOST_FIELDS = 3
MOST_DIFFERENT = 5
"""Longer lists repeat their first item."""


@dataclass
class Written:
    """A document, the variables that go with it, and the operation that is meant."""

    text: str
    variables: dict[str, Any]
    operation_name: str | None


@dataclass
class Fragment:
    """A named fragment and the variables that it needs."""

    name: str
    on: str
    text: str
    variables: set[str]


@dataclass
class Writer:
    """Writes one document."""

    schema: GraphQLSchema
    draw: Draw
    values: "Values"
    keys: dict[str, tuple[str, str]] = field(default_factory=dict)
    """What each response key stands for."""
    last_arguments: dict[str, tuple[str, set[str]]] = field(default_factory=dict)
    fragments: list[Fragment] = field(default_factory=list)
    declared: dict[str, str] = field(default_factory=dict)
    """The declaration of each variable."""
    given: dict[str, Any] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    """The variables that the operation or fragment that is being written uses."""

    def document(self) -> Written:
        """Write one or two operations and their fragments."""
        names = ["Asked"] if self.draw(8) < 7 else ["Asked", "Other"]
        texts = [self._operation(name, alone=len(names) == 1) for name in names]
        text = "\n".join([*texts, *(fragment.text for fragment in self.fragments)])
        alone = len(names) == 1 and self.draw(2)
        return Written(text, self.given, None if alone else names[0])

    def _operation(self, name: str, *, alone: bool) -> str:
        root = self.schema.query_type
        assert root is not None
        self.used = set()
        selection = self._selection(root, 0)
        variables = ", ".join(self.declared[used] for used in sorted(self.used))
        head = f"query {name}({variables})" if variables else f"query {name}"
        return selection if alone and not variables and self.draw(1) else f"{head} {selection}"

    # Selections

    def _selection(self, on: GraphQLNamedType, depth: int) -> str:
        parts = [self._part(on, depth) for _ in range(1 + self.draw(max(2, MOST_FIELDS - depth // 2)))]
        return "{ " + " ".join(parts) + " }"

    def _part(self, on: GraphQLNamedType, depth: int) -> str:
        choice = self.draw(10)
        fields: dict[str, GraphQLField] = getattr(on, "fields", {})
        if (choice >= 8 or (choice >= 4 and is_abstract_type(on))) and depth < DEEPEST:
            return self._fragment(on, depth)
        names = [name for name, found in fields.items() if depth < DEEPEST or not _composite(found)]
        if choice == 3 or not names:
            return self._keyed("__typename", "", "String!", set()) + self._directives()
        name = names[self.draw(len(names))]
        return self._field(on, name, fields[name], depth)

    def _field(self, on: GraphQLNamedType, name: str, found: GraphQLField, depth: int) -> str:
        arguments, used = self._arguments(f"{on.name}.{name}", found)
        text = self._keyed(name, arguments, str(found.type), used) + self._directives()
        return (
            text + " " + self._selection(get_named_type(found.type), depth + 1) if _composite(found) else text
        )

    def _keyed(self, name: str, arguments: str, of_type: str, used: set[str]) -> str:
        """Write a field, under an alias where its name stands for something else or chance wants one."""
        self.used |= used
        meaning = (name + arguments, of_type)
        keys = [name, f"{name}_1", "a", "b", "_", "if", "__proto__"] if self.draw(4) == 3 else [name]
        keys += [f"{name}_{len(self.keys)}_{n}" for n in range(2)]
        key = next(key for key in keys if self.keys.get(key, meaning) == meaning and key != "__typename_")
        self.keys[key] = meaning
        return name + arguments if key == name else f"{key}: {name}{arguments}"

    def _fragment(self, on: GraphQLNamedType, depth: int) -> str:
        fitting = self._fitting(on)
        known = [fragment for fragment in self.fragments if fragment.on in {name.name for name in fitting}]
        choice = self.draw(4)
        if choice == 3 and known:
            fragment = known[self.draw(len(known))]
        elif choice >= 2:
            fragment = self._named(fitting[self.draw(len(fitting))], depth)
        else:
            inner = fitting[self.draw(len(fitting))]
            condition = f" on {inner.name}" if inner is not on or self.draw(2) else ""
            return f"...{condition}{self._directives()} {self._selection(inner, depth + 1)}"
        self.used |= fragment.variables
        return f"...{fragment.name}{self._directives()}"

    def _named(self, on: GraphQLNamedType, depth: int) -> Fragment:
        outside, self.used = self.used, set()
        selection = self._selection(on, depth + 1)
        name = f"F{len(self.fragments)}"
        fragment = Fragment(name, on.name, f"fragment {name} on {on.name} {selection}", self.used)
        self.fragments.append(fragment)
        self.used = outside
        return fragment

    def _fitting(self, on: GraphQLNamedType) -> list[GraphQLNamedType]:
        """List the types that a fragment may be on where a value of the given type stands."""
        here = self._possible(on)
        composite = [found for found in self.schema.type_map.values() if is_composite_type(found)]
        return [found for found in composite if here & self._possible(found)]

    def _possible(self, found: GraphQLNamedType) -> set[str]:
        if isinstance(found, GraphQLObjectType):
            return {found.name}
        return {possible.name for possible in self.schema.get_possible_types(found)}  # type: ignore[arg-type]

    def _directives(self) -> str:
        choice = self.draw(20)
        if choice < 16:
            return ""
        condition = (
            self._variable("Boolean!", bool(self.draw(2))) if choice % 2 else ("true", "false")[self.draw(2)]
        )
        return f" @{'include' if choice >= 18 else 'skip'}(if: {condition})"

    # Arguments

    def _arguments(self, place: str, found: GraphQLField) -> tuple[str, set[str]]:
        """Write the arguments of a field, often the same as last time, so that fields are merged."""
        if place in self.last_arguments and self.draw(2):
            return self.last_arguments[place]
        outside, self.used = self.used, set()
        written = [self._argument(place, name, argument) for name, argument in found.args.items()]
        text = ", ".join(part for part in written if part)
        self.last_arguments[place] = (f"({text})" if text else "", self.used)
        self.used = outside
        return self.last_arguments[place]

    def _argument(self, place: str, name: str, argument: GraphQLArgument) -> str:
        required = isinstance(argument.type, GraphQLNonNull) and "default_value" not in vars(argument)
        needed = place.startswith("Query.") and isinstance(argument.type, GraphQLNonNull)
        if not (required or needed) and self.draw(4) < 3:
            return ""
        value = self.values(name, argument.type, self.draw)
        if value is None and isinstance(argument.type, GraphQLNonNull):
            return ""
        return f"{name}: {self._value(argument.type, value)}"

    def _value(self, of_type: Any, value: Any) -> str:
        """Write a value as a literal or as a variable, or as a literal with variables in it."""
        choice = self.draw(6)
        if choice == 5 or (choice == 4 and value is not None):
            return self._variable(str(of_type), value)
        return self._literal(of_type, value)

    def _literal(self, of_type: Any, value: Any) -> str:
        if isinstance(of_type, GraphQLNonNull):
            return self._literal(of_type.of_type, value)
        if value is None:
            return "null"
        if isinstance(of_type, GraphQLList):
            return self._list(of_type, value)
        if isinstance(of_type, GraphQLInputObjectType):
            return self._object(of_type, value)
        return str(value) if isinstance(of_type, GraphQLEnumType) else json.dumps(value)

    def _list(self, of_type: GraphQLList[Any], value: list[Any]) -> str:
        few = value[:MOST_DIFFERENT]
        items = [self._value(of_type.of_type, item) for item in few]
        return "[" + ", ".join([*items, *(items[:1] * (len(value) - len(few)))]) + "]"

    def _object(self, of_type: GraphQLInputObjectType, value: dict[str, Any]) -> str:
        parts = [f"{name}: {self._member(of_type, name, item)}" for name, item in value.items()]
        return "{" + ", ".join(parts) + "}"

    def _member(self, of_type: GraphQLInputObjectType, name: str, value: Any) -> str:
        member_type = of_type.fields[name].type
        if of_type.is_one_of:  # no null there, nor a variable that may be null
            member_type = GraphQLNonNull(member_type)
        return self._value(member_type, value)

    def _variable(self, of_type: str, value: Any) -> str:
        name = f"v{len(self.declared)}"
        self.declared[name] = f"${name}: {of_type}"
        self.used.add(name)
        if value is not None or self.draw(2):
            self.given[name] = value
        return f"${name}"


def _composite(found: GraphQLField) -> bool:
    return is_composite_type(get_named_type(found.type))
