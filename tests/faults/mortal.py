"""A gateway that dies where it is told to: ``python -m tests.faults.mortal CONFIG``, with the configuration in JSON.

It is the gateway as it is served, over the sandbox systems that the configuration names. Where that has a ``point``,
SIGUSR1 arms it, and the process then kills itself with SIGKILL there: at the arrival number ``count``, or, with
``hold``, when so many uploads stand at the point at once, or no more come. It ends with its standard input, too, so
that no test leaves it behind.
"""

import asyncio
import json
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import wraps
from random import Random
from typing import Any

from msgspec.structs import replace

from gateway.asgi import create_app
from gateway.domain.secret import Secret
from gateway.sandbox.store import ADMIN, BUCKET, Store
from gateway.sandbox.world import make_sources
from gateway.serving import listen, make_server, serve
from gateway.settings import Settings
from gateway.transport.exchange import Exchange
from gateway.transport.messages import Request
from gateway.uploads.journal import Journal
from gateway.uploads.storage import StagingStore
from gateway.uploads.tickets import TicketState
from gateway.upstreams.registry import KINDS

HOST = "127.0.0.1"
NO_MORE = 1.5
"""Seconds without another arrival after which those who hold are all that come."""
POINTS = ("claim", "verify", "sending", "first byte", "last byte", "answer", "sent", "cleanup")
SIDES = ("before", "after")


@dataclass(slots=True)
class Death:
    """Where and when the process dies."""

    point: str
    count: int
    hold: bool
    chance: Random
    armed: bool = False
    arrivals: int = 0

    async def at(self, point: str) -> None:
        """Pass a point, or die there, or hold until the others are there, too."""
        if not self.armed or point != self.point:
            return
        if point == "before answer" and self.chance.random() < 0.5:
            return  # of the several answers of one upload another one may be the last
        self.arrivals += 1
        if self.arrivals >= self.count:
            die()
        if self.hold:
            await self._hold()

    async def _hold(self) -> None:
        seen = 0
        while seen != self.arrivals:
            seen = self.arrivals
            await asyncio.sleep(NO_MORE)
        die()


def die() -> None:
    """End as a power cut does."""
    os.kill(os.getpid(), signal.SIGKILL)


def around(owner: type, name: str, point_of: Callable[..., str | None], death: Death) -> None:
    """Put the two sides of a point around a method."""
    inner = getattr(owner, name)

    @wraps(inner)
    async def outer(*args: Any, **kwargs: Any) -> Any:
        point = point_of(*args)
        if point is None:
            return await inner(*args, **kwargs)
        await death.at(f"before {point}")
        result = await inner(*args, **kwargs)
        await death.at(f"after {point}")
        return result

    setattr(owner, name, outer)


_STEPS = {TicketState.SENDING: "sending", TicketState.SENT: "sent"}
READING = ("GET", "HEAD")


def around_requests(death: Death) -> None:
    """Put points around the bytes of requests, and before anybody looks at the answers to those that write."""
    send = Exchange.send

    async def mortal_send(self: Exchange, request: Request, seconds: float) -> Any:
        if request.streams:
            request = replace(request, body=_watched(request.body, death))  # type: ignore[arg-type]
        response = await send(self, request, seconds)
        if request.method not in READING:
            await death.at("before answer")
        return response

    setattr(Exchange, "send", mortal_send)  # noqa: B010 - a method, which mypy lets nobody assign


def after_uploads(death: Death) -> None:
    """Put a point behind the last answer of an upload, of which the journal does not know yet."""
    for adapter in (kind.adapter for kind in KINDS.values()):
        if upload := getattr(adapter, "upload", None):
            setattr(adapter, "upload", _followed(upload, death))  # noqa: B010


def _followed(upload: Callable[..., Awaitable[Any]], death: Death) -> Callable[..., Awaitable[Any]]:
    async def followed(*args: Any) -> Any:
        ref = await upload(*args)
        await death.at("after answer")
        return ref

    return followed


async def _watched(body: AsyncIterator[bytes], death: Death) -> AsyncIterator[bytes]:
    """Give a body on, one piece late, to know which one is the last."""
    await death.at("before first byte")
    held = await anext(body, b"")
    yield held
    await death.at("after first byte")
    held = await anext(body, b"")
    async for piece in body:
        yield held
        held = piece
    await death.at("before last byte")
    yield held
    await death.at("after last byte")


def settings_of(config: dict[str, Any]) -> Settings:
    """Make the settings; ``sources`` has changes by the names of sources."""
    changes = config.get("sources", {})
    sources = make_sources(config["origins"])
    store = Store(config["store"], ADMIN).settings(BUCKET)
    return Settings(
        sources=tuple(_changed(source, changes.get(source.name, {})) for source in sources),
        store=type(store)(**{**_values(store), **config.get("staging", {})}),
        journal=Secret(config["journal"]),
        host=HOST,
        port=config["port"],
        deadline=config.get("deadline", 30.0),
    )


def _values(struct: Any) -> dict[str, Any]:
    return {name: getattr(struct, name) for name in struct.__struct_fields__}


def _changed(source: Any, changes: dict[str, Any]) -> Any:
    return type(source)(**{**_values(source), **changes})


def main(config: dict[str, Any]) -> None:
    """Serve until told to stop, or dead."""
    death = Death(config.get("point", ""), config.get("count", 1), config.get("hold", False), Random(7))  # noqa: S311
    if death.point:
        around(Journal, "claim", lambda *_: "claim", death)
        around(Journal, "advance", lambda _self, _ticket, to, *_: _STEPS.get(to), death)
        around(StagingStore, "digest", lambda *_: "verify", death)
        around(StagingStore, "remove", lambda *_: "cleanup", death)
        around_requests(death)
        after_uploads(death)
    signal.signal(signal.SIGUSR1, lambda *_: setattr(death, "armed", True))
    threading.Thread(target=_die_at_end_of_input, daemon=True).start()
    listener = listen(HOST, config["port"])
    config["port"] = listener.getsockname()[1]
    server = make_server(create_app(settings_of(config)), 5)
    sys.stdout.write(f"{config['port']}\n")
    sys.stdout.flush()
    serve(server, listener)


def _die_at_end_of_input() -> None:
    while os.read(sys.stdin.fileno(), 1):
        pass
    die()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
