"""WebSockets and event streams: each hole that others had is tried here (CVE-2026-35523, -35526, -107727, -41700)."""

import asyncio
import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from gateway.serving import LARGEST_MESSAGE
from gateway.web.live import INIT_TIMEOUT
from gateway.web.persisted import Documents, digest_of
from gateway.web.socket import MOST_SUBSCRIPTIONS
from tests.security.endless import LISTED, OWN, SECRET, make_endless, running
from tests.security.served import PATIENCE, connected, served

PROTOCOL = "graphql-transport-ws"
WAIT = "subscription { wait }"


@pytest.fixture(scope="module")
def origin() -> Iterator[str]:
    """Run one endless schema behind the gateway's doors."""
    with served(make_endless()[0]) as running_at:
        yield running_at


@contextmanager
def opened(gateway: str, *protocols: str, host: str = "", **options: Any) -> Iterator[ClientConnection]:
    """Open a WebSocket, to a host that is named or the gateway's own, and leave it without waiting for a farewell."""
    wanted = [Subprotocol(protocol) for protocol in protocols or (PROTOCOL,)]
    address = f"ws://{host or urlsplit(gateway).netloc}/graphql"
    with connect(
        address, sock=connected(gateway), subprotocols=wanted, close_timeout=1, **options
    ) as connection:
        yield connection


@contextmanager
def greeted(gateway: str, **options: Any) -> Iterator[ClientConnection]:
    """Open a WebSocket and be acknowledged."""
    with opened(gateway, **options) as connection:
        tell(connection, type="connection_init")
        assert hear(connection) == {"type": "connection_ack"}
        yield connection


def tell(connection: ClientConnection, **message: Any) -> None:
    """Send a message."""
    connection.send(json.dumps(message))


def subscribe(connection: ClientConnection, name: str, query: str = WAIT, **more: Any) -> None:
    """Start an operation."""
    tell(connection, id=name, type="subscribe", payload={"query": query, **more})


def hear(connection: ClientConnection) -> dict[str, Any]:
    """Wait for a message."""
    message: dict[str, Any] = json.loads(connection.recv(PATIENCE))
    return message


def closing(connection: ClientConnection) -> int:
    """Wait for the end of a connection, whatever comes before it, and give its code."""
    try:
        while True:
            connection.recv(PATIENCE)
    except ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd else 0


def test_the_older_protocol_is_refused(origin: str) -> None:
    """CVE-2026-35523: graphql-ws begins without asking who is there, so it is not spoken, nor is any other."""
    # when
    with opened(origin, "graphql-ws") as older, opened(origin, "other") as other:
        codes = [closing(older), closing(other)]

    # then
    assert codes == [4406, 4406]


def test_the_newer_protocol_is_chosen(origin: str) -> None:
    """A client that speaks both is answered in the one that asks who is there."""
    # when
    with opened(origin, "graphql-ws", PROTOCOL) as connection:
        chosen = connection.subprotocol

    # then
    assert chosen == PROTOCOL


@pytest.mark.parametrize("start", ["subscribe", "start"])
def test_nothing_runs_before_the_greeting(origin: str, start: str) -> None:
    """CVE-2026-35523: an operation before `connection_init` ends the connection, in the words of either protocol."""
    # when
    with opened(origin) as connection:
        tell(connection, id="1", type=start, payload={"query": WAIT})
        code = closing(connection)

    # then
    assert code == {"subscribe": 4401, "start": 4400}[start]


def test_a_connection_has_so_many_operations(origin: str) -> None:
    """CVE-2026-35526: the 21st operation at once ends the connection, and all that ran on it."""
    # given
    with greeted(origin) as connection:
        for number in range(MOST_SUBSCRIPTIONS):
            subscribe(connection, str(number))
            assert hear(connection)["payload"] == {"data": {"wait": 0}}

        # when
        subscribe(connection, "one too many")
        code = closing(connection)

    # then
    assert code == 4429
    assert MOST_SUBSCRIPTIONS == 20


def test_what_ends_frees_its_place(origin: str) -> None:
    """CVE-2026-107727: whether an operation was completed, refused or failed, another may take its place."""
    # given
    ends = {"completed": WAIT, "refused": "subscription { nothing }", "failed": "subscription { fail }"}
    with greeted(origin) as connection:
        # when
        for number in range(MOST_SUBSCRIPTIONS * 3):
            subscribe(connection, str(number), ends[sorted(ends)[number % 3]])
            message = hear(connection)
            if number % 3 == 0:
                tell(connection, id=str(number), type="complete")
            elif message["type"] == "next":
                while hear(connection)["type"] != "complete":
                    continue
        for number in range(MOST_SUBSCRIPTIONS):
            subscribe(connection, f"again {number}")
        heard = [hear(connection)["type"] for _ in range(MOST_SUBSCRIPTIONS)]

    # then
    assert heard == ["next"] * MOST_SUBSCRIPTIONS


def test_a_client_has_so_many_connections() -> None:
    """CVE-2026-107727: one more is refused (429), and one that ended makes room again, however it ended."""
    # given
    app, _ = make_endless(most=2)
    with served(app) as origin:
        for _ in range(3):
            with opened(origin, "graphql-ws") as other:
                closing(other)
        with greeted(origin), greeted(origin) as second:
            # when
            with pytest.raises(InvalidStatus) as refused, opened(origin):
                pass
            stream = httpx.post(
                f"{origin}/graphql", json={"query": WAIT}, headers={"accept": "text/event-stream"}
            )
            second.socket.shutdown(socket.SHUT_RDWR)
            room = _refusals_until_room(origin)

    # then
    assert (refused.value.response.status_code, stream.status_code) == (429, 429)
    assert room >= 0


def _refusals_until_room(origin: str) -> int:
    """Count how often a connection is refused until the gateway has noticed that another is gone; -1 for ever."""
    refusals, until = 0, time.monotonic() + PATIENCE
    while time.monotonic() < until:
        try:
            with greeted(origin):
                return refusals
        except InvalidStatus:
            refusals += 1
    return -1


def test_the_greeting_has_to_come(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that says nothing is closed after five seconds, in which nobody waits here."""
    # given
    app, live = make_endless()
    monkeypatch.setattr(live, "connection_init_wait_timeout", timedelta(milliseconds=20))

    # when
    with served(app) as origin, opened(origin) as connection:
        code = closing(connection)

    # then
    assert code == 4408
    assert timedelta(seconds=5) == INIT_TIMEOUT


@pytest.mark.parametrize(
    ("foreign", "host"),
    [
        ("https://evil.example", "files.example.org"),
        ("https://files.example.org.evil.example", "files.example.org"),
        ("https://files.example.org:8443", "files.example.org"),
        ("null", "files.example.org"),
        ("http://localhost:1", "localhost:2"),
    ],
)
def test_foreign_pages_may_not_connect(origin: str, foreign: str, host: str) -> None:
    """CVE-2026-41700 and its class: no browser asks us before a page opens a WebSocket or an event stream (403)."""
    # when
    with pytest.raises(InvalidStatus) as refused, opened(origin, origin=foreign, host=host):
        pass
    stream = httpx.post(
        f"{origin}/graphql",
        json={"query": WAIT},
        headers={"accept": "text/event-stream", "origin": foreign, "host": host},
    )

    # then
    assert (refused.value.response.status_code, stream.status_code) == (403, 403)


@pytest.mark.parametrize("own", [None, OWN, LISTED, "self"])
def test_our_pages_and_programs_may_connect(origin: str, own: str | None) -> None:
    """Programs name no origin; pages come from the public address, a listed one, or the host that they ask."""
    # when
    with greeted(origin, origin=origin if own == "self" else own) as connection:
        subscribe(connection, "1")
        message = hear(connection)

    # then
    assert message == {"id": "1", "type": "next", "payload": {"data": {"wait": 0}}}


def test_another_host_is_refused(origin: str) -> None:
    """A handshake names a host of ours as any request does."""
    # when
    with pytest.raises(InvalidStatus) as refusal, opened(origin, host="evil.example"):
        pass

    # then
    assert refusal.value.response.status_code == 400


@pytest.mark.parametrize(
    "message",
    [
        "[]",
        "1",
        "{",
        "[" * 100_000,
        '{"type": 1}',
        '{"type": "unknown"}',
        '{"type": "subscribe", "id": "1"}',
        '{"type": "subscribe", "id": [], "payload": {"query": "{hello}"}}',
        '{"type": "subscribe", "id": "1", "payload": 1}',
        '{"type": "subscribe", "id": "1", "payload": {"query": 1}}',
        '{"type": "subscribe", "id": "1", "payload": {"query": "{hello}", "variables": []}}',
        '{"type": "complete", "id": {}}',
        '{"type": "ping", "payload": 1}',
        json.dumps({"type": "subscribe", "id": "x" * 1000, "payload": {"query": "{hello}"}}),
        b"\x00\x01",
    ],
    ids=range(15),
)
def test_what_is_no_message_ends_the_connection(
    origin: str, message: str | bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """Anything but a message of the protocol closes with 4400, and is no defect of ours to log."""
    # when
    with greeted(origin) as connection:
        connection.send(message)
        code = closing(connection)

    # then
    assert code == 4400
    assert caplog.records == []


@pytest.mark.parametrize("compression", [None, "deflate"])
def test_a_message_has_a_bound(origin: str, compression: str | None) -> None:
    """A message of more bytes than a request may have ends the connection, however small compression makes it."""
    # when
    with greeted(origin, compression=compression) as connection:
        connection.send("[" + " " * LARGEST_MESSAGE + "]")
        code = closing(connection)

    # then
    assert code == 1009


def test_defects_are_masked(origin: str, caplog: pytest.LogCaptureFixture) -> None:
    """What broke stands in the log and nowhere else; the code is the one of every answer."""
    # given
    with greeted(origin) as connection:
        subscribe(connection, "1", "subscription { fail }")

        # when
        heard = [hear(connection) for _ in range(2)]
    stream = httpx.post(
        f"{origin}/graphql",
        json={"query": "subscription { fail }"},
        headers={"accept": "text/event-stream"},
        timeout=PATIENCE,
    )

    # then
    told = json.dumps(heard) + stream.text
    assert told.count('"INTERNAL"') == 2
    assert SECRET not in told
    assert "hunter2" in caplog.text


def test_who_goes_leaves_nothing_running(origin: str) -> None:
    """A client that is gone costs nothing any more: its subscriptions are cancelled."""
    # given
    with greeted(origin) as connection:
        subscribe(connection, "1")
        hear(connection)
        events: list[asyncio.Event] = list(running)

        # when
        connection.socket.shutdown(socket.SHUT_RDWR)
    with greeted(origin) as later:
        until = time.monotonic() + PATIENCE
        while set(running) & set(events) and time.monotonic() < until:
            tell(later, type="ping")
            hear(later)

    # then
    assert events
    assert set(running).isdisjoint(events)


def test_registered_documents_alone() -> None:
    """In allow-list mode neither a WebSocket nor an event stream is a way around the list."""
    # given
    other = "subscription Other { wait }"
    app, _ = make_endless(Documents({digest_of(WAIT): WAIT}, only=True))
    with served(app) as origin, greeted(origin) as connection:
        # when
        subscribe(connection, "sent", other)
        sent = hear(connection)
        subscribe(connection, "unknown", "", documentId="sha256:" + "0" * 64)
        unknown = hear(connection)
        subscribe(connection, "named", "", documentId=f"sha256:{digest_of(WAIT)}")
        named = hear(connection)
        subscribe(connection, "listed", WAIT)
        listed = hear(connection)
        stream = httpx.post(f"{origin}/graphql", json={"query": other}, headers={"accept": "text/event-stream"})

    # then
    refused = [sent["payload"][0], unknown["payload"][0], stream.json()["errors"][0]]
    assert {one["extensions"]["code"] for one in refused} == {"DOCUMENT_NOT_ALLOWED"}
    assert named["payload"] == listed["payload"] == {"data": {"wait": 0}}
