"""The routes of the gateway."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import ASGIApp

from gateway.web.assets import STATIC
from gateway.web.content import ContentEndpoint
from gateway.web.graphql import GraphQLEndpoint
from gateway.web.health import Health
from gateway.web.live import Shortcut

GRAPHQL = "/graphql"
Endpoint = Callable[[Request], Awaitable[Response]]


def make_app(
    graphql: GraphQLEndpoint,
    live: ASGIApp,
    content: ContentEndpoint,
    schema: Endpoint,
    running: Callable[[], AbstractAsyncContextManager[None]],
    *,
    pages: Sequence[BaseRoute] = (),
) -> ASGIApp:
    """Put the routes together, those of further ``pages`` among them; plain requests for GraphQL go past all of them.

    ``schema`` answers with the schema's text.
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

    async def home(_: Request) -> Response:
        return RedirectResponse(GRAPHQL)

    routes = [
        Route("/", home),
        Route(GRAPHQL, live),  # event streams: the shortcut has taken all else
        WebSocketRoute(GRAPHQL, live),
        Route("/content/{token}", content.serve, methods=["GET", "HEAD"]),
        Route("/schema.graphql", schema),
        Route("/livez", health.live),
        Route("/readyz", health.is_ready),
        STATIC,
        *pages,
    ]
    return Shortcut(Starlette(routes=routes, lifespan=lifespan), GRAPHQL, graphql)
