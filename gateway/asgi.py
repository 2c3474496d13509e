"""The composition root: settings become sources, loaders, schema and the application."""

import asyncio
import os
from collections.abc import Mapping

from starlette.applications import Starlette

from gateway.context import RequestContext
from gateway.links import ContentLinks
from gateway.settings import Settings
from gateway.transport.call import Call
from gateway.upstreams.base import Adapter
from gateway.upstreams.registry import open_source
from gateway.web.app import make_app
from gateway.web.content import ContentEndpoint
from gateway.web.graphiql import graphiql_page, load_examples
from gateway.web.graphql import EndpointSettings, GraphQLEndpoint
from resolvers.execution.executor import Executor
from resolvers.schema import make_schema, print_schema

KEY_BYTES = 32


def open_sources(settings: Settings) -> Mapping[str, Adapter]:
    """Open the adapter of each configured source, in the order of the settings; no connection is made yet."""
    return {source.name: open_source(source) for source in settings.sources}


def create_app(settings: Settings) -> Starlette:
    """Make the application of these settings. Call it inside the process that serves it, before the loop runs."""
    sources = open_sources(settings)
    links = ContentLinks(_content_key(settings), settings.public_url)

    def make_context(call: Call) -> RequestContext:
        return RequestContext.make(call, sources, links)

    async def close() -> None:
        await asyncio.gather(*(source.aclose() for source in sources.values()))

    explored = settings.profile != "production"
    endpoint = GraphQLEndpoint(
        Executor(make_schema(), suggestions=explored),
        make_context,
        EndpointSettings(settings.deadline, settings.largest_request, traces=explored),
        graphiql_page(load_examples() if settings.profile == "demo" else ()) if explored else None,
    )
    content = ContentEndpoint(sources, links, settings.deadline)
    return make_app(endpoint, content, print_schema(), close)


def _content_key(settings: Settings) -> bytes:
    """Give the key of sealed links: the configured one, or one that lives as long as the process."""
    if settings.content_key is None:
        return os.urandom(KEY_BYTES)
    return bytes.fromhex(settings.content_key.reveal())
