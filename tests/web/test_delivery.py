"""How answers are delivered: compressed for who accepts it, and not at all to who has them already."""

import gzip
from collections.abc import Iterator

import brotli
import httpx
import pytest
import zstandard

from gateway.web.codings import preferred_coding
from tests.world import World, running_world

LONG = "{ __schema { types { name description fields { name description } } } }"
SHORT = "{ sources { name } }"
UNPACKED = {
    "zstd": lambda body: zstandard.ZstdDecompressor().decompressobj().decompress(body),
    "br": brotli.decompress,
    "gzip": gzip.decompress,
}


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """Start a gateway that compares what comes over the wire, which httpx would unpack."""
    with running_world() as running:
        yield running


def raw(world: World, query: str, **headers: str) -> tuple[httpx.Response, bytes]:
    """Ask by GET and give the answer with its body as it came."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    with world.client.stream(
        "GET", f"{world.gateway}/graphql", params={"query": query}, headers=sent
    ) as answer:
        return answer, b"".join(answer.iter_raw())


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("zstd, br, gzip", "zstd"),
        ("gzip, deflate, br", "br"),
        ("gzip", "gzip"),
        ("br;q=0.5, gzip;q=0.8", "gzip"),
        ("zstd;q=0, br;q=0, gzip", "gzip"),
        ("*", "zstd"),
        ("*;q=0.1, gzip", "gzip"),
        ("GZIP", "gzip"),
        ("", None),
        ("identity", None),
        ("identity;q=1, gzip;q=0.1", None),
        ("identity;q=0.5, gzip;q=0.5", "gzip"),
        ("deflate", None),
        ("gzip;q=much", None),
        ("gzip;q=0", None),
        ("gzip," * 100, None),
    ],
)
def test_the_client_chooses_the_coding(accepted: str, coding: str | None) -> None:
    """The coding a client likes best is the one it gets; of equals the one that compresses best."""
    # when
    chosen = preferred_coding(accepted)

    # then
    assert chosen == coding


@pytest.mark.parametrize("coding", list(UNPACKED))
def test_a_long_answer_is_compressed(world: World, coding: str) -> None:
    """What arrives is smaller and unpacks to the same answer, and caches are told that it depends on the header."""
    # given
    plain, body = raw(world, LONG, accept_encoding="identity")

    # when
    answer, packed = raw(world, LONG, accept_encoding=coding)

    # then
    assert answer.headers["content-encoding"] == coding
    assert "Accept-Encoding" in answer.headers["vary"]
    assert "content-encoding" not in plain.headers
    assert len(packed) < len(body) / 3
    assert UNPACKED[coding](packed) == body


def test_a_short_answer_is_sent_as_it_is(world: World) -> None:
    """What fits one packet is not worth the work."""
    # when
    answer, body = raw(world, SHORT, accept_encoding="gzip")

    # then
    assert "content-encoding" not in answer.headers
    assert body.startswith(b'{"data"')


def test_an_answer_that_is_there_already_is_not_sent_again(world: World) -> None:
    """A client that says what it has gets 304 without a body, and the new answer once it is another."""
    # given
    first, _ = raw(world, SHORT)
    tag = first.headers["etag"]

    # when
    same, nothing = raw(world, SHORT, if_none_match=f'"other", {tag}')
    strong, _ = raw(world, SHORT, if_none_match=tag.removeprefix("W/"))
    other, body = raw(world, "{ sources { kind } }", if_none_match=tag)

    # then
    assert (same.status_code, nothing, same.headers["etag"]) == (304, b"", tag)
    assert first.headers["cache-control"] == "private, no-cache"
    assert strong.status_code == 304
    assert (other.status_code, body[:8]) == (200, b'{"data":')


def test_codings_of_one_answer_share_its_tag(world: World) -> None:
    """The tag is weak, so a client may change its mind about codings and still gets 304."""
    # given
    packed, _ = raw(world, LONG, accept_encoding="gzip")

    # when
    again, body = raw(world, LONG, accept_encoding="br", if_none_match=packed.headers["etag"])

    # then
    assert (again.status_code, body) == (304, b"")


def test_errors_and_posts_have_no_tag(world: World) -> None:
    """What failed is never taken for what the client has, and answers to POST are not cached by anybody."""
    # when
    failed, _ = raw(world, '{ node(id: "none") { id } }')
    posted = world.client.post(f"{world.gateway}/graphql", json={"query": SHORT})

    # then
    assert [response.headers.get("etag") for response in (failed, posted)] == [None, None]
    assert [response.headers["cache-control"] for response in (failed, posted)] == ["no-store"] * 2


@pytest.mark.parametrize("coding", list(UNPACKED))
def test_a_large_answer_is_compressed_beside_the_loop(world: World, coding: str) -> None:
    """Bodies that take long are compressed in a thread, and are the same."""
    # given
    query = "{ " + " ".join(f"t{number}: __schema {{ ...Types }}" for number in range(4)) + " }"
    query += " fragment Types on __Schema { types { name description fields { name description } } }"
    _, body = raw(world, query, accept_encoding="identity")

    # when
    _, packed = raw(world, query, accept_encoding=coding)

    # then
    assert len(body) > 64 * 1024
    assert UNPACKED[coding](packed) == body
