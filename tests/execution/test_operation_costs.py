"""What operations may cost: the figures are as declared, and what is documented stays within the limits."""

from pathlib import Path
from typing import Any

import pytest
from graphql import get_introspection_query

from gateway.domain.errors import TooComplex
from gateway.identity.principals import ALL_SCOPES
from gateway.web.graphiql import load_examples
from resolvers.costs import COSTS, SIZING
from resolvers.execution.cost import MOST_STEPS, Estimate
from resolvers.execution.documents import Rules
from resolvers.execution.executor import Checked, Executor
from tests.execution.comparison import BOUNDLESS, CORE, SCHEMA
from tests.execution.limiting import MAIL, TREE, cost, records, refusals

RECORD = f"record(by: {MAIL})"
PAGE = "attachments(first: 10)"
RENAMED = 'filesUpdate(input: {idempotencyKey: "k", files: [{id: "a", name: "b"}, {id: "c", name: "d"}]})'

# Costs


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{ sources { name capabilities { operation } } }", (0, 110)),
        (f"{{ {TREE} {{ id }} }}", (0, 1)),
        (f"{{ {TREE} {{ folders {{ id }} files {{ id }} descendants(first: 10) {{ totalCount }} }} }}", (2, 101)),
        (f"{{ {TREE} {{ folders {{ folders {{ folders {{ files {{ folder {{ name }} }} }} }} }} }} }}", (2, 251)),
        (f"{{ {TREE} {{ folders {{ parent {{ folders {{ id }} }} }} }} }}", (2, 2601)),
        ('{ node(id: "x") { ... on Folder { files { id } } ... on Attachment { name } } }', (3, 51)),
        (f"{{ {RECORD} {{ attachments(first: 3) {{ edges {{ node {{ download {{ url }} }} }} }} }} }}", (4, 4)),
        (f"{{ {RECORD} {{ {PAGE} {{ edges {{ node {{ record {{ {PAGE} {{ totalCount }} }} }} }} }} }} }}", (1, 21)),
        (f"{{ record(by: {MAIL}) {{ registeredMail attachments(first: 101) {{ totalCount }} }} }}", (1, 1)),
        (f"mutation {{ {RENAMED} {{ files {{ id }} query {{ sources {{ id }} }} }} }}", (6, 12)),
        ('{ source(name: "a") { name @skip(if: true) capabilities @include(if: false) { reason } } }', (0, 1)),
    ],
)  # fmt: skip
def test_costs_are_as_declared(text: str, expected: tuple[int, int]) -> None:
    """Trees count once, pages and keys multiply, and what was read on the way is free."""
    # when / then
    assert cost(text) == expected


def test_fragments_that_ask_for_the_same_count_once() -> None:
    """Components that each bring their fragment cost no more than one that asks for everything."""
    # given
    page = "attachments(first: 10) { edges { node { id } } }"
    once = f"{{ record(by: {MAIL}) {{ {page} }} }}"
    twice = (
        f"{{ record(by: {MAIL}) {{ ...A ...B {page} }} }} fragment A on Record {{ {page} }} "
        f"fragment B on Record {{ {page} registeredMail }}"
    )

    # then
    assert cost(once) == cost(twice) == (1, 11)


def test_the_table_names_fields_and_arguments_of_the_schema() -> None:
    """A field that is renamed does not lose its cost in silence."""
    # when
    found = {f"{kind.name}.{name}" for kind in CORE.type_map.values() for name in getattr(kind, "fields", {})}

    # then
    assert set(COSTS) <= found
    assert {"ids", "by", "in", "input", "first", "last", "depth"} == SIZING


def test_costs_take_a_bounded_number_of_steps() -> None:
    """A cost depends on the way to a field, so that ways may double; there is an end to following them."""
    # given
    links = "".join(
        f"fragment F{n} on Folder {{ folders {{ ...F{n + 1} }} parent {{ ...F{n + 1} }} "
        f"descendants(first: {n + 1}) {{ edges {{ node {{ ... on Folder {{ ...F{n + 1} }} }} }} }} }} "
        for n in range(20)
    )
    text = f"{{ {TREE} {{ folders {{ ...F0 }} }} }} {links} fragment F20 on Folder {{ name }}"
    executor = Executor(SCHEMA, Rules(BOUNDLESS))
    document = executor.document(text)
    operation = document.operation(None)
    assert operation is not None
    values: Any = Executor(SCHEMA, Rules(BOUNDLESS)).check("{ __typename }", {}, None, ALL_SCOPES)
    estimate = Estimate(CORE, document.fragments, operation, values.values)

    # when
    with pytest.raises(TooComplex, match="5,000 fields"):
        estimate.cost()

    # then
    assert estimate.steps == MOST_STEPS + 1


def test_a_document_is_measured_once() -> None:
    """What was found out is remembered with the document, and its cost for each set of sizes."""
    # given
    executor = Executor(SCHEMA)
    text, variables = records(3, 5)

    # when
    found = [executor.check(text, {**variables, "ids": [key] * 3}, None, ALL_SCOPES) for key in ("x", "y", "z")]
    other = executor.check(*records(4, 5), None, ALL_SCOPES)

    # then
    assert all(isinstance(one, Checked) for one in [*found, other])
    assert len(executor._documents) == 1
    assert len(executor._costs) == 2


# What must pass


def test_examples_of_the_editor_pass() -> None:
    """Everything that is shown to newcomers is allowed."""
    # when
    found = {one.title: refusals(one.query, dict(one.variables)) for one in load_examples()}

    # then
    assert found
    assert not any(found.values())


def test_scenarios_and_the_readme_pass() -> None:
    """So is everything that is documented."""
    # given
    root = Path(__file__).parents[2]
    pages = [root / "README.md", *sorted((root / "tests/scenarios").glob("*.md"))]
    texts = [
        part.partition("```")[0] for page in pages for part in page.read_text("utf-8").split("```graphql\n")[1:]
    ]
    executor = Executor(SCHEMA)

    # when
    found = [error.original_error for text in texts for error in executor.document(text).errors]

    # then
    assert len(texts) > 30
    assert not any(isinstance(error, TooComplex) for error in found)


@pytest.mark.parametrize("options", [{}, {"input_value_deprecation": True, "schema_description": True}])
def test_introspection_passes(options: dict[str, bool]) -> None:
    """The whole schema is asked for by one document that is deep and large; tools have to be able to."""
    # when / then
    assert refusals(get_introspection_query(**options)) == []


@pytest.mark.parametrize("scopes", [frozenset({"files:read"}), ALL_SCOPES])
def test_production_has_no_introspection(scopes: frozenset[str]) -> None:
    """In production the schema is no business of those who debug nothing; type names of answers still are."""
    # given
    executor = Executor(SCHEMA, Rules(suggestions=False, introspection=False))

    # when
    answers = [
        executor.check(text, None, None, scopes)
        for text in (get_introspection_query(), '{ __type(name: "File") { name } }', "{ __typename }")
    ]

    # then
    allowed = "debug" in scopes
    assert [isinstance(answer, Checked) for answer in answers] == [allowed, allowed, True]
