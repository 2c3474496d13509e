"""What a plan makes of failures, what it asks of sources, and what it leaves behind."""

import asyncio
import gc
from typing import Any

import pytest

from gateway.context import RequestContext
from gateway.domain.errors import BadInput, GatewayError, Unavailable
from gateway.domain.model import Attachment, AttachmentListing, Record, RecordKind
from gateway.domain.refs import Ref, RefType
from tests.conformance.comparison import changed
from tests.execution.comparison import Spied, by_core, plain, shown
from tests.execution.documents import Written
from tests.execution.things import saying, whole_world
from tests.execution.world import World
from tests.identifiers import IDS

MAIL = '{mail: {source: "maarch", resId: 1}}'
TREE = '{source: "arrhes", organization: "org", year: "2025"}'


@pytest.fixture
def world() -> World:
    """Make a world that a test may change."""
    return whole_world()


async def asked(executor: Spied, world: World, text: str) -> Any:
    """Execute a document."""
    return await executor.ask(Written(text, {}, None), world.context())


async def both(world: World, text: str) -> Any:
    """Execute a document by a plan or what replaces it; the answer has to be graphql-core's."""
    expected_context = world.context()
    expected = await by_core(Written(text, {}, None), expected_context, valid=False)
    context = world.context()
    answer = await Spied().ask(Written(text, {}, None), context)
    assert shown(answer, context) == shown(expected, expected_context)
    return answer


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
    assert plain(answer)["records"][0]["found"]["totalCount"] == 4
    assert plain(answer)["records"][1]["found"] is None


async def test_a_failure_far_down_names_every_step(world: World) -> None:
    """Where objects on the way had all their values at once, the path leads through them all the same."""
    # given
    mail, elsewhere = (Ref("maarch", RefType.RECORD, (key,)) for key in ("1", "3"))
    listing = world.sources["maarch"].listings[mail]
    moved = changed(listing.attachments[1], record=Record(elsewhere, RecordKind.MAIL))
    attachments = (listing.attachments[0], moved, *listing.attachments[2:])
    world.sources["maarch"].listings[mail] = saying(listing, attachments=attachments)
    text = (
        '{ record(by: {mail: {source: "maarch", resId: 1}}) { all: attachments { edges { cursor at: node '
        "{ name on: record { id attachments { totalCount } } } } } } }"
    )

    # when
    answer = await both(world, text)

    # then
    place = ["record", "all", "edges", 1, "at", "on", "attachments"]
    assert [error.path for error in answer.errors] == [place]


@pytest.mark.parametrize("beside", ["", "__schema { queryType { name } }"])
async def test_an_error_says_where_in_the_document_it_is(world: World, beside: str) -> None:
    """Lines and columns are those of the document, whether a plan or graphql-core executed it."""
    # given
    failing = '{mail: {source: "maarch", resId: 3}}'
    text = f"{{\n  {beside}\n  record(by: {failing}) {{\n    attachments {{ totalCount }}\n  }}\n}}"

    # when
    answer = await asked(Spied(), world, text)

    # then
    assert [error.formatted["locations"] for error in answer.errors] == [[{"line": 4, "column": 5}]]


async def test_items_of_nodes_fail_alone(world: World) -> None:
    """What is not there is null in its place, with an error of its own, and its neighbours are answered."""
    # given
    there = next(ref for ref, entry in world.sources["maarch"].entries.items() if isinstance(entry, Attachment))

    # when
    answer = await both(world, f'{{ nodes(ids: ["nonsense", "{IDS.seal(there)}", ""]) {{ id }} }}')

    # then
    assert [error.path for error in answer.errors] == [["nodes", 0], ["nodes", 2]]
    assert [item and item["id"] for item in plain(answer)["nodes"]] == [None, IDS.seal(there), None]


async def test_a_missing_node_is_asked_for_once(world: World) -> None:
    """A failure is an answer: the plan does not give up and graphql-core does not ask again."""
    # given
    executor = Spied()
    failing = next(
        ref for ref, entry in world.sources["maarch"].entries.items() if isinstance(entry, GatewayError)
    )

    # when
    answer = await asked(executor, world, f'{{ node(id: "{IDS.seal(failing)}") {{ id }} }}')

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
        await executor.execute(executor.document(text % inner), {}, None, context, read_only=True)

    # then
    assert (executor.compiled, executor.interpreted) == (1, 1)
    assert [[path for _, path in context.partial] for context in contexts] == [[["storedFiles"]]] * 2


def _lose_names(world: World) -> None:
    """Let the attachments of all listings have no names, which no source may do."""
    for source in world.sources.values():
        for ref, listing in source.listings.items():
            if isinstance(listing, AttachmentListing):
                items = tuple(changed(item, name=None) for item in listing.attachments)
                source.listings[ref] = saying(listing, attachments=items)


async def test_a_plan_that_gives_up_asks_nothing_twice(world: World) -> None:
    """What was loaded for the plan is there for graphql-core, which words the error as it always does."""
    # given
    _lose_names(world)
    executor = Spied()

    # when
    below = "edges { node { name } }"
    text = f"{{ record(by: {MAIL}) {{ attachments {{ {below} }} }} library(by: {TREE}) {{ files {{ id }} }} }}"
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
    nodes = " ".join(f'n{n}: node(id: "{IDS.seal(refs[n % 4])}") {{ id }}' for n in range(many))
    records = " ".join(
        f"r{n}: record(by: {MAIL}) {{ registeredMail attachments {{ totalCount }} }}" for n in range(many)
    )

    # when
    answer = await asked(Spied(), world, f"{{ {nodes} {records} }}")

    # then
    assert answer.errors == []
    assert world.asked() == {"fetch": 1, "children": 1}


async def test_branches_of_a_plan_that_is_given_up_complain_of_nothing(world: World) -> None:
    """Resolvers that were never awaited are closed; Python would warn of each, and warnings fail a test."""
    # given
    fields = " ".join(
        f"l{n}: library(by: {TREE}) {{ folders {{ files {{ id }} parent {{ id }} }} }}" for n in range(5)
    )

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
    below = "folders { files { id } } files { id }"
    text = f"{{ library(by: {TREE}) {{ {below} }} record(by: {MAIL}) {{ registeredMail }} }}"
    running = asyncio.create_task(Spied().ask(Written(text, {}, None), context))
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
            source.entries[ref] = changed(entry, details=changed(entry.details, external_state=hidden))
    there = next(ref for ref, entry in source.entries.items() if isinstance(entry, Attachment))

    # when
    details = "details { ... on MaarchDetails { externalState } }"
    text = f'{{ node(id: "{IDS.seal(there)}") {{ ... on Attachment {{ {details} }} }} }}'
    answer = await both(world, text)

    # then
    assert answer.data == {"node": {"details": None}}
    assert [error.path for error in answer.errors] == [["node", "details", "externalState"]]
