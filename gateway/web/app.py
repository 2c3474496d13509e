"""The routes of the gateway."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute

from gateway.web.assets import STATIC
from gateway.web.content import ContentEndpoint
from gateway.web.graphql import GraphQLEndpoint
from gateway.web.health import Health
from gateway.web.live import ByAccept, LiveEndpoint


def make_app(
    graphql: GraphQLEndpoint,
    live: LiveEndpoint,
    content: ContentEndpoint,
    schema_text: str,
    running: Callable[[], AbstractAsyncContextManager[None]],
    *,
    pages: Sequence[BaseRoute] = (),
) -> Starlette:
    """Put the routes together, those of further ``pages`` among them.

    ``running`` is entered when the application starts and left when it stops.
    """
    health = Health()

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with running():
            health.ready = True
            try:
                yield
            finally:
                health.ready = False

    async def schema(_: Request) -> Response:
        return PlainTextResponse(schema_text, headers={"cache-control": "no-cache"})

    async def home(_: Request) -> Response:
        return RedirectResponse("/graphql")

    routes = [
        Route("/", home),
        Route("/graphql", ByAccept(graphql, live)),
        WebSocketRoute("/graphql", live),
        Route("/content/{token}", content.serve, methods=["GET", "HEAD"]),
        Route("/schema.graphql", schema),
        Route("/livez", health.live),
        Route("/readyz", health.is_ready),
        STATIC,
        *pages,
    ]
    return Starlette(routes=routes, lifespan=lifespan)
