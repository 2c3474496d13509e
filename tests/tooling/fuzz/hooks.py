"""What schemathesis has to know of the gateway: its scalars, identifiers that exist, and when an answer is right.

Runs in an environment of its own, with none of the gateway's modules. An error is right when it is typed, whatever
its status; a defect, an answer that is no JSON, and data that the schema does not have are failures. The environment
variables ``SCHEMA`` (a file), ``IDS``, ``NAMES`` (JSON lists) and ``PLACES`` (GraphQL) come from the test.
"""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import schemathesis
from graphql import (
    FieldNode,
    FragmentSpreadNode,
    GraphQLEnumType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLScalarType,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    OperationDefinitionNode,
    StringValueNode,
    Visitor,
    build_schema,
    parse,
    parse_value,
    visit,
)
from hypothesis import strategies as st
from schemathesis.graphql import nodes

SCHEMA = build_schema(Path(os.environ["SCHEMA"]).read_text("utf-8"))
IDS: list[str] = json.loads(os.environ["IDS"])
NAMES: list[str] = json.loads(os.environ["NAMES"])
PLACES = parse_value(os.environ["PLACES"])
LONGEST = 20
"""Entries of the pages that are asked for; longer ones are soon more than one operation may ask for."""
EVERY = 4
"""One of about so many identifiers and names stays as it was made up."""
LEAVES = {"Int": int, "Float": (int, float), "String": str, "Boolean": bool, "ID": str}

schemathesis.graphql.scalar("DateTime", st.datetimes().map(lambda time: nodes.String(f"{time.isoformat()}Z")))
schemathesis.graphql.scalar("ByteCount", st.integers(-(2**60), 2**60).map(nodes.Int))
schemathesis.graphql.scalar("JSONObject", st.just(nodes.Object([])))
schemathesis.graphql.scalar("URL", st.just(nodes.String("https://files.example.org/a")))


# What is asked


class _Real(Visitor):
    """Puts identifiers and names that exist where made-up ones are, so that what is behind them is asked for."""

    def enter_field(self, node: Any, *_: Any) -> Any:
        """Ask for a page from one end only, and mostly for the first one: no cursor can be made up."""
        names = {one.name.value for one in node.arguments}
        if "first" not in names:
            return None
        kept = tuple(one for one in node.arguments if one.name.value not in ("last", "before", "after"))
        return replace(node, arguments=kept)

    def enter_argument(self, node: Any, *_: Any) -> Any:
        """Look at an argument."""
        if isinstance(node.value, IntValueNode) and node.name.value in ("first", "last"):
            return replace(node, value=replace(node.value, value=str(1 + abs(int(node.value.value)) % LONGEST)))
        if node.name.value == "in":
            return replace(node, value=PLACES)
        return _real(node)

    def enter_object_field(self, node: Any, *_: Any) -> Any:
        """Look at a field of an input object."""
        return _real(node)


def _real(node: Any) -> Any:
    """Make the same argument with a value that exists; None leaves it as it is."""
    name = node.name.value.lower()
    known = NAMES if name in ("source", "name") else IDS if name.endswith(("id", "ids")) else []
    if not known:
        return None
    if isinstance(node.value, StringValueNode):
        return replace(node, value=_known(node.value, known))
    if isinstance(node.value, ListValueNode):
        values = tuple(_known(one, known) for one in node.value.values)
        return replace(node, value=replace(node.value, values=values))
    return None


def _known(value: Any, known: list[str]) -> Any:
    if not isinstance(value, StringValueNode) or len(value.value) % EVERY == EVERY - 1:
        return value
    return replace(value, value=known[sum(value.value.encode("utf-8", "replace")) % len(known)])


@schemathesis.hook
def map_body(ctx: Any, body: Any) -> Any:  # noqa: ARG001 - the hook's form
    """Change a document before it is sent."""
    return visit(body, _Real())


# What is right


@schemathesis.check
def is_right(ctx: Any, response: Any, case: Any) -> None:  # noqa: ARG001 - the check's form
    """Fail for a defect, for what is no JSON, and for data that the schema does not have."""
    assert response.status_code < 500, f"status {response.status_code}"
    answer = response.json()
    for error in answer.get("errors", ()):
        code = error["extensions"]["code"]
        assert code != "INTERNAL", error
        assert isinstance(error["message"], str)
        assert error["extensions"]["requestId"]
    assert "data" in answer or answer.get("errors"), answer
    if answer.get("data") is not None:
        _check(answer["data"], _operation(case.body), [])


def _operation(body: Any) -> OperationDefinitionNode:
    text = body if isinstance(body, str) else body.get("query", "") if isinstance(body, dict) else body
    document = parse(text) if isinstance(text, str) else text
    return next(one for one in document.definitions if isinstance(one, OperationDefinitionNode))


def _check(data: dict[str, Any], operation: OperationDefinitionNode, path: list[str]) -> None:
    root = SCHEMA.get_root_type(operation.operation)
    _check_object(root, operation.selection_set, data, path)


def _check_object(kind: Any, selections: Any, value: Any, path: list[str]) -> None:
    assert isinstance(value, dict), path
    for selection in selections.selections:
        assert not isinstance(selection, FragmentSpreadNode), "none is generated"
        if isinstance(selection, InlineFragmentNode):
            _check_fragment(kind, selection, value, path)
            continue
        assert isinstance(selection, FieldNode)
        key = (selection.alias or selection.name).value
        if selection.name.value == "__typename" or key not in value:
            continue
        _check_value(kind.fields[selection.name.value].type, selection.selection_set, value[key], [*path, key])


def _check_fragment(kind: Any, selection: InlineFragmentNode, value: Any, path: list[str]) -> None:
    named = SCHEMA.type_map[selection.type_condition.name.value] if selection.type_condition else kind
    there = {
        (one.alias or one.name).value
        for one in selection.selection_set.selections
        if isinstance(one, FieldNode)
    }
    if there <= value.keys():
        _check_object(named, selection.selection_set, value, path)


def _check_value(kind: Any, selections: Any, value: Any, path: list[str]) -> None:
    if isinstance(kind, GraphQLNonNull):
        assert value is not None, f"null at {path}"
        kind = kind.of_type
    if value is None:
        return
    if isinstance(kind, GraphQLList):
        assert isinstance(value, list), path
        for position, one in enumerate(value):
            _check_value(kind.of_type, selections, one, [*path, str(position)])
    elif isinstance(kind, GraphQLEnumType):
        assert value in kind.values, f"{value!r} at {path}"
    elif isinstance(kind, GraphQLScalarType):
        assert isinstance(value, LEAVES.get(kind.name, object)), f"{value!r} at {path}"
    else:
        _check_object(kind, selections, value, path)
