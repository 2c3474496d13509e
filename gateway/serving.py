"""Listens and serves: one process and one event loop, which SIGTERM or Ctrl-C stops in good order."""

import errno
import socket

import uvicorn
from starlette.types import ASGIApp

BACKLOG = 2048
DRAIN = 25
"""Seconds that running requests get at the stop: less than the 30 that Kubernetes waits before it kills."""


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


def make_server(app: ASGIApp, drain: int = DRAIN) -> uvicorn.Server:
    """Make the server of an application; running requests get ``drain`` seconds when it stops.

    It logs warnings only: what a request did is in the trace, and addresses may hold sealed links.
    """
    config = uvicorn.Config(
        app,
        http="httptools",
        ws="websockets-sansio",
        lifespan="on",
        access_log=False,
        log_level="warning",
        server_header=False,
        timeout_graceful_shutdown=drain,
    )
    return uvicorn.Server(config)


def serve(server: uvicorn.Server, *listeners: socket.socket) -> bool:
    """Serve until a signal comes or ``server.should_exit`` is set; False if the application did not start.

    The server repeats a signal once it has stopped, which ends a program with `exit_on_signals` with status 0.
    """
    server.run(sockets=list(listeners))
    return server.started
