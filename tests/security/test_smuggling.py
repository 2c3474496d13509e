"""Requests that two servers might read differently: the gateway reads none of them (CVE-2025-43859 and its kin)."""

from collections.abc import Iterator

import pytest

from gateway.web import wire
from tests.security.served import HEAD, QUERY, connected, exchange, read_all, served, statuses

CHUNKED = b"Transfer-Encoding: chunked\r\n"
SIZE = b"%x" % len(QUERY)
LENGTH = b"Content-Length: %d\r\n" % len(QUERY)
END = b"\r\n0\r\n\r\n"
MALFORMED = {
    "length and chunks": HEAD + CHUNKED + LENGTH + b"\r\n" + SIZE + b"\r\n" + QUERY + END,
    "chunks not last": HEAD + b"Transfer-Encoding: chunked, identity\r\n\r\n" + SIZE + b"\r\n" + QUERY + END,
    "chunks of another name": HEAD + b"Transfer-Encoding: xchunked\r\n\r\n" + SIZE + b"\r\n" + QUERY + END,
    "blank before the colon": HEAD + b"Transfer-Encoding : chunked\r\n\r\n" + SIZE + b"\r\n" + QUERY + END,
    "hexadecimal prefix": HEAD + CHUNKED + b"\r\n0x" + SIZE + b"\r\n" + QUERY + END,
    "negative chunk": HEAD + CHUNKED + b"\r\n-" + SIZE + b"\r\n" + QUERY + END,
    "signed chunk": HEAD + CHUNKED + b"\r\n+" + SIZE + b"\r\n" + QUERY + END,
    "chunk longer than it says": HEAD + CHUNKED + b"\r\n" + SIZE + b"\r\n" + QUERY + b"xx" + END,
    "chunk without an end": HEAD + CHUNKED + b"\r\n" + SIZE + b"\r\n" + QUERY + b"0\r\n\r\n",
    "line feed after the size": HEAD + CHUNKED + b"\r\n" + SIZE + b"\n" + QUERY + END,
    "line feed in an extension": HEAD + CHUNKED + b"\r\n" + SIZE + b";a\nb\r\n" + QUERY + END,
    "size of 72 bits": HEAD + CHUNKED + b"\r\nfffffffffffffffff1\r\n" + QUERY + END,
    "two lengths": HEAD + LENGTH + b"Content-Length: 5\r\n\r\n" + QUERY,
    "list of lengths": HEAD + b"Content-Length: 24, 24\r\n\r\n" + QUERY,
    "signed length": HEAD + b"Content-Length: +24\r\n\r\n" + QUERY,
    "NUL in a header": HEAD + b"X-A: b\0c\r\n\r\n",
    "carriage return in a header": HEAD + b"X-A: b\rContent-Length: 3\r\n\r\n",
    "another version": b"GET / HTTP/9.9\r\nHost: 127.0.0.1\r\n\r\n",
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
}


@pytest.fixture(scope="module")
def origin() -> Iterator[str]:
    """Run one gateway for all tests."""
    with served() as running:
        yield running


@pytest.mark.parametrize("told", MALFORMED)
def test_what_is_malformed_ends_the_connection(origin: str, told: str) -> None:
    """One 400, no answer to anything behind it, and the end of the connection."""
    # given
    smuggled = b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"

    # when
    answer = exchange(origin, MALFORMED[told] + smuggled)

    # then
    assert statuses(answer) == [400]


@pytest.mark.parametrize(
    ("start", "body"),
    [
        (HEAD, LENGTH + b"\r\n" + QUERY),
        (b"GET /graphql HTTP/1.1\r\nHost: 127.0.0.1\r\n", LENGTH + b"\r\n" + QUERY),
        (b"GET /graphql HTTP/1.1\r\nHost: 127.0.0.1\r\n", CHUNKED + b"\r\n" + SIZE + b"\r\n" + QUERY + END),
    ],
    ids=["POST", "length", "chunks"],
)
def test_a_handshake_has_no_body(origin: str, start: bytes, body: bytes) -> None:
    """What is both a request and a handshake is refused, and not held open."""
    # given
    upgrade = (
        b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    )

    # when
    answer = exchange(origin, start + upgrade + body)

    # then
    assert statuses(answer) == [400]


def test_what_is_right_is_answered(origin: str) -> None:
    """The requests above fail for their faults alone: chunks as they should be are understood."""
    # given
    close = b"Connection: close\r\n\r\n"

    # when
    answers = [
        exchange(origin, HEAD + CHUNKED + close + SIZE + b";a=b\r\n" + QUERY + END),
        exchange(origin, HEAD + LENGTH + close + QUERY),
    ]

    # then
    assert [statuses(answer) for answer in answers] == [[200], [200]]
    assert all(answer.endswith(b'{"data":{"__typename":"Query"}}') for answer in answers)


@pytest.mark.parametrize(
    "head",
    [
        HEAD + b"X-A: " + b"a" * wire.LARGEST_HEAD + b"\r\n\r\n",
        HEAD + b"X-A: " + b"a" * 1_000_000,
        HEAD + b"".join(b"X-%d: a\r\n" % number for number in range(wire.MOST_HEADERS)) + b"\r\n",
        b"GET /graphql?query=" + b"a" * wire.LARGEST_HEAD + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET /graphql HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"X-A: " + b"a" * wire.SMALL + b"\r\n\r\n",
    ],
    ids=["one header", "no end", "many headers", "address", "handshake"],
)
def test_a_head_has_a_bound(origin: str, head: bytes) -> None:
    """64 KiB and 100 headers: what is over it is refused, whether or not it ever ends."""
    # when
    with connected(origin) as connection:
        sender = connection.dup()
        with sender:
            sender.setblocking(False)
            sent = sender.send(head)
            sender.setblocking(True)
        answer = read_all(connection)

    # then
    assert sent > 0
    assert statuses(answer) == [431]


def test_a_large_head_below_the_bound_is_taken(origin: str) -> None:
    """Tokens and cookies of some kilobytes are nothing unusual, in several pieces neither."""
    # given
    head = (
        HEAD
        + LENGTH
        + b"Connection: close\r\n"
        + b"".join(b"X-%d: %s\r\n" % (n, b"a" * 1500) for n in range(40))
    )

    # when
    answer = exchange(origin, head[:30_000], head[30_000:] + b"\r\n", QUERY)

    # then
    assert statuses(answer) == [200]


@pytest.mark.parametrize("piece", [b"", b"POST /graphql HT", HEAD, HEAD + LENGTH + b"\r\n{"], ids=range(4))
def test_a_request_has_to_arrive(monkeypatch: pytest.MonkeyPatch, piece: bytes) -> None:
    """Who opens connections and sends nothing, half a head or half a body does not keep them."""
    # given
    monkeypatch.setattr(wire, "PATIENCE", 0.05)

    # when
    with served() as origin:
        answer = exchange(origin, piece)

    # then
    assert statuses(answer) == [408]


def test_empty_lines_keep_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client may send them before a request, but not for ever instead of one."""
    # given
    with served() as origin, connected(origin) as connection:
        connection.sendall(b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        first = connection.recv(65_536)
        monkeypatch.setattr(wire, "PATIENCE", 0.05)

        # when
        connection.sendall(b"\r\n")
        rest = read_all(connection)

    # then
    assert statuses(first) == [200]
    assert statuses(rest) == [408]


def test_requests_of_one_connection_are_counted_apart(origin: str) -> None:
    """Many small requests in one piece are more than a head may have, and none of them is too large."""
    # given
    request = b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: " + b"a" * 1000 + b"\r\n\r\n"
    last = request.replace(b"X-A", b"Connection: close\r\nX-A")

    # when
    answer = exchange(origin, request * 100, last)

    # then
    assert statuses(answer) == [200] * 101
