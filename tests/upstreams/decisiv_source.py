"""What the tests of the Decisiv adapter share: a platform on a port, documents, and questions to ask of it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from xml.sax.saxutils import escape

from gateway.domain.changes import UploadItem
from gateway.domain.model import Attachment
from gateway.domain.refs import Ref, RefType
from gateway.domain.secret import Secret
from gateway.sandbox.decisiv import seed
from gateway.sandbox.decisiv.app import create_app
from gateway.sandbox.decisiv.state import Attachment as Kept
from gateway.sandbox.upstream import Fault
from gateway.upstreams.decisiv import DecisivSettings
from tests.conformance.comparison import changed
from tests.conformance.subject import Place
from tests.upstreams.bench import attachments_of, call, opened, put_up

SOURCE = "service"
CASE = "CASE-1001"
CONTENTS = b"Bonjour"
SPACES = "http://www.decisiv.net/platform_api/0.0.7/Case/"
PROLOG = '<?xml version="1.0" encoding="UTF-8"?>\n'

PARTS: Mapping[str, str] = {
    "URL": "https://api.example.net/platform_api/cases/C1/attachments/7",
    "subjectURL": "https://api.example.net/platform_api/cases/C1",
    "downloadURL": "https://files.example.net/7",
    "description": "Estimate",
    "filename": "estimate.pdf",
    "format": "pdf",
    "size": "12",
    "internal": "true",
    "createdAt": "2006-05-04T18:13:51.0",
    "updatedAt": "2006-05-05T18:13:51.0",
    "public": "false",
}
SENDER: Mapping[str, str] = {"id": "u1", "name": "Josée", "groupName": "Beauport", "URL": "https://h/users/u1"}


class Bench:
    """A platform of its own for one test, behind a running server, with a clock that moves when it is told to."""

    def __init__(self, place: Place) -> None:
        self.now = datetime(2026, 5, 4, 9, 0, tzinfo=UTC)
        self.state = seed.seeded(lambda: self.now)
        self.sandbox = put_up(place, "decisiv", create_app(self.state))
        self.origin = place.origin

    def settings(self, **changes: Any) -> DecisivSettings:
        """Write the settings of an account with a token that does not end."""
        values = {"token": Secret(seed.TOKEN), "private_links": True, **changes}
        return DecisivSettings(name=SOURCE, kind="decisiv", url=f"{self.origin}/platform_api", **values)

    def consumer(self, secret: str = seed.CONSUMER_SECRET) -> DecisivSettings:
        """Write the settings of an account that fetches its tokens."""
        return self.settings(token=None, consumer_key=seed.CONSUMER_KEY, consumer_secret=Secret(secret))

    def answer(self, body: str, status: int = 200, only: str = "") -> None:
        """Make the platform answer this, wherever a path ends with ``only``."""
        headers = {"content-type": "application/xml; charset=utf-8"}
        strikes = None if not only else lambda request: request.path.endswith(only)
        self.sandbox.fault = Fault(status=status, body=body.encode(), headers=headers, only=strikes)

    def seen(self) -> list[tuple[str, str]]:
        """List the requests that reached the platform, without the base path."""
        return [(one.method, one.path.removeprefix("/platform_api")) for one in self.sandbox.requests]


def attachment(case_id: str, native_id: str) -> Ref:
    """Name an attachment of a case."""
    return Ref(SOURCE, RefType.ATTACHMENT, (case_id, native_id))


def case(case_id: str) -> Ref:
    """Name a case."""
    return Ref(SOURCE, RefType.RECORD, (case_id,))


def first_of(bench: Bench, case_id: str = "CASE-1001") -> Ref:
    """Name the first attachment of a case."""
    return attachment(case_id, next(iter(bench.state.cases[case_id].attachments)))


async def listed(chosen: DecisivSettings, case_id: str = "C1") -> tuple[Attachment, ...]:
    """List the attachments of a case that is there."""
    return await attachments_of(chosen, case(case_id))


async def downloaded(chosen: DecisivSettings, ref: Ref) -> tuple[int | None, bytes]:
    """Read the announced size and the bytes of an attachment."""
    async with opened(chosen) as adapter, adapter.open(ref, call()) as content:
        return content.size, b"".join([chunk async for chunk in content.chunks])


def parts(**changes: str | None) -> dict[str, str]:
    """Choose the children of an attachment; None takes one away."""
    return {name: value for name, value in {**PARTS, **changes}.items() if value is not None}


def item(chosen: Mapping[str, str] = PARTS, sender: Mapping[str, str] | None = SENDER) -> str:
    """Write an ``attachment`` element with these children in this order."""
    inner = "".join(f"<a:{name}>{escape(value)}</a:{name}>" for name, value in chosen.items())
    if sender is not None:
        inner += (
            f"<s:sender>{''.join(f'<s:{name}>{value}</s:{name}>' for name, value in sender.items())}</s:sender>"
        )
    return f"<a:attachment>{inner}</a:attachment>"


def document(*items: str, root: str = "attachments", spaces: str = SPACES) -> str:
    """Write the document of a list."""
    names = f'xmlns:a="{spaces}AttachmentResponse" xmlns:s="{spaces}SenderResponse"'
    return f"{PROLOG}<a:{root} {names}>{''.join(items)}</a:{root}>"


def single(element: str) -> str:
    """Write the document of one attachment."""
    names = f'xmlns:a="{SPACES}AttachmentResponse" xmlns:s="{SPACES}SenderResponse"'
    return PROLOG + element.replace("<a:attachment>", f"<a:attachment {names}>", 1)


# Uploading


def upload_of(bench: Bench, contents: bytes = CONTENTS, **changes: Any) -> UploadItem:
    """Write down an upload to the first case, begun now."""
    item = UploadItem(
        target=case(CASE),
        name="devis révisé.txt",
        media_type="text/plain",
        size=len(contents),
        sha256=sha256(contents).hexdigest(),
        options={"internal": False},
        marker="ticket",
        started_at=bench.now,
    )
    return changed(item, **changes)


def held(bench: Bench, ref: object) -> Kept:
    """Take what the platform holds by a reference."""
    assert isinstance(ref, Ref), ref
    return bench.state.cases[ref.key[0]].attachments[ref.key[1]]
