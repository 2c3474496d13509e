"""The rules of the executor: what it remembers, what it refuses, and what it leaves to graphql-core."""

import gc
import tracemalloc
from collections.abc import AsyncIterator
from typing import Any

import pytest
import strawberry
from graphql import Token

from resolvers.execution.documents import Remembered, Rules, check_document
from resolvers.execution.executor import Executor, NotAllowed
from resolvers.execution.projection import shape_of
from resolvers.scopes import needs_of_fields
from tests.execution.comparison import BOUNDLESS, CORE, Spied, plain
from tests.execution.things import whole_world
from tests.execution.world import World
from tests.identifiers import IDS

MAIL = '{mail: {source: "maarch", resId: 1}}'
TREE = '{source: "arrhes", organization: "org", year: "2025"}'


@pytest.fixture
def world() -> World:
    """Make a world that a test may change."""
    return whole_world()


async def asked(executor: Executor, world: World, text: str, meant: str | None = None, **variables: Any) -> Any:
    """Execute a document that may only read."""
    return await carried(executor, world, text, meant, read_only=True, **variables)


async def carried(
    executor: Executor, world: World, text: str, meant: str | None = None, *, read_only: bool, **variables: Any
) -> Any:
    """Execute a document in a request that may only read, or may write."""
    document = executor.document(text)
    return await executor.execute(document, variables, meant, world.context(), read_only=read_only)


# What is remembered


def test_what_was_not_used_for_longest_is_forgotten() -> None:
    """Memory has an end, whatever clients send, and what is in use stays."""
    # given
    remembered: Remembered[str, int] = Remembered(10, lambda _, __: 4)
    for key in ("a", "b", "a"):
        remembered.get(key, lambda: 1)

    # when
    remembered.get("c", lambda: 1)

    # then
    assert remembered.get("a", lambda: 2) == 1
    assert remembered.get("b", lambda: 2) == 2
    assert len(remembered) == 2


def test_what_is_larger_than_the_memory_is_not_kept() -> None:
    """One huge document does not stay, nor what would follow it."""
    # given
    remembered: Remembered[str, int] = Remembered(10, lambda _, __: 11)

    # when
    value = remembered.get("huge", lambda: 1)

    # then
    assert value == 1
    assert len(remembered) == 0


async def test_a_plan_holds_for_one_set_of_conditions(world: World) -> None:
    """`@include` is decided when a plan is made, so other values of its variables take another plan."""
    # given
    executor = Spied()
    text = "query Q($yes: Boolean!, $name: String!) { source(name: $name) { name kind @include(if: $yes) } }"

    # when
    answers = [
        await asked(executor, world, text, yes=yes, name=name)
        for name in ("maarch", "arrhes")
        for yes in (True, False)
    ]

    # then
    assert [list(plain(answer)["source"]) for answer in answers] == [["name", "kind"], ["name"]] * 2
    assert len(executor._plans) == 2
    assert len(executor._documents) == 1


async def test_a_refused_document_is_remembered_and_executes_nothing(world: World) -> None:
    """A document that the schema refuses costs its validation once and no upstream request."""
    # given
    executor = Spied()
    text = f"{{ record(by: {MAIL}) {{ attachments {{ nothing }} }} }}"

    # when
    answers = [await asked(executor, world, text) for _ in range(2)]

    # then
    assert answers[0].errors is answers[1].errors
    assert not any(answer.executed for answer in answers)
    assert not world.asked()


# What is refused or left to graphql-core


async def test_introspection_is_left_to_graphql_core(world: World) -> None:
    """The plans know no introspection, also beside fields they know."""
    # given
    executor = Spied()

    # when
    answer = await asked(executor, world, '{ __type(name: "File") { name } sources { name } }')

    # then
    assert answer.data["__type"] == {"name": "File"}
    assert (executor.compiled, executor.interpreted) == (0, 1)


@pytest.mark.parametrize(("text", "name"), [("query A { sources { name } }", "B"), ("{ sources { name } }", ""),
                                            ("query A { __typename } query B { __typename }", None)])  # fmt: skip
async def test_the_operation_has_to_be_clear(world: World, text: str, name: str | None) -> None:
    """Where no operation or several could be meant none is executed."""
    # when
    answer = await asked(Spied(), world, text, name)

    # then
    assert not answer.executed
    assert len(answer.errors) == 1


@strawberry.type
class Query:
    """The reading half of a small schema."""

    @strawberry.field
    def counted(self) -> int:
        """Give a number by a method, which the plans do not know."""
        return 1


@strawberry.type
class Mutation:
    """The writing half."""

    @strawberry.mutation
    def count(self) -> int:
        """Give a number."""
        return 2


@strawberry.type
class Subscription:
    """The listening half."""

    @strawberry.subscription
    async def counts(self) -> AsyncIterator[int]:
        """Give numbers."""
        yield 3


SMALL = strawberry.Schema(Query, Mutation, Subscription)


@pytest.mark.parametrize(
    ("text", "read_only"),
    [("mutation { count }", True), ("subscription { counts }", True), ("subscription { counts }", False)],
)
async def test_a_request_carries_only_what_it_may(world: World, text: str, read_only: bool) -> None:
    """A link somebody follows never writes, and a plain request cannot carry a stream."""
    # when / then
    with pytest.raises(NotAllowed):
        await carried(Executor(SMALL), world, text, read_only=read_only)


async def test_what_the_plans_do_not_know_is_executed_all_the_same(world: World) -> None:
    """Mutations and resolvers of other shapes go to graphql-core."""
    # when
    answers = [
        await carried(Executor(SMALL), world, text, read_only=False)
        for text in ("mutation { count }", "{ counted }")
    ]

    # then
    assert [answer.data for answer in answers] == [{"count": 2}, {"counted": 1}]


@pytest.mark.parametrize(
    "text",
    [
        "{ record(by: {mail: $undeclared}) { id } }",
        "fragment F on Query { record(by: {mail: $undeclared}) { id } } query Q { ...F }",
        "{ record(by: {}) { id } }",
        "{ record(by: {mail: null}) { id } }",
        "query Q($by: RecordLookup! = {}) { record(by: $by) { id } }",
    ],
)
async def test_an_input_of_one_thing_has_one_thing(world: World, text: str) -> None:
    """The rules of `@oneOf` are graphql-core's own, and no document breaks them or the validation."""
    # when
    answer = await asked(Spied(), world, text)

    # then
    assert not answer.executed
    assert answer.errors


@pytest.mark.parametrize("depth", [60, 150])
async def test_a_deep_document_is_executed(world: World, depth: int) -> None:
    """A document that is too deep to compile is answered by graphql-core, not by a broken stack."""
    # given
    nested = "{ name " + "parent { " * depth + "name" + " }" * depth + " }"
    node = next(found for found in world.sources["arrhes"].entries)

    # when
    answer = await asked(Spied(), world, f'{{ node(id: "{IDS.seal(node)}") {{ ... on Folder {nested} }} }}')

    # then
    assert answer.executed
    assert answer.errors == []


async def test_a_document_cannot_ask_for_an_endless_compilation(world: World) -> None:
    """Fragments that each spread the next one twice double with every step; they are compiled once each."""
    # given
    steps = 40
    fragments = [
        f"fragment F{n} on Folder {{ a: folders {{ ...F{n + 1} }} b: folders {{ ...F{n + 1} }} }}"
        for n in range(steps)
    ]
    text = "\n".join(
        [
            f"{{ library(by: {TREE}) {{ folders {{ ...F0 }} }} }}",
            *fragments,
            f"fragment F{steps} on Folder {{ name }}",
        ]
    )
    executor = Spied()

    # when
    answer = await asked(executor, world, text)

    # then
    assert answer.errors == []
    assert executor.compiled == 1


@pytest.mark.parametrize("alias", ["_", "__class__", "None", "d", "run", "c1", "exec", "a" * 1000])
async def test_no_text_of_a_client_becomes_code(world: World, alias: str) -> None:
    """Aliases may be any name; in the plans they are text and nothing else."""
    # given
    executor = Spied()

    # when
    answer = await asked(executor, world, f"{{ {alias}: sources {{ {alias}: name }} }}")

    # then
    assert [set(source) for source in plain(answer)[alias]] == [{alias}] * 5
    assert executor.compiled == 1


KINDS = (
    "{{ a{n}: __typename }}",
    '{{ node(id: "{n}") {{ id }} }}',
    '{{ nodes(ids: ["{n}"]) {{ id ... on StoredFile {{ name size mediaType }} ... on Record {{ kind }} }} }}',
    "{{ a{n} }}",
    "{{ {n}f",
    '{{ source(name: "{n}") {{ ' + "name " * 300 + "}} }}",
)
"""Documents with a plan and without, long and short, right and wrong."""


@pytest.mark.parametrize("kind", KINDS)
async def test_what_is_remembered_of_documents_is_counted(world: World, kind: str) -> None:
    """The bounds are in bytes, and hold for small documents too, of which each takes far more than its text."""
    # given
    executor, many = Spied(), 40
    await executor.execute(executor.document(kind.format(n="first")), {}, None, world.context(), read_only=True)
    gc.collect()
    tracemalloc.start()

    # when
    for number in range(many):
        document = executor.document(kind.format(n=number))
        await executor.execute(document, {}, None, world.context(), read_only=True)
    del document
    gc.collect()
    taken = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()

    # then
    assert taken < sum(one.held for one in (executor._documents, executor._plans, executor._costs))


def test_documents_that_gave_way_do_not_wait_for_the_collector() -> None:
    """The parser links the tokens of a document both ways, which would keep each of them for a long time."""
    # given
    needs, text = needs_of_fields(CORE), "{ " + " ".join(f"gaveWay{n}: __typename" for n in range(900)) + "}"
    document = check_document(CORE, text, Rules(BOUNDLESS), needs)
    assert document.errors == []
    gc.collect()  # what only validation needed
    gc.disable()

    # when
    try:
        held = _tokens()
        del document
        left = _tokens()
    finally:
        gc.enable()

    # then
    assert held >= 900
    assert left == 0


def _tokens() -> int:
    """Count the tokens that the test's aliases are, whatever documents other tests have left."""
    found = (one for one in gc.get_objects() if isinstance(one, Token))
    return sum((one.value or "").startswith("gaveWay") for one in found)


def test_aliases_of_any_length_are_not_remembered_beyond_their_plan() -> None:
    """Classes of answers are shared by plans; keys that a client makes up would stay longer than its document."""
    # given
    short, long = ("id", "name"), ("a" * 2000,)

    # then
    assert shape_of(short) is shape_of(short)
    assert shape_of(long) is not shape_of(long)
    assert shape_of(long).__struct_encode_fields__ == long
