"""A server with the GraphiQL page for the browser to visit."""

from collections.abc import Iterator

import pytest
import strawberry
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from strawberry.asgi import GraphQL

from gateway.sandbox.server import in_thread
from gateway.web.graphiql import PAGE_HEADERS, STATIC, Example, graphiql_page


@strawberry.type
class StubSource:
    """One system."""

    name: str


@strawberry.type
class Query:
    """What the stub answers."""

    @strawberry.field
    def sources(self) -> list[StubSource]:
        """Answer two systems."""
        return [StubSource(name="arrhes"), StubSource(name="maarch")]


EXAMPLES = (
    Example(
        "All",
        "# All\nquery Sources($yes: Boolean = true) {\n  sources {\n    name @include(if: $yes)\n  }\n}\n",
        {"yes": True},
        {"X-Gateway-Trace": "1"},
    ),
    Example("Kind", "# Kind\nquery Kind {\n  __typename\n}\n", {}, {"X-Gateway-Trace": "1"}),
)


def _page(_: Request) -> Response:
    return Response(graphiql_page(EXAMPLES), media_type="text/html", headers=dict(PAGE_HEADERS))


@pytest.fixture
def server_url() -> Iterator[str]:
    """Serve the page over a small schema and give the origin."""
    endpoint: GraphQL[object, object] = GraphQL(strawberry.Schema(Query), graphql_ide=None)
    routes = [Route("/graphql", _page, methods=["GET"]), Route("/graphql", endpoint, methods=["POST"]), STATIC]
    with in_thread(Starlette(routes=routes)) as origin:
        yield origin
