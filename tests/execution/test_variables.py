"""Tests of variables: what is looked up once for an operation reads each request as graphql-core does."""

from typing import Any

import pytest
from graphql import OperationDefinitionNode, build_schema, parse
from graphql.execution.values import VariableValues, get_variable_values

from resolvers.execution.variables import Variables

SCHEMA = build_schema(
    """
    enum Colour { RED GREEN }
    input Which @oneOf { id: ID, size: Size }
    input Size { width: Int!, height: Int = 3 }
    type Query {
      one(
        id: ID!, text: String, most: Int, share: Float, open: Boolean, colour: Colour, size: Size, ids: [ID!]
        which: [Which!]
      ): Int
    }
    """
)
DOCUMENT = (
    "query ($id: ID!, $text: String, $most: Int = 10, $share: Float, $open: Boolean, $colour: Colour, "
    "$size: Size, $ids: [ID!], $which: [Which!]) "
    "{ one(id: $id, text: $text, most: $most, share: $share, open: $open, "
    "colour: $colour, size: $size, ids: $ids, which: $which) }"
)
WITHOUT_DEFAULT = DOCUMENT.replace(" = 10", "")


def described(values: VariableValues) -> dict[str, tuple[str, bool, Any]]:
    """Tell where each value came from; types are made anew each time and compare by identity."""
    return {
        name: (str(source.signature.type), source.signature.default is None, source.value)
        for name, source in values.sources.items()
    }


@pytest.mark.parametrize("document", [DOCUMENT, WITHOUT_DEFAULT])
@pytest.mark.parametrize(
    "given",
    [
        {"id": "a"},
        {"id": 7},
        {"id": 7.5},
        {"id": None},
        {"id": True},
        {},
        {"id": "a", "text": None, "most": 5, "share": 1, "open": False, "colour": "RED"},
        {"id": "a", "text": 5},
        {"id": "a", "most": "5"},
        {"id": "a", "most": True},
        {"id": "a", "most": 2**40},
        {"id": "a", "most": None},
        {"id": "a", "share": "1"},
        {"id": "a", "open": 1},
        {"id": "a", "colour": "BLUE"},
        {"id": "a", "size": {"width": 1}},
        {"id": "a", "size": {"width": "1"}},
        {"id": "a", "size": 5},
        {"id": "a", "ids": ["a", 5]},
        {"id": "a", "ids": "a"},
        {"id": "a", "ids": [None]},
        {"id": "a", "which": [{"id": "b"}, {"size": {"width": 1, "height": 2}}]},
        {"id": "a", "which": {"id": 5}},
        {"id": "a", "which": [{}]},
        {"id": "a", "which": [{"id": None}]},
        {"id": "a", "which": [{"id": "b", "size": None}]},
        {"id": "a", "which": [{"id": "b", "name": "c"}]},
        {"id": "a", "which": [None]},
        {"id": "a", "which": None},
        {"id": {"deep": [[[]]]}},
        {"id": "a", "unknown": {"deep": []}},
    ],
)
@pytest.mark.parametrize("hidden", [True, False])
def test_variables_are_read_as_ever(document: str, given: dict[str, Any], *, hidden: bool) -> None:
    """Values, defaults, what was left out, and the words of errors are all graphql-core's."""
    # given
    operation = parse(document).definitions[0]
    assert isinstance(operation, OperationDefinitionNode)
    expected = get_variable_values(SCHEMA, operation.variable_definitions, given, hide_suggestions=hidden)

    # when
    read = Variables(SCHEMA, operation).read(given, hide_suggestions=hidden)

    # then
    if isinstance(expected, list):
        assert isinstance(read, list)
        assert [error.message for error in read] == [error.message for error in expected]
    else:
        assert not isinstance(read, list)
        assert read.coerced == expected.coerced
        assert described(read) == described(expected)
