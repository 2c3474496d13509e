"""A schema whose subscription ends only when its client goes, behind the same doors as the gateway's own."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import strawberry
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route, WebSocketRoute

from gateway.asgi import Parts
from gateway.identity.principals import DEFAULT_TENANT
from gateway.web.edge import Edge, LiveDoor
from gateway.web.intake import Intake
from gateway.web.live import LiveEndpoint
from gateway.web.origins import Hosts, Origins
from gateway.web.persisted import Automatic, Documents
from resolvers.execution.executor import Executor
from tests.security.served import make_settings

SECRET = "postgresql://gateway:hunter2@10.0.0.7/journal"
OWN = "https://files.example.org"
LISTED = "https://app.example.org"
running: list[asyncio.Event] = []
"""One event for each subscription that runs."""


@strawberry.type
class Query:
    """What every schema has."""

    hello: str = "hello"


@strawberry.type
class Subscription:
    """One event, and then nothing for ever; or a defect."""

    @strawberry.subscription
    async def wait(self) -> AsyncIterator[int]:
        """Say 0 and wait."""
        event = asyncio.Event()
        running.append(event)
        try:
            yield 0
            await event.wait()
        finally:
            running.remove(event)

    @strawberry.subscription
    async def fail(self) -> AsyncIterator[int]:
        """Say 0 and break."""
        yield 0
        raise RuntimeError(SECRET)


def make_endless(
    documents: Documents | None = None, most: int = 100, **settings: Any
) -> tuple[Any, LiveEndpoint]:
    """Make the application and the endpoint in it, which a test may change; ``settings`` are the gateway's."""
    schema = strawberry.Schema(Query, subscription=Subscription)
    parts = Parts(make_settings(**settings))
    intake = Intake(documents or Documents(automatic=Automatic()), 262_144, preflight=True)
    live = LiveEndpoint(
        schema, {DEFAULT_TENANT: Executor(schema)}, intake, parts.door, parts.make_context, deadline=10.0
    )
    origins = Origins([LISTED], OWN)
    edge = Middleware(Edge, Hosts(["files.example.org"]), origins)
    door: Any = LiveDoor(live, origins, most)
    routes = [Route("/graphql", door), WebSocketRoute("/graphql", door)]
    return Starlette(routes=routes, middleware=[edge]), live
