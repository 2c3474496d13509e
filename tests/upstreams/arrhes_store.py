"""The object store of the Arrhes sandbox behind a server that logs, and that can be told to misbehave."""

import asyncio
import itertools
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import httpx
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gateway.domain.changes import UploadItem
from gateway.domain.refs import Ref
from gateway.sandbox.arrhes.app import create_app
from gateway.sandbox.arrhes.state import State
from gateway.sandbox.server import in_thread
from gateway.sandbox.store import Store
from gateway.sandbox.upstream import SandboxUpstream
from tests.conformance.comparison import changed
from tests.conformance.subject import Place, Subject, opened
from tests.conformance.uploading import some_bytes
from tests.upstreams.arrhes_source import LIBRARY, open_arrhes

numbers = itertools.count()


@dataclass(frozen=True, slots=True)
class Front:
    """The logging server: ``origin`` is what signed URLs begin with, ``host`` what the adapter has to be told."""

    sandbox: SandboxUpstream
    origin: str

    @property
    def host(self) -> str:
        """The host and port."""
        return self.origin.partition("://")[2]

    def reset(self) -> None:
        """Forget requests and faults."""
        self.sandbox.requests.clear()
        self.sandbox.fault = None


@dataclass(frozen=True, slots=True)
class FrontedStore(Store):
    """A store whose signed URLs lead to the front; its own clients go to it directly."""

    origin: str = ""

    @property
    def url(self) -> str:
        """The origin of every signed URL."""
        return self.origin


@contextmanager
def front_of(store: Store) -> Iterator[Front]:
    """Run a front while the context lasts."""
    sandbox = SandboxUpstream("store", _Forwarding(store.url))
    with in_thread(sandbox) as origin:
        yield Front(sandbox, origin)


def fronted(store: Store, front: Front) -> FrontedStore:
    """Give the store that is reached through a front."""
    return FrontedStore(store.endpoint, store.admin, store.region, origin=front.origin)


def opened_with_store(
    place: Place, state: State, store: Store, front: Front, **settings: Any
) -> AbstractAsyncContextManager[Subject]:
    """Open the adapter on a library whose bytes go through the front."""
    front.reset()
    given = {"link_hosts": (front.host,), **settings}
    return opened(place, create_app(state, fronted(store, front)), lambda origin: open_arrhes(origin, **given))


def unique(size: int) -> bytes:
    """Make bytes that the library does not have: it takes none twice, so five of them or more."""
    return f"{next(numbers):05}{some_bytes(size).decode()}"[:size].encode()


def item_of(contents: bytes, target: Ref = LIBRARY, **changes: Any) -> UploadItem:
    """Write down an upload of a PDF."""
    item = UploadItem(
        target=target,
        name="Reçu.pdf",
        media_type="application/pdf",
        size=len(contents),
        sha256=sha256(contents).hexdigest(),
        options={},
        marker="ticket",
        started_at=datetime.now(UTC),
    )
    return changed(item, **changes)


class _Forwarding:
    """Passes requests on with the headers that they came with: the host is among what is signed."""

    def __init__(self, origin: str) -> None:
        self._origin = origin

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the store does."""
        request = Request(scope, receive)
        url = f"{self._origin}{scope['raw_path'].decode()}?{scope['query_string'].decode()}"
        async with asyncio.timeout(30), httpx.AsyncClient(trust_env=False) as client:
            body = await request.body()
            answer = await client.request(request.method, url, headers=request.headers.raw, content=body)
        kept = {name: value for name, value in answer.headers.items() if name in {"content-type", "etag"}}
        await Response(answer.content, answer.status_code, kept)(scope, receive, send)
