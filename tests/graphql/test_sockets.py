"""Operations over one WebSocket: each is a request of its own, as over HTTP."""

import json
from typing import Any

from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from gateway.asgi import create_app
from gateway.domain.secret import Secret
from gateway.sandbox.maarch import seed as maarch
from gateway.sandbox.maarch.app import create_app as create_maarch
from gateway.sandbox.server import in_thread
from gateway.sandbox.upstream import Fault, SandboxUpstream
from gateway.settings import Settings
from gateway.upstreams.maarch import MaarchSettings
from tests.security.served import PATIENCE, served

MAIL = (
    """{ record(by: {mail: {source: "maarch", resId: 100}}) { attachments { edges { node { id name } } } } }"""
)
TWO = 2


def hear(connection: ClientConnection) -> dict[str, Any]:
    """Wait for a message."""
    message: dict[str, Any] = json.loads(connection.recv(PATIENCE))
    return message


def names(connection: ClientConnection, number: int) -> list[str]:
    """Ask for the names of a mail's attachments, to the end of the operation."""
    connection.send(json.dumps({"id": str(number), "type": "subscribe", "payload": {"query": MAIL}}))
    answer, end = hear(connection), hear(connection)
    assert (answer["type"], end["type"]) == ("next", "complete")
    return [edge["node"]["name"] for edge in answer["payload"]["data"]["record"]["attachments"]["edges"]]


def test_each_operation_of_a_connection_asks_the_source_anew() -> None:
    """What one has loaded is not given to the next: by then it may be another, and it would be held for hours."""
    # given
    state = maarch.seeded()
    mails = SandboxUpstream("mails", create_maarch(state))
    with in_thread(mails) as origin:
        source = MaarchSettings(
            name="maarch",
            kind="maarch",
            url=f"{origin}/rest",
            username=maarch.USER,
            password=Secret(maarch.PASSWORD),
        )
        with (
            served(create_app(Settings(sources=(source,)))) as gateway,
            connect(
                gateway.replace("http", "ws") + "/graphql", subprotocols=[Subprotocol("graphql-transport-ws")]
            ) as connection,
        ):
            connection.send(json.dumps({"type": "connection_init"}))
            assert hear(connection)["type"] == "connection_ack"

            # when a title changes at the source between two queries
            before = names(connection, 1)
            for row in state.attachments.values():
                row.title = "Autre"
            after = names(connection, 2)

    # then
    assert len(mails.requests) == TWO
    assert before
    assert (
        after == [f"Autre.{name.rpartition('.')[2]}" if "." in name else "Autre" for name in before] != before
    )


def test_a_query_has_the_time_of_any_request() -> None:
    """A subscription may last an hour; a query of the same connection may not wait as long for its source."""
    # given a source that does not answer
    mails = SandboxUpstream("mails", create_maarch(maarch.seeded()))
    mails.fault = Fault(delay=60.0)
    with in_thread(mails) as origin:
        source = MaarchSettings(
            name="maarch",
            kind="maarch",
            url=f"{origin}/rest",
            username=maarch.USER,
            password=Secret(maarch.PASSWORD),
        )
        with (
            served(create_app(Settings(sources=(source,), deadline=1.0))) as gateway,
            connect(
                gateway.replace("http", "ws") + "/graphql", subprotocols=[Subprotocol("graphql-transport-ws")]
            ) as connection,
        ):
            connection.send(json.dumps({"type": "connection_init"}))
            assert hear(connection)["type"] == "connection_ack"

            # when
            connection.send(json.dumps({"id": "1", "type": "subscribe", "payload": {"query": MAIL}}))
            answer = hear(connection)

    # then
    (error,) = answer["payload"]["errors"]
    assert error["extensions"]["code"] == "DEADLINE_EXCEEDED"
