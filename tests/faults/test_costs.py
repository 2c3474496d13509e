"""What queries cost in upstream requests: exact numbers, which the README promises."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from gateway.domain.refs import Ref, RefType
from gateway.sandbox.espocrm import seed as espocrm
from gateway.sandbox.upstream import Fault
from tests.identifiers import IDS
from tests.world import World, running_world

TREE = """query($by: LibraryLookup!) { library(by: $by) {
  files { ...F } folders { ...D folders { ...D folders { ...D folders { ...D folders { ...D folders { ...D } } } } } }
} }
fragment D on Folder { id name files { ...F } }
fragment F on File { id name reference checksum documentDate size mediaType createdAt }"""
LIBRARY = {"by": {"source": "arrhes", "organization": "org1", "year": "2025"}}
MAILS = """query($by: [RecordLookup!]!) { records(by: $by) { attachments(first: 100) { edges { node {
  id name mediaType size createdAt updatedAt viewerCanUpdate viewerCanDelete } } } } }"""
NODES = "query($ids: [ID!]!) { nodes(ids: $ids) { id ... on StoredFile { name size source { name } } } }"
PATIENCE = 120.0
"""Seconds that the gateway and its clients wait here: on a busy machine a thousand take a while to come in."""
PINGS = 20
"""Small queries, one after the other, behind the thousand: once they are answered, all of those wait for theirs."""
LISTED = """query($by: [RecordLookup!]!) { records(by: $by) { attachments(first: 100) { edges { node { id } } } } }"""


def mails(numbers: range) -> dict[str, Any]:
    """Name mails."""
    return {"by": [{"mail": {"source": "maarch", "resId": number}} for number in numbers]}


def ids_of(world: World, lookups: list[dict[str, Any]]) -> list[str]:
    """Ask for the identifiers of the attachments of some records, and forget what that cost."""
    records = world.data(LISTED, {"by": lookups})["records"]
    world.reset()
    return [edge["node"]["id"] for record in records for edge in record["attachments"]["edges"]]


def count(folders: list[dict[str, Any]]) -> tuple[int, int]:
    """Count the folders and files of an answered tree."""
    below = [count(folder.get("folders") or []) for folder in folders]
    files = sum(len(folder["files"]) for folder in folders)
    return len(folders) + sum(n for n, _ in below), files + sum(n for _, n in below)


def test_the_whole_tree_costs_two(world: World) -> None:
    """200 folders on 6 levels with their files come by the two lists of the source."""
    # when
    library = world.data(TREE, LIBRARY)["library"]

    # then
    folders, files = count(library["folders"])
    assert folders == 200
    assert files + len(library["files"]) >= 1000
    assert world.requests() == 2


def test_fifty_mails_cost_fifty(world: World) -> None:
    """Each mail's list is one request, and 8 fields of 10 attachments are in it."""
    # when
    records = world.data(MAILS, mails(range(100, 150)))["records"]

    # then
    assert sum(len(record["attachments"]["edges"]) for record in records) == 500
    assert world.requests() == 50


def test_a_hundred_attachments_of_ten_cases_cost_ten(world: World) -> None:
    """Attachments of one case come by the list of the case, however many are asked for."""
    # given
    lookups = [{"case": {"source": "decisiv", "caseId": f"CASE-{n}"}} for n in range(1001, 1011)]
    ids = ids_of(world, lookups)

    # when
    nodes = world.data(NODES, {"ids": ids})["nodes"]

    # then
    assert [node["id"] for node in nodes] == ids
    assert (len(ids), world.requests()) == (100, 10)


def test_a_hundred_crm_files_cost_one_for_an_administrator(world: World) -> None:
    """EspoCRM's administrator gets any number of attachments by one `where in`."""
    # given
    seeded = _espocrm_ids()[:100]

    # when
    nodes = world.data(NODES, {"ids": seeded})["nodes"]

    # then
    assert all(nodes)
    assert (len(nodes), world.requests()) == (100, 1)


def _espocrm_ids() -> list[str]:
    attachments = espocrm.seeded().records["Attachment"].values()
    keys = (record.id for record in attachments if not record.deleted)
    return [IDS.seal(Ref("espocrm", RefType.ATTACHMENT, (key,))) for key in keys]


@pytest.fixture(scope="module")
def patient() -> Iterator[World]:
    """Start a world whose gateway waits for a held answer."""
    with running_world(deadline=PATIENCE, sources={"try_timeout": PATIENCE}) as world:
        yield world


@pytest.mark.parametrize(
    ("query", "variables", "kind", "cost"),
    [(TREE, LIBRARY, "arrhes", 2), (MAILS, mails(range(100, 110)), "maarch", 10)],
    ids=["tree", "mails"],
)
def test_a_thousand_equal_queries_at_once_cost_as_much_as_one(
    patient: World, query: str, variables: dict[str, Any], kind: str, cost: int
) -> None:
    """Whoever asks while the answer is on its way shares it: the upstream sees one of each request.

    The upstream holds its answers until all thousand have come in, so that they are at once beyond doubt.
    """
    # given
    world = patient
    world.reset()
    world.data(query, variables)  # the credential is known to work, and the plan is made
    world.reset()
    hold = threading.Event()
    world.upstreams[kind].fault = Fault(hold=hold)

    # when
    answers = asyncio.run(_ask_together(world, query, variables, 1000, hold.set))

    # then
    assert len(set(answers)) == 1
    assert world.requests() == cost


async def _ask_together(
    world: World, query: str, variables: dict[str, Any], times: int, release: Callable[[], None]
) -> list[bytes]:
    already = world.door.arrived
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
    async with httpx.AsyncClient(timeout=PATIENCE, limits=limits) as client:
        body = {"query": query, "variables": variables}
        asked = [client.post(f"{world.gateway}/graphql", json=body) for _ in range(times)]
        tasks = [asyncio.create_task(one) for one in asked]
        async with asyncio.timeout(PATIENCE):
            while world.door.arrived < already + times:  # noqa: ASYNC110 - counted in another thread
                await asyncio.sleep(0.05)
        for _ in range(PINGS):
            await client.post(f"{world.gateway}/graphql", json={"query": "{ __typename }"})
        release()
        return [(await task).content for task in tasks]
