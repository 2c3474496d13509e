"""Tenants share a process and nothing else: no byte, no identifier, no answer, no key of one is another's."""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from gateway.domain.limits import Limits
from gateway.identity.configuration import TenantSettings
from gateway.links import utc_now
from gateway.sandbox.upstream import Fault
from gateway.uploads.journal import Journal
from gateway.uploads.tickets import TicketState, UploadMethod, new_ticket
from tests.identity.two_tenants import CANARIES, TOWNS, Towns, call, towns

RECORD = '{ mail: { source: "mail", resId: 100 } }'
LIBRARY = '{ source: "books", organization: "org1", year: "2025" }'
MAIL, BOOKS = f"record(by: {RECORD})", f"library(by: {LIBRARY})"
NAMES = f"{{ {MAIL} {{ attachments(first: 10) {{ edges {{ node {{ id name }} }} }} }} }}"
TREE = f"{{ {BOOKS} {{ id folders {{ id name folders {{ id name }} }} files {{ id name }} }} }}"
ALDER, BIRCH = TOWNS


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[Towns]:
    """Run both towns behind one gateway."""
    async with towns(tmp_path) as running:
        yield running


async def attachments(world: Towns, town: str) -> list[dict[str, Any]]:
    """List the attachments of the mail that both towns have."""
    answer = await world.ask(town, NAMES)
    return [edge["node"] for edge in answer["data"]["record"]["attachments"]["edges"]]


async def test_a_name_means_the_own_source(world: Towns) -> None:
    """Both towns have sources of these names, and each sees its own contents in them."""
    # when
    found = {town: await attachments(world, town) for town in TOWNS}

    # then
    for town in TOWNS:
        named = [one["name"] for one in found[town] if one["name"]]
        assert len(named) == 10
        assert all(CANARIES[town] in name for name in named)
    assert {one["id"] for one in found[ALDER]}.isdisjoint(one["id"] for one in found[BIRCH])


async def test_an_identifier_opens_for_its_tenant_alone(world: Towns) -> None:
    """An identifier of the other town is as one that nobody gave: the same words, and no source is asked."""
    # given
    theirs = (await attachments(world, BIRCH))[0]["id"]
    query = "query($id: ID!) { node(id: $id) { id } }"
    for upstream in world.upstreams.values():
        upstream.requests.clear()

    # when
    foreign, made_up = [await world.ask(ALDER, query, {"id": given}) for given in (theirs, "A" * len(theirs))]

    # then
    assert foreign["data"] == made_up["data"] == {"node": None}
    errors = [answer["errors"][0] for answer in (foreign, made_up)]
    assert errors[0]["message"] == errors[1]["message"]
    assert errors[0]["extensions"]["code"] == errors[1]["extensions"]["code"] == "NOT_FOUND"
    assert world.requests(ALDER) == world.requests(BIRCH) == 0


async def test_equal_queries_at_once_are_not_shared(world: Towns) -> None:
    """The same text at the same moment is one execution within a town, and never one for both."""
    # given
    for upstream in world.upstreams.values():
        upstream.fault = Fault(delay=0.2)

    # when
    bodies = await asyncio.gather(*(world.raw(town, NAMES) for town in TOWNS * 50))

    # then
    for town, body in zip(TOWNS * 50, bodies, strict=True):
        other = BIRCH if town == ALDER else ALDER
        assert CANARIES[town].encode() in body
        assert CANARIES[other].encode() not in body
    assert 1 <= world.requests(ALDER) < 50
    assert 1 <= world.requests(BIRCH) < 50


async def test_a_link_leads_to_the_file_of_its_tenant(world: Towns) -> None:
    """A link holds whose it is: the same file of the same source of another town is not what it opens."""
    # given
    query = "query($id: ID!) { node(id: $id) { ... on Attachment { download(expiresIn: 60) { url } } } }"
    links = {}
    for town in TOWNS:
        answer = await world.ask(town, query, {"id": (await attachments(world, town))[0]["id"]})
        links[town] = answer["data"]["node"]["download"]["url"].partition("8000")[2]

    # when
    answers = {town: await call(world.app, "GET", links[town], []) for town in TOWNS}

    # then
    for town in TOWNS:
        assert answers[town].status == 200
        assert CANARIES[town].encode() in answers[town].headers[b"content-disposition"]


async def test_a_key_of_one_tenant_replays_nothing_of_another(world: Towns) -> None:
    """Both towns make a folder under the same idempotency key, and each gets its own."""
    # given
    mutation = (
        f'mutation {{ foldersCreate(input: {{idempotencyKey: "same", folders: [{{parent: {{library: {LIBRARY}}},'
        ' name: "2026"}]}) { folders { id name } userErrors { message } } }'
    )

    # when
    made = {town: (await world.ask(town, mutation)) for town in TOWNS}

    # then
    folders = {town: made[town]["data"]["foldersCreate"]["folders"][0]["id"] for town in TOWNS}
    assert folders[ALDER] != folders[BIRCH]
    for town in TOWNS:
        tree = (await world.ask(town, TREE))["data"]["library"]["folders"]
        assert [one["id"] for one in tree if one["name"] == "2026"] == [folders[town]]


async def test_limits_are_the_tenants_own(tmp_path: Path) -> None:
    """One town may ask deeper than the other, and do more."""
    # given
    settings = (
        TenantSettings(name=ALDER, limits=Limits(depth=2)),
        TenantSettings(name=BIRCH, scopes=("files:read",)),
    )
    write = 'mutation { filesUpdate(input: {idempotencyKey: "k", files: []}) { files { id } } }'
    async with towns(tmp_path, tenants=settings) as world:
        # when
        codes = {
            (town, query): [
                error["extensions"]["code"] for error in (await world.ask(town, query)).get("errors", [])
            ]
            for town in TOWNS
            for query in (NAMES, write)
        }

    # then
    assert codes[ALDER, NAMES] == ["TOO_COMPLEX"]
    assert codes[BIRCH, NAMES] == []
    assert codes[BIRCH, write] == ["INSUFFICIENT_SCOPE"]
    assert "INSUFFICIENT_SCOPE" not in codes[ALDER, write]


# The journal


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Journal]:
    """Open a journal."""
    opened = await Journal.open(f"sqlite:///{tmp_path}/uploads.db", utc_now)
    yield opened
    await opened.aclose()


def ticket(tenant: str, key: str) -> Any:
    """Announce an upload to the target that both tenants have."""
    return new_ticket(
        principal="anna",
        tenant=tenant,
        target="same",
        name="a.pdf",
        media_type="application/pdf",
        size=1,
        method=UploadMethod.PUT,
        object_key=key,
        now=datetime.now(UTC),
        lifetime=timedelta(hours=1),
    )


async def sending(journal: Journal, tenant: str) -> Any:
    """Bring an upload of a tenant to where it is being sent."""
    made = ticket(tenant, f"{tenant}/1")
    await journal.create([made])
    claimed = await journal.claim(made.id, "worker", 60.0)
    verified = await journal.advance(claimed, TicketState.VERIFIED, etag="e", verified_size=1)
    return await journal.advance(verified, TicketState.SENDING)


async def test_uploads_of_another_tenant_are_not_there(journal: Journal) -> None:
    """Neither by their ids, nor as rivals for what a source shows, nor as what is accounted for already."""
    # given
    ours, theirs = await sending(journal, ALDER), await sending(journal, BIRCH)
    sent = await journal.advance(theirs, TicketState.SENT, result="object-1")

    # when
    found = await journal.get_many([ours.id, theirs.id], ALDER)
    rivals = await journal.rivals(ours)
    accounted = await journal.by_target("same", ALDER)
    adopted = await journal.adopt(ours, "object-1")

    # then
    assert [type(one).__name__ for one in found] == ["Ticket", "NotFound"]
    assert rivals == []
    assert accounted == frozenset()
    assert (adopted.result, sent.result) == ("object-1", "object-1")


async def test_what_was_written_before_tenants_is_the_default_ones(tmp_path: Path) -> None:
    """A gateway that is updated finds its uploads and keys again."""
    # given a journal of the version before, with an upload and a key
    path = tmp_path / "old.db"
    old = await Journal.open(f"sqlite:///{path}", utc_now)
    made = ticket("", "old/1")
    await old.create([made])
    await old.aclose()
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM schema_version WHERE version = 2"))
        connection.execute(
            text(
                "INSERT INTO idempotency VALUES"
                " ('', 'anna', 'foldersCreate', 'k', 'h', 'done', '{}', 1, '2026-01-01', '2026-01-01')"
            )
        )
    engine.dispose()

    # when
    new = await Journal.open(f"sqlite:///{path}", utc_now)
    found = await new.get(made.id, "default")
    await new.aclose()

    # then
    with engine.connect() as connection:
        owners = connection.execute(text("SELECT tenant FROM idempotency")).scalars().all()
    engine.dispose()
    assert found.tenant == "default"
    assert owners == ["default"]


# Canaries

QUERIES = 10_000
AT_ONCE = 40


@pytest.mark.slow
async def test_no_byte_of_another_tenant_in_ten_thousand_queries(world: Towns) -> None:
    """Two tenants ask 10,000 times each, interleaved, for equal names and native ids: 0 foreign bytes."""
    # given
    names = {town: [one["id"] for one in await attachments(world, town)] for town in TOWNS}
    trees = {town: (await world.ask(town, TREE))["data"]["library"] for town in TOWNS}
    ids = {town: [*names[town], trees[town]["folders"][0]["id"]] for town in TOWNS}
    places = f"[{{ record: {RECORD} }}]"
    merged = f"{{ storedFiles(in: {places}, first: 5) {{ edges {{ node {{ id name }} }} }} }}"
    node = "query($id: ID!) { node(id: $id) { ... on StoredFile { name } ... on Folder { name } } }"
    nodes = "query($ids: [ID!]!) { nodes(ids: $ids) { ... on StoredFile { name } ... on Folder { name } } }"
    chance = random.Random(5)  # noqa: S311 - nothing here is a secret

    def question(town: str) -> tuple[str, Any]:
        """Choose what to ask."""
        some = chance.sample(ids[town], 3)
        asked = [(NAMES, None), (merged, None), (node, {"id": some[0]}), (nodes, {"ids": some}), (TREE, None)]
        return chance.choices(asked, (50, 20, 20, 9, 1))[0]

    foreign = answered = 0
    lock = iter([town for _ in range(QUERIES) for town in TOWNS])

    async def visitor() -> None:
        nonlocal foreign, answered
        for town in lock:
            body = await world.raw(town, *question(town))
            other = BIRCH if town == ALDER else ALDER
            foreign += body.count(CANARIES[other].encode())
            answered += CANARIES[town].encode() in body and b'"errors"' not in body

    # when
    await asyncio.gather(*(visitor() for _ in range(AT_ONCE)))

    # then
    assert foreign == 0
    assert answered == 2 * QUERIES
    print(json.dumps({"queries": 2 * QUERIES, "answered": answered, "foreign bytes": foreign}))  # noqa: T201 - shown
