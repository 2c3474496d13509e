"""What an upload needs from around it: staged bytes, a journal, and faults that strike one request of several."""

import hashlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import httpx

from gateway.domain.changes import UploadItem
from gateway.domain.errors import (
    BadInput,
    Conflict,
    Forbidden,
    GatewayError,
    NotFound,
    QuotaExceeded,
    RateLimited,
    Unauthenticated,
    Unsupported,
)
from gateway.domain.refs import Ref
from gateway.sandbox.upstream import Fault, SeenRequest
from gateway.transport.call import Call
from gateway.upstreams.base import OpenBytes, SupportsContent, SupportsSignedLinks, SupportsUpload
from tests.conformance.comparison import changed
from tests.conformance.subject import Subject
from tests.conformance.troubles import PATIENCE, TROUBLES

DEFINITE = (
    *(BadInput, NotFound, Forbidden, Unauthenticated, QuotaExceeded, Conflict, Unsupported, RateLimited),
)
"""Errors that promise that nothing was made; TooLarge is a BadInput."""

HOSTILE_NAMES: Mapping[str, str] = {
    "accents, quotes and slash": 'Reçu « d\'été » 1/2 "payé"',
    "beyond the first plane": "請求書 😀 №1",
    "signs of other languages": "a\\b;c=d%41%2F?x=1&y#z<w>]]>&amp;",
    "line breaks": "one\r\nX-Injected: two",
    "NUL": "one\0two",
    "climbing": "../../one",
    "none": "",
    "long": "é" * 400,
}
"""Names without their extension. Each is to be kept as it is, or refused before anything is sent."""

WRITE_TROUBLES = tuple(one for one in TROUBLES if one.name != "half a body")
"""Half an answer may be the whole of what an upload's short answer holds."""

PIECE = 1_009
"""Bytes in which staged bytes come: no multiple of anything, so that every seam of an encoding is met."""


class Journal:
    """Keeps what an upload notes, as the gateway's journal does."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}

    async def __call__(self, more: Mapping[str, str]) -> None:
        """Keep more."""
        self.kept.update(more)


class Nth:
    """Chooses one request of those that come, counted from 1."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.seen = 0

    def __call__(self, _: SeenRequest) -> bool:
        """Count one more."""
        self.seen += 1
        return self.seen == self.number

    @property
    def struck(self) -> bool:
        """Whether the chosen request has come."""
        return self.seen >= self.number


def staged(contents: bytes, piece: int = PIECE) -> OpenBytes:
    """Stage bytes, which can be opened any number of times."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[AsyncIterator[bytes]]:
        yield _pieces(contents, piece)

    return opened


async def _pieces(contents: bytes, piece: int) -> AsyncIterator[bytes]:
    for start in range(0, len(contents), piece):
        yield contents[start : start + piece]


def some_bytes(size: int) -> bytes:
    """Make bytes that are text of no meaning, the same for the same size."""
    blocks = (hashlib.sha256(f"{size} {number}".encode()).hexdigest() for number in range(size // 64 + 1))
    return "".join(blocks)[:size].encode()


async def download(subject: Subject, ref: Ref) -> bytes:
    """Download a file as a client would; an error is a failed check."""
    try:
        return await _downloaded(subject, ref)
    except GatewayError as exc:
        raise AssertionError(f"what was uploaded cannot be downloaded: {exc!r}") from exc


async def _downloaded(subject: Subject, ref: Ref) -> bytes:
    """Download through the gateway, or by the source's own link."""
    adapter, call = subject.adapter, Call.lasting(PATIENCE)
    if isinstance(adapter, SupportsContent):
        async with adapter.open(ref, call) as content:
            return b"".join([chunk async for chunk in content.chunks])
    assert isinstance(adapter, SupportsSignedLinks), "what is uploaded here cannot be downloaded"
    link = await adapter.sign(ref, call)
    async with httpx.AsyncClient(trust_env=False) as client:
        return (await client.get(link.url)).content


def refusal(subject: Subject, item: UploadItem) -> GatewayError | None:
    """Ask whether an upload could succeed; gives the error where it could not."""
    try:
        uploading(subject).check(item)
    except GatewayError as exc:
        return exc
    return None


async def attempt(
    subject: Subject,
    item: UploadItem,
    contents: bytes,
    journal: Journal | None = None,
    seconds: float = PATIENCE,
) -> Ref | GatewayError:
    """Upload, whatever comes of it."""
    note = Journal() if journal is None else journal
    try:
        return await uploading(subject).upload(item, staged(contents), Call.lasting(seconds), note)
    except GatewayError as exc:
        return exc


async def uploaded(subject: Subject, item: UploadItem, contents: bytes) -> Ref:
    """Upload; an error is a failed check."""
    outcome = await attempt(subject, item, contents)
    assert isinstance(outcome, Ref), f"not uploaded: {outcome!r}"
    return outcome


async def reconciled(subject: Subject, item: UploadItem) -> Ref | None:
    """Find out what an attempt did."""
    return await uploading(subject).reconcile(item, Call.lasting(PATIENCE))


async def carried(subject: Subject, item: UploadItem, contents: bytes) -> Ref | GatewayError:
    """Carry a file as the gateway does: reconcile what has no definite end, and try again only what is not there.

    The second attempt meets no fault.
    """
    journal = Journal()
    outcome: Ref | GatewayError | None = await attempt(subject, item, contents, journal)
    if isinstance(outcome, GatewayError) and not isinstance(outcome, DEFINITE):
        outcome = await reconciled(subject, changed(item, notes=dict(journal.kept)))
    if isinstance(outcome, Ref):
        return outcome
    subject.sandbox.fault = changed(subject.sandbox.fault or Fault(), times=0)
    return await attempt(subject, item, contents)


def uploading(subject: Subject) -> SupportsUpload:
    """Take the adapter as one that uploads."""
    assert isinstance(subject.adapter, SupportsUpload), "the adapter does not upload"
    return subject.adapter
