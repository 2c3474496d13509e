"""The routes of the gateway."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from gateway.web.content import ContentEndpoint
from gateway.web.graphiql import STATIC
from gateway.web.graphql import GraphQLEndpoint
from gateway.web.health import Health


def make_app(
    graphql: GraphQLEndpoint,
    content: ContentEndpoint,
    schema_text: str,
    close: Callable[[], Awaitable[None]],
) -> Starlette:
    """Put the routes together; ``close`` is awaited when the application stops."""
    health = Health()

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        health.ready = True
        try:
            yield
        finally:
            health.ready = False
            await close()

    async def schema(_: Request) -> Response:
        return PlainTextResponse(schema_text, headers={"cache-control": "no-cache"})

    async def home(_: Request) -> Response:
        return RedirectResponse("/graphql")

    routes = [
        Route("/", home),
        Route("/graphql", graphql),
        Route("/content/{token}", content.serve, methods=["GET", "HEAD"]),
        Route("/schema.graphql", schema),
        Route("/livez", health.live),
        Route("/readyz", health.is_ready),
        STATIC,
    ]
    return Starlette(routes=routes, lifespan=lifespan)
