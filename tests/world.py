"""Five sandbox systems and a gateway over them, in threads of the test's own process."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from tempfile import TemporaryDirectory
from typing import Any

import httpx
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.asgi import create_app
from gateway.domain.secret import Secret
from gateway.sandbox.server import in_thread
from gateway.sandbox.store import BUCKET, Store
from gateway.sandbox.upstream import SandboxUpstream
from gateway.sandbox.world import SERVERS, STORE, make_apps, make_sources
from gateway.settings import Settings
from gateway.web.wire import BoundedProtocol

PATIENCE = 30.0
"""Seconds that a test waits for an answer; the gateway's own deadline is far shorter."""


@dataclass(slots=True)
class World:
    """What a test asks and looks at: ``gateway`` is its origin, ``upstreams`` the systems by their kinds."""

    gateway: str
    upstreams: Mapping[str, SandboxUpstream]
    client: httpx.Client
    door: "Door"

    def ask(self, query: str, variables: Any = None, **headers: str) -> dict[str, Any]:
        """Post a query with a trace and give the whole answer."""
        sent = {"x-gateway-trace": "1"} | {name.replace("_", "-"): value for name, value in headers.items()}
        body = {"query": query, "variables": variables}
        answer: dict[str, Any] = self.client.post(f"{self.gateway}/graphql", json=body, headers=sent).json()
        return answer

    def data(self, query: str, variables: Any = None) -> dict[str, Any]:
        """Post a query that must answer without errors and give its data."""
        answer = self.ask(query, variables)
        assert "errors" not in answer, answer["errors"]
        data: dict[str, Any] = answer["data"]
        return data

    def requests(self) -> int:
        """Count the requests that reached any upstream since the last reset."""
        return sum(len(upstream.requests) for upstream in self.upstreams.values())

    def reset(self) -> None:
        """Forget requests and faults."""
        for upstream in self.upstreams.values():
            upstream.fault = None
            upstream.requests.clear()


@dataclass(slots=True)
class Door:
    """Counts the requests that have come in at the gateway."""

    app: ASGIApp
    arrived: int = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one in."""
        self.arrived += scope["type"] == "http"
        await self.app(scope, receive, send)


@contextmanager
def running_world(store: Store | None = None, **settings: Any) -> Iterator[World]:
    """Start everything on free ports; ``settings`` change those of the gateway, ``sources`` those of sources."""
    changes = settings.pop("sources", {})
    with ExitStack() as stack:
        upstreams = {name: SandboxUpstream(name, _not_yet) for name in SERVERS}
        origins = {name: stack.enter_context(in_thread(upstream)) for name, upstream in upstreams.items()}
        for name, app in make_apps(origins, store).items():
            upstreams[name].app = app
        stores = {} if store is None else {STORE: store.url}
        sources = tuple(_changed(source, changes) for source in make_sources({**origins, **stores}))
        folder = stack.enter_context(TemporaryDirectory(prefix="gateway-"))
        settings = {"profile": "demo", "journal": Secret(f"sqlite:///{folder}/journal.db"), **settings}
        staging = None if store is None else store.settings(BUCKET)
        door = Door(create_app(Settings(sources=sources, store=staging, **settings)))
        client = stack.enter_context(httpx.Client(timeout=PATIENCE))
        yield World(
            stack.enter_context(in_thread(door, lifespan="on", http=BoundedProtocol)), upstreams, client, door
        )


def _changed(source: Any, changes: Mapping[str, Any]) -> Any:
    values = {name: getattr(source, name) for name in source.__struct_fields__}
    return type(source)(**{**values, **changes})


async def _not_yet(*_: object) -> None:
    raise RuntimeError("asked before the world was made")
