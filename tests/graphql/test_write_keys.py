"""One key, one effect: what happens to requests that come twice, at once, or with another body."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from gateway.context import RequestContext
from gateway.domain.errors import OutcomeUnknown
from gateway.links import utc_now
from gateway.transport.call import Call
from gateway.uploads.idempotency import RequestKey
from gateway.uploads.journal import Journal
from gateway.writes import Outcome, Writer
from tests.execution.world import ANYBODY
from tests.graphql.places import EXECUTOR, LINKS
from tests.graphql.writing import ROOT, a_file, a_folder, done, node, posts, refusals, write
from tests.identifiers import IDS
from tests.world import PATIENCE, World

CREATE = """mutation($input: FoldersCreateInput!) {
  foldersCreate(input: $input) { folders { id name } userErrors { code field message } } }"""


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Journal]:
    """Open a journal of its own."""
    opened = await Journal.open(f"sqlite:///{tmp_path}/journal.db", utc_now)
    yield opened
    await opened.aclose()


def test_the_same_request_again_gets_the_same_answer_and_does_nothing(world: World) -> None:
    """A client that got no answer may send the same again: it learns what came of the first."""
    # given a folder that was made under a key, and what that took
    wanted = [{"name": "une fois", "parent": ROOT}, {"name": "", "parent": ROOT}]
    first = write(world, "foldersCreate", "folders { id name }", key="make once", folders=wanted)
    assert posts(world, "arrhes") == 1

    # when the same is sent again
    again = write(world, "foldersCreate", "folders { id name }", key="make once", folders=wanted)

    # then the answer is the same, its error too, and nothing more is made
    assert again == first
    assert refusals(again) == [("BAD_INPUT", ["input", "folders", "1"])]
    assert posts(world, "arrhes") == 1


def test_what_is_left_out_has_no_part_in_a_request(world: World) -> None:
    """A field that a later release adds must not make another request of one that is sent again after it."""
    # given
    file = a_file(world)
    sent: Any = {"key": "same", "files": [{"id": file, "name": "même.pdf"}]}
    done(world, "filesUpdate", "files { name }", **sent)

    # when it is sent again, and then with a null in place of what was left out, which takes the reference away
    again = write(world, "filesUpdate", "files { name }", **sent)
    sent["files"][0]["reference"] = None
    other = write(world, "filesUpdate", "files { name }", **sent)

    # then
    assert again["userErrors"] == []
    assert [error["code"] for error in other["userErrors"]] == ["KEY_REUSED"]


def test_an_answer_again_shows_what_is_there_now(world: World) -> None:
    """What is kept is which object it was: what has changed since is seen, and what has gone is said."""
    # given a file that was renamed under a key and once more since
    file = a_file(world)
    wanted: Any = [{"id": file, "name": "un.pdf"}]
    done(world, "filesUpdate", "files { name }", key="name once", files=wanted)
    done(world, "filesUpdate", "files { name }", files=[{"id": file, "name": "deux.pdf"}])

    # when the first is asked for again, before and after the file is deleted
    now = write(world, "filesUpdate", "files { name }", key="name once", files=wanted)
    done(world, "storedFilesDelete", "deletions { state }", ids=[file])
    later = write(world, "filesUpdate", "files { name }", key="name once", files=wanted)

    # then it says so and renames nothing
    assert now["files"] == [{"name": "deux.pdf"}]
    assert (later["files"], refusals(later)) == ([None], [("NOT_FOUND", ["input", "files", "0"])])


def test_a_key_is_good_for_one_request_of_one_mutation(world: World) -> None:
    """Another body under the same key is a mistake of the client; another mutation has keys of its own."""
    # given a key that was used
    folder = a_folder(world)
    done(world, "foldersUpdate", "folders { id }", key="one use", folders=[{"id": folder, "name": "a"}])

    # when it is used for another body, and for another mutation
    other = write(
        world, "foldersUpdate", "folders { id }", key="one use", folders=[{"id": folder, "name": "b"}]
    )
    deletion = write(world, "foldersDelete", "deletedFolderIds", key="one use", ids=[folder])

    # then the first is refused as a whole, and the second done
    assert (other["folders"], refusals(other)) == ([None], [("KEY_REUSED", ["input"])])
    assert deletion["deletedFolderIds"] == [folder]


@pytest.mark.parametrize(
    ("values", "wrong"),
    [
        ({"key": "k" * 256, "ids": ["a"]}, "idempotencyKey"),
        ({"ids": []}, "ids"),
        ({"ids": ["a"] * 51}, "ids"),
    ],
)
def test_keys_and_lists_have_bounds(world: World, values: dict[str, Any], wrong: str) -> None:
    """A key is short and a list neither empty nor endless; what is refused uses no key up."""
    # given a request out of its bounds

    # when it is sent
    payload = write(world, "storedFilesDelete", "deletions { state }", **values)

    # then it is refused as a whole, with a null for each item
    assert refusals(payload) == [("BAD_INPUT", ["input"])]
    assert wrong in payload["userErrors"][0]["message"]
    assert payload["deletions"] == [None] * len(values["ids"])


async def test_a_hundred_at_once_with_one_key_make_one_folder(world: World) -> None:
    """One does the work, the others wait for its answer, and nobody can tell which was which."""
    # given a hundred equal requests
    parent = a_folder(world)
    wanted = [{"name": "un pour tous", "parent": {"folder": parent}}]
    body = {
        "query": CREATE,
        "variables": {"input": {"idempotencyKey": "hundred at once", "folders": wanted}},
    }

    # when they are sent at once
    async with httpx.AsyncClient(timeout=PATIENCE) as client:
        answers = await asyncio.gather(
            *(client.post(f"{world.gateway}/graphql", json=body) for _ in range(100))
        )

    # then there is one folder, and a hundred equal answers
    assert {answer.status_code for answer in answers} == {200}
    bodies = [answer.json() for answer in answers]
    assert bodies[0]["data"]["foldersCreate"]["userErrors"] == []
    assert [one for one in bodies if one != bodies[0]] == []
    assert posts(world, "arrhes", "/folders") == 1
    made = node(world, parent, "... on Folder { folders { name } }")
    assert made["folders"] == [{"name": "un pour tous"}]


def test_a_mutation_by_get_is_refused(world: World) -> None:
    """A link or a crawler must not change anything."""
    # given
    query = 'mutation { foldersDelete(input: {idempotencyKey: "k", ids: ["a"]}) { deletedFolderIds } }'

    # when
    answer = world.client.get(f"{world.gateway}/graphql", params={"query": query})

    # then
    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST"
    assert world.requests() == 0


async def test_without_a_journal_nothing_is_written() -> None:
    """What cannot be remembered cannot be done once, so it is not done."""
    # given a request without a journal
    context = RequestContext.make(ANYBODY, Call.lasting(10), {}, LINKS, IDS)
    text = """mutation { storedFilesDelete(input: {idempotencyKey: "k", ids: ["a"]}) {
      deletions { state } userErrors { __typename code field ... on UpstreamError { retryable } } } }"""

    # when it writes
    answer = await EXECUTOR.execute(EXECUTOR.document(text), {}, None, context, read_only=False)
    context.close()

    # then it is told so
    error = {
        "__typename": "UpstreamError",
        "code": "STORAGE_UNAVAILABLE",
        "field": ["input"],
        "retryable": True,
    }
    assert answer.errors == []
    assert answer.data == {"storedFilesDelete": {"deletions": [None], "userErrors": [error]}}


@pytest.mark.parametrize("repeatable", [True, False])
async def test_what_makes_twins_is_never_taken_up_again(journal: Journal, repeatable: bool) -> None:
    """Whether a process that died had made a folder is not known, however often it is asked; nor is another made."""
    # given a write that somebody began and died of
    writer = Writer(
        journal=journal, call=Call.lasting(10), principal="anna", tenant="default", drop=lambda: None
    )
    digest = hashlib.sha256(msgspec.json.encode("body")).hexdigest()
    key = RequestKey(writer.tenant, writer.principal, "foldersCreate", "key")
    await journal.begin(key, digest, lease_seconds=0)
    done_again = []

    async def do() -> list[Outcome]:
        done_again.append(True)
        return [Outcome("made")]

    async def outcome() -> str:
        try:
            (found,) = await writer.write("foldersCreate", "key", "body", do, repeatable=repeatable)
        except OutcomeUnknown:
            return "unknown"
        return found.id or ""

    # when it is asked for again and again
    outcomes = [await outcome() for _ in range(3)]

    # then it is taken up once where that does no harm, and else never
    assert outcomes == (["made"] * 3 if repeatable else ["unknown"] * 3)
    assert done_again == ([True] if repeatable else [])
