"""GraphQL over HTTP: what is asked wrongly is refused clearly, and what is asked rightly is typed rightly.

The official audits run in `tests/tooling`; here stands what they leave open.
"""

from typing import Any

import pytest

from gateway.web.negotiation import JSON, RESPONSE_JSON, Refusal, preferred_type, prefers_stream
from tests.world import World


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, JSON),
        ("*/*", JSON),
        ("application/*", JSON),
        (RESPONSE_JSON, RESPONSE_JSON),
        (f"{RESPONSE_JSON}, {JSON};q=0.9", RESPONSE_JSON),
        (f"{RESPONSE_JSON};q=0.5, {JSON}", JSON),
        (f"{JSON};q=0, {RESPONSE_JSON}", RESPONSE_JSON),
        ("application/json, multipart/mixed", JSON),
        ("text/html, */*;q=0.1", JSON),
    ],
)
def test_the_client_chooses_the_type(accept: str | None, expected: str) -> None:
    """The type a client likes best is the one it gets."""
    # when
    chosen = preferred_type(accept)

    # then
    assert chosen == expected


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", False),
        (JSON, False),
        ("*/*", False),
        ("text/event-stream", True),
        ("text/event-stream, multipart/mixed", True),
        (f"text/event-stream, {JSON};q=0.5", True),
        (f"{RESPONSE_JSON}, application/graphql+json, {JSON}, text/event-stream, multipart/mixed", False),
        (f"{JSON}, text/event-stream;q=0", False),
        ("Text/Event-Stream", True),
    ],
)
def test_a_stream_is_for_who_prefers_it(accept: str, *, expected: bool) -> None:
    """Clients such as urql name streams among all that they take, and mean JSON; for subscriptions streams alone."""
    # when
    chosen = prefers_stream(accept)

    # then
    assert chosen is expected


@pytest.mark.parametrize("accept", ["text/plain", "image/png;q=1", f"{JSON};q=0"])
def test_a_type_that_cannot_be_served_is_refused(accept: str) -> None:
    """A client that takes neither of the two types learns it from the status."""
    # when
    with pytest.raises(Refusal) as refusal:
        preferred_type(accept)

    # then
    assert refusal.value.status == 406


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ({"method": "PUT"}, 405),
        ({"method": "DELETE"}, 405),
        ({"method": "POST", "content": b"{}", "headers": {"content-type": "text/plain"}}, 415),
        (
            {
                "method": "POST",
                "content": b"query=%7Ba%7D",
                "headers": {"content-type": "x-www-form-urlencoded"},
            },
            415,
        ),
        ({"method": "POST", "content": b"{", "headers": {"content-type": JSON}}, 400),
        ({"method": "POST", "content": b"[]", "headers": {"content-type": JSON}}, 400),
        ({"method": "POST", "content": b"\xff", "headers": {"content-type": JSON}}, 400),
        ({"method": "POST", "json": {"query": 1}}, 400),
        ({"method": "POST", "json": {"query": "{a}", "variables": []}}, 400),
        ({"method": "POST", "json": {"variables": {}}}, 400),
        ({"method": "POST", "json": {"query": "x" * 300_000}}, 413),
        ({"method": "GET", "params": {"query": "mutation { a }"}}, 200),
        ({"method": "GET", "params": {"query": "{__typename}", "variables": "{"}}, 400),
        ({"method": "POST", "content": b"{}", "headers": {"content-type": f"{JSON}; charset=latin-1"}}, 415),
    ],
)
def test_a_faulty_request_is_refused(world: World, request_: dict[str, Any], status: int) -> None:
    """Faults of the HTTP request answer 4xx with a code, never 500, and cost no upstream request."""
    # when
    response = world.client.request(url=f"{world.gateway}/graphql", **request_)

    # then
    assert response.status_code == status
    assert response.json()["errors"][0]["extensions"]["code"] == "INVALID_DOCUMENT"
    assert world.requests() == 0


def test_a_request_error_has_no_data(world: World) -> None:
    """Under the new media type a document that cannot be executed answers 400 and no `data` at all."""
    # when
    response = world.client.post(
        f"{world.gateway}/graphql", json={"query": "{ nothing }"}, headers={"accept": RESPONSE_JSON}
    )

    # then
    assert response.status_code == 400
    assert "data" not in response.json()


def test_the_answer_names_the_request(world: World) -> None:
    """What a client reports can be found in the log."""
    # when
    response = world.client.post(f"{world.gateway}/graphql", json={"query": '{ node(id: "x") { id } }'})

    # then
    assert response.json()["errors"][0]["extensions"]["requestId"] == response.headers["x-request-id"]


def test_a_browser_gets_the_editor(world: World) -> None:
    """`/graphql` in an address bar opens the editor, and the root leads there."""
    # when
    response = world.client.get(world.gateway, headers={"accept": "text/html"}, follow_redirects=True)

    # then
    assert response.status_code == 200
    assert "default-src 'self'" in response.headers["content-security-policy"]


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
def test_the_probes_answer(world: World, path: str) -> None:
    """An orchestrator learns that the process runs, without a request to any source."""
    # when
    response = world.client.get(world.gateway + path)

    # then
    assert (response.status_code, response.json()) == (200, {"status": "ok"})
    assert world.requests() == 0


def test_the_schema_is_served(world: World) -> None:
    """Client generators read the schema without introspection."""
    # when
    response = world.client.get(f"{world.gateway}/schema.graphql")

    # then
    assert "type Query {" in response.text


def test_a_trace_comes_only_when_it_is_asked_for(world: World) -> None:
    """The trace is for those who look at costs; other answers stay small."""
    # given
    query = {"query": '{ record(by: {mail: {source: "maarch", resId: 100}}) { attachments { totalCount } } }'}

    # when
    plain = world.client.post(f"{world.gateway}/graphql", json=query).json()
    traced = world.ask(query["query"])

    # then
    assert "extensions" not in plain
    assert traced["extensions"]["trace"]["upstreamRequests"] == 1
    shown = traced["extensions"]["trace"]["upstream"][0]
    assert (shown["source"], shown["method"], shown["status"], shown["shared"]) == ("maarch", "GET", 200, False)
    assert shown["path"] == "/rest/resources/100/attachments"


@pytest.mark.parametrize("asked", [b"\xb2", b"9" * 400, b"9" * 5000, b"-1", b"1.5"])
def test_a_time_that_is_no_number_is_not_taken(world: World, asked: bytes) -> None:
    """Whatever stands in the header, the operation has its usual time."""
    # when
    response = world.client.post(
        f"{world.gateway}/graphql",
        json={"query": "{ sources { name } }"},
        headers=[(b"x-request-timeout-ms", asked)],
    )

    # then
    assert response.status_code == 200
    assert response.json()["data"]["sources"]


@pytest.mark.parametrize("options", ["charset=utf-8; foo=bar", "foo=bar", 'charset="UTF-8"'])
def test_other_options_of_a_type_do_no_harm(world: World, options: str) -> None:
    """Only the charset says how a body is written."""
    # when
    response = world.client.post(
        f"{world.gateway}/graphql",
        content=b'{"query":"{ __typename }"}',
        headers={"content-type": f"{JSON}; {options}"},
    )

    # then
    assert response.json()["data"]


def test_a_query_by_get_brings_no_members_of_its_own(world: World) -> None:
    """`variables` is one value: what stands behind it is no parameter."""
    # when
    response = world.client.get(
        f"{world.gateway}/graphql",
        params={"query": "{ __typename }", "variables": '{},"extensions":{"persistedQuery":{"version":1}}'},
    )

    # then
    assert response.status_code == 400


def test_a_condition_that_is_null_is_refused(world: World) -> None:
    """The document allows it, for the variable has a default; the value is the client's mistake, not a defect."""
    # when
    answer = world.ask("query($a: Boolean = true) { sources @skip(if: $a) { name } }", {"a": None})

    # then
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["INVALID_DOCUMENT"]


@pytest.mark.parametrize(
    ("text", "variables"),
    [
        ('query($n: String = "maarch") { source(name: $n) { name } }', {"n": None}),
        ("query($m: MailLookup) { record(by: {mail: $m}) { id } }", {}),
    ],
)
def test_an_argument_that_is_null_is_the_clients_mistake(
    world: World, text: str, variables: dict[str, Any]
) -> None:
    """What the document's variables turn out to be is no defect of the gateway."""
    # when
    answer = world.ask(text, variables)

    # then
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["INVALID_DOCUMENT"]
