"""Whatever a client sends, it gets a clear error with a code: never a 500, a stack trace or an upstream's body."""

import base64
from typing import Any

import pytest

from gateway.domain.refs import Ref, RefType
from tests.identifiers import IDS
from tests.world import World

LIBRARY = {"source": "arrhes", "organization": "org1", "year": "2025"}
HOSTILE_NAMES = ['"', "'; DROP TABLE files; --", "a\r\nSet-Cookie: x=1", "\u202egpj.exe", "x" * 256, "x" * 5000,
    "../../etc/passwd", "..", ".", "a/b?c#d", "%2e%2e%2f", "\x00", "é" * 200, " ", ""]  # fmt: skip
HOSTILE_IDS = [
    "", "x", "=", "AAAA", "a" * 5000, "é", "\x00", "MQ", base64.urlsafe_b64encode(b"1\x1ff").decode(),
    base64.urlsafe_b64encode(b"9\x1ff\x1farrhes\x1fx").decode().rstrip("="),
    base64.urlsafe_b64encode(b"1\x1fz\x1farrhes\x1fx").decode().rstrip("="),
    base64.urlsafe_b64encode(b"1\x1ff\x1fnowhere\x1fx").decode().rstrip("="),
    IDS.seal(Ref("maarch", RefType.ATTACHMENT, ("../101",))),
    IDS.seal(Ref("maarch", RefType.ATTACHMENT, ("1", "2"))),
    IDS.seal(Ref("decisiv", RefType.ATTACHMENT, ("..", ".."))),
    IDS.seal(Ref("decisiv", RefType.ATTACHMENT, ("CASE-1001",))),
    IDS.seal(Ref("directmail", RefType.ATTACHMENT, ("x/y", "z", ".."))),
    IDS.seal(Ref("espocrm", RefType.ATTACHMENT, ("?select=*",))),
    IDS.seal(Ref("arrhes", RefType.FILE, ("x&idFile=y",))),
    IDS.seal(Ref("arrhes", RefType.FILE, ("a", "b"))),
    IDS.seal(Ref("arrhes", RefType.ATTACHMENT, ("x",))),
    IDS.seal(Ref("maarch", RefType.FOLDER, ("1",))),
]  # fmt: skip
NODE = "query($id: ID!) { node(id: $id) { __typename id } }"
CODES = {"BAD_IDENTIFIER", "BAD_INPUT", "NOT_FOUND", "UNKNOWN_SOURCE"}


def check(answer: dict[str, Any], codes: set[str]) -> None:
    """See to it that an answer says what is wrong and nothing that is not the client's business."""
    found = {error["extensions"]["code"] for error in answer["errors"]}
    assert found <= codes, answer["errors"]
    text = str(answer)
    assert "Traceback" not in text
    assert "127.0.0.1" not in text


@pytest.mark.parametrize("text", HOSTILE_IDS)
def test_an_identifier_that_is_none(world: World, text: str) -> None:
    """An identifier that the gateway did not give, or that no object has, nulls its place with a code."""
    # when
    answer = world.ask(NODE, {"id": text})

    # then
    assert answer["data"] == {"node": None}
    check(answer, CODES)


def test_bad_identifiers_do_not_hurt_good_ones(world: World) -> None:
    """One bad key never fails its neighbours."""
    # given
    good = IDS.seal(Ref("maarch", RefType.ATTACHMENT, ("1000",)))

    # when
    answer = world.ask("query($ids: [ID!]!) { nodes(ids: $ids) { id } }", {"ids": [*HOSTILE_IDS, good]})

    # then
    assert answer["data"]["nodes"] == [*[None] * len(HOSTILE_IDS), {"id": good}]
    assert sorted(error["path"][1] for error in answer["errors"]) == list(range(len(HOSTILE_IDS)))
    check(answer, CODES)


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_a_hostile_text_in_every_place(world: World, name: str) -> None:
    """Lookups take any text and never let it out of its place in a path, a query or a header."""
    # given
    query = """query($n: String!) {
      a: library(by: {source: "arrhes", organization: $n, year: $n}) { folders { id } }
      b: library(by: {source: "arrhes", organization: "org1", year: $n}) { id }
      c: record(by: {case: {source: "decisiv", caseId: $n}}) { attachments { totalCount } }
      d: record(by: {message: {source: "directmail", project: $n, messageId: $n}}) { attachments { totalCount } }
      e: record(by: {entity: {source: "espocrm", type: $n, recordId: $n, field: $n}}) { attachments { totalCount } }
      f: source(name: $n) { id }
      g: storedFiles(in: [{record: {case: {source: $n, caseId: $n}}}]) { totalCount }
    }"""

    # when
    answer = world.ask(query, {"n": name})

    # then
    check(answer, CODES)
    for upstream in world.upstreams.values():
        for request in upstream.requests:
            assert ".." not in request.path.split("/")


@pytest.mark.parametrize(
    ("query", "codes"),
    [
        ("{ node }", {"INVALID_DOCUMENT"}),
        ("{", {"INVALID_DOCUMENT"}),
        ("{ nodes(ids: []) { id } }", {"BAD_INPUT"}),
        (f"{{ nodes(ids: {['x'] * 101}) {{ id }} }}".replace("'", '"'), {"BAD_INPUT"}),
        ('{ record(by: {mail: {source: "nowhere", resId: 1}}) { id } }', {"UNKNOWN_SOURCE"}),
        ('{ record(by: {mail: {source: "arrhes", resId: 1}}) { id } }', {"BAD_INPUT"}),
        ('{ record(by: {mail: {source: "maarch", resId: -1}}) { attachments { totalCount } } }', {"NOT_FOUND"}),
        ('{ record(by: {mail: {source: "maarch", resId: 99999999999}}) { id } }', {"INVALID_DOCUMENT"}),
        ("{ record(by: {}) { id } }", {"INVALID_DOCUMENT"}),
        ('{ library(by: {source: "maarch", organization: "a", year: "b"}) { id } }', {"BAD_INPUT"}),
        ("{ storedFiles(in: []) { totalCount } }", {"BAD_INPUT"}),
        ('{ record(by: {mail: {source: "maarch", resId: 100}}) { attachments(first: 101) { totalCount } } }',
         {"BAD_INPUT"}),
        ('{ record(by: {mail: {source: "maarch", resId: 100}}) { attachments(first: 0) { totalCount } } }',
         {"BAD_INPUT"}),
        ('{ record(by: {mail: {source: "maarch", resId: 100}}) { attachments(first: 1, last: 1) { totalCount } } }',
         {"BAD_INPUT"}),
        ('{ record(by: {mail: {source: "maarch", resId: 100}}) { attachments(after: "x") { totalCount } } }',
         {"BAD_CURSOR"}),
    ],
)  # fmt: skip
def test_a_query_that_cannot_be(world: World, query: str, codes: set[str]) -> None:
    """Sizes, kinds and cursors that cannot be are refused by name."""
    # when
    answer = world.ask(query)

    # then
    check(answer, codes)


def test_a_cursor_of_another_field(world: World) -> None:
    """A cursor holds a place in one list; in any other it is refused, not misread."""
    # given
    mails = (
        'query($n: Int!, $after: String) { record(by: {mail: {source: "maarch", resId: $n}}) { '
        "attachments(first: 2, after: $after) { pageInfo { endCursor } } } }"
    )
    cursor = world.data(mails, {"n": 100})["record"]["attachments"]["pageInfo"]["endCursor"]

    # when
    answer = world.ask(mails, {"n": 101, "after": cursor})

    # then
    check(answer, {"BAD_CURSOR"})


def test_a_link_life_that_cannot_be(world: World) -> None:
    """The life of a link has bounds, which the message names."""
    # given
    query = """query($id: ID!, $life: Int!) { node(id: $id) { ... on StoredFile {
      download(expiresIn: $life) { url } } } }"""
    good = IDS.seal(Ref("maarch", RefType.ATTACHMENT, ("1000",)))

    # when
    answers = [world.ask(query, {"id": good, "life": life}) for life in (0, 14, 3601, -1)]

    # then
    for answer in answers:
        check(answer, {"BAD_INPUT"})
        assert "15 to 3600" in answer["errors"][0]["message"]
