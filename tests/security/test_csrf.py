"""Forged requests of foreign pages: what they can send without asking first executes nothing (CVE-2024-47082)."""

from collections.abc import Iterator

import httpx
import pytest

from gateway.domain.edge import EdgeSettings
from gateway.domain.secret import Secret
from gateway.settings import Profile
from gateway.web.intake import asks_preflight
from gateway.web.preflight import PREFLIGHT_HEADERS
from tests.security.served import QUERY, make_settings, served

ASKED = {"query": "{ __typename }"}
FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=x"
PARTS = (
    b'--x\r\ncontent-disposition: form-data; name="operations"\r\n\r\n' + QUERY + b"\r\n"
    b'--x\r\ncontent-disposition: form-data; name="map"\r\n\r\n{}\r\n--x--\r\n'
)
STREAM = "text/event-stream"


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    """Ask a gateway that asks for the header, as it does in production."""
    with served(edge=EdgeSettings(preflight=True)) as origin, httpx.Client(base_url=origin) as made:
        yield made


@pytest.mark.parametrize("accept", ["application/json", STREAM])
@pytest.mark.parametrize(
    ("media_type", "body"),
    [
        (FORM, b"query=%7B__typename%7D"),
        ("text/plain", QUERY),
        ("text/plain; application/json", QUERY),
        ("text/plain; charset=application/json", QUERY),
        (MULTIPART, PARTS),
        ("", QUERY),
    ],
)
def test_a_form_executes_nothing(client: httpx.Client, media_type: str, body: bytes, accept: str) -> None:
    """A page may send these to any origin, so none of them is a GraphQL request, on either door."""
    # when
    answer = client.post("/graphql", content=body, headers={"content-type": media_type, "accept": accept})

    # then
    assert answer.status_code == 415
    assert "data" not in answer.json()


@pytest.mark.parametrize("accept", ["application/json", "*/*", STREAM])
@pytest.mark.parametrize(
    "headers",
    [{}, {"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"}, {"x-gateway-preflight": ""}],
)
def test_a_bare_get_executes_nothing(client: httpx.Client, headers: dict[str, str], accept: str) -> None:
    """An image or a link of a foreign page is a GET, which is told what it lacks."""
    # when
    answer = client.get("/graphql", params=ASKED, headers={**headers, "accept": accept})

    # then
    assert answer.status_code == 400
    assert "data" not in answer.json()
    assert "x-gateway-preflight" in answer.json()["errors"][0]["message"]


@pytest.mark.parametrize("header", PREFLIGHT_HEADERS)
def test_a_header_lets_a_get_in(client: httpx.Client, header: str) -> None:
    """Those that clients of others send will do, because no page can send them without asking first."""
    # when
    answer = client.get("/graphql", params=ASKED, headers={header: "true"})

    # then
    assert answer.json() == {"data": {"__typename": "Query"}}


def test_our_own_pages_need_no_header(client: httpx.Client) -> None:
    """The browser itself says that a request comes from our own page; no page can say it."""
    # when
    answer = client.get("/graphql", params=ASKED, headers={"sec-fetch-site": "same-origin"})

    # then
    assert answer.json() == {"data": {"__typename": "Query"}}


@pytest.mark.parametrize("accept", ["application/json", STREAM])
def test_a_get_changes_nothing(client: httpx.Client, accept: str) -> None:
    """No header makes a GET a write, and no event stream does."""
    # given
    write = 'mutation { storedFilesDelete(input: {ids: [], idempotencyKey: "x"}) { userErrors { code } } }'
    headers = {"x-gateway-preflight": "1", "accept": accept}

    # when
    by_get = client.get("/graphql", params={"query": write}, headers=headers)
    by_post = client.post("/graphql", json={"query": write}, headers=headers)

    # then
    assert "storedFilesDelete" not in by_get.text
    assert "storedFilesDelete" in by_post.text


@pytest.mark.parametrize(
    ("profile", "asked", "expected"),
    [
        ("production", None, True),
        ("development", None, False),
        ("demo", None, False),
        ("production", False, False),
        ("development", True, True),
    ],
)
def test_production_asks_for_the_header(profile: Profile, asked: bool | None, expected: bool) -> None:
    """By default a GET is free where people try things out, and is not in production."""
    # given
    keys = {"content_key": Secret("0123456789abcdef" * 4), "id_keys": Secret("fedcba9876543210" * 8)}
    settings = make_settings(profile=profile, edge=EdgeSettings(preflight=asked), **keys)

    # when
    found = asks_preflight(settings)

    # then
    assert found is expected
