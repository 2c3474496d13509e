"""Applications that watch what an upload sends: one passes it on, one drops it, so that memory can be measured."""

import hashlib
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

CHUNK = 64 * 1024


class Wiretap:
    """Keeps the bodies that reach an application."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.bodies: list[bytearray] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and keep its body."""
        body = bytearray()
        self.bodies.append(body)

        async def heard() -> Message:
            message = await receive()
            body.extend(message.get("body", b""))
            return message

        await self.app(scope, heard, send)


class Drain:
    """Counts the bytes of a request, keeps none, and answers always the same."""

    def __init__(self, answer: Response) -> None:
        self.answer = answer
        self.announced: list[int] = []
        self.received: list[int] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take a request."""
        request = Request(scope, receive)
        self.announced.append(int(request.headers["content-length"]))
        self.received.append(sum([len(piece) async for piece in request.stream()]))
        await self.answer(scope, receive, send)


@dataclass(slots=True)
class Peak:
    """The most bytes that Python held at once besides what it held before."""

    extra: int = 0


@contextmanager
def measured() -> Iterator[Peak]:
    """Measure the memory that a block needs at most."""
    peak = Peak()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        yield peak
        peak.extra = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


@asynccontextmanager
async def generated(size: int) -> AsyncIterator[AsyncIterator[bytes]]:
    """Stage so many bytes that are made while they are read."""
    yield _generated(size)


async def _generated(size: int) -> AsyncIterator[bytes]:
    block = (hashlib.sha256(b"block").hexdigest() * (CHUNK // 64)).encode()
    for start in range(0, size, CHUNK):
        yield block[: size - start]


class Substitute:
    """Lets an application take a POST to its effect, and answers something else than it did."""

    def __init__(self, app: ASGIApp, answer: Response) -> None:
        self.app = app
        self.answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["method"] != "POST":
            await self.app(scope, receive, send)
            return
        await self.app(scope, receive, _unheard)
        await self.answer(scope, receive, send)


async def _unheard(_: Message) -> None:
    """Drop what an application answers."""
