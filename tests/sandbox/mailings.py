"""What the tests of the sandbox Direct Mail API share: a clock, clients, and links."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import httpx

from gateway.sandbox.directmail import seed
from gateway.sandbox.directmail.app import create_app
from gateway.sandbox.directmail.state import State
from gateway.sandbox.server import in_thread
from gateway.sandbox.upstream import SandboxUpstream

PROJECTS = "/api/v2/projects"
PROJECT = f"{PROJECTS}/{seed.FESTIVAL}"
KEY = (seed.KEY_ID, seed.KEY_SECRET)


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = datetime(2026, 5, 4, 9, 0, 30, tzinfo=UTC)

    def __call__(self) -> datetime:
        """Tell the time."""
        return self.now


@contextmanager
def mailings() -> Iterator[tuple[SandboxUpstream, str]]:
    """Start one server for the tests of a file, since a start takes longer than a test."""
    upstream = SandboxUpstream("directmail", create_app(State()))
    with in_thread(upstream) as origin:
        yield upstream, origin


def client_of(served: tuple[SandboxUpstream, str], state: State) -> httpx.Client:
    """Put a test's own state into the server and make a client with the key."""
    upstream, origin = served
    upstream.app = create_app(state)
    return httpx.Client(base_url=origin, auth=KEY)


def first_collection(state: State) -> str:
    """Choose the attachments of the first message, three of them, which is editable."""
    return f"{PROJECT}/messages/{next(iter(state.projects[seed.FESTIVAL].messages))}/attachments"


def link(document: dict[str, Any], rel: str) -> str:
    """Find a link by its relation, the only way that is safe."""
    return next(one["href"] for one in document["links"] if one["rel"] == rel)


def uuids(client: httpx.Client, collection: str) -> list[str]:
    """List what is in a collection."""
    return [one["uuid"] for one in client.get(collection).json()]
