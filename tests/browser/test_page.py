"""The HTML of the GraphiQL page and its examples, without a browser."""

import json

from graphql import build_schema, get_operation_ast, parse, validate
from graphql.execution.values import get_variable_values

from gateway.web.graphiql import Example, graphiql_page, load_examples
from tests.tooling.node import ROOT

END_OF_SCRIPT = "</script><script>alert(1)</script>"


def _configuration(page: bytes) -> str:
    text = page.decode().partition('id="graphiql-configuration">')[2]
    return text.partition("</script>")[0]


def test_example_cannot_leave_its_script_element() -> None:
    """Text that would end the element stays text, so the page runs nothing that an example brings."""
    # given
    example = Example("Hostile", f"# {END_OF_SCRIPT}\n{{ __typename }}\n")

    # when
    page = graphiql_page([example])

    # then
    assert END_OF_SCRIPT.encode() not in page
    assert json.loads(_configuration(page))["tabs"][0]["query"] == example.query


def test_examples_have_a_title_and_a_tab_of_their_own() -> None:
    """Every example file starts with a sentence and names its operation, which GraphiQL shows on the tab."""
    # given
    examples = load_examples()

    # when
    operations = [
        example.query.partition("query ")[2].partition(" ")[0].partition("(")[0] for example in examples
    ]

    # then
    assert len(examples) >= 6
    assert all(example.title and not example.title.startswith("#") for example in examples)
    assert len(set(operations)) == len(examples)
    assert all(operation.isidentifier() for operation in operations)
    assert all(example.headers == {"X-Gateway-Trace": "1"} for example in examples)


def test_examples_fit_the_schema() -> None:
    """No example is refused: each is valid by the printed schema, and so are its variables."""
    # given
    schema = build_schema((ROOT / "schema.graphql").read_text("utf-8"))

    # when
    refused = []
    for example in load_examples():
        document = parse(example.query)
        operation = get_operation_ast(document)
        assert operation is not None
        values = get_variable_values(schema, operation.variable_definitions or (), dict(example.variables))
        refused += [*validate(schema, document), *(values if isinstance(values, list) else [])]

    # then
    assert refused == []
