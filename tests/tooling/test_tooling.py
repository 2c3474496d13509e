"""Checks of the schema and the endpoint by tools that others wrote; they need Node.js, and take their time."""

import re
from pathlib import Path

import pytest

from tests.tooling.node import ROOT, installed, node

HERE = Path(__file__).parent
SCHEMA = ROOT / "schema.graphql"
EXAMPLES = ROOT / "gateway" / "web" / "examples"
STATIC = ROOT / "gateway" / "web" / "static"

pytestmark = pytest.mark.slow


def test_linters_find_nothing_in_the_schema() -> None:
    """Clients' conventions hold: eslint's schema-all and schema-relay rules, and all of graphql-schema-linter."""
    # given
    folder = HERE / "lint"

    # when
    outcome = node(folder, "lint.js", SCHEMA)

    # then
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    assert outcome.stdout.count(": 0 findings") == 2


def test_linters_would_find_something(tmp_path: Path) -> None:
    """The check above can fail: each linter reports a schema without descriptions."""
    # given
    bare = tmp_path / "schema.graphql"
    bare.write_text("type Query {\n  getThing: String!\n}\n")

    # when
    outcome = node(HERE / "lint", "lint.js", bare)

    # then
    assert outcome.returncode == 1
    assert "naming-convention" in outcome.stdout
    assert "fields-have-descriptions" in outcome.stdout


def test_endpoint_keeps_graphql_over_http(server_url: str) -> None:
    """Every client of the GraphQL over HTTP specification is understood: each of the audits is ok."""
    # given
    endpoint = f"{server_url}/graphql"

    # when
    outcome = node(HERE / "audit", "audit.js", endpoint)

    # then
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    assert re.search(r"^61 ok of 61$", outcome.stdout, re.MULTILINE)


def test_relay_compiles_the_documents_we_show(tmp_path: Path) -> None:
    """An application with Relay can use each document of the README and of the GraphiQL page as it stands."""
    # given
    documents = [*sorted(EXAMPLES.glob("*.graphql")), *_documents_of(ROOT / "README.md", tmp_path)]

    # when
    outcome = node(HERE / "relay", "compile.js", SCHEMA, *documents)

    # then
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    assert f"{len(documents)} documents compiled" in outcome.stdout


def test_relay_would_refuse_a_wrong_document(tmp_path: Path) -> None:
    """The check above can fail: a field that the schema has not is an error."""
    # given
    wrong = tmp_path / "wrong.graphql"
    wrong.write_text("{ sources { noSuchField } }")

    # when
    outcome = node(HERE / "relay", "compile.js", SCHEMA, wrong)

    # then
    assert outcome.returncode == 1
    assert "noSuchField" in outcome.stdout


@pytest.mark.parametrize(("recipe", "bundle"), [("graphiql", "graphiql"), ("uppy", "upload")])
def test_committed_bundle_is_what_the_recipe_builds(recipe: str, bundle: str, tmp_path: Path) -> None:
    """Nobody edits a page's bundle by hand: building it again gives the same bytes."""
    # given
    folder = installed(HERE / recipe)

    # when
    outcome = node(folder, "build.js", environment={"OUTPUT": str(tmp_path)})

    # then
    assert outcome.returncode == 0, outcome.stderr
    assert _contents(tmp_path) == _contents(STATIC / bundle)


def _documents_of(page: Path, folder: Path) -> list[Path]:
    """Write each block of a Markdown page that is marked as GraphQL, but a piece of schema, to a file."""
    blocks = re.findall(r"^```graphql\n(.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    documents = [block for block in blocks if not re.match(r"\s*(\"\"\"|type|input|interface|extend)", block)]
    paths = [folder / f"readme-{number}.graphql" for number in range(len(documents))]
    for path, document in zip(paths, documents, strict=True):
        path.write_text(document)
    return paths


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}
