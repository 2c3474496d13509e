"""Listens and serves: one process and one event loop, which SIGTERM or Ctrl-C stops in good order."""

import errno
import gc
import socket

import uvicorn
from starlette.types import ASGIApp

from gateway.signals import is_asked_to_stop
from gateway.web.wire import BoundedProtocol, QuietSocket

BACKLOG = 2048
LARGEST_MESSAGE = 256 * 1024
DRAIN = 25
"""Seconds that running requests get at the stop: less than the 30 that Kubernetes waits before it kills."""
COLLECTED_AFTER = (50_000, 20, 10)
"""The garbage collector's thresholds: what requests make is freed without it, so it need not look so often.

Plans and documents that gave way are all that waits for it: their parts refer to each other.
"""


class Server(uvicorn.Server):
    """A server that signals stop in good order, whenever they come."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start. The server has the signals by now; one that was noted before it had them stops it all the same."""
        await super().startup(sockets)
        if is_asked_to_stop():
            self.should_exit = True


class SettledServer(Server):
    """A server that keeps the garbage collector from what stays for good: the schema alone is 100,000 objects."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then settle what the start has made."""
        await super().startup(sockets)
        gc.collect()
        gc.freeze()
        gc.set_threshold(*COLLECTED_AFTER)


class CannotListenError(Exception):
    """The address can't be had; the text says why, and what to do, in one line."""


def listen(host: str, port: int) -> socket.socket:
    """Bind and listen; raises CannotListenError where the port is taken or the address isn't ours."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as exc:
        raise CannotListenError(f"cannot listen on {host}: {exc.strerror}") from exc
    try:
        # Without this a restart finds its own port taken by connections that are still closing.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as exc:
        listener.close()
        taken = "it is taken; choose another with --port" if exc.errno == errno.EADDRINUSE else exc.strerror
        raise CannotListenError(f"cannot listen on {host}:{port}: {taken}") from exc
    return listener


def make_server(app: ASGIApp, drain: int = DRAIN, largest_message: int = LARGEST_MESSAGE) -> uvicorn.Server:
    """Make the server of an application; running requests get ``drain`` seconds when it stops.

    ``largest_message`` bounds one message of a WebSocket, in bytes after decompression.

    It logs warnings only: what a request did is in the trace, and addresses may hold sealed links.
    """
    config = uvicorn.Config(
        app,
        http=BoundedProtocol,
        ws=QuietSocket,
        ws_max_size=largest_message,
        lifespan="on",
        access_log=False,
        log_level="warning",
        server_header=False,
        timeout_graceful_shutdown=drain,
    )
    return SettledServer(config)


def serve(server: uvicorn.Server, *listeners: socket.socket) -> bool:
    """Serve until a signal comes or ``server.should_exit`` is set; False if the application did not start.

    Call `note_signals` first: a signal stops the server once it has started, and is repeated once it has stopped.
    """
    server.run(sockets=list(listeners))
    return server.started
