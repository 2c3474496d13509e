"""What the tests of adapters share: a server for one sandbox after another, and questions to an adapter on it."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from starlette.types import ASGIApp

from gateway.domain.changes import UploadItem
from gateway.domain.errors import GatewayError
from gateway.domain.model import Attachment
from gateway.domain.refs import Ref, RefType
from gateway.sandbox.server import in_thread
from gateway.sandbox.upstream import SandboxUpstream
from gateway.transport.call import Call
from gateway.upstreams.base import SourceSettings
from gateway.upstreams.registry import open_source
from tests.conformance.subject import Place, Switch
from tests.conformance.troubles import PATIENCE
from tests.conformance.uploading import Journal, staged


@contextmanager
def served() -> Iterator[Place]:
    """Run a server that answers for one sandbox after another."""
    switch = Switch()
    with in_thread(switch) as origin:
        yield Place(switch, origin)


def put_up(place: Place, name: str, app: ASGIApp) -> SandboxUpstream:
    """Let the server answer for an application, whose requests are logged."""
    place.switch.app = sandbox = SandboxUpstream(name, app)
    return sandbox


@asynccontextmanager
async def opened(chosen: SourceSettings) -> AsyncIterator[Any]:
    """Open the adapter of settings and close it."""
    adapter = open_source(chosen)
    try:
        yield adapter
    finally:
        await adapter.aclose()


def call() -> Call:
    """Start an operation."""
    return Call.lasting(PATIENCE)


async def asked(chosen: SourceSettings, ref: Ref) -> Any:
    """Fetch an attachment, or list a record, whatever comes of it."""
    async with opened(chosen) as adapter:
        ask = adapter.fetch if ref.type is RefType.ATTACHMENT else adapter.children
        (found,) = await ask([ref], call())
    return found


async def attachments_of(chosen: SourceSettings, record: Ref) -> tuple[Attachment, ...]:
    """List the attachments of a record that is there."""
    listing = await asked(chosen, record)
    assert not isinstance(listing, GatewayError), listing
    return tuple(listing.attachments)


# Uploading


async def uploaded(
    chosen: SourceSettings, item: UploadItem, contents: bytes = b"Bonjour"
) -> Ref | GatewayError:
    """Upload, whatever comes of it."""
    async with opened(chosen) as adapter:
        try:
            return await adapter.upload(item, staged(contents), call(), Journal())
        except GatewayError as exc:
            return exc


async def reconciled(chosen: SourceSettings, item: UploadItem) -> Ref | GatewayError | None:
    """Look for what an attempt made, whatever comes of it."""
    async with opened(chosen) as adapter:
        try:
            return await adapter.reconcile(item, call())
        except GatewayError as exc:
            return exc
