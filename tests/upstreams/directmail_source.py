"""What the tests of the Direct Mail adapter share: an account on a port, and questions to ask of it."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from typing import Any

from gateway.domain.errors import GatewayError
from gateway.domain.model import Attachment
from gateway.domain.refs import Ref, RefType
from gateway.domain.secret import Secret
from gateway.sandbox.directmail import seed
from gateway.sandbox.directmail.app import create_app
from gateway.sandbox.server import in_thread
from gateway.sandbox.upstream import Fault, SandboxUpstream
from gateway.transport.call import Call
from gateway.upstreams.directmail import DirectMailAdapter, DirectMailSettings
from tests.conformance.subject import Place, Switch

SOURCE = "letters"
PATIENCE = 5.0
BASE = "/api/v2"
NOW = datetime(2026, 5, 4, 9, 0, tzinfo=UTC)


class Bench:
    """An account of its own for one test, behind a running server, with a clock that stands still."""

    def __init__(self, place: Place) -> None:
        self.state = seed.seeded(lambda: NOW)
        self.sandbox = SandboxUpstream("directmail", create_app(self.state))
        self.origin = place.origin
        place.switch.app = self.sandbox

    def settings(self, secret: str = seed.KEY_SECRET) -> DirectMailSettings:
        """Write the settings of the account's key."""
        return settings(self.origin, secret)

    def answer(self, body: object, headers: dict[str, str] | None = None, times: int | None = None) -> None:
        """Make the server answer this JSON, whatever it is asked, and so many times if given."""
        fixed = {"content-type": "application/json; charset=utf-8", **(headers or {})}
        self.sandbox.fault = Fault(status=200, body=json.dumps(body).encode(), headers=fixed, times=times)

    def message(self, position: int = 0) -> Ref:
        """Name a message of the festival."""
        uuid = list(self.state.projects[seed.FESTIVAL].messages)[position]
        return Ref(SOURCE, RefType.RECORD, (seed.FESTIVAL, uuid))

    def attachments(self, position: int = 0) -> list[Ref]:
        """Name the attachments of a message of the festival."""
        project, uuid = self.message(position).key
        files = self.state.projects[project].messages[uuid].attachments
        return [Ref(SOURCE, RefType.ATTACHMENT, (project, uuid, one)) for one in files]

    def seen(self) -> list[str]:
        """List the paths and queries that reached the server, without the base path."""
        found = [(one.path.removeprefix(BASE), one.query) for one in self.sandbox.requests]
        return [f"{path}?{query}" if query else path for path, query in found]


def settings(origin: str, secret: str = seed.KEY_SECRET) -> DirectMailSettings:
    """Write the settings of the account's key at an origin."""
    return DirectMailSettings(
        name=SOURCE, kind="directmail", url=origin + BASE, key_id=seed.KEY_ID, key_secret=Secret(secret)
    )


@contextmanager
def served() -> Iterator[Place]:
    """Run a server that answers for one account after another."""
    switch = Switch()
    with in_thread(switch) as origin:
        yield Place(switch, origin)


@asynccontextmanager
async def opened(chosen: DirectMailSettings) -> AsyncIterator[DirectMailAdapter]:
    """Open an adapter and close it."""
    adapter = DirectMailAdapter(chosen)
    try:
        yield adapter
    finally:
        await adapter.aclose()


def call() -> Call:
    """Start an operation."""
    return Call.lasting(PATIENCE)


async def asked(chosen: DirectMailSettings, ref: Ref) -> Any:
    """Fetch an attachment, or list a message, whatever comes of it."""
    async with opened(chosen) as adapter:
        ask = adapter.fetch if ref.type is RefType.ATTACHMENT else adapter.children
        (found,) = await ask([ref], call())
    return found


async def listed(chosen: DirectMailSettings, ref: Ref) -> tuple[Attachment, ...]:
    """List the attachments of a message that is there."""
    listing = await asked(chosen, ref)
    assert not isinstance(listing, GatewayError), listing
    return tuple(listing.attachments)


def path_of(ref: Ref) -> str:
    """Give the path of a message's list, or of an attachment, below the base path."""
    project, message, *native_id = ref.key
    return "/".join(["/projects", project, "messages", message, "attachments", *native_id])
