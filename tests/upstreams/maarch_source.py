"""What the tests of the Maarch adapter share: a mail room on a port, and questions to ask of it."""

import json
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from gateway.domain.changes import UploadItem
from gateway.domain.errors import GatewayError
from gateway.domain.model import Attachment, AttachmentListing
from gateway.domain.refs import Ref, RefType
from gateway.domain.secret import Secret
from gateway.sandbox.maarch import seed
from gateway.sandbox.maarch.app import create_app
from gateway.sandbox.upstream import Fault
from gateway.upstreams.maarch import MaarchAdapter, MaarchSettings
from tests.conformance.comparison import changed
from tests.conformance.subject import Place
from tests.upstreams.bench import call, opened, put_up

RECORDINGS = Path(__file__).parents[1] / "recordings" / "maarch"
MAIL = seed.FIRST_MAIL


class Bench:
    """A mail room of its own for one test, behind a running server, with a clock that moves when it is told to."""

    def __init__(self, place: Place) -> None:
        self.now = datetime(2026, 1, 15, 9, 30, tzinfo=UTC)
        self.state = seed.seeded(lambda: self.now)
        self.sandbox = put_up(place, "maarch", create_app(self.state))
        self.origin = place.origin

    def settings(self, **changes: Any) -> MaarchSettings:
        """Write the settings of the program's account."""
        values = {"username": seed.USER, "password": Secret(seed.PASSWORD), **changes}
        return MaarchSettings(name="mails", kind="maarch", url=f"{self.origin}/rest", **values)

    def bearer(self, **changes: Any) -> MaarchSettings:
        """Write the settings of a person's account that asks for tokens."""
        values = {"username": seed.AGENT_USER, "password": Secret(seed.AGENT_PASSWORD), **changes}
        return self.settings(auth="bearer", **values)

    def seen(self) -> list[tuple[str, str]]:
        """List the requests that reached the server, without the base path."""
        return [(one.method, one.path.removeprefix("/rest")) for one in self.sandbox.requests]


def attachment(native_id: object) -> Ref:
    """Name an attachment."""
    return Ref("mails", RefType.ATTACHMENT, (str(native_id),))


def mail(native_id: object) -> Ref:
    """Name a mail."""
    return Ref("mails", RefType.RECORD, (str(native_id),))


async def got(chosen: MaarchSettings, ref: Ref) -> Attachment:
    """Fetch one attachment that is there."""
    async with opened(chosen) as adapter:
        (found,) = await adapter.fetch([ref], call())
    assert isinstance(found, Attachment), found
    return found


async def listed(chosen: MaarchSettings, ref: Ref) -> AttachmentListing:
    """List the attachments of a mail that is there."""
    async with opened(chosen) as adapter:
        (found,) = await adapter.children([ref], call())
    assert isinstance(found, AttachmentListing), found
    return found


async def outcome(chosen: MaarchSettings, ref: Ref) -> GatewayError:
    """Fetch an attachment, or list a mail, that gives an error."""
    async with opened(chosen) as adapter:
        ask = adapter.fetch if ref.type is RefType.ATTACHMENT else adapter.children
        (found,) = await ask([ref], call())
    assert isinstance(found, GatewayError), found
    return found


async def downloaded(adapter: MaarchAdapter, ref: Ref) -> tuple[int | None, bytes]:
    """Read the announced size and the bytes of an attachment."""
    async with adapter.open(ref, call()) as content:
        return content.size, b"".join([chunk async for chunk in content.chunks])


def answer(body: object, status: int = 200, **headers: str) -> Fault:
    """Make the upstream answer this, whatever it is asked."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Fault(status=status, body=data, headers={"content-type": "application/json", **headers})


def recorded(name: str) -> Any:
    """Read the JSON that a running Maarch Courrier answered."""
    exchange = json.loads((RECORDINGS / f"{name}.json").read_text(encoding="utf-8"))
    return exchange["response"]["body"]["json"]


# Uploading


def upload_of(bench: Bench, contents: bytes = b"Bonjour", **changes: Any) -> UploadItem:
    """Write down an upload to the first mail, begun now."""
    item = UploadItem(
        target=mail(MAIL),
        name="Devis n° 1.txt",
        media_type="text/plain",
        size=len(contents),
        sha256=sha256(contents).hexdigest(),
        options={},
        marker="ticket",
        started_at=bench.now,
    )
    return changed(item, **changes)
