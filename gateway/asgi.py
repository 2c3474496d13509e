"""The composition root: settings become sources, journal, store, schema and the application."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress

from starlette.applications import Starlette

from gateway.context import RequestContext
from gateway.links import ContentLinks, utc_now
from gateway.settings import Settings
from gateway.transport.call import Call
from gateway.uploads.journal import Journal
from gateway.uploads.service import UploadService
from gateway.uploads.storage import StagingStore, StoreSettings
from gateway.uploads.sweeper import Sweeper
from gateway.upstreams.base import Adapter
from gateway.upstreams.registry import open_source
from gateway.web.app import make_app
from gateway.web.content import ContentEndpoint
from gateway.web.graphiql import graphiql_page, load_examples
from gateway.web.graphql import EndpointSettings, GraphQLEndpoint
from gateway.web.live import LiveEndpoint
from gateway.web.upload_page import PATH as UPLOAD
from gateway.web.upload_page import upload_route
from resolvers.execution.documents import Rules
from resolvers.execution.executor import Executor
from resolvers.schema import make_schema, print_schema

KEY_BYTES = 32


def open_sources(settings: Settings) -> Mapping[str, Adapter]:
    """Open the adapter of each configured source, in the order of the settings; no connection is made yet."""
    return {source.name: open_source(source) for source in settings.sources}


class Parts:
    """What the requests of one process share; the journal and the uploads are there while the application runs."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.sources = open_sources(settings)
        self.links = ContentLinks(_content_key(settings), settings.public_url)
        self.journal: Journal | None = None
        self.uploads: UploadService | None = None

    def make_context(self, call: Call) -> RequestContext:
        """Make the context of one request."""
        return RequestContext.make(call, self.sources, self.links, self.journal, self.uploads)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Open the journal and the store, work on uploads meanwhile, and close everything at the end."""
        async with AsyncExitStack() as stack:
            for source in self.sources.values():
                stack.push_async_callback(source.aclose)
            if self.settings.journal is not None:
                self.journal = await Journal.open(self.settings.journal.reveal(), utc_now)
                stack.push_async_callback(self.journal.aclose)
            if self.journal is not None and self.settings.store is not None:
                await self._take_uploads(self.journal, self.settings.store, stack)
            yield

    async def _take_uploads(self, journal: Journal, settings: StoreSettings, stack: AsyncExitStack) -> None:
        store = StagingStore(settings)
        stack.push_async_callback(store.aclose)
        self.uploads = UploadService(journal, store, self.sources)
        stack.push_async_callback(self.uploads.aclose)
        await stack.enter_async_context(_sweeping(Sweeper(self.uploads)))


def create_app(settings: Settings) -> Starlette:
    """Make the application of these settings. Call it inside the process that serves it, before the loop runs."""
    parts = Parts(settings)
    schema = make_schema()
    explored = settings.profile != "production"
    executor = Executor(schema, Rules(settings.limits, suggestions=explored, introspection=explored))
    endpoint = GraphQLEndpoint(
        executor,
        parts.make_context,
        EndpointSettings(settings.deadline, settings.largest_request, traces=explored),
        _editor(settings) if explored else None,
    )
    content = ContentEndpoint(parts.sources, parts.links, settings.deadline)
    live = LiveEndpoint(schema, executor, parts.make_context)
    pages = [upload_route(settings.store.public_endpoint)] if settings.store and _takes_files(settings) else []
    return make_app(endpoint, live, content, print_schema(), parts.running, pages=pages)


def _takes_files(settings: Settings) -> bool:
    return settings.profile == "demo" and settings.store is not None and settings.journal is not None


def _editor(settings: Settings) -> bytes:
    """Write the editor's page: the demo's has examples of its records, and a way to the upload page."""
    examples = load_examples() if settings.profile == "demo" else ()
    return graphiql_page(examples, upload=UPLOAD if _takes_files(settings) else None)


@asynccontextmanager
async def _sweeping(sweeper: Sweeper) -> AsyncIterator[None]:
    task = asyncio.create_task(sweeper.run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def _content_key(settings: Settings) -> bytes:
    """Give the key of sealed links: the configured one, or one that lives as long as the process."""
    if settings.content_key is None:
        return os.urandom(KEY_BYTES)
    return bytes.fromhex(settings.content_key.reveal())
