"""The rules of the executor: what it remembers, what it refuses, where it gives up, and what it asks for."""

import asyncio
import gc
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
import strawberry

from gateway.context import RequestContext
from gateway.domain.errors import BadInput, GatewayError, Unavailable
from gateway.domain.model import Attachment, AttachmentListing
from resolvers.execution.documents import Remembered
from resolvers.execution.executor import Executor, NotAllowed
from tests.execution.comparison import Spied, by_core, shown
from tests.execution.documents import Written
from tests.execution.things import whole_world
from tests.execution.world import World

MAIL = '{mail: {source: "maarch", resId: 1}}'
TREE = '{source: "arrhes", organization: "org", year: "2025"}'


@pytest.fixture
def world() -> World:
    """Make a world that a test may change."""
    return whole_world()


async def asked(executor: Executor, world: World, text: str, meant: str | None = None, **variables: Any) -> Any:
    """Execute a document."""
    return await executor.execute(text, variables, meant, world.context(), read_only=True)


async def both(world: World, text: str) -> Any:
    """Execute a document by a plan or what replaces it; the answer has to be graphql-core's."""
    expected_context = world.context()
    expected = await by_core(Written(text, {}, None), expected_context, valid=False)
    context = world.context()
    answer = await Executor(strawberry_schema()).execute(text, {}, None, context, read_only=True)
    assert shown(answer, context) == shown(expected, expected_context)
    return answer


def strawberry_schema() -> strawberry.Schema:
    """Give the schema of the gateway."""
    return Spied()._strawberry


# What is remembered


def test_what_was_not_used_for_longest_is_forgotten() -> None:
    """Memory has an end, whatever clients send, and what is in use stays."""
    # given
    remembered: Remembered[str, int] = Remembered(10)
    for key, size in (("a", 4), ("b", 4), ("a", 4)):
        remembered.get(key, lambda: 1, size)

    # when
    remembered.get("c", lambda: 1, 4)

    # then
    assert remembered.get("a", lambda: 2, 4) == 1
    assert remembered.get("b", lambda: 2, 4) == 2
    assert len(remembered) == 2


def test_what_is_larger_than_the_memory_is_not_kept() -> None:
    """One huge document does not stay, nor what would follow it."""
    # given
    remembered: Remembered[str, int] = Remembered(10)

    # when
    value = remembered.get("huge", lambda: 1, 11)

    # then
    assert value == 1
    assert len(remembered) == 0


async def test_a_plan_holds_for_one_set_of_conditions(world: World) -> None:
    """`@include` is decided when a plan is made, so other values of its variables take another plan."""
    # given
    executor = Spied()
    text = "query Q($yes: Boolean!, $name: String!) { source(name: $name) { name kind @include(if: $yes) } }"

    # when
    answers = [await asked(executor, world, text, yes=yes, name=name) for name in ("maarch", "arrhes") for yes in (True, False)]

    # then
    assert [list(answer.data["source"]) for answer in answers] == [["name", "kind"], ["name"]] * 2
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
    answer = await asked(executor, world, "{ __type(name: \"File\") { name } sources { name } }")

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
    ("text", "read_only"), [("mutation { count }", True), ("subscription { counts }", True), ("subscription { counts }", False)]
)
async def test_a_request_carries_only_what_it_may(world: World, text: str, read_only: bool) -> None:  # noqa: FBT001
    """A link somebody follows never writes, and a plain request cannot carry a stream."""
    # when / then
    with pytest.raises(NotAllowed):
        await Executor(SMALL).execute(text, {}, None, world.context(), read_only=read_only)


async def test_what_the_plans_do_not_know_is_executed_all_the_same(world: World) -> None:
    """Mutations and resolvers of other shapes go to graphql-core."""
    # when
    answers = [
        await Executor(SMALL).execute(text, {}, None, world.context(), read_only=False)
        for text in ("mutation { count }", "{ counted }")
    ]

    # then
    assert [answer.data for answer in answers] == [{"count": 2}, {"counted": 1}]


@pytest.mark.parametrize("depth", [60, 150])
async def test_a_deep_document_is_executed(world: World, depth: int) -> None:
    """A document that is too deep to compile is answered by graphql-core, not by a broken stack."""
    # given
    nested = "{ name " + "parent { " * depth + "name" + " }" * depth + " }"
    node = next(found for found in world.sources["arrhes"].entries)

    # when
    answer = await asked(Spied(), world, f'{{ node(id: "{node.to_id()}") {{ ... on Folder {nested} }} }}')

    # then
    assert answer.executed
    assert answer.errors == []


async def test_a_document_cannot_ask_for_an_endless_compilation(world: World) -> None:
    """Fragments that each spread the next one twice double with every step; they are compiled once each."""
    # given
    steps = 40
    fragments = [f"fragment F{n} on Folder {{ a: folders {{ ...F{n + 1} }} b: folders {{ ...F{n + 1} }} }}" for n in range(steps)]
    text = "\n".join([f"{{ library(by: {TREE}) {{ folders {{ ...F0 }} }} }}", *fragments, f"fragment F{steps} on Folder {{ name }}"])
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
    assert [set(source) for source in answer.data[alias]] == [{alias}] * 5
    assert executor.compiled == 1


# Failures


async def test_a_failure_nulls_its_own_place(world: World) -> None:
    """In a list whose items hold lists, an error names the item, the field and nothing more."""
    # given
    text = (
        '{ records(by: [{mail: {source: "maarch", resId: 1}}, {mail: {source: "maarch", resId: 3}}]) '
        "{ id found: attachments { totalCount edges { node { name } } } } }"
    )

    # when
    answer = await both(world, text)

    # then
    assert [error.path for error in answer.errors] == [["records", 1, "found"]]
    assert answer.data["records"][0]["found"]["totalCount"] == 4
    assert answer.data["records"][1]["found"] is None


async def test_items_of_nodes_fail_alone(world: World) -> None:
    """What is not there is null in its place, with an error of its own, and its neighbours are answered."""
    # given
    there = next(ref for ref, entry in world.sources["maarch"].entries.items() if isinstance(entry, Attachment))

    # when
    answer = await both(world, f'{{ nodes(ids: ["nonsense", "{there.to_id()}", ""]) {{ id }} }}')

    # then
    assert [error.path for error in answer.errors] == [["nodes", 0], ["nodes", 2]]
    assert [item and item["id"] for item in answer.data["nodes"]] == [None, there.to_id(), None]


async def test_a_missing_node_is_asked_for_once(world: World) -> None:
    """A failure is an answer: the plan does not give up and graphql-core does not ask again."""
    # given
    executor = Spied()
    failing = next(ref for ref, entry in world.sources["maarch"].entries.items() if isinstance(entry, GatewayError))

    # when
    answer = await asked(executor, world, f'{{ node(id: "{failing.to_id()}") {{ id }} }}')

    # then
    assert answer.data == {"node": None}
    assert executor.compiled == 1
    assert world.asked() == {"fetch": 1}


async def test_partial_failures_are_told_once(world: World) -> None:
    """A source whose share of a merged list is missing is told, also where a plan was given up on the way."""
    # given
    _lose_names(world)
    place = '{record: {mail: {source: "maarch", resId: 3}}}'
    text = f"{{ storedFiles(in: [{{record: {MAIL}}}, {place}]) {{ totalCount %s }} }}"
    contexts, executor = [world.context() for _ in range(2)], Spied()

    # when
    for context, inner in zip(contexts, ("", "edges { node { name } }"), strict=True):
        await executor.execute(text % inner, {}, None, context, read_only=True)

    # then
    assert (executor.compiled, executor.interpreted) == (1, 1)
    assert [[path for _, path in context.partial] for context in contexts] == [[["storedFiles"]]] * 2


def _lose_names(world: World) -> None:
    """Let the attachments of all listings have no names, which no source may do."""
    for source in world.sources.values():
        for ref, listing in source.listings.items():
            if isinstance(listing, AttachmentListing):
                items = tuple(replace(item, name=None) for item in listing.attachments)
                source.listings[ref] = replace(listing, attachments=items)


async def test_a_plan_that_gives_up_asks_nothing_twice(world: World) -> None:
    """What was loaded for the plan is there for graphql-core, which words the error as it always does."""
    # given
    _lose_names(world)
    executor = Spied()

    # when
    text = f"{{ record(by: {MAIL}) {{ attachments {{ edges {{ node {{ name }} }} }} }} library(by: {TREE}) {{ files {{ id }} }} }}"
    answer = await asked(executor, world, text)

    # then
    assert (executor.compiled, executor.interpreted) == (0, 1)
    assert world.asked() == {"children": 2}
    assert [error.path for error in answer.errors] == [["record", "attachments", "edges", 0, "node", "name"]]
    assert answer.errors[0].message == "Cannot return null for non-nullable field Attachment.name."
    assert answer.data["record"] == {"attachments": None}


# Loading


@pytest.mark.parametrize("many", [1, 2, 7])
async def test_what_is_asked_together_is_loaded_together(world: World, many: int) -> None:
    """Resolvers that are started one after the other still share one batch of their loader."""
    # given
    refs = [ref for ref, entry in world.sources["maarch"].entries.items() if isinstance(entry, Attachment)][:4]
    nodes = " ".join(f'n{n}: node(id: "{refs[n % 4].to_id()}") {{ id }}' for n in range(many))
    records = " ".join(f"r{n}: record(by: {MAIL}) {{ registeredMail attachments {{ totalCount }} }}" for n in range(many))

    # when
    answer = await asked(Spied(), world, f"{{ {nodes} {records} }}")

    # then
    assert answer.errors == []
    assert world.asked() == {"fetch": 1, "children": 1}


async def test_branches_of_a_plan_that_is_given_up_complain_of_nothing(world: World) -> None:
    """Resolvers that were never awaited are closed; Python would warn of each, and warnings fail a test."""
    # given
    fields = " ".join(f"l{n}: library(by: {TREE}) {{ folders {{ files {{ id }} parent {{ id }} }} }}" for n in range(5))

    # when
    answer = await asked(Spied(), world, f"{{ {fields} nodes(ids: []) {{ id }} }}")
    gc.collect()

    # then
    assert answer.data is None
    assert isinstance(answer.errors[0].original_error, BadInput)


async def test_a_cancelled_execution_leaves_nothing_behind(world: World) -> None:
    """A client that goes away ends what was started for it."""
    # given
    before = asyncio.all_tasks()
    context: RequestContext = world.context(3)
    text = f"{{ a: library(by: {TREE}) {{ folders {{ files {{ id }} }} files {{ id }} }} r: record(by: {MAIL}) {{ registeredMail }} }}"
    running = asyncio.create_task(Spied().execute(text, {}, None, context, read_only=True))
    await asyncio.sleep(0)

    # when
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    context.close()
    for _ in range(10):
        await asyncio.sleep(0)
    gc.collect()

    # then
    assert asyncio.all_tasks() == before


async def test_an_error_in_a_value_is_an_error_of_its_place(world: World) -> None:
    """An error that stands where a value should be has the path of that value."""
    # given
    source = world.sources["maarch"]
    hidden = Unavailable("Hidden.", source="maarch")
    for ref, entry in source.entries.items():
        if isinstance(entry, Attachment):
            source.entries[ref] = replace(entry, details=replace(entry.details, external_state=hidden))
    there = next(ref for ref, entry in source.entries.items() if isinstance(entry, Attachment))

    # when
    text = f'{{ node(id: "{there.to_id()}") {{ ... on Attachment {{ details {{ ... on MaarchDetails {{ externalState }} }} }} }} }}'
    answer = await both(world, text)

    # then
    assert answer.data == {"node": {"details": None}}
    assert [error.path for error in answer.errors] == [["node", "details", "externalState"]]
