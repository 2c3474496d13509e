"""Limits hold before anything is executed: what is over one costs no upstream request (OWASP: denial of service).

Each row is a limit of a production gateway, with documents that other servers have let through.
"""

import json
from collections.abc import Iterator
from itertools import islice, product
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.execution.limiting import TREE, doubling, nested, records, spread_over
from tests.security.production import READER, codes, posted, production
from tests.security.served import connected, read_all, statuses
from tests.world import World

MEBIBYTE = 1024 * 1024
LARGEST = 256 * 1024
MAIL = '{ mail: { source: "maarch", resId: 100 } }'
POST = b"POST /graphql HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
POST += b"Authorization: Bearer %s\r\n" % READER.encode()
HINTS = ("did you mean", "Did you mean", "didn't you mean")


def aliased(count: int) -> str:
    """Write one document of aliases."""
    return "{ sources { " + " ".join(f"a{n}: name" for n in range(count)) + " } }"


def fragments_in_fragments(levels: int) -> str:
    """Write fragments each of which spreads the next one, with aliases on every level."""
    links = (
        f"fragment F{n} on Folder {{ a{n}: name b{n}: name folders {{ ...F{n + 1} }} }}" for n in range(levels)
    )
    return f"{{ {TREE} {{ folders {{ ...F0 }} }} }} {' '.join(links)} fragment F{levels} on Folder {{ name }}"


OVER: dict[str, tuple[str, Any]] = {
    "depth of 16": (nested(16), None),
    "depth of 100": (nested(100), None),
    "31 aliases": (spread_over(1, 30), None),
    "30 aliases of 30 by a fragment": (spread_over(30, 30), None),
    "400 aliases": (aliased(400), None),
    "1,000 aliases": (aliased(1000), None),
    "batch by aliases": ("{ " + " ".join(f'a{n}: node(id: "x") {{ id }}' for n in range(31)) + " }", None),
    "500 directives": ("{ sources { name " + "@skip(if: false) " * 500 + "} }", None),
    "500 fields with directives": ("{ sources { " + "kind @skip(if: false) " * 300 + "} }", None),
    "fragments in fragments": (fragments_in_fragments(20), None),
    "fragments that double": (doubling(60), None),
    "2,001 tokens": ("{ " + "__typename " * 1999 + "}", None),
    "comments": ("{ __typename }" + "#\n" * 5000, None),
    "fields that are merged": (f"{{ {TREE} {{ {'folders { id } ' * 400} }} }}", None),
    "30 fields at the root": ("{ " + "__typename " * 30 + "}", None),
    "150 levels": (nested(150), None),
    "upstream requests": records(101, 1),
    "nodes": records(100, 100),
}


@pytest.fixture(scope="module")
def running() -> Iterator[World]:
    """Start a gateway as in production."""
    with production() as world:
        yield world


@pytest.fixture
def world(running: World) -> World:
    """Give the world without requests."""
    running.reset()
    return running


@pytest.fixture(scope="module")
def roomy() -> Iterator[World]:
    """Start a gateway whose operator takes requests of four megabytes."""
    with production(largest_request=4 * MEBIBYTE) as world:
        yield world


# Documents


@pytest.mark.parametrize("told", OVER)
def test_what_is_over_a_limit_costs_nothing(world: World, told: str) -> None:
    """A request error that says which limit it is, and nothing else happens."""
    # given
    text, variables = OVER[told]

    # when
    status, body = posted(world, text, variables)

    # then
    assert status == 400
    assert set(codes(body)) == {"TOO_COMPLEX"}
    assert "data" not in body
    assert world.requests() == 0


def test_what_is_within_the_limits_is_answered(world: World) -> None:
    """The documents above are refused for their size alone."""
    # when
    status, body = posted(world, spread_over(5, 5))

    # then
    assert status == 200
    assert "errors" not in body
    assert world.requests() == 2


@pytest.mark.parametrize("filling", ["a ", "#\n", '"""x""" ', "{", "[", "...F ", "@a "])
def test_a_megabyte_is_refused_by_its_tokens(roomy: World, filling: str) -> None:
    """Where an operator takes large requests a document is still read no further than the limit of tokens."""
    # given
    roomy.reset()
    text = "{ " + filling * (MEBIBYTE // len(filling)) + " }"

    # when
    status, body = posted(roomy, text)

    # then
    assert status == 400
    assert codes(body)[0] in ("TOO_COMPLEX", "INVALID_DOCUMENT")
    assert roomy.requests() == 0


def test_one_long_token_is_refused(roomy: World) -> None:
    """A name or a text of a megabyte is one token, and still no reason to quote it at length or to hang."""
    # given
    roomy.reset()

    # when
    answers = [
        posted(roomy, text)
        for text in ("{ " + "a" * MEBIBYTE + " }", '{ source(name: "' + "a" * MEBIBYTE + '") { name } }')
    ]

    # then
    assert [status for status, _ in answers] == [400, 200]
    assert codes(answers[1][1]) == ["UNKNOWN_SOURCE"]
    assert roomy.requests() == 0


@pytest.mark.parametrize("depth", [201, 3000, 60_000])
@pytest.mark.parametrize(
    "opening", ["{ sources(x: " + "[", "{ sources(x: " + "{ a: ", "{ a ", "query ($x: " + "["]
)
def test_nesting_without_end_is_refused(world: World, depth: int, opening: str) -> None:
    """Lists, objects, selections and types that are nested too deeply end in an error, not in a crash."""
    # given
    head, bracket = opening[:-1], opening[-1] if not opening.endswith(" ") else ""
    text = head + bracket * depth if bracket else opening * depth

    # when
    status, body = posted(world, text[: LARGEST // 2])

    # then
    assert status == 400
    assert set(codes(body)) <= {"TOO_COMPLEX", "INVALID_DOCUMENT"}
    assert world.requests() == 0


def test_json_nested_without_end_is_refused(world: World) -> None:
    """The same in variables and in the body itself."""
    # given
    deep = "[" * 3000 + "]" * 3000
    bodies = [deep, f'{{"query": "{{ __typename }}", "variables": {{"a": {deep}}}}}']

    # when
    answers = [
        world.client.post(
            f"{world.gateway}/graphql", content=body, headers={"content-type": "application/json"}
        )
        for body in bodies
    ]

    # then
    assert [answer.status_code for answer in answers] == [400, 400]
    assert world.requests() == 0


# Sizes of connections


@pytest.mark.parametrize(
    ("page", "named"),
    [("first: 101", "first"), ("last: 101", "last"), ("first: 0", "first"), ("first: -1", "first")],
)
def test_a_page_has_its_bounds(world: World, page: str, named: str) -> None:
    """A page of 101 is the caller's mistake: the field is null and its source is not asked."""
    # when
    status, body = posted(world, f"{{ record(by: {MAIL}) {{ attachments({page}) {{ totalCount }} }} }}")

    # then
    assert status == 200
    assert body["data"] == {"record": {"attachments": None}}
    assert codes(body) == ["BAD_INPUT"]
    assert f"`{named}`" in body["errors"][0]["message"]
    assert world.requests() == 0


@pytest.mark.parametrize(
    "query",
    [
        f"{{ storedFiles(in: [{{ record: {MAIL} }}], first: 101) {{ totalCount }} }}",
        f"{{ storedFiles(in: [{', '.join([f'{{ record: {MAIL} }}'] * 51)}]) {{ totalCount }} }}",
        f"{{ {TREE} {{ descendants(first: 1001) {{ totalCount }} }} }}",
        f"{{ {TREE} {{ descendants(depth: 16) {{ totalCount }} }} }}",
        "{ nodes(ids: []) { id } }",
    ],
)
def test_lists_have_their_bounds(world: World, query: str) -> None:
    """The same for every other list that a client may ask for."""
    # when
    _, body = posted(world, query)

    # then
    assert codes(body) == ["BAD_INPUT"]
    assert world.requests() == 0


# The HTTP request


def test_a_large_body_is_refused_when_it_is_announced(world: World) -> None:
    """A body that says how large it is is refused before one byte of it has come."""
    # given
    head = POST + b"Content-Length: %d\r\n\r\n" % (1024 * MEBIBYTE)

    # when only the head is sent
    with connected(world.gateway) as connection:
        connection.sendall(head)
        answer = read_all(connection)

    # then
    assert statuses(answer) == [413]
    assert world.requests() == 0


def test_a_large_body_is_refused_when_it_grows(world: World) -> None:
    """A body that does not say how large it is is refused at the limit, while its client still sends."""
    # given
    head = POST + b"Transfer-Encoding: chunked\r\n\r\n"
    chunk = b"4000\r\n" + b" " * 0x4000 + b"\r\n"

    # when one chunk more than the limit is sent, and no end
    with connected(world.gateway) as connection:
        connection.sendall(head + chunk * (LARGEST // 0x4000 + 1))
        answer = read_all(connection)

    # then
    assert statuses(answer) == [413]
    assert world.requests() == 0


@pytest.mark.parametrize(
    "more",
    [b"X-Large: " + b"a" * 70_000 + b"\r\n", b"".join(b"X-%d: a\r\n" % n for n in range(200))],
    ids=["64 KiB", "200 headers"],
)
def test_a_large_head_is_refused(world: World, more: bytes) -> None:
    """Headers have a bound in bytes and in number."""
    # given
    head = POST + b"Content-Length: 0\r\n" + more + b"\r\n"

    # when
    with connected(world.gateway) as connection:
        connection.sendall(head)
        answer = read_all(connection)

    # then
    assert statuses(answer) in ([400], [431])
    assert world.requests() == 0


@pytest.mark.parametrize("count", [0, 1, 2, 11])
def test_batches_are_refused(world: World, count: int) -> None:
    """An array of operations would multiply every limit, and is nothing that this endpoint takes."""
    # given
    batch = [{"query": f"{{ record(by: {MAIL}) {{ attachments {{ totalCount }} }} }}"}] * count

    # when
    answer = world.client.post(f"{world.gateway}/graphql", json=batch)

    # then
    assert answer.status_code == 400
    assert world.requests() == 0


# What errors give away


def probes() -> Iterator[str]:
    """Write wrong documents of every kind, each a letter or so away from the right one."""
    fields = (
        "nod",
        "nodess",
        "source_",
        "sourcess",
        "recrd",
        "librari",
        "storedFile",
        "stagedUplod",
        "query",
        "qu",
    )
    types = (
        "Attachmen",
        "Fil",
        "Foldr",
        "Recor",
        "StoredFil",
        "MaarchDetail",
        "Sourc",
        "Librar",
        "Nod",
        "Quer",
    )
    arguments = ("i", "idd", "nam", "b", "bye", "firs", "frst", "ord", "wher", "afte")
    yield from (f"{{ {field} {{ id }} }}" for field in fields)
    yield from (f'{{ node(id: "x") {{ ... on {name} {{ id }} }} }}' for name in types)
    yield from (f"query($x: {name}) {{ sources(x: $x) {{ id }} }}" for name in types)
    yield from (f'{{ node({argument}: "x") {{ id }} }}' for argument in arguments)
    yield from (
        f"{{ sources {{ {name[:-1]}x }} }}" for name in ("name", "kind", "idd", "capabilitie", "displayNam")
    )
    yield from (f"{{ __typename @{name} }}" for name in ("skp", "includ", "deprecate", "specifiedB", "oneO"))
    wrong = ("FIRST", "NAM", "SIZ", "CREATED_A", "UPDATED_ATT", "ASCC", "DES", "name", "size", "asc")
    yield from (
        f"{{ record(by: {MAIL}) {{ attachments(orderBy: {{ {key}: {value} }}) {{ totalCount }} }} }}"
        for key, value in product(("field", "fields", "direction", "directio"), wrong)
    )
    yield from (
        f"{{ record(by: {{ {key}: {{ {inner}: 1 }} }}) {{ kind }} }}"
        for key, inner in product(
            ("mail", "mai", "case", "cas", "entit"), ("resId", "resI", "sourc", "caseI", "recordI")
        )
    )
    yield from (
        f'mutation {{ {name}(input: {{ idempotencyKe: "x" }}) {{ userError {{ cod }} }} }}'
        for name in (
            "filesUpdat",
            "foldersCreate",
            "foldersDelet",
            "storedFilesDelete",
            "attachmentsLin",
            "stagedUploadsCreat",
        )
    )
    yield from (
        f"{{ {TREE} {{ {outer} {{ {inner} }} }} }}"
        for outer, inner in product(
            ("folders", "folder", "files", "file", "descendants", "descendant", "sourc", "yea"),
            (
                "nam",
                "i",
                "paren",
                "ancestor",
                "librar",
                "placemen",
                "edge",
                "totalCoun",
                "createdA",
                "updatedB",
            ),
        )
    )


def test_no_error_suggests_anything(world: World) -> None:
    """In production nobody finds out by guessing what the schema has."""
    # given
    texts = list(islice(probes(), 300))

    # when
    answers = [posted(world, text)[1] for text in texts]
    shown = json.dumps(answers)

    # then
    assert len(texts) >= 200
    assert all(answer["errors"] for answer in answers)
    assert not [hint for hint in HINTS if hint in shown]
    assert world.requests() == 0


def test_variables_suggest_nothing(world: World) -> None:
    """Values of variables are compared with the schema by another part of graphql-core, which guesses as well."""
    # given
    query = "query($by: RecordLookup!, $order: StoredFileOrder) "
    query += "{ record(by: $by) { attachments(orderBy: $order) { totalCount } } }"
    wrong: list[Any] = [
        {"by": {"mai": {"source": "maarch", "resId": 100}}},
        {"by": {"mail": {"sourc": "maarch", "resId": 100}}},
        {"by": {"mail": {"source": "maarch", "resId": 100}}, "order": {"field": "NAM"}},
        {"by": {"mail": {"source": "maarch", "resId": 100}}, "order": {"fiel": "NAME"}},
    ]

    # when
    answers = [posted(world, query, variables) for variables in wrong]

    # then
    assert [status for status, _ in answers] == [400] * len(wrong)
    assert not [hint for hint in HINTS if hint in json.dumps([body for _, body in answers])]
    assert world.requests() == 0


@pytest.mark.parametrize(
    "query",
    [
        "{ __schema { types { name } } }",
        '{ __type(name: "Query") { fields { name } } }',
        "{ ...F } fragment F on Query { x: __schema { queryType { name } } }",
        "query A { ... @include(if: true) { a: __schema { directives { name } } } }",
    ],
)
def test_there_is_no_introspection(world: World, query: str) -> None:
    """The schema is no business of strangers, whichever way they ask."""
    # when
    status, body = posted(world, query)

    # then
    assert status == 400
    assert "data" not in body
    assert codes(body) == ["INSUFFICIENT_SCOPE"]


def test_type_names_of_answers_are_no_introspection(world: World) -> None:
    """Clients with caches ask for them everywhere."""
    # when
    status, body = posted(world, "{ __typename sources { __typename name } }")

    # then
    assert status == 200
    assert body["data"]["__typename"] == "Query"
    assert {source["__typename"] for source in body["data"]["sources"]} == {"Source"}


def test_the_origin_is_where_the_tests_think(world: World) -> None:
    """The raw requests above reach the gateway: a small one is answered."""
    # given
    assert urlsplit(world.gateway).hostname == "127.0.0.1"
    body = b'{"query":"{__typename}"}'
    head = POST + b"Connection: close\r\n"

    # when
    with connected(world.gateway) as connection:
        connection.sendall(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        answer = read_all(connection)

    # then
    assert statuses(answer) == [200]
