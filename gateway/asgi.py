"""The composition root: settings become sources, journal, store, schema and the application."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial

from starlette.types import ASGIApp
from strawberry import Schema

from gateway.context import RequestContext
from gateway.domain.limits import Limits
from gateway.identifiers import DEVELOPMENT_KEYS, Identifiers, read_keys
from gateway.identity.authenticator import Authenticator
from gateway.identity.principals import Visitor, anonymous
from gateway.identity.tenants import Tenant, Tenants
from gateway.limiter import Limiter, make_limiter
from gateway.links import ContentLinks, utc_now
from gateway.settings import Settings
from gateway.transport.call import Call
from gateway.transport.payloads import check_parser
from gateway.uploads.journal import Journal
from gateway.uploads.service import UploadService
from gateway.uploads.storage import StagingStore, StoreSettings
from gateway.uploads.sweeper import Sweeper
from gateway.web.answers import Answers
from gateway.web.app import make_app
from gateway.web.content import ContentEndpoint
from gateway.web.door import Door
from gateway.web.edge import Edge, LiveDoor
from gateway.web.graphiql import graphiql_page, load_examples
from gateway.web.graphql import EndpointSettings, GraphQLEndpoint
from gateway.web.intake import make_intake
from gateway.web.live import LiveEndpoint
from gateway.web.origins import hosts_and_origins
from gateway.web.schema_text import SchemaText
from gateway.web.upload_page import PATH as UPLOAD
from gateway.web.upload_page import upload_route
from resolvers.execution.documents import Rules
from resolvers.execution.executor import Executor
from resolvers.schema import make_schema, print_schema

KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class Share:
    """What the requests of one tenant share."""

    tenant: Tenant
    ids: Identifiers
    links: ContentLinks
    limiter: Limiter


class Parts:
    """What the requests of one process share; the journal and the uploads are there while the application runs."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.tenants = Tenants(settings.tenants, settings.sources, settings.limits)
        self.links = ContentLinks(_content_key(settings), settings.public_url)
        self.door = Door(_authenticator(settings, self.tenants), self.tenants)
        self.shares = {name: self._share(tenant) for name, tenant in self.tenants.items()}
        self.answers = Answers(settings.answers)
        self.journal: Journal | None = None
        self.uploads: UploadService | None = None

    def make_context(self, visitor: Visitor, call: Call) -> RequestContext:
        """Make the context of one request: with the sources of the visitor's tenant, as he sees them."""
        share = self.shares[visitor.principal.tenant]
        return RequestContext.make(
            visitor.principal,
            call,
            share.tenant.sources_with(visitor.passed),
            share.links,
            share.ids,
            journal=self.journal,
            uploads=self.uploads,
            limiter=share.limiter,
            drop=partial(self.answers.forget, share.tenant.name),
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Open the journal and the store, work on uploads meanwhile, and close everything at the end."""
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self.tenants.aclose)
            stack.push_async_callback(self.door.authenticator.aclose)
            if self.settings.journal is not None:
                self.journal = await Journal.open(self.settings.journal.reveal(), utc_now)
                stack.push_async_callback(self.journal.aclose)
            if self.journal is not None and self.settings.store is not None:
                await self._take_uploads(self.journal, self.settings.store, stack)
            yield

    async def _take_uploads(self, journal: Journal, settings: StoreSettings, stack: AsyncExitStack) -> None:
        store = StagingStore(settings)
        stack.push_async_callback(store.aclose)
        self.uploads = UploadService(journal, store, self.tenants.sources_of)
        stack.push_async_callback(self.uploads.aclose)
        await stack.enter_async_context(_sweeping(Sweeper(self.uploads)))

    def _share(self, tenant: Tenant) -> Share:
        links = replace(self.links, tenant=tenant.name)
        limiter = make_limiter(tenant.limits, production=self.settings.profile == "production")
        return Share(tenant, Identifiers(_id_keys(self.settings), tenant.name), links, limiter)


def create_app(settings: Settings) -> ASGIApp:
    """Make the application of these settings. Call it inside the process that serves it, before the loop runs.

    Raises ManifestError where the manifest of persisted documents cannot be used.
    """
    parts = Parts(settings)
    schema = make_schema()
    explored = settings.profile != "production"
    if not explored:
        check_parser()
    executors = _executors(schema, parts.tenants, explored=explored)
    intake = make_intake(settings, next(iter(executors.values())))
    endpoint = GraphQLEndpoint(
        executors,
        intake,
        parts.door,
        parts.make_context,
        EndpointSettings(settings.deadline, traces=explored),
        answers=parts.answers,
        page=_editor(settings) if explored else None,
    )
    content = ContentEndpoint(parts.door.sources, parts.links, settings.deadline)
    hosts, origins = hosts_and_origins(settings)
    live = LiveDoor(
        LiveEndpoint(schema, executors, intake, parts.door, parts.make_context, deadline=settings.deadline),
        origins,
        settings.edge.live_connections,
    )
    secure = settings.public_url.startswith("https:")
    pages = [upload_route(settings.store.public_endpoint)] if settings.store and _takes_files(settings) else []
    text = SchemaText(print_schema(), parts.door, public=explored)
    app = make_app(endpoint, live, content, text.serve, parts.running, pages=pages)
    return Edge(app, hosts, origins, credentials=settings.edge.credentials, secure=secure)


def _executors(schema: Schema, tenants: Tenants, *, explored: bool) -> Mapping[str, Executor]:
    """Make the executors of the tenants; those with equal limits share one, and what it remembers of documents."""
    made: dict[Limits, Executor] = {}
    for tenant in tenants.values():
        if tenant.limits not in made:
            rules = Rules(tenant.limits, suggestions=explored, introspection=explored)
            made[tenant.limits] = Executor(schema, rules)
    return {name: made[tenant.limits] for name, tenant in tenants.items()}


def _authenticator(settings: Settings, tenants: Tenants) -> Authenticator:
    """Make what knows the credentials; those who send none are of the only tenant, where they may come in at all."""
    visitor = None
    if settings.admits_all:
        (tenant,) = tenants.values()
        visitor = anonymous(tenant.name).within(tenant.ceiling)
    return Authenticator.over(settings.issuers, settings.api_keys, tenants.ceilings, visitor)


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
        await asyncio.wait([task])


def _content_key(settings: Settings) -> bytes:
    """Give the key of sealed links: the configured one, or one that lives as long as the process."""
    if settings.content_key is None:
        return os.urandom(KEY_BYTES)
    return bytes.fromhex(settings.content_key.reveal())


def _id_keys(settings: Settings) -> tuple[bytes, ...]:
    """Give the keys of identifiers: the configured ones, or those that everybody knows."""
    return DEVELOPMENT_KEYS if settings.id_keys is None else read_keys(settings.id_keys.reveal())
