"""Lists of trees that stay as they are: which of their written forms are kept, and to whom they are given."""

import gc
import weakref
from dataclasses import replace
from types import FunctionType
from typing import Any

import msgspec
import pytest

from gateway.domain.snapshot import Snapshot
from gateway.domain.tree import Tree
from gateway.identifiers import DEVELOPMENT_KEYS, Identifiers
from resolvers.execution.executor import Answer
from tests.execution.comparison import Spied, plain
from tests.execution.things import whole_world
from tests.execution.world import World

TREE = '{source: "arrhes", organization: "org", year: "2025"}'
LASTING = (
    "id name createdAt files { id name size folder { name } details { __typename } } folders { id }",
    "folders { folders { files { ...F ... on Node { id } } } } files { library { year } viewerCanUpdate }",
)
FLEETING = (
    "name source { capabilities { supported } }",
    "files { download { url } }",
    "placement",
    "files { library { folders { id } } }",
    "descendants { totalCount }",
)
"""What the moment or the source's state decides, what has arguments, and what has to be loaded."""


def document(selection: str) -> str:
    """Ask for the folders at the root of the library."""
    fragment = "fragment F on StoredFile { name mediaType }" if "...F" in selection else ""
    return f"query Q {{ library(by: {TREE}) {{ folders {{ {selection} }} }} }} {fragment}"


async def answered(executor: Spied, world: World, selection: str, **changed: Any) -> Answer:
    """Ask for the folders with a context in which something may be changed."""
    context = replace(world.context(), **changed)
    return await executor.execute(executor.document(document(selection)), {}, None, context, read_only=True)


def is_kept(answer: Answer) -> bool:
    """Tell whether the folders are in the answer as they were written."""
    return isinstance(answer.data["library"]["folders"], msgspec.Raw)


@pytest.fixture
def world() -> World:
    """Make a world whose trees nobody has asked for."""
    return whole_world()


@pytest.mark.parametrize("selection", LASTING)
async def test_a_list_is_written_once_when_it_is_asked_for_again(world: World, selection: str) -> None:
    """The first answer is made, the second kept, and those that follow are the same bytes, and the same answer."""
    # given
    executor = Spied()

    # when
    first, second, third = [await answered(executor, world, selection) for _ in range(3)]

    # then
    assert [is_kept(answer) for answer in (first, second, third)] == [False, True, True]
    assert third.data["library"]["folders"] is second.data["library"]["folders"]
    assert plain(first) == plain(second) == plain(third)
    assert len(plain(first)["library"]["folders"]) > 1


@pytest.mark.parametrize("selection", FLEETING)
async def test_what_may_change_is_not_kept(world: World, selection: str) -> None:
    """It is made for each request, however often that comes."""
    # given
    executor = Spied()

    # when
    answers = [await answered(executor, world, selection) for _ in range(3)]

    # then
    assert executor.interpreted == 0
    assert not any(map(is_kept, answers))


async def test_documents_do_not_share_forms(world: World) -> None:
    """What was written for one selection is not given to another."""
    # given
    executor = Spied()
    for selection in ("id", "name"):
        for _ in range(2):
            await answered(executor, world, selection)

    # when
    ids, names = await answered(executor, world, "id"), await answered(executor, world, "name")

    # then
    assert is_kept(ids)
    assert is_kept(names)
    assert list(plain(ids)["library"]["folders"][0]) == ["id"]
    assert list(plain(names)["library"]["folders"][0]) == ["name"]


async def test_identifiers_are_those_of_who_asks(world: World) -> None:
    """Even if two tenants were ever given one tree, each would read identifiers of his own."""
    # given
    executor = Spied()
    other = Identifiers(DEVELOPMENT_KEYS, "other")
    for _ in range(2):
        await answered(executor, world, "id")

    # when
    mine = plain(await answered(executor, world, "id"))["library"]["folders"]
    theirs = plain(await answered(executor, world, "id", ids=other))["library"]["folders"]

    # then
    assert not {folder["id"] for folder in mine} & {folder["id"] for folder in theirs}
    assert all(other.open(folder["id"]) for folder in theirs)


async def test_a_new_tree_is_written_anew(world: World) -> None:
    """A list that comes changed is another snapshot, which has no forms of the former."""
    # given
    executor = Spied()
    for _ in range(3):
        await answered(executor, world, "name")
    listings = world.sources["arrhes"].listings
    ref, tree = next(
        (ref, found) for ref, found in listings.items() if isinstance(found, Tree) and found.folders
    )

    # when
    listings[ref] = replace(tree, folders=Snapshot.of(tree.folders[:1], 10_000))
    answer = await answered(executor, world, "name")

    # then
    assert not is_kept(answer)
    assert len(plain(answer)["library"]["folders"]) == 1


PAGE = 'record(by: {mail: {source: "maarch", resId: 1}}) { attachments%s { %s } }'
FIRST_PAGES = (
    (
        "",
        "totalCount edges { cursor node { id name size viewerCanUpdate } } pageInfo { endCursor hasNextPage }",
    ),
    ("(first: 2)", "edges { node { ...F details { __typename } } }"),
    ("(last: 3)", "edges { node { name } }"),
    ("(first: 2, orderBy: {field: NAME, direction: DESC})", "edges { node { name } }"),
)


async def page(executor: Spied, world: World, arguments: str, selection: str) -> Answer:
    """Ask for a page of the attachments of a mail."""
    fragment = "fragment F on StoredFile { name mediaType }" if "...F" in selection else ""
    text = f"query Q {{ {PAGE % (arguments, selection)} }} {fragment}"
    return await executor.execute(executor.document(text), {}, None, world.context(), read_only=True)


@pytest.mark.parametrize(("arguments", "selection"), FIRST_PAGES)
async def test_a_first_page_is_written_once(world: World, arguments: str, selection: str) -> None:
    """Of a list that comes again unchanged the third answer is made of nothing but what was written."""
    # given
    executor = Spied()

    # when
    answers = [await page(executor, world, arguments, selection) for _ in range(3)]

    # then
    found = [answer.data["record"]["attachments"] for answer in answers]
    assert [isinstance(one, msgspec.Raw) for one in found] == [False, True, True]
    assert found[2] is found[1]
    assert plain(answers[0]) == plain(answers[1]) == plain(answers[2])
    assert plain(answers[0])["record"]["attachments"]["edges"]


async def test_pages_do_not_share_forms(world: World) -> None:
    """Another number, filter or order is another page of the same list, by the same variable of one document."""
    # given
    executor = Spied()
    text = (
        "query Q($n: Int, $w: StoredFileFilter, $o: StoredFileOrder) "
        f"{{ {PAGE % ('(first: $n, where: $w, orderBy: $o)', 'edges { node { name } }')} }}"
    )
    document = executor.document(text)
    asked: list[dict[str, Any]] = [
        {"n": 1},
        {"n": 2},
        {"w": {"nameContains": "n° 2"}},
        {"o": {"field": "NAME", "direction": "DESC"}},
        {"o": {"field": "NAME", "direction": "ASC"}},
    ]

    # when
    answers = [
        plain(await executor.execute(document, variables, None, world.context(), read_only=True))
        for _ in range(3)
        for variables in asked
    ]

    # then
    several = len(asked)
    assert answers[:several] == answers[several : 2 * several] == answers[2 * several :]
    names = [
        [edge["node"]["name"] for edge in one["record"]["attachments"]["edges"]] for one in answers[:several]
    ]
    assert [len(one) for one in names] == [1, 2, 1, 4, 4]
    assert names[3] == names[4][::-1] != names[4]


@pytest.mark.parametrize("by", ["cursor", "filter"])
async def test_what_clients_write_into_arguments_is_not_kept(world: World, by: str) -> None:
    """Cursors and filters are texts of any number and length, which the room for written forms does not count."""
    # given
    executor = Spied()
    first = plain(await page(executor, world, "(first: 1)", "edges { cursor }"))
    cursor = first["record"]["attachments"]["edges"][0]["cursor"]
    given = {"cursor": f'(after: "{cursor}")', "filter": '(where: {nameContains: "Lettre", minSize: 1})'}[by]

    # when
    answers = [await page(executor, world, given, "edges { node { name } }") for _ in range(3)]

    # then
    assert not any(isinstance(answer.data["record"]["attachments"], msgspec.Raw) for answer in answers)
    assert plain(answers[0]) == plain(answers[2])
    assert len(plain(answers[0])["record"]["attachments"]["edges"]) >= 2


async def test_what_may_change_of_an_attachment_is_not_kept(world: World) -> None:
    """A link that ends, and the source's state, are made for each request."""
    # given
    executor = Spied()

    # when
    answers = [await page(executor, world, "", "edges { node { download { expiresAt } } }") for _ in range(3)]

    # then
    assert not any(isinstance(answer.data["record"]["attachments"], msgspec.Raw) for answer in answers)


class Noting(Spied):
    """An executor that knows the parts of its plans without keeping them."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: set[weakref.ref[Any]] = set()

    async def _run(self, *args: Any) -> Answer | None:
        named = args[0].__globals__.values()
        self.parts |= {
            weakref.ref(one) for one in named if isinstance(one, FunctionType) and one.__name__ == "made"
        }
        return await super()._run(*args)

    def alive(self) -> int:
        """Count the parts that somebody holds."""
        return sum(part() is not None for part in self.parts)


async def test_forms_do_not_keep_the_plans_that_they_were_written_by(world: World) -> None:
    """Plans are bounded by their documents and forms by their bytes: a form may outlive its plan, which is larger."""
    # given
    executor = Noting()
    for _ in range(3):
        await page(executor, world, "", "edges { node { id } }")
        await answered(executor, world, "id")
    before = executor.alive()

    # when other documents take the place of theirs
    for number in range(8):
        text = f"{{ a{number}: __typename }}{' ' * 10_000_000}"
        await executor.execute(executor.document(text), {}, None, world.context(), read_only=True)
    gc.collect()

    # then
    assert before > 2
    assert executor.alive() == 0
