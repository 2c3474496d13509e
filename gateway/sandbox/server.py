"""Runs ASGI applications on loopback ports: in the running loop for the demo, in a thread for tests."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

from gateway.serving import Server

BACKLOG = 2048


def listen(port: int = 0, host: str = "127.0.0.1") -> socket.socket:
    """Bind a loopback port, any free one for 0; raises OSError where it is taken."""
    # The protocol is named because asyncio sets TCP_NODELAY only then: without it each answer waits 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def server(app: ASGIApp, **options: object) -> uvicorn.Server:
    """Make a quiet server of an application; the caller runs it and stops it."""
    settings: dict[str, object] = {
        "access_log": False,
        "log_level": "warning",
        "lifespan": "off",
        "ws": "none",
        **options,
    }
    return Server(uvicorn.Config(app, **settings))  # type: ignore[arg-type]


@contextmanager
def in_thread(app: ASGIApp, **options: object) -> Iterator[str]:
    """Serve an application from a thread of its own and yield its origin, ``http://127.0.0.1:port``.

    ``options`` are those of uvicorn.
    """
    listener = listen()
    running = server(app, **{"timeout_graceful_shutdown": 1, **options})
    thread = threading.Thread(target=lambda: asyncio.run(running.serve([listener])), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        running.should_exit = True
        thread.join(timeout=10)
        listener.close()
