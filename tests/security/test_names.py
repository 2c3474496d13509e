"""Names that uploaders choose: none adds a part to a form, a header to an answer or an element to a document."""

from datetime import UTC, datetime
from email.message import Message
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any

import pytest
from defusedxml.ElementTree import fromstring

from gateway.domain.changes import UploadItem
from gateway.domain.errors import BadInput
from gateway.domain.refs import Ref, RefType
from gateway.sandbox.decisiv.multipart import MultipartReader, PartHead
from gateway.transport.multipart import MEDIA_TYPE, new_boundary
from gateway.upstreams.wire.decisiv import NewAttachment, new_attachment
from gateway.web.content import content_disposition
from tests.security.canary import corpus

NAMES: list[str] = corpus("names")
CONTENTS = b'--\r\nContent-Disposition: form-data; name="body"\r\n\r\n<a/>\r\n--'


def item(boundary: str, **given: Any) -> UploadItem:
    """Write down an upload; ``{boundary}`` in a text is the one that the form will have, as if it were guessed."""
    given = {key: text.replace("{boundary}", boundary) for key, text in given.items()}
    return UploadItem(
        target=Ref("service", RefType.RECORD, ("CASE-1001",)),
        name=given.get("name", "a.txt"),
        media_type=given.get("media_type", "text/plain"),
        size=len(CONTENTS),
        sha256="",
        options={"internal": True, **{key: given[key] for key in ("description", "sender_id") if key in given}},
        marker="ticket",
        started_at=datetime(2026, 1, 1, tzinfo=UTC),
    )


def form(boundary: str, **given: Any) -> tuple[NewAttachment, bytes] | None:
    """Write the form of an upload; None where it is refused."""
    try:
        new = new_attachment(item(boundary, **given))
    except BadInput:
        return None
    head, tail = new.frame(boundary)
    return new, head + CONTENTS + tail


def parts_by_sandbox(boundary: str, body: bytes) -> list[tuple[str, str | None, bytes]]:
    """Read a form as the imitated source does, byte for byte."""
    reader, found = MultipartReader(boundary.encode()), []
    for event in reader.feed(body):
        if isinstance(event, PartHead):
            found.append((event.name, event.filename, b""))
        elif isinstance(event, bytes):
            found[-1] = (*found[-1][:2], found[-1][2] + event)
    reader.close()
    return found


def parts_by_library(boundary: str, body: bytes) -> list[Message]:
    """Read a form with Python's own reader, which was written for mail and takes more for a header."""
    head = f"Content-Type: multipart/form-data; boundary={boundary}\r\n\r\n".encode()
    read = BytesParser(policy=HTTP).parsebytes(head + body)
    assert read.is_multipart()
    assert not read.defects
    return list(read.iter_parts())  # type: ignore[attr-defined]


@pytest.mark.parametrize("place", ["name", "media_type", "description", "sender_id"])
def test_a_form_has_exactly_two_parts(place: str) -> None:
    """Two readers that know nothing of each other see the body and the file, and no header of the uploader's."""
    # given
    sent = 0
    for name in NAMES:
        boundary = new_boundary()
        written = form(boundary, **{place: name})
        if written is None:
            continue
        sent += 1
        new, body = written

        # when
        by_sandbox, by_library = parts_by_sandbox(boundary, body), parts_by_library(boundary, body)

        # then
        assert [part[:2] for part in by_sandbox] == [("body", None), ("file", new.filename)], name
        assert by_sandbox[1][2] == CONTENTS
        assert [part.get_param("name", header="content-disposition") for part in by_library] == ["body", "file"]
        assert [sorted(map(str.lower, part.keys())) for part in by_library] == [
            ["content-disposition"],
            ["content-disposition", "content-type"],
        ], name
        assert MEDIA_TYPE.fullmatch(new.media_type)
    assert sent >= 50


@pytest.mark.parametrize("place", ["description", "sender_id"])
def test_a_document_has_no_element_of_the_uploader(place: str) -> None:
    """Texts arrive as texts, whatever they look like."""
    # given
    hostile = [*NAMES, "</a:description><s:id>evil</s:id>", "]]><x/>", "<!--", "&#0;", "&x;", "<![CDATA[x]]>"]
    for text in hostile:
        written = form("boundary", **{place: text})
        if written is None:
            continue

        # when
        root = fromstring(written[0].xml(), forbid_dtd=True)

        # then
        elements = [element.tag.rpartition("}")[2] for element in root.iter()]
        assert elements[:3] == ["attachment", "description", "internal"]
        assert elements[3:] in ([], ["sender", "id"])
        expected = {"description": written[0].description, "sender_id": written[0].sender_id}[place]
        assert expected in [element.text for element in root.iter()]


def test_a_name_stays_in_the_header_of_a_download() -> None:
    """The answer's header is one line of visible ASCII with two parameters, which name a file in no folder."""
    # given
    assert len(NAMES) == len(set(NAMES)) == 200

    for name in NAMES:
        # when
        header = content_disposition(name)

        # then
        assert header.isascii()
        assert header.isprintable()
        read = Message()
        read["content-disposition"] = header
        parameters = dict(read.get_params(header="content-disposition") or [])
        assert set(parameters) == {"attachment", "filename"}
        saved = read.get_filename()
        assert saved
        assert not {"/", "\\", "\r", "\n", "\0"} & set(saved)
        assert saved not in (".", "..")
