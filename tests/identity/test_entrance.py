"""The doors: every address of the gateway, over HTTP, event streams and WebSockets, and until when they stay open."""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from gateway.asgi import create_app
from gateway.domain.secret import Secret
from gateway.identity.api_keys import new_key
from gateway.identity.configuration import ApiKeySettings
from gateway.identity.tokens import LEEWAY
from gateway.sandbox.world import SERVERS, make_sources
from gateway.settings import Settings
from tests.identity.issuing import issuer_settings, token
from tests.security.endless import make_endless
from tests.security.endless import running as running_subscriptions
from tests.security.served import served
from tests.world import PATIENCE, World, running_world

SOURCES = "{ sources { name } }"
KEY, DIGEST = new_key("all")
BEARER = {"authorization": f"Bearer {KEY.reveal()}"}
PRODUCTION = {"content_key": Secret("0" * 64), "id_keys": Secret("1" * 64)}


def key_settings(*scopes: str) -> tuple[ApiKeySettings, ...]:
    """Make the settings of the one key."""
    return (ApiKeySettings(id="all", sha256=Secret(DIGEST), scopes=scopes),)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Start a gateway that knows an issuer and a key."""
    folder: Path = tmp_path_factory.mktemp("issuer")
    keys = key_settings("files:read", "files:write", "files:delete", "debug")
    with running_world(issuers=(issuer_settings(folder),), api_keys=keys) as running:
        yield running


@pytest.fixture(scope="module")
def production() -> Iterator[World]:
    """Start one in production, whose key is for reading alone."""
    with running_world(profile="production", api_keys=key_settings("files:read"), **PRODUCTION) as running:
        yield running


def get(world: World, path: str, **headers: str) -> httpx.Response:
    """Get a path."""
    return world.client.get(world.gateway + path, headers=headers)


@pytest.mark.parametrize(
    "headers",
    [
        BEARER,
        {"authorization": f"bearer {KEY.reveal()}"},
        {"authorization": f"Bearer   {KEY.reveal()}"},
        {"x-api-key": KEY.reveal()},
    ],
    ids=["bearer", "small letters", "blanks", "header of its own"],
)
def test_key_is_taken_from_either_header(world: World, headers: Mapping[str, str]) -> None:
    """Clients send keys in two ways."""
    # when
    answer = world.client.post(f"{world.gateway}/graphql", json={"query": SOURCES}, headers=headers)

    # then
    assert answer.status_code == 200
    assert len(answer.json()["data"]["sources"]) == 5


@pytest.mark.parametrize(
    "headers",
    [
        [("authorization", BEARER["authorization"]), ("x-api-key", KEY.reveal())],
        [("authorization", BEARER["authorization"]), ("authorization", BEARER["authorization"])],
        [("authorization", "Bearer x"), ("authorization", BEARER["authorization"])],
        [("x-api-key", ""), ("x-forwarded-user", "root")],
    ],
    ids=["both", "twice", "a wrong one before", "none, and a name"],
)
def test_more_than_one_credential_is_none(world: World, headers: list[tuple[str, str]]) -> None:
    """What stands before the gateway and the gateway itself must not believe two different ones."""
    # when
    answer = world.client.post(f"{world.gateway}/graphql", json={"query": SOURCES}, headers=headers)

    # then
    assert answer.status_code == 401
    assert answer.json()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/graphql?query={__typename}"),
        ("POST", "/graphql"),
        ("PUT", "/graphql"),
        ("GET", "/graphql?query={__typename}&extensions={}"),
    ],
)
@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
def test_every_way_to_the_endpoint_is_guarded(world: World, method: str, path: str, accept: str) -> None:
    """Neither a method nor a type of answer leads around the door."""
    # when
    headers = {"accept": accept, "x-gateway-preflight": "1"}
    answer = world.client.request(method, world.gateway + path, headers=headers)

    # then
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer ")
    assert answer.headers["content-type"].startswith("application/json")


def test_production_shows_little(production: World) -> None:
    """Pages are not there, the schema takes the scope that introspection takes, and probes answer."""
    # when
    found = {
        path: get(production, path, **BEARER, accept="text/html").status_code
        for path in ("/graphql", "/upload", "/schema.graphql", "/livez", "/readyz")
    }
    nobody = get(production, "/schema.graphql").status_code

    # then
    assert found == {"/graphql": 406, "/upload": 404, "/schema.graphql": 403, "/livez": 200, "/readyz": 200}
    assert nobody == 401


def test_production_shows_more_to_those_who_debug() -> None:
    """With the scope there are traces, introspection and the schema; nobody else learns a path of a source."""
    # given
    record = 'record(by: { mail: { source: "maarch", resId: 100 } }) { registeredMail }'
    for scopes, allowed in ((("files:read",), False), (("files:read", "debug"), True)):
        with running_world(profile="production", api_keys=key_settings(*scopes), **PRODUCTION) as world:
            # when
            schema = get(world, "/schema.graphql", **BEARER)
            answer = world.ask(f"{{ __schema {{ queryType {{ name }} }} {record} }}", **BEARER)
            traced = world.ask(f"{{ {record} }}", **BEARER)

        # then
        assert (schema.status_code == 200) is allowed
        assert ("data" in answer) is allowed
        assert ("trace" in traced.get("extensions", {})) is allowed
        assert allowed or answer["errors"][0]["extensions"]["code"] == "INSUFFICIENT_SCOPE"


# WebSockets and event streams


@contextmanager
def gateway(**settings: Any) -> Iterator[str]:
    """Run a gateway over sources that nobody asks, as the command line runs it; gives its origin."""
    sources = make_sources(dict.fromkeys(SERVERS, "http://127.0.0.1:9"))
    with served(create_app(Settings(sources=sources, **settings))) as origin:
        yield origin


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run a gateway that knows an issuer and a key."""
    issuers = (issuer_settings(tmp_path_factory.mktemp("issuer")),)
    with gateway(issuers=issuers, api_keys=key_settings("files:read")) as running:
        yield running


def opened(origin: str, headers: Mapping[str, str] | None = None) -> ClientConnection:
    """Open a WebSocket."""
    address = origin.replace("http", "ws") + "/graphql"
    wanted = [Subprotocol("graphql-transport-ws")]
    return connect(address, subprotocols=wanted, additional_headers=headers, close_timeout=1)


def hear(connection: ClientConnection) -> Any:
    """Wait for a message."""
    return json.loads(connection.recv(PATIENCE))


def closing(connection: ClientConnection) -> int:
    """Wait for the end and give its code."""
    try:
        while True:
            connection.recv(PATIENCE)
    except ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd else 0


@pytest.mark.parametrize(
    ("headers", "payload", "welcome"),
    [
        ({}, BEARER, True),
        ({}, {"Authorization": BEARER["authorization"]}, True),
        ({}, {"x-api-key": KEY.reveal()}, True),
        (BEARER, None, True),
        (BEARER, {"theme": "dark"}, True),
        ({"authorization": "Bearer wrong"}, BEARER, True),
        ({}, None, False),
        ({}, {}, False),
        ({}, {"authorization": "Bearer wrong"}, False),
        ({}, {"authorization": ["Bearer", KEY.reveal()]}, False),
        (BEARER, {"authorization": "Bearer wrong"}, False),
        ({}, {**BEARER, "x-api-key": KEY.reveal()}, False),
    ],
)
def test_websocket_says_who_is_there(
    origin: str, headers: dict[str, str], payload: dict[str, Any] | None, welcome: bool
) -> None:
    """By its first message, as pages have to, or by its headers; nobody unknown is acknowledged."""
    # given
    with opened(origin, headers) as connection:
        # when
        connection.send(json.dumps({"type": "connection_init", "payload": payload}))

        # then
        if welcome:
            assert hear(connection)["type"] == "connection_ack"
        else:
            assert closing(connection) == 4401


def test_websocket_is_silent_before_it_is_known_who_is_there(origin: str) -> None:
    """An operation before the first message ends the connection, whatever its headers say."""
    # given
    with opened(origin, BEARER) as connection:
        # when
        connection.send(json.dumps({"id": "1", "type": "subscribe", "payload": {"query": SOURCES}}))

        # then
        assert closing(connection) == 4401


def test_websocket_ends_with_its_token(origin: str) -> None:
    """A connection outlives no token: whoever logs in again may come back."""
    # given a token that has ended, and is taken for the second that clocks may differ
    credential = f"Bearer {token(exp=int(time.time()) - int(LEEWAY) + 3)}"
    with opened(origin) as connection:
        connection.send(json.dumps({"type": "connection_init", "payload": {"authorization": credential}}))
        assert hear(connection)["type"] == "connection_ack"
        connection.send(json.dumps({"id": "1", "type": "subscribe", "payload": {"query": SOURCES}}))
        answered = hear(connection)

        # when
        code = closing(connection)

    # then
    assert len(answered["payload"]["data"]["sources"]) == 5
    assert code == 4401


@pytest.mark.parametrize("scopes", [("files:write",), ("files:read",)])
def test_websocket_holds_scopes(scopes: tuple[str, ...]) -> None:
    """What may not be asked over HTTP may not be asked here either."""
    # given
    with gateway(api_keys=key_settings(*scopes)) as origin, opened(origin, BEARER) as connection:
        connection.send(json.dumps({"type": "connection_init"}))
        hear(connection)

        # when
        connection.send(json.dumps({"id": "1", "type": "subscribe", "payload": {"query": SOURCES}}))
        answer = hear(connection)

    # then
    assert answer["type"] == ("next" if "files:read" in scopes else "error")
    assert answer["type"] == "next" or answer["payload"][0]["extensions"]["code"] == "INSUFFICIENT_SCOPE"


def test_event_stream_holds_scopes(world: World) -> None:
    """Nor over server-sent events; with the scope they answer."""
    # given
    headers = {"accept": "text/event-stream", "content-type": "application/json"}
    tokens = {scope: f"Bearer {token(scope=scope)}" for scope in ("files:read", "files:write")}

    # when
    answers = {
        scope: world.client.post(
            f"{world.gateway}/graphql",
            json={"query": SOURCES},
            headers={**headers, "authorization": credential},
        ).text
        for scope, credential in tokens.items()
    }

    # then
    assert '"sources":' in answers["files:read"]
    assert "INSUFFICIENT_SCOPE" in answers["files:write"]


def test_event_stream_ends_with_its_token(tmp_path: Path) -> None:
    """A stream is over, in good order, when the credential is by which it was opened; what it ran is ended."""
    # given
    headers = {"accept": "text/event-stream", "host": "files.example.org"}
    headers["authorization"] = f"Bearer {token(exp=int(time.time()) - int(LEEWAY) + 3)}"
    app, _ = make_endless(issuers=(issuer_settings(tmp_path),))
    with served(app) as origin, httpx.Client(timeout=PATIENCE) as client:
        # when
        body = {"query": "subscription { wait }"}
        with client.stream("POST", f"{origin}/graphql", json=body, headers=headers) as stream:
            lines = list(stream.iter_lines())
        again = client.post(f"{origin}/graphql", json=body, headers=headers)

    # then
    assert any('"wait":0' in line.replace(" ", "") for line in lines)
    assert running_subscriptions == []
    assert again.status_code == 401
