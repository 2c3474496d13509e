"""Runs a gateway as `serve` does, in a thread of the test's own process, and talks to it below HTTP clients."""

import asyncio
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from starlette.types import ASGIApp

from gateway.asgi import create_app
from gateway.domain.secret import Secret
from gateway.sandbox.maarch import seed as maarch
from gateway.sandbox.server import listen
from gateway.serving import make_server
from gateway.settings import Settings
from gateway.upstreams.maarch import MaarchSettings

NOBODY = "http://127.0.0.1:9/rest"
"""The discard port, where no source listens: nothing of these tests may ask one."""
PATIENCE = 20.0
"""Seconds that a test waits for bytes; the answers take milliseconds."""
HEAD = b"POST /graphql HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
QUERY = b'{"query":"{__typename}"}'


def make_settings(**changes: Any) -> Settings:
    """Make settings with one source that nobody is behind."""
    source = MaarchSettings(
        name="maarch", kind="maarch", url=NOBODY, username=maarch.USER, password=Secret(maarch.PASSWORD)
    )
    return Settings(sources=(source,), **changes)


@contextmanager
def served(app: ASGIApp | None = None, **changes: Any) -> Iterator[str]:
    """Serve an application, or a gateway of these settings, and give its origin."""
    settings = make_settings(**changes)
    server = make_server(app or create_app(settings), 1, settings.largest_request)
    listener = listen()
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])), daemon=True)
    thread.start()
    until = time.monotonic() + PATIENCE
    while not server.started and thread.is_alive() and time.monotonic() < until:
        time.sleep(0.01)
    assert server.started
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(PATIENCE)
        listener.close()


def connected(origin: str) -> socket.socket:
    """Open a connection to a gateway."""
    parts = urlsplit(origin)
    return socket.create_connection((parts.hostname or "", parts.port or 0), PATIENCE)


def exchange(origin: str, *pieces: bytes) -> bytes:
    """Send bytes and read until the gateway closes the connection."""
    with connected(origin) as connection:
        for piece in pieces:
            connection.sendall(piece)
        return read_all(connection)


def read_all(connection: socket.socket) -> bytes:
    """Read until the other side ends the connection; a reset ends it as well."""
    found = b""
    try:
        while piece := connection.recv(65_536):
            found += piece
    except ConnectionResetError:
        return found
    return found


def statuses(answer: bytes) -> list[int]:
    """Give the statuses of the answers on a connection, in their order."""
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", answer)]
