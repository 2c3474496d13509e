"""One range of a file: carried where a source serves it, and the whole file where several are asked for."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from gateway.domain.details import DirectMailDetails
from gateway.domain.model import Attachment
from gateway.domain.refs import Ref, RefType
from gateway.links import ContentLinks
from gateway.sandbox.server import in_thread
from gateway.upstreams.base import Content
from gateway.web.content import ContentEndpoint

BYTES = b"0123456789"
REF = Ref("ranged", RefType.ATTACHMENT, ("1",))
FILE = Attachment(
    ref=REF,
    name="digits.txt",
    size=len(BYTES),
    media_type="text/plain",
    created_at=None,
    updated_at=None,
    record=None,
    details=DirectMailDetails("1", None, None, None, None),
    can_update=False,
    can_delete=False,
)


class Ranged:
    """A source that serves ranges, which none of the five does so far; it remembers what it was asked for."""

    supports_range: ClassVar[bool] = True
    name = "ranged"

    def __init__(self) -> None:
        self.asked: list[str | None] = []

    async def fetch(self, refs: Sequence[Ref], call: Any) -> list[Attachment]:  # noqa: ARG002
        """Know one file."""
        return [FILE for _ in refs]

    @asynccontextmanager
    async def open(self, ref: Ref, call: Any, byte_range: str | None = None) -> AsyncIterator[Content]:  # noqa: ARG002
        """Give the bytes 2 to 4 for any range, else all of them."""
        self.asked.append(byte_range)
        part = BYTES[2:5] if byte_range else BYTES
        yield Content(len(part), "bytes 2-4/10" if byte_range else None, _once(part))


async def _once(part: bytes) -> AsyncIterator[bytes]:
    yield part


@pytest.mark.parametrize(
    ("wanted", "asked", "status", "body"),
    [
        ("bytes=2-4", "bytes=2-4", 206, BYTES[2:5]),
        (None, None, 200, BYTES),
        ("bytes=0-1,3-4", None, 200, BYTES),
        ("bytes=" + "0-," * 10_000, None, 200, BYTES),
        ("lines=1-2", None, 200, BYTES),
    ],
    ids=["one", "none", "several", "ten thousand", "another unit"],
)
def test_one_range_is_carried(wanted: str | None, asked: str | None, status: int, body: bytes) -> None:
    """A resumed download gets its rest; nothing else that a `Range` may say costs the source anything."""
    # given
    source, links = Ranged(), ContentLinks(bytes(32), "")
    endpoint = ContentEndpoint(lambda *_: {"ranged": source}, links, deadline=5)  # type: ignore[dict-item]
    app = Starlette(routes=[Route("/content/{token}", endpoint.serve)])

    # when
    with in_thread(app) as origin:
        answer = httpx.get(origin + links.seal(REF, 60).url, headers={"range": wanted} if wanted else {})

    # then
    assert (answer.status_code, answer.content, source.asked) == (status, body, [asked])
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers.get("content-range") == ("bytes 2-4/10" if status == 206 else None)
