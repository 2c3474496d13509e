"""Persisted documents: named by hash or identifier, checked at the start, bounded, and in a list all there is."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.asgi import create_app
from gateway.domain.edge import EdgeSettings, PersistedSettings
from gateway.domain.errors import InvalidDocument, PersistedQueryNotFound
from gateway.domain.secret import Secret
from gateway.identity.api_keys import new_key
from gateway.identity.configuration import ApiKeySettings
from gateway.web.negotiation import JSON, RESPONSE_JSON, Parameters
from gateway.web.persisted import Automatic, Documents, ManifestError, digest_of, read_manifest
from tests.security.served import make_settings, served

NAMES = "query Names { sources { name } }"
TYPE = "query Type { __typename }"
WRITE = 'mutation Write { storedFilesDelete(input: {ids: [], idempotencyKey: "x"}) { userErrors { code } } }'
OTHER = "{ __typename }"
ANSWER = {"data": {"sources": [{"name": "maarch"}]}}


def apollo(*texts: str) -> dict[str, Any]:
    """Write a manifest as Apollo's generator does."""
    return {
        "format": "apollo-persisted-query-manifest",
        "version": 1,
        "operations": [
            {"id": digest_of(text), "body": text, "name": text.split()[1], "type": text.split()[0]}
            for text in texts
        ],
    }


def relay(*texts: str) -> dict[str, str]:
    """Write a manifest as the Relay compiler does."""
    return {hashlib.md5(text.encode(), usedforsecurity=False).hexdigest(): text for text in texts}


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Write a manifest of two queries and a mutation, with names of its own for them."""
    path = tmp_path_factory.mktemp("manifest") / "documents.json"
    path.write_text(json.dumps({"names": NAMES, "type": TYPE, "x-app:write": WRITE}))
    return str(path)


@pytest.fixture(scope="module")
def open_client(manifest: str) -> Iterator[httpx.Client]:
    """Ask a gateway that takes documents from everybody and wants the header for a GET that sends one."""
    settings = {"persisted": PersistedSettings(manifest=manifest), "edge": EdgeSettings(preflight=True)}
    with served(**settings) as origin, httpx.Client(base_url=origin) as made:
        yield made


@pytest.fixture(scope="module")
def closed_client(manifest: str) -> Iterator[httpx.Client]:
    """Ask a gateway that executes the documents of its manifest alone."""
    with (
        served(persisted=PersistedSettings(manifest=manifest, only=True)) as origin,
        httpx.Client(base_url=origin) as made,
    ):
        yield made


def apq(text: str, version: int = 1) -> dict[str, Any]:
    """Name a document as Apollo Client and urql do."""
    return {"persistedQuery": {"version": version, "sha256Hash": digest_of(text)}}


def code(answer: httpx.Response) -> str:
    """Give the code of the one error of an answer that has no data."""
    body = answer.json()
    assert "data" not in body
    assert len(body["errors"]) == 1
    found: str = body["errors"][0]["extensions"]["code"]
    return found


def get(client: httpx.Client, **parameters: Any) -> httpx.Response:
    """Ask by GET with parameters as JSON where they are no text."""
    written = {key: value if isinstance(value, str) else json.dumps(value) for key, value in parameters.items()}
    return client.get("/graphql", params=written)


@pytest.mark.parametrize("name", [f"sha256:{digest_of(NAMES)}", digest_of(NAMES), "names"])
def test_a_document_is_named(open_client: httpx.Client, name: str) -> None:
    """By its SHA-256 as GraphQL over HTTP writes it, or as the manifest calls it; a GET needs no header."""
    # when
    answers = [open_client.post("/graphql", json={"documentId": name}), get(open_client, documentId=name)]

    # then
    assert [answer.json() for answer in answers] == [ANSWER, ANSWER]


def test_a_hash_of_apollo_names_it_as_well(open_client: httpx.Client) -> None:
    """Documents of the manifest need no registration by those clients."""
    # when
    answers = [
        open_client.post("/graphql", json={"extensions": apq(NAMES)}),
        get(open_client, extensions=apq(NAMES), operationName="Names"),
    ]

    # then
    assert [answer.json() for answer in answers] == [ANSWER, ANSWER]


@pytest.mark.parametrize(("accept", "status"), [(JSON, 200), (RESPONSE_JSON, 400)])
def test_a_document_is_registered(open_client: httpx.Client, accept: str, status: int) -> None:
    """Unknown at first, in the words that clients look for; sent along once; then known, by GET too."""
    # given
    text = f"query Registered {{ __typename }} # for {status}"
    headers = {"accept": accept}

    # when
    first = open_client.get("/graphql", params={"extensions": json.dumps(apq(text))}, headers=headers)
    second = open_client.post("/graphql", json={"query": text, "extensions": apq(text)}, headers=headers)
    third = open_client.get("/graphql", params={"extensions": json.dumps(apq(text))}, headers=headers)
    fourth = open_client.post("/graphql", json={"documentId": f"sha256:{digest_of(text)}"}, headers=headers)

    # then
    assert (first.status_code, code(first)) == (status, "PERSISTED_QUERY_NOT_FOUND")
    assert first.json()["errors"][0]["message"] == "PersistedQueryNotFound"
    assert first.headers["cache-control"] == "no-store"
    assert [one.json() for one in (second, third, fourth)] == [{"data": {"__typename": "Query"}}] * 3


@pytest.mark.parametrize(
    "request_",
    [
        {"query": OTHER, "extensions": apq(NAMES)},
        {"query": OTHER, "documentId": f"sha256:{digest_of(NAMES)}"},
        {"query": OTHER, "documentId": "names"},
        {"query": OTHER, "extensions": apq("another")},
        {"extensions": apq(NAMES, version=2)},
        {"extensions": {"persistedQuery": {"version": 1}}},
        {"extensions": {"persistedQuery": "x"}},
        {"extensions": apq(NAMES), "documentId": "type"},
    ],
    ids=range(8),
)
def test_a_false_name_is_refused(open_client: httpx.Client, request_: dict[str, Any]) -> None:
    """Nobody registers a text under the hash of another, which others would then execute."""
    # when
    answer = open_client.post("/graphql", json=request_)

    # then
    assert code(answer) == "INVALID_DOCUMENT"


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "x-app:none", "sha256:" + "0" * 64, "md5:1", "x" * 10_000]
)
def test_an_unknown_name_is_not_found(open_client: httpx.Client, name: str) -> None:
    """Names are looked up, never opened."""
    # when
    answer = open_client.post("/graphql", json={"documentId": name})

    # then
    assert code(answer) == "PERSISTED_QUERY_NOT_FOUND"


def test_a_named_write_is_no_get(open_client: httpx.Client) -> None:
    """A persisted mutation by GET is refused (405): that is why a named GET needs no header."""
    # when
    by_get = get(open_client, documentId="x-app:write")
    by_post = open_client.post("/graphql", json={"documentId": "x-app:write"})

    # then
    assert by_get.status_code == 405
    assert "storedFilesDelete" in by_post.json()["data"]


def test_registering_by_get_needs_the_header(open_client: httpx.Client) -> None:
    """A text is a text, with its hash or without."""
    # when
    answer = get(open_client, query=OTHER, extensions=apq(OTHER))

    # then
    assert answer.status_code == 400


@pytest.mark.parametrize(
    "request_",
    [
        {"query": OTHER},
        {"query": f"{NAMES} "},
        {"query": "{ __schema { types { name } } }"},
        {"query": OTHER, "extensions": apq(OTHER)},
        {"extensions": apq(OTHER)},
        {"documentId": f"sha256:{digest_of(OTHER)}"},
        {"documentId": "unknown"},
        {"query": OTHER, "documentId": "names"},
    ],
    ids=range(8),
)
def test_nothing_else_is_executed(closed_client: httpx.Client, request_: dict[str, Any]) -> None:
    """In allow-list mode no text, no registration and no unknown name gets through; a blank more is another text."""
    # when
    answers = [closed_client.post("/graphql", json=request_), get(closed_client, **request_)]

    # then
    assert [code(answer) for answer in answers] == ["DOCUMENT_NOT_ALLOWED"] * 2


def test_what_is_listed_is_executed(closed_client: httpx.Client) -> None:
    """In allow-list mode documents may be named, and sent as well, so that clients can change at their own pace."""
    # when
    answers = [
        closed_client.post("/graphql", json={"documentId": "names"}),
        closed_client.post("/graphql", json={"extensions": apq(NAMES)}),
        closed_client.post("/graphql", json={"query": NAMES}),
        closed_client.post("/graphql", json={"query": NAMES, "extensions": apq(NAMES)}),
    ]

    # then
    assert [answer.json() for answer in answers] == [ANSWER] * 4


def test_who_looks_for_faults_may_send_anything(manifest: str) -> None:
    """The scope `debug` is not held to the list; other scopes are, and so are those whom nobody knows."""
    # given
    made = {name: new_key(name) for name in ("finder", "reader")}
    keys = tuple(
        ApiKeySettings(id=name, sha256=Secret(digest), scopes=("files:read", *extra))
        for (name, (_, digest)), extra in zip(made.items(), (("debug",), ()), strict=True)
    )

    # when
    with served(
        persisted=PersistedSettings(manifest=manifest, only=True), api_keys=keys, anonymous=True
    ) as origin:
        finder, reader = (
            httpx.post(f"{origin}/graphql", json={"query": OTHER}, headers={"x-api-key": text.reveal()})
            for text, _ in made.values()
        )
        nobody = httpx.post(f"{origin}/graphql", json={"query": OTHER})

    # then
    assert finder.json() == {"data": {"__typename": "Query"}}
    assert [code(reader), code(nobody)] == ["DOCUMENT_NOT_ALLOWED"] * 2


def test_tenants_do_not_share_what_they_register() -> None:
    """Whether another tenant asks something cannot be found out by its hash."""
    # given
    documents = Documents(automatic=Automatic())
    documents.resolve(Parameters(query=TYPE, extensions=apq(TYPE)), "one")

    # when
    own = documents.resolve(Parameters(extensions=apq(TYPE)), "one")
    with pytest.raises(PersistedQueryNotFound):
        documents.resolve(Parameters(extensions=apq(TYPE)), "two")

    # then
    assert own is True


def test_registration_is_bounded() -> None:
    """In number and in bytes; those that nobody asked for longest go first, and what is used stays."""
    # given
    kept = Automatic(most=3, most_bytes=100)
    texts = ["a" * 30, "b" * 30, "c" * 30, "é" * 15]
    for text in texts[:3]:
        kept.put("", digest_of(text), text)
    kept.get("", digest_of(texts[0]))

    # when
    kept.put("", digest_of(texts[3]), texts[3])
    after_one = [kept.get("", digest_of(text)) is not None for text in texts]
    kept.put("", digest_of("x" * 100), "x" * 100)
    after_large = [kept.get("", digest_of(text)) is not None for text in [*texts, "x" * 100]]
    kept.put("", digest_of("y" * 101), "y" * 101)
    after_too_large = [kept.get("", digest_of(text)) is not None for text in ["x" * 100, "y" * 101]]

    # then
    assert after_one == [True, False, True, True]
    assert after_large == [False, False, False, False, True]
    assert after_too_large == [False, False]


def test_registration_can_be_off() -> None:
    """Clients are told to stop naming, and send their texts from then on."""
    # when
    with served(persisted=PersistedSettings(automatic=False)) as origin:
        unknown = httpx.post(f"{origin}/graphql", json={"extensions": apq(OTHER)})
        sent = httpx.post(f"{origin}/graphql", json={"query": OTHER, "extensions": apq(OTHER)})
        again = httpx.post(f"{origin}/graphql", json={"extensions": apq(OTHER)})

    # then
    assert [code(unknown), code(again)] == ["PERSISTED_QUERY_NOT_SUPPORTED"] * 2
    assert unknown.json()["errors"][0]["message"] == "PersistedQueryNotSupported"
    assert sent.json() == {"data": {"__typename": "Query"}}


@pytest.mark.parametrize("write", [apollo, relay, lambda *texts: {digest_of(text): text for text in texts}])
def test_manifests_of_others_are_read(tmp_path: Path, write: Any) -> None:
    """Apollo's list, Relay's map of hashes, and any map: each document is found by its identifier and its SHA-256."""
    # given
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps(write(NAMES, TYPE)))

    # when
    found = read_manifest(path, lambda _: ())

    # then
    assert {found[digest_of(NAMES)], found[digest_of(TYPE)]} == {NAMES, TYPE}
    assert set(found.values()) == {NAMES, TYPE}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "no manifest"),
        ("[]", "no manifest"),
        ('{"a": 1}', "no manifest"),
        ('{"operations": [{"id": "a"}]}', "no manifest"),
        ("[" * 100_000, "no manifest"),
        (json.dumps({"broken": "query Broken { nothing }"}), "the document 'broken' does not fit the schema"),
        (json.dumps({"cut": "query Cut {"}), "the document 'cut' does not fit the schema"),
        (json.dumps({digest_of(TYPE): NAMES}), "has the SHA-256"),
        (json.dumps({f"sha256:{digest_of(TYPE)}": NAMES}), "has the SHA-256"),
        (json.dumps({digest_of(TYPE): TYPE, f"sha256:{digest_of(TYPE)}": NAMES}), "has the SHA-256"),
        (
            json.dumps({"operations": [{"id": "a", "body": TYPE}, {"id": "a", "body": NAMES}]}),
            "two documents 'a'",
        ),
    ],
    ids=range(11),
)
def test_a_bad_manifest_keeps_the_gateway_from_starting(tmp_path: Path, content: str, told: str) -> None:
    """One line names the file and the document, before anybody is let in."""
    # given
    path = tmp_path / "manifest.json"
    path.write_text(content)

    # when
    with pytest.raises(ManifestError) as error:
        create_app(make_settings(persisted=PersistedSettings(manifest=str(path))))

    # then
    assert str(path) in str(error.value)
    assert told in str(error.value)
    assert len(str(error.value).splitlines()) == 1


def test_a_missing_manifest_is_told(tmp_path: Path) -> None:
    """A path that leads nowhere is a mistake of the operator, not a gateway without documents."""
    # when
    with pytest.raises(ManifestError, match="No such file"):
        create_app(make_settings(persisted=PersistedSettings(manifest=str(tmp_path / "none.json"))))


def test_a_list_needs_a_manifest() -> None:
    """Allow-list mode without a list would execute nothing."""
    # when
    with pytest.raises(ValueError, match="`only` needs the key `manifest`"):
        PersistedSettings(only=True)


def test_a_name_of_no_document_is_not_taken_for_one() -> None:
    """An empty name is no name: the text counts."""
    # given
    documents = Documents({"type": TYPE}, automatic=Automatic())

    # when
    with pytest.raises(InvalidDocument):
        documents.resolve(Parameters(query=OTHER, document_id="type"))
    named = documents.resolve(Parameters(query=OTHER, extensions={"other": 1}))

    # then
    assert named is False
