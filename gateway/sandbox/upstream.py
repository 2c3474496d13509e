"""What every sandbox upstream has besides its own routes: a log of its requests, and faults on demand."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOGGED_REQUESTS = 20_000
POLL = 0.01
"""Seconds between two looks at an event that another thread sets."""


@dataclass(frozen=True, slots=True)
class SeenRequest:
    """One request that reached a sandbox upstream; header names are in lower case."""

    method: str
    path: str
    query: str
    headers: dict[str, str]


@dataclass(slots=True)
class Fault:
    """How a sandbox upstream misbehaves while this is set.

    ``delay`` is in seconds and comes before anything else; ``hold`` makes requests wait until the event is set
    (from whichever thread); ``status``, ``body`` and ``headers`` replace the answer; ``truncate`` cuts the real
    answer after so many bytes; ``torn`` lets the request take its whole effect, then breaks the connection before
    the answer. ``only`` chooses the requests it strikes; ``times`` ends it after so many strikes.
    """

    delay: float = 0.0
    status: int | None = None
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    hold: threading.Event | None = None
    truncate: int | None = None
    torn: bool = False
    only: Callable[[SeenRequest], bool] | None = None
    times: int | None = None

    def strikes(self, request: SeenRequest) -> bool:
        """Whether this request is struck; counts it if so."""
        if self.times == 0 or (self.only and not self.only(request)):
            return False
        if self.times is not None:
            self.times -= 1
        return True


class SandboxUpstream:
    """An ASGI application around the routes of one kind that logs requests and injects faults."""

    def __init__(self, name: str, app: ASGIApp) -> None:
        self.name = name
        self.app = app
        self.requests: deque[SeenRequest] = deque(maxlen=LOGGED_REQUESTS)
        self.fault: Fault | None = None
        self.running = 0
        """Requests that are being answered now."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or misbehave as told."""
        if scope["type"] != "http":
            return
        request = _seen(scope)
        self.requests.append(request)
        self.running += 1
        try:
            with suppress(ClientDisconnect):  # a client that has hung up hears no answer, and is no defect
                await self._answer(request, scope, receive, send)
        finally:
            self.running -= 1

    async def _answer(self, request: SeenRequest, scope: Scope, receive: Receive, send: Send) -> None:
        fault = self.fault
        if fault is None or not fault.strikes(request):
            await self.app(scope, receive, send)
            return
        early: deque[Message] = deque()
        await _until_released_or_gone(fault, receive, early)
        receive = _with_early(early, receive)
        if fault.status is not None:
            await _replace(fault, fault.status, send)
        elif fault.truncate is not None:
            await self.app(scope, receive, _truncating(send, fault.truncate))
        elif fault.torn:
            await self.app(scope, receive, _dropped)
            await _break_off(send)
        else:
            await self.app(scope, receive, send)


def _seen(scope: Scope) -> SeenRequest:
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    path = scope.get("raw_path") or scope["path"].encode()
    return SeenRequest(
        scope["method"], path.decode("latin-1"), scope["query_string"].decode("latin-1"), headers
    )


async def _until_released_or_gone(fault: Fault, receive: Receive, early: deque[Message]) -> None:
    """Wait out the delay or the hold, but not for a client that has hung up; keep what arrives meanwhile."""
    waits: list[asyncio.Task[object]] = []
    if fault.delay:
        waits.append(asyncio.create_task(asyncio.sleep(fault.delay)))
    if fault.hold is not None:
        waits.append(asyncio.create_task(_released(fault.hold)))
    if not waits:
        return
    gone = asyncio.create_task(_disconnected(receive, early))
    try:
        await asyncio.wait([*waits, gone], return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in [*waits, gone]:
            task.cancel()


async def _released(hold: threading.Event) -> None:
    while not hold.is_set():  # noqa: ASYNC110 - set from another thread, so no asyncio.Event
        await asyncio.sleep(POLL)


async def _disconnected(receive: Receive, early: deque[Message]) -> None:
    while True:
        message = await receive()
        early.append(message)
        if message["type"] == "http.disconnect":
            return


def _with_early(early: deque[Message], receive: Receive) -> Receive:
    """Give the messages that came during the wait before those that are still to come."""

    async def receive_next() -> Message:
        return early.popleft() if early else await receive()

    return receive_next


async def _replace(fault: Fault, status: int, send: Send) -> None:
    headers = {"content-length": str(len(fault.body)), **fault.headers}
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": fault.body})


async def _dropped(_: Message) -> None:
    """Take what an application answers to nowhere."""


async def _break_off(send: Send) -> None:
    """Announce a body that never comes: the server then closes the connection, which is all it lets one do."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1")]})


def _truncating(send: Send, limit: int) -> Send:
    async def truncated(message: Message) -> None:
        if message["type"] == "http.response.start":
            kept = [pair for pair in message["headers"] if pair[0].lower() != b"content-length"]
            message = {**message, "headers": kept}
        elif message["type"] == "http.response.body":
            message = {**message, "body": message.get("body", b"")[:limit], "more_body": False}
        await send(message)

    return truncated
