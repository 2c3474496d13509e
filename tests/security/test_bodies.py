"""Bodies of any size: refused without being read to their end, and without being held."""

import tracemalloc
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.security.served import HEAD, connected, read_all, served, statuses

PIECE = b"10000\r\n" + b"a" * 65_536 + b"\r\n"
JSON = "Content-Type: application/json\r\n"
PIECES = 1024
"""With that many the body has 64 MiB."""
MOST = 1024 * 1024
"""Bytes that the process may hold on top meanwhile, the buffers of both ends among them."""


@pytest.fixture(scope="module")
def origin() -> Iterator[str]:
    """Run one gateway for all tests."""
    with served() as running:
        yield running


@pytest.mark.parametrize(
    ("path", "accept", "framing", "status"),
    [
        ("/graphql", "*/*", "Content-Length: 67108864", 413),
        ("/graphql", "*/*", "Transfer-Encoding: chunked", 413),
        ("/graphql", "text/event-stream", "Content-Length: 67108864", 413),
        ("/graphql", "text/event-stream", "Transfer-Encoding: chunked", 413),
        ("/schema.graphql", "*/*", "Transfer-Encoding: chunked", 405),
        ("/content/x", "*/*", "Transfer-Encoding: chunked", 405),
    ],
)
def test_a_large_body_is_refused(origin: str, path: str, accept: str, framing: str, status: int) -> None:
    """64 MiB are refused on every door, and at no time is a mebibyte of them in memory."""
    # given
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: {accept}\r\n{framing}"
    tracemalloc.start()

    # when
    with connected(origin) as connection:
        with suppress(ConnectionError):
            connection.sendall(f"{head}\r\n{JSON}Connection: close\r\n\r\n".encode())
            for _ in range(PIECES):
                connection.sendall(PIECE)
        answer = read_all(connection)
    held = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    # then
    assert statuses(answer) == [status]
    assert held < MOST


@pytest.mark.parametrize("body", ["[" * 100_000, '{"variables": ' + "[" * 100_000])
def test_nested_json_is_refused(origin: str, body: str) -> None:
    """Brackets without end break no stack: the request is refused as any that is no JSON."""
    # given
    head = HEAD.decode() + "Connection: close\r\n"

    # when
    with connected(origin) as connection:
        connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
        answer = read_all(connection)

    # then
    assert statuses(answer) == [400]


def test_a_broken_request_is_no_defect(origin: str, caplog: pytest.LogCaptureFixture) -> None:
    """Who goes away in the middle of his request leaves no trace of a failure in the log."""
    # given
    head = HEAD + b"Content-Length: 9\r\n\r\n{"

    # when
    for accept in (b"*/*", b"text/event-stream"):
        with connected(origin) as connection:
            connection.sendall(head.replace(b"Host", b"Accept: " + accept + b"\r\nHost"))
    with connected(origin) as connection:
        connection.sendall(b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        answer = read_all(connection)

    # then
    assert statuses(answer) == [200]
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []
