"""Files that are several things at once: each is refused, or served as bytes that are saved and never shown."""

import base64
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import pytest
from starlette.requests import Request
from starlette.responses import Response

from gateway.domain.errors import GatewayError
from gateway.domain.model import Attachment, Record, RecordKind, SourceKind
from gateway.domain.refs import Ref, RefType
from gateway.transport.call import Call
from gateway.uploads.verification import fits
from gateway.upstreams.base import Content
from gateway.web.content import ContentEndpoint
from gateway.web.disguises import LOOKED_AT, served_type
from tests.security.canary import corpus

SAMPLES = [(one["name"], one["media_type"], base64.b64decode(one["content"])) for one in corpus("disguises")]
REF = Ref("shelf", RefType.ATTACHMENT, ("1",))
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"


class Shelf:
    """A source of one file, whose bytes come in small pieces."""

    kind: ClassVar = SourceKind.ESPOCRM
    supports_range: ClassVar[bool] = True

    def __init__(self, media_type: str, contents: bytes) -> None:
        self.name = "shelf"
        self.media_type = media_type
        self.contents = contents

    async def fetch(self, refs: Sequence[Ref], call: Call) -> Sequence[Attachment | GatewayError]:  # noqa: ARG002
        """Give the file."""
        record = Record(Ref("shelf", RefType.RECORD, ("1",)), RecordKind.MAIL)
        return [
            Attachment(
                ref=ref, name="photo.png", size=len(self.contents), media_type=self.media_type, created_at=None,
                updated_at=None, record=record, can_update=False, can_delete=False, details=None,  # type: ignore[arg-type]
            )
            for ref in refs
        ]  # fmt: skip

    @asynccontextmanager
    async def open(self, ref: Ref, call: Call, byte_range: str | None = None) -> AsyncIterator[Content]:  # noqa: ARG002
        """Open its bytes."""
        part = None if byte_range is None else f"bytes 0-{len(self.contents) - 1}/{len(self.contents)}"
        yield Content(len(self.contents), part, self._pieces())

    async def _pieces(self) -> AsyncIterator[bytes]:
        for at in range(0, len(self.contents), 7):
            yield self.contents[at : at + 7]


class Opener:
    """Opens every link to the one file."""

    def open(self, token: str) -> tuple[str, Ref]:  # noqa: ARG002 - there is one
        """Give its tenant and reference."""
        return "tenant", REF


async def download(shelf: Shelf, **headers: str) -> tuple[Response, bytes]:
    """Follow the link to the file of a shelf."""
    endpoint = ContentEndpoint(lambda *_: {"shelf": shelf}, Opener(), 10.0)  # type: ignore[dict-item, arg-type]
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/content/x",
        "path_params": {"token": "x"},
        "headers": raw,
    }
    response: Any = await endpoint.serve(Request(scope))
    return response, b"".join([chunk async for chunk in response.body_iterator])


@pytest.mark.parametrize(("name", "media_type", "contents"), SAMPLES, ids=[one[0] for one in SAMPLES])
async def test_a_disguise_is_served_as_bytes(name: str, media_type: str, contents: bytes) -> None:
    """Whatever it is called, it comes without a type, as an attachment, and whole."""
    # given
    shelf = Shelf(media_type, contents)

    # when
    response, body = await download(shelf)

    # then
    assert response.headers["content-type"] == "application/octet-stream", name
    assert response.headers["content-disposition"].startswith("attachment;")
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert body == contents


def test_some_are_refused_when_they_are_uploaded() -> None:
    """What contradicts its own type does not even get as far as a source."""
    # when
    refused = [name for name, media_type, contents in SAMPLES if not fits(media_type, contents)]

    # then
    assert len(SAMPLES) == 20
    assert {"SVG called PNG", "program called PDF", "page called text"} <= set(refused)


@pytest.mark.parametrize(
    ("media_type", "contents"),
    [
        ("image/png", PNG),
        ("image/jpeg", b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF>"),
        ("image/gif", b"GIF89a\x01\x00\x01\x00\x80"),
        ("image/webp", b"RIFF\x24\x00\x00\x00WEBPVP8 "),
        ("application/pdf", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<</Type/Catalog/Pages 2 0 R>>"),
        ("application/zip", b"PK\x03\x04"),
        (
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            b"PK\x03\x04[Content_Types].xml",
        ),
        ("text/plain", "Été à Besançon; a < b".encode()),
        ("text/csv", b"a;b\n1;2\n"),
        ("video/mp4", b"\x00\x00\x00\x18ftypmp42"),
        ("text/plain", b""),
    ],
)
def test_what_is_what_it_is_called_keeps_its_type(media_type: str, contents: bytes) -> None:
    """Pictures, documents and texts are served as such."""
    # when
    chosen = served_type(f"{media_type}; charset=utf-8", contents)

    # then
    assert chosen == media_type


@pytest.mark.parametrize(
    "media_type", ["text/html", "application/xhtml+xml", "text/javascript", "x\r\ny: z", "", None]
)
def test_types_that_run_are_never_named(media_type: str | None) -> None:
    """Not even for contents that are nothing."""
    # when
    chosen = served_type(media_type, b"")

    # then
    assert chosen == "application/octet-stream"


async def test_a_part_of_a_file_has_no_type() -> None:
    """What its beginning is cannot be seen from the middle of it."""
    # given
    shelf = Shelf("image/png", PNG + bytes(LOOKED_AT * 2))

    # when
    whole, body = await download(shelf)
    part, _ = await download(shelf, range="bytes=0-")

    # then
    assert (whole.status_code, whole.headers["content-type"], len(body)) == (
        200,
        "image/png",
        len(shelf.contents),
    )
    assert (part.status_code, part.headers["content-type"]) == (206, "application/octet-stream")
