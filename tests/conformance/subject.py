"""An adapter on its sandbox, and the questions that the suite asks it."""

import asyncio
import inspect
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import parse_qsl, unquote

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.domain.capabilities import Operation
from gateway.domain.errors import GatewayError
from gateway.domain.model import Entry
from gateway.domain.refs import Ref
from gateway.sandbox.upstream import SandboxUpstream, SeenRequest
from gateway.transport.call import Call
from gateway.upstreams.base import (
    CORE_OPERATIONS,
    PROTOCOLS,
    Adapter,
    Listing,
    SupportsContent,
    SupportsSignedLinks,
)
from tests.conformance.rewriting import RewritingApp
from tests.conformance.troubles import PATIENCE, Trouble

T = TypeVar("T")

POLL = 0.01
"""Seconds between two looks at what another thread brings about."""

HOSTILE_ID = "é\"'/../éx?é=1#é&%2F é"
"""Each piece of it has the letter that ``torn`` looks for."""

CREDENTIAL_HEADERS = frozenset({"authorization", "x-api-key", "x-hmac-authorization", "espo-authorization"})


@dataclass(frozen=True, slots=True)
class Samples:
    """References that mean something to the sandbox.

    ``known`` are 50 or more that exist; ``missing`` does not, though its form is right. ``parents`` are records or
    libraries, the first with something in it, and ``missing_parent`` is one that the source refuses to know.
    ``hostile`` exists and has the name ``hostile_name``, with a letter outside ASCII, a quote and a slash.
    """

    known: Sequence[Ref]
    missing: Ref
    parents: Sequence[Ref]
    missing_parent: Ref
    hostile: Ref
    hostile_name: str


@dataclass(frozen=True, slots=True)
class Damaged:
    """A sandbox with folders whose parents are a cycle or are not there; all others are in their places."""

    app: ASGIApp
    library: Ref
    on_cycle: frozenset[Ref]
    orphans: frozenset[Ref]


@dataclass(frozen=True, slots=True)
class Subject:
    """One adapter, opened on its sandbox through a socket; ``wire`` rewrites the sandbox's answers."""

    adapter: Adapter
    sandbox: SandboxUpstream
    wire: RewritingApp


class Switch:
    """An ASGI application that is another one in each test, so that one server does for all of a class."""

    def __init__(self) -> None:
        self.app: ASGIApp = PlainTextResponse("There is nothing here.", 404)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the present application does."""
        await self.app(scope, receive, send)


@dataclass(frozen=True, slots=True)
class Place:
    """A running server: what it serves, and where."""

    switch: Switch
    origin: str


@asynccontextmanager
async def opened(place: Place, app: ASGIApp, open_adapter: Callable[[str], Adapter]) -> AsyncIterator[Subject]:
    """Open an adapter on an application of its kind, and close it."""
    wire = RewritingApp(app)
    sandbox = SandboxUpstream("sandbox", wire)
    place.switch.app = sandbox
    adapter = open_adapter(place.origin)
    try:
        yield Subject(adapter, sandbox, wire)
    finally:
        await adapter.aclose()


# Asking


async def fetched(
    subject: Subject, refs: Sequence[Ref], seconds: float = PATIENCE
) -> list[Entry | GatewayError]:
    """Fetch; an error that is raised, where it should be a value, is a failed check."""
    return await _values(subject.adapter.fetch(refs, Call.lasting(seconds)))


async def listed(
    subject: Subject, refs: Sequence[Ref], seconds: float = PATIENCE
) -> list[Listing | GatewayError]:
    """List the children, likewise."""
    return await _values(subject.adapter.children(refs, Call.lasting(seconds)))


async def _values(answer: Awaitable[Sequence[T]]) -> list[T]:
    try:
        return list(await answer)
    except Exception as exc:
        raise AssertionError(f"raised instead of answered as a value: {exc!r}") from exc


async def struck(subject: Subject, samples: Samples, trouble: Trouble) -> list[GatewayError]:
    """Ask everything that every adapter can be asked while the source is in trouble."""
    fault = subject.sandbox.fault = trouble.fault()
    try:
        outcomes = [
            *await fetched(subject, samples.known[:1], trouble.seconds),
            *await fetched(subject, samples.known[:3], trouble.seconds),
            *await listed(subject, samples.parents[:1], trouble.seconds),
            await _raised(subject.adapter.probe(Call.lasting(trouble.seconds))),
        ]
    finally:
        if fault.hold is not None:
            fault.hold.set()
    errors = [one for one in outcomes if isinstance(one, GatewayError)]
    assert len(errors) == len(outcomes), f"answered in spite of the trouble: {outcomes}"
    return errors


async def _raised(answer: Awaitable[object]) -> object:
    try:
        return await answer
    except GatewayError as exc:
        return exc


async def read(adapter: Adapter, ref: Ref) -> bytes:
    """Read a file's bytes through the gateway, as far as the adapter can; an error gives none."""
    if not isinstance(adapter, SupportsContent):
        return b""
    try:
        async with adapter.open(ref, Call.lasting(PATIENCE)) as content:
            return b"".join([chunk async for chunk in content.chunks])
    except GatewayError:
        return b""


async def signed(adapter: Adapter, ref: Ref) -> str:
    """Get a file's signed link, if the adapter gives one; an error gives none."""
    if not isinstance(adapter, SupportsSignedLinks):
        return ""
    try:
        return (await adapter.sign(ref, Call.lasting(PATIENCE))).url
    except GatewayError:
        return ""


async def eventually(condition: Callable[[], bool], seconds: float = PATIENCE) -> bool:
    """Wait for something that another thread brings about; False where it takes longer, by default than any call."""
    until = time.monotonic() + seconds
    while not (come := condition()) and time.monotonic() < until:  # noqa: ASYNC110 - no event of this loop
        await asyncio.sleep(POLL)
    return come


# Looking


def sent_credentials(sandbox: SandboxUpstream) -> set[str]:
    """Collect the credentials that the source was shown."""
    return {
        value for one in sandbox.requests for name, value in one.headers.items() if name in CREDENTIAL_HEADERS
    }


def shows(request: SeenRequest, hidden: Sequence[str]) -> bool:
    """Tell whether a request holds a hidden text, or any header that is there for credentials."""
    texts = [unquote(request.path), unquote(request.query), *request.headers.values()]
    return bool(CREDENTIAL_HEADERS & request.headers.keys()) or any(
        one in text for one in hidden for text in texts
    )


def torn(request: SeenRequest) -> list[str]:
    """List the places of a request that hold a piece of the hostile identifier, but not the whole of it."""
    values = [value for _, value in parse_qsl(request.query, keep_blank_values=True)]
    places = [*(unquote(one) for one in request.path.split("/")), *values]
    return [one for one in places if HOSTILE_ID[0] in one and HOSTILE_ID not in one]


def implements(adapter: Adapter, operation: Operation) -> bool:
    """Tell whether an adapter has any of the methods that an operation is done with."""
    if operation in CORE_OPERATIONS:
        return True
    names = {name for protocol in PROTOCOLS.get(operation, ()) for name in vars(protocol) if name[0] != "_"}
    return any(inspect.isroutine(getattr(adapter, name, None)) for name in names)
