"""What a document needs of its sender: shown in the schema, found wherever it hides, refused before any source."""

from collections.abc import Iterator
from typing import Any

import pytest
from graphql import GraphQLField, GraphQLObjectType, build_schema

from gateway.domain.secret import Secret
from gateway.identity.api_keys import new_key
from gateway.identity.configuration import ApiKeySettings
from gateway.identity.principals import ALL_SCOPES
from resolvers.errors import as_gateway_error
from resolvers.execution.documents import Rules
from resolvers.execution.executor import Checked, Executor
from resolvers.schema import make_schema, print_schema
from tests.world import World, running_world

SCHEMA = make_schema()
CORE = SCHEMA._schema
SDL = build_schema(print_schema())
EXECUTOR = Executor(SCHEMA, Rules(introspection=False))
ROOTS: dict[str, GraphQLObjectType] = {
    kind: root
    for kind, root in (
        ("query", CORE.query_type),
        ("mutation", CORE.mutation_type),
        ("subscription", CORE.subscription_type),
    )
    if root is not None
}
FIELDS = {f"{kind} {name}": field for kind, root in ROOTS.items() for name, field in root.fields.items()}
DELETING = {"mutation foldersDelete", "mutation storedFilesDelete"}
KEYS = {scope: new_key(scope.replace(":", "-")) for scope in sorted(ALL_SCOPES)}
MAIL = 'record(by: { mail: { source: "maarch", resId: 100 } })'


def needed(name: str) -> str:
    """Say what a root field takes."""
    if name in DELETING:
        return "files:delete"
    return "files:write" if name.startswith("mutation") else "files:read"


def document(name: str) -> str:
    """Write a document that asks for one root field, with variables for what it wants."""
    kind, _, field_name = name.partition(" ")
    field: GraphQLField = FIELDS[name]
    variables = ", ".join(f"${key}: {argument.type}" for key, argument in field.args.items())
    arguments = ", ".join(f"{key}: ${key}" for key in field.args)
    head = f"({variables})" if variables else ""
    return f"{kind} {head} {{ {field_name}{f'({arguments})' if arguments else ''} {{ __typename }} }}"


def missing(text: str, *scopes: str) -> bool:
    """Tell whether a document is refused for want of scopes."""
    checked = EXECUTOR.check(text, {}, None, frozenset(scopes))
    if isinstance(checked, Checked):
        return False
    return [as_gateway_error(error).code for error in checked.errors] == ["INSUFFICIENT_SCOPE"]


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """Start a gateway that has a key for each scope."""
    keys = tuple(
        ApiKeySettings(id=scope.replace(":", "-"), sha256=Secret(digest), scopes=(scope,))
        for scope, (_, digest) in KEYS.items()
    )
    with running_world(api_keys=keys) as running:
        yield running


def ask(world: World, text: str, scope: str) -> dict[str, Any]:
    """Ask with the key of one scope, without a trace, so that nothing but the document takes any."""
    headers = {"authorization": f"Bearer {KEYS[scope][0].reveal()}"}
    answer: dict[str, Any] = world.client.post(
        f"{world.gateway}/graphql", json={"query": text}, headers=headers
    ).json()
    return answer


def test_every_root_field_says_what_it_takes() -> None:
    """Whoever adds a field to a root decides who may ask for it; the published schema shows that."""
    # given
    definitions = {
        f"{root.name} {name}": field.ast_node
        for root in (SDL.query_type, SDL.mutation_type, SDL.subscription_type)
        for name, field in (root.fields.items() if root else ())
    }

    # when
    silent = [
        name
        for name, node in definitions.items()
        if node is None or "requiresScopes" not in {one.name.value for one in node.directives or ()}
    ]

    # then
    assert silent == []
    assert len(definitions) == len(FIELDS) > 20


@pytest.mark.parametrize("name", FIELDS)
def test_root_field_takes_its_scope(name: str) -> None:
    """The scope that the schema names is needed and is enough; no other will do."""
    # given
    text, scope = document(name), needed(name)

    # when
    refused = {one: missing(text, one) for one in ALL_SCOPES}

    # then
    assert refused == {one: one != scope for one in ALL_SCOPES}
    assert missing(text)
    assert not missing(text, *ALL_SCOPES)


@pytest.mark.parametrize("scope", sorted(ALL_SCOPES))
def test_refused_operations_ask_no_source(world: World, scope: str) -> None:
    """Over HTTP the same: a code, no data, nothing asked of any source."""
    # given
    world.reset()

    # when
    codes = {
        name: {error["extensions"]["code"] for error in ask(world, document(name), scope).get("errors", [])}
        for name in FIELDS
        if not name.startswith("subscription")
    }

    # then
    assert {name for name, found in codes.items() if found == {"INSUFFICIENT_SCOPE"}} == {
        name for name in codes if needed(name) != scope
    }
    assert world.requests() == 0


UPDATE = 'filesUpdate(input: {idempotencyKey: "k", files: []})'
READ_HIDDEN = {
    "by the payload's query": f"mutation {{ {UPDATE} {{ query {{ sources {{ id }} }} }} }}",
    "in a fragment": f"mutation {{ ...M }} fragment M on Mutation {{ {UPDATE} {{ query {{ ...Q }} }} }} "
    "fragment Q on Query { sources { id } }",
    "under another name": f"mutation {{ {UPDATE} {{ query {{ files: sources {{ id }} }} }} }}",
    "behind @skip": f"mutation {{ {UPDATE} {{ query @skip(if: true) {{ sources {{ id }} }} }} }}",
    "in inline fragments": f"mutation {{ {UPDATE} {{ query {{ ... {{ ... on Query {{ sources {{ id }} }} }} }} }} }}",
    "from a file to its neighbours": f"mutation {{ {UPDATE} {{ files {{ ... on File {{ folder {{ name }} }} }} }} }}",
    "from a file to its bytes": f"mutation {{ {UPDATE} {{ files {{ download(expiresIn: 60) {{ url }} }} }} }}",
    "from a file to its mail": f"mutation {{ {UPDATE} {{ files {{ ... on Attachment {{ "
    "record { attachments(first: 1) { totalCount } } } } } }",
}


@pytest.mark.parametrize("name", READ_HIDDEN)
def test_reading_hides_nowhere(name: str) -> None:
    """Who may write sees what he wrote; whatever leads on from there is reading."""
    # given
    text = READ_HIDDEN[name]
    assert EXECUTOR.faults(text) == []

    # when
    refused = missing(text, "files:write"), missing(text, "files:write", "files:read")

    # then
    assert refused == (True, False)


def test_writer_sees_what_he_wrote() -> None:
    """The answer of a mutation names what came out."""
    # given
    text = f"mutation {{ {UPDATE} {{ files {{ id name }} userErrors {{ code }} }} }}"

    # when
    refused = missing(text, "files:write")

    # then
    assert not refused


def test_only_the_operation_that_runs_counts() -> None:
    """A document may hold operations for different people."""
    # given
    text = "query Read { sources { id } } mutation Write { storedFilesDelete(input: $i) { __typename } }"
    text = text.replace("mutation Write", "mutation Write($i: StoredFilesDeleteInput!)")

    # when
    read, write = (EXECUTOR.check(text, {}, name, frozenset({"files:read"})) for name in ("Read", "Write"))

    # then
    assert isinstance(read, Checked)
    assert not isinstance(write, Checked)
    assert [as_gateway_error(error).code for error in write.errors] == ["INSUFFICIENT_SCOPE"]


@pytest.mark.parametrize(
    "text", ["{ __schema { queryType { name } } }", '{ a: __type(name: "File") { name } }']
)
@pytest.mark.parametrize("introspection", [True, False])
def test_introspection_takes_debug_where_it_is_not_for_all(text: str, introspection: bool) -> None:
    """In production the schema is for those who debug; elsewhere for everybody. Names of types are for all."""
    # given
    executor = Executor(SCHEMA, Rules(introspection=introspection))

    # when
    found = [
        isinstance(executor.check(one, {}, None, scopes), Checked)
        for one in (text, "{ __typename }")
        for scopes in (frozenset({"files:read"}), frozenset({"debug"}))
    ]

    # then
    assert found == [introspection, True, True, True]


def test_message_names_what_is_missing(world: World) -> None:
    """Whoever is refused learns what to ask his administrator for."""
    # when
    (error,) = ask(world, f"{{ {MAIL} {{ attachments(first: 1) {{ totalCount }} }} }}", "files:write")["errors"]

    # then
    assert error["message"] == "The operation needs what you may not: files:read."
    assert error["extensions"]["retryable"] is False
