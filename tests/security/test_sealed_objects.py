"""What clients see of identifiers that are not theirs: nothing is there, and no source is asked."""

import base64
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from gateway.domain.refs import Ref, RefType
from gateway.identifiers import DEVELOPMENT_KEYS, Identifiers
from tests.identifiers import IDS
from tests.world import World, running_world

FILE = IDS.seal(Ref("maarch", RefType.ATTACHMENT, ("1000",)))
RECORD = IDS.seal(Ref("maarch", RefType.RECORD, ("100",)))
FOLDER = IDS.seal(Ref("arrhes", RefType.FOLDER, ("y9quhmcz",)))
MISSING = IDS.seal(Ref("maarch", RefType.ATTACHMENT, ("999999",)))
FOREIGN = Identifiers(DEVELOPMENT_KEYS, "another").seal(Ref("maarch", RefType.ATTACHMENT, ("1000",)))
NOT_THERE = "There is no such object, or it may not be seen."
NODE = "query($id: ID!) { node(id: $id) { id } }"
NODES = "query($ids: [ID!]!) { nodes(ids: $ids) { id } }"
UPLOAD = "query($id: ID!) { stagedUpload(id: $id) { id } }"
PLACES = "query($id: ID!) { storedFiles(in: [{ id: $id }]) { totalCount } }"


@pytest.fixture(scope="module")
def running() -> Iterator[World]:
    """Start the world once."""
    with running_world() as world:
        yield world


@pytest.fixture
def world(running: World) -> World:
    """Give the world without requests."""
    running.reset()
    return running


def flipped(text: str) -> Sequence[str]:
    """Flip each bit of an identifier."""
    content = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    number, length = int.from_bytes(content), len(content)
    changed = [(number ^ (1 << bit)).to_bytes(length) for bit in range(8 * length)]
    return [base64.urlsafe_b64encode(each).decode().rstrip("=") for each in changed]


def told(answer: dict[str, Any]) -> list[tuple[str, str]]:
    """Give the code and the message of each error."""
    return [(error["extensions"]["code"], error["message"]) for error in answer["errors"]]


def test_every_flipped_bit_is_not_there(world: World) -> None:
    """Nobody reaches a neighbour by changing an identifier, and trying costs the sources nothing."""
    # given
    ids = flipped(FILE)

    # when all of them are asked for, a hundred at a time
    answers = [world.ask(NODES, {"ids": ids[start : start + 100]}) for start in range(0, len(ids), 100)]

    # then
    assert [node for answer in answers for node in answer["data"]["nodes"]] == [None] * len(ids)
    assert [error for answer in answers for error in told(answer)] == [("NOT_FOUND", NOT_THERE)] * len(ids)
    assert world.requests() == 0


@pytest.mark.parametrize(
    "text", [FOREIGN, flipped(FILE)[77], "nonsense", ""], ids=lambda text: text[:8] or "empty"
)
def test_what_does_not_open_is_answered_like_what_is_missing(world: World, text: str) -> None:
    """Another tenant's object, a forged one and one that is gone look alike: the first two are not even asked for."""
    # given what is answered for an object that is not there
    missing = world.ask(NODE, {"id": MISSING})
    world.reset()

    # when
    answer = world.ask(NODE, {"id": text})

    # then
    assert answer["data"] == missing["data"] == {"node": None}
    assert told(answer) == told(missing) == [("NOT_FOUND", NOT_THERE)]
    assert world.requests() == 0


@pytest.mark.parametrize(
    ("query", "text"), [(UPLOAD, FILE), (UPLOAD, FOREIGN), (PLACES, FILE), (PLACES, FOREIGN)]
)
def test_another_type_is_not_there(world: World, query: str, text: str) -> None:
    """A file is neither an upload nor a place: what is expected decides (CVE-2025-22151)."""
    # when
    answer = world.ask(query, {"id": text})

    # then
    assert list(answer["data"].values()) == [None]
    assert told(answer) == [("NOT_FOUND", NOT_THERE)]
    assert world.requests() == 0


@pytest.mark.parametrize("text", [FILE, RECORD, FOREIGN, flipped(FOLDER)[99], "nonsense"])
def test_writes_refuse_what_is_no_folder(world: World, text: str) -> None:
    """A mutation says which of its items is wrong, and nothing is written anywhere."""
    # given
    mutation = "mutation($input: FoldersDeleteInput!) { foldersDelete(input: $input) { deletedFolderIds "
    mutation += "userErrors { code field } } }"

    # when
    payload = world.data(mutation, {"input": {"idempotencyKey": f"key of {text}", "ids": [text]}})[
        "foldersDelete"
    ]

    # then
    assert payload["deletedFolderIds"] == [None]
    assert payload["userErrors"] == [{"code": "BAD_IDENTIFIER", "field": ["input", "ids", "0"]}]
    assert world.requests() == 0


def test_answers_hold_sealed_identifiers_only(world: World) -> None:
    """Whatever an answer shows as an identifier or a cursor opens with the key, and shows nothing without it."""
    # given
    query = """{
      sources { id }
      record(by: { mail: { source: "maarch", resId: 100 } }) {
        id
        source { id }
        attachments(first: 5) { pageInfo { startCursor endCursor } edges { cursor node { id } } }
      }
      library(by: { source: "arrhes", organization: "org1", year: "2025" }) {
        id
        folders { id parent { id } files { id } }
        descendants(first: 50) { edges { cursor node { ... on Node { id } } } }
      }
    }"""

    # when
    found = list(_opaque(world.data(query)))
    contents = [base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)) for _, text in found]

    # then
    assert len(found) > 150
    for name, text in found:
        assert IDS.cursors.open(text) if name.lower().endswith("cursor") else IDS.open(text)
    assert not [content for content in contents if b"arrhes" in content or b"maarch" in content]


def _opaque(answer: Any) -> Iterator[tuple[str, str]]:
    """Find every identifier and cursor of an answer."""
    if isinstance(answer, list):
        for item in answer:
            yield from _opaque(item)
    elif isinstance(answer, dict):
        for name, value in answer.items():
            if isinstance(value, str) and (name == "id" or name.lower().endswith("cursor")):
                yield name, value
            yield from _opaque(value)
