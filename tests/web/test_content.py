"""Download links: they work for a browser that knows nothing else, and for nobody longer than they say."""

import hashlib
from datetime import timedelta

import pytest

from gateway.domain.errors import NotFound
from gateway.domain.refs import Ref, RefType
from gateway.links import ContentLinks, utc_now
from gateway.web.content import content_disposition
from tests.world import World

REF = Ref("maarch", RefType.ATTACHMENT, ("1000",))
KEY = bytes(range(32))
DOWNLOAD = "query($id: ID!) { node(id: $id) { ... on StoredFile { name size download { url expiresAt } } } }"
RECORD = "query($by: RecordLookup!) { record(by: $by) { attachments(first: 1) { edges { node { id } } } } }"
PLACES = {
    "maarch": {"mail": {"source": "maarch", "resId": 100}},
    "decisiv": {"case": {"source": "decisiv", "caseId": "CASE-1001"}},
    "espocrm": {
        "entity": {"source": "espocrm", "type": "Note", "recordId": "68d6ab9c0007ad856", "field": "attachments"}
    },
}


@pytest.mark.parametrize("kind", sorted(PLACES))
def test_a_link_of_the_gateway_carries_the_bytes(world: World, kind: str) -> None:
    """Whoever holds the link gets the file: no header, no cookie, as an attachment and never as a page."""
    # given
    edges = world.data(RECORD, {"by": PLACES[kind]})["record"]["attachments"]["edges"]
    node = world.data(DOWNLOAD, {"id": edges[0]["node"]["id"]})["node"]
    url = node["download"]["url"].replace("http://127.0.0.1:8000", world.gateway)

    # when
    response = world.client.get(url)

    # then
    assert response.status_code == 200
    assert response.headers["content-disposition"] == content_disposition(node["name"])
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in response.headers["content-security-policy"]
    assert node["size"] in (None, len(response.content))
    assert hashlib.sha256(response.content).digest() != hashlib.sha256(b"").digest()


def test_a_head_opens_nothing(world: World) -> None:
    """A HEAD costs the metadata alone: at Maarch every read of bytes is written to the history."""
    # given
    edges = world.data(RECORD, {"by": PLACES["maarch"]})["record"]["attachments"]["edges"]
    url = world.data(DOWNLOAD, {"id": edges[0]["node"]["id"]})["node"]["download"]["url"]
    world.reset()

    # when
    response = world.client.head(url.replace("http://127.0.0.1:8000", world.gateway))

    # then
    assert response.status_code == 200
    assert "content-length" not in response.headers  # nobody has counted it, and 0 would be wrong
    paths = [request.path for request in world.upstreams["maarch"].requests]
    assert len(paths) == 1
    assert not paths[0].endswith("Content")


@pytest.mark.parametrize("token", ["x", "AAAA", "A" * 4000, "%2e%2e", "é"])
def test_a_link_that_was_not_given_is_not_there(world: World, token: str) -> None:
    """A made-up link answers 404 and asks no source."""
    # when
    response = world.client.get(f"{world.gateway}/content/{token}")

    # then
    assert response.status_code == 404
    assert world.requests() == 0


def test_each_bit_of_a_link_matters() -> None:
    """A link that is changed anywhere opens nothing."""
    # given
    links = ContentLinks(KEY, "https://gateway.example")
    token = links.seal(REF, 60).url.rpartition("/")[2]

    # when
    changed = [token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :] for at in range(len(token))]

    # then
    assert links.open(token) == ("default", REF)
    for other in changed[:-1]:  # the last character has bits that Base64 does not use
        with pytest.raises(NotFound):
            links.open(other)


def test_a_link_ends() -> None:
    """After its time a link opens nothing."""
    # given
    sealed = ContentLinks(KEY, "https://gateway.example", lambda: utc_now() - timedelta(seconds=61)).seal(
        REF, 60
    )

    # when
    with pytest.raises(NotFound) as error:
        ContentLinks(KEY, "https://gateway.example").open(sealed.url.rpartition("/")[2])

    # then
    assert error.value.message == "This link has ended."


def test_a_link_of_another_gateway_opens_nothing() -> None:
    """Two gateways with keys of their own do not open each other's links."""
    # given
    token = ContentLinks(KEY, "https://gateway.example").seal(REF, 60).url.rpartition("/")[2]

    # then
    with pytest.raises(NotFound):
        ContentLinks(bytes(32), "https://gateway.example").open(token)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Devis.pdf", "attachment; filename=\"Devis.pdf\"; filename*=UTF-8''Devis.pdf"),
        ("Été.pdf", "attachment; filename=\"_t_.pdf\"; filename*=UTF-8''%C3%89t%C3%A9.pdf"),
        ('a"b\\c/d', "attachment; filename=\"a_b_c_d\"; filename*=UTF-8''a_b_c_d"),
        ("x\r\nA: b", "attachment; filename=\"x__A: b\"; filename*=UTF-8''x__A%3A%20b"),
        ("evil\u202efdp.exe", "attachment; filename=\"evil_fdp.exe\"; filename*=UTF-8''evil_fdp.exe"),
        ("..", "attachment; filename=\"file\"; filename*=UTF-8''file"),
    ],
)  # fmt: skip
def test_no_name_reaches_out_of_its_header(name: str, expected: str) -> None:
    """Names are whatever their uploader chose; the header holds them by RFC 6266 and nothing more."""
    # when
    header = content_disposition(name)

    # then
    assert header == expected
