"""What one operation may ask for: each limit holds, before anything is asked of a source, and by bounded work."""

from collections.abc import Iterator

import pytest
from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    OperationDefinitionNode,
    SelectionSetNode,
    parse,
)
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.limits import Limits
from resolvers.execution.executor import Answer
from resolvers.execution.shape import Measure
from tests.execution.comparison import CORE
from tests.execution.limiting import AT_THE_LIMIT, MAIL, OVER_THE_LIMIT, TREE, checked, doubling, refusals

IN_A_TIME = {"rate", "burst", "tenant_rate", "tenant_burst"}
"""What `gateway.limiter` keeps."""

# One limit after the other


@pytest.mark.parametrize("limit", AT_THE_LIMIT)
def test_what_is_at_a_limit_passes(limit: str) -> None:
    """A limit is the most that is allowed, not the least that is refused."""
    # given
    text, variables = AT_THE_LIMIT[limit]

    # when / then
    assert refusals(text, variables) == []
    assert limit in Limits.__struct_fields__


@pytest.mark.parametrize("told", OVER_THE_LIMIT)
def test_what_is_over_a_limit_is_told_which(told: str) -> None:
    """One more is refused, and the message has the limit and the figure."""
    # given
    text, variables = OVER_THE_LIMIT[told]

    # when
    found = refusals(text, variables)

    # then
    assert len(found) == 1
    assert told in found[0]


def test_each_limit_has_both_examples() -> None:
    """No limit is left out above."""
    # then
    assert set(AT_THE_LIMIT) | IN_A_TIME == set(Limits.__struct_fields__)


def test_a_thousand_aliases_are_refused() -> None:
    """However many tokens an operator allows, aliases have their own limit."""
    # given
    text = "{ sources { " + " ".join(f"a{n}: name" for n in range(1000)) + " } }"

    # when
    found = refusals(text, limits=Limits(tokens=10_000))

    # then
    assert found == ["The operation has 1,000 aliases, with fragments expanded; the limit is 30."]


def test_many_fields_without_aliases_pass() -> None:
    """Asking for everything that there is once is no attack."""
    # given
    fields = list(CORE.type_map["MaarchDetails"].fields)
    flat = " ".join(name for name in fields if name != "versions")
    text = f"{{ record(by: {MAIL}) {{ attachments {{ edges {{ node {{ id name details {{ ... on MaarchDetails "
    text += f"{{ {flat} }} }} }} }} }} }} }}"

    # then
    assert len(fields) > 20
    assert refusals(text) == []


# Bounded work


@pytest.mark.parametrize("steps", [10, 100])
def test_fragments_that_double_are_looked_at_once(steps: int) -> None:
    """Measuring costs as many steps as the document has selections, whatever it expands to."""
    # given
    ast = parse(doubling(steps))
    fragments = {item.name.value: item for item in ast.definitions if isinstance(item, FragmentDefinitionNode)}
    measure = Measure(fragments)
    operation = next(item for item in ast.definitions if isinstance(item, OperationDefinitionNode))

    # when
    measure.of(operation.selection_set)

    # then
    assert measure.steps <= 7 * (steps + 2)


def test_a_fragment_inside_itself_has_an_end() -> None:
    """Circles are refused by the validation, and the measuring before it survives them."""
    # given
    text = "{ sources { ...A } } fragment A on Source { name ...B } fragment B on Source { kind ...A }"
    nested_circle = f"{{ {TREE} {{ folders {{ ...A }} }} }} fragment A on Folder {{ folders {{ ...A }} }}"

    # when
    answers = [checked(each) for each in (text, nested_circle)]

    # then
    for answer in answers:
        assert isinstance(answer, Answer)
        assert "Cannot spread fragment" in answer.errors[0].message


# Aliases, counted by force


@st.composite
def documents(draw: st.DrawFn) -> DocumentNode:
    """Draw a small document whose fragments spread only those after them."""
    names = [f"F{n}" for n in range(draw(st.integers(0, 4)))]

    def selections(later: list[str], levels: int) -> str:
        field = st.tuples(st.sampled_from(["f", "a: f", "b: g"]), st.booleans())
        parts = [
            name + (f" {{ {selections(later, levels - 1)} }}" if inner and levels else "")
            for name, inner in draw(st.lists(field, min_size=1, max_size=3))
        ]
        parts += [
            f"...{name}" for name in (draw(st.lists(st.sampled_from(later), max_size=3)) if later else [])
        ]
        if levels and draw(st.booleans()):
            parts.append(f"... {{ {selections(later, levels - 1)} }}")
        return " ".join(draw(st.permutations(parts)))

    written = [f"{{ {selections(names, 2)} }}"]
    written += [
        f"fragment {name} on T {{ {selections(names[place + 1 :], 2)} }}" for place, name in enumerate(names)
    ]
    return parse(" ".join(written))


def by_force(ast: DocumentNode) -> int:
    """Count aliases by writing every field out."""
    fragments = {item.name.value: item for item in ast.definitions if isinstance(item, FragmentDefinitionNode)}

    def fields(selections: SelectionSetNode, spread: set[str]) -> Iterator[FieldNode]:
        for node in selections.selections:
            if isinstance(node, FieldNode):
                yield node
            elif not isinstance(node, FragmentSpreadNode):
                yield from fields(node.selection_set, spread)
            elif node.name.value not in spread:
                spread.add(node.name.value)
                yield from fields(fragments[node.name.value].selection_set, spread)

    def aliases(selections: SelectionSetNode) -> int:
        return sum(
            (node.alias is not None) + (aliases(node.selection_set) if node.selection_set else 0)
            for node in fields(selections, set())
        )

    operation = ast.definitions[0]
    assert isinstance(operation, OperationDefinitionNode)
    return aliases(operation.selection_set)


@given(documents())
def test_aliases_are_counted_as_if_written_out(ast: DocumentNode) -> None:
    """Remembering what fragments hold changes nothing of the count."""
    # given
    fragments = {item.name.value: item for item in ast.definitions if isinstance(item, FragmentDefinitionNode)}
    operation = ast.definitions[0]
    assert isinstance(operation, OperationDefinitionNode)

    # when
    counted = Measure(fragments).of(operation.selection_set).aliases

    # then
    assert counted == by_force(ast)
