"""CORS: pages of listed origins may read answers, those of others may not, whatever they call themselves."""

from collections.abc import Iterator

import httpx
import pytest

from gateway.domain.edge import EdgeSettings
from tests.security.served import served

APP = "https://app.example.org"
MOBILE = "capacitor://localhost"
ASKED = "content-type,x-gateway-preflight"
QUERY = {"query": "{ __typename }"}


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    """Ask one gateway with two listed origins."""
    edge = EdgeSettings(origins=(APP, MOBILE), credentials=True)
    with (
        served(public_url="https://files.example.org", edge=edge) as origin,
        httpx.Client(base_url=origin) as made,
    ):
        yield made


def ask_first(client: httpx.Client, origin: str, **headers: str) -> httpx.Response:
    """Ask what a browser asks before it posts for a page."""
    sent = {"origin": origin, "access-control-request-method": "POST", **headers}
    return client.options("/graphql", headers=sent)


@pytest.mark.parametrize("origin", [APP, MOBILE])
def test_a_listed_page_may_ask_and_read(client: httpx.Client, origin: str) -> None:
    """The answer names the origin itself, never a wildcard, and differs by it; ids of requests can be read."""
    # when
    first = ask_first(client, origin, **{"access-control-request-headers": ASKED})
    answer = client.post("/graphql", json=QUERY, headers={"origin": origin})

    # then
    assert (first.status_code, first.headers["access-control-allow-headers"]) == (204, ASKED)
    assert first.headers["access-control-max-age"] == "600"
    assert "POST" in first.headers["access-control-allow-methods"]
    for response in (first, answer):
        assert response.headers["access-control-allow-origin"] == origin
        assert response.headers["access-control-allow-credentials"] == "true"
        assert "Origin" in response.headers.get_list("vary", split_commas=True)
    exposed = answer.headers["access-control-expose-headers"].split(", ")
    assert {"x-request-id", "retry-after", "etag"} <= set(exposed)


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "https://app.example.org.evil.example",
        "https://app.example.org:8443",
        "http://app.example.org",
        "https://evil.example/https://app.example.org",
        "https://APP.example.org",
        "https://app.example.org/",
        "null",
        "*",
        "é",
    ],
)
def test_another_page_may_not(client: httpx.Client, origin: str) -> None:
    """What is not listed to the letter gets no header of CORS, so that the browser keeps the answer from it."""
    # given
    sent = origin.encode("latin-1")

    # when
    first = client.options("/graphql", headers=[("origin", sent), ("access-control-request-method", b"POST")])
    answer = client.post("/graphql", json=QUERY, headers=[("origin", sent)])

    # then
    assert first.status_code == 403
    assert answer.status_code == 200
    for response in (first, answer):
        assert not [name for name in response.headers if name.startswith("access-control-")]
        assert "Origin" in response.headers.get_list("vary", split_commas=True)


@pytest.mark.parametrize("asked", ["x a", "x\x01", "a," * 100 + "a", ","])
def test_what_is_no_name_of_a_header_is_not_allowed(client: httpx.Client, asked: str) -> None:
    """The names that a browser asks for come back only if they are names."""
    # when
    answer = ask_first(client, APP, **{"access-control-request-headers": asked.replace("\x01", "(")})

    # then
    assert answer.status_code == 204
    assert "access-control-allow-headers" not in answer.headers


def test_refusals_can_be_read_too(client: httpx.Client) -> None:
    """A page learns why its request was refused."""
    # when
    answer = client.post("/graphql", content=b"{", headers={"origin": APP, "content-type": "application/json"})

    # then
    assert answer.status_code == 400
    assert answer.headers["access-control-allow-origin"] == APP


def test_without_a_list_there_is_no_cors() -> None:
    """By default no page but our own reads anything, and answers do not differ by origin."""
    # when
    with served() as origin:
        answer = httpx.post(f"{origin}/graphql", json=QUERY, headers={"origin": APP})

    # then
    assert not [name for name in answer.headers if name.startswith("access-control-")]
    assert "Origin" not in answer.headers.get("vary", "")


def test_every_origin_goes_without_credentials() -> None:
    """A list of `*` lets any page read, with no cookie of anybody."""
    # when
    with served(edge=EdgeSettings(origins=("*",))) as origin:
        answer = httpx.post(f"{origin}/graphql", json=QUERY, headers={"origin": "https://any.example"})

    # then
    assert answer.headers["access-control-allow-origin"] == "https://any.example"
    assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize(
    "path", ["/graphql", "/schema.graphql", "/livez", "/nothing", "/content/x", "/static/x/y"]
)
def test_answers_keep_browsers_from_guessing(client: httpx.Client, path: str) -> None:
    """No sniffing, no framing, no referrer, no use by other origins; HTTPS alone where the public address has it."""
    # when
    headers = client.get(path).headers

    # then
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-frame-options"] == "DENY"
    assert headers["content-security-policy"].startswith("default-src ")
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["strict-transport-security"] == "max-age=31536000"
    assert headers["cache-control"]


def test_answers_are_not_stored(client: httpx.Client) -> None:
    """What one principal asked must not come to another out of a cache."""
    # when
    answers = [client.post("/graphql", json=QUERY), client.get("/nothing")]
    asked_by_get = client.get("/graphql", params=QUERY)

    # then
    assert [answer.headers["cache-control"] for answer in answers] == ["no-store"] * 2
    assert asked_by_get.headers["cache-control"].split(",")[0] in ("private", "no-store")


def test_plain_http_is_not_forced_to_https() -> None:
    """On a laptop a browser that was told to use HTTPS would find nobody."""
    # when
    with served() as origin:
        answer = httpx.get(f"{origin}/livez")

    # then
    assert "strict-transport-security" not in answer.headers
