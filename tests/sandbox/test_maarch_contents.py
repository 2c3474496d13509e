"""Bytes into and out of the sandbox Maarch Courrier, with the traps of its Base64 and its downloads."""

import base64
import json
import tracemalloc

import pytest

from gateway.sandbox.maarch import samples, seed
from gateway.sandbox.maarch.state import State
from tests.sandbox.mailroom import Clock, client, created, upload


@pytest.fixture
def state() -> State:
    """Make the demo's mail room."""
    return seed.seeded(Clock())


async def test_rendition_is_a_marked_pdf_and_the_original_is_not(state: State) -> None:
    """``content`` answers a converted, watermarked PDF; only ``originalContent`` gives the stored bytes."""
    # given an uploaded text
    async with client(state) as asked:
        number = await created(asked, title="Été: à/b")

        # when both contents are read
        original = await asked.get(f"/attachments/{number}/originalContent")
        rendition = await asked.get(f"/attachments/{number}/content")
        plain = await asked.get(f"/attachments/{number}/content", params={"watermark": "0"})
        encoded = (await asked.get(f"/attachments/{number}/content", params={"mode": "base64"})).json()

    # then one is the upload and the other a PDF, marked unless told otherwise
    assert original.content == b"Bonjour"
    assert original.headers["content-type"] == "text/plain;charset=UTF-8"
    raw = dict(original.headers.raw)[b"content-disposition"]
    assert raw.decode() == "attachment; filename=Été_ à_b.txt"
    assert rendition.headers["content-type"] == "application/pdf"
    assert (b"Copie conforme" in rendition.content, b"Copie conforme" in plain.content) == (True, False)
    assert base64.b64decode(encoded["encodedDocument"]) == rendition.content
    assert (encoded["originalFormat"], encoded["filename"]) == ("txt", "Été_ à_b.txt")


async def test_title_with_a_line_break_breaks_the_download(state: State) -> None:
    """A title with CR or LF is stored, and its file cannot be downloaded in binary: 500, no header of its own."""
    # given an attachment with a hostile title
    async with client(state) as asked:
        number = await created(asked, title="a\r\nX-Evil: 1")

        # when it is downloaded both ways
        binary = await asked.get(f"/attachments/{number}/originalContent")
        encoded = await asked.get(f"/attachments/{number}/originalContent", params={"mode": "base64"})

    # then only the JSON form works
    assert (binary.status_code, "x-evil" in binary.headers) == (500, False)
    assert encoded.status_code == 200


async def test_reading_content_is_noted_and_listing_is_not(state: State) -> None:
    """The audit history has an entry for each read of content, so lists must not probe sizes."""
    # given a mail room that nobody has looked into
    async with client(state) as asked:
        # when a list and a record are read, and then one content
        await asked.get("/resources/100/attachments")
        await asked.get("/attachments/1000")
        silent = sum(state.views.values())
        await asked.get("/attachments/1000/originalContent")

    # then only the content is noted
    assert (silent, state.views[1000]) == (0, 1)


async def test_thumbnail_is_a_picture(state: State) -> None:
    """A thumbnail is a PNG, or Base64 in JSON for a page; a page that isn't there is 400."""
    # given an attachment of the demo
    async with client(state) as asked:
        # when its pictures are asked for
        picture = await asked.get("/attachments/1000/thumbnail")
        first = await asked.get("/attachments/1000/thumbnail/1")
        second = await asked.get("/attachments/1000/thumbnail/2")

    # then there is one of the only page
    assert (picture.headers["content-type"], picture.content[:4]) == ("image/png", b"\x89PNG")
    assert base64.b64decode(first.json()["fileContent"]) == picture.content
    assert (first.json()["pageCount"], second.status_code) == (1, 400)


async def test_limit_is_measured_on_the_encoded_text(state: State) -> None:
    """An upload is refused above the limit of Base64 characters, which is a third more than the bytes."""
    # given a limit of 4,000 characters, which are 3,000 bytes
    state.upload_limit = 4_000
    uploads = [upload(encodedFile=base64.b64encode(b"a" * size).decode()) for size in (3_000, 3_001)]

    # when files at and above it are sent
    async with client(state) as asked:
        answers = [await asked.post("/attachments", json=body) for body in uploads]

    # then only the second is too large
    assert answers[0].status_code == 200
    assert answers[1].json()["errors"] == "Body encodedFile size is over limit"


@pytest.mark.parametrize(
    ("encoded", "stored"),
    [
        ("Qm9uam91cg==", b"Bonjour"),
        ("Qm9u\nam91 cg", b"Bonjour"),
        ("AQ_-/w", b"\x01\x0f\xfe\xff"),
        ("data:text/plain;base64,QUJD", base64.b64decode("datatext/plainbase64QUJD")),
    ],
)
async def test_base64_is_read_leniently(state: State, encoded: str, stored: bytes) -> None:
    """Foreign characters are skipped and ``-_`` taken for ``+/``: a wrong encoding is stored, not refused."""
    # given a text that strict decoders refuse, or read otherwise
    async with client(state) as asked:
        # when it is uploaded
        number = await created(asked, encodedFile=encoded)
        answer = await asked.get(f"/attachments/{number}/originalContent")

    # then the bytes are PHP's reading of it
    assert answer.content == stored


async def test_office_documents_are_rewritten(state: State) -> None:
    """A DOCX comes back with other bytes, its fields filled in; a PDF comes back as it was."""
    # given a Word document with a field, and a PDF
    docx, pdf = samples.docx("Chrono : [attachment.chrono]"), samples.pdf("Bonjour")

    # when both are uploaded and read
    async with client(state) as asked:
        numbers = [
            await created(asked, encodedFile=base64.b64encode(data).decode(), format=extension, chrono="C/9")
            for data, extension in ((docx, "docx"), (pdf, "pdf"))
        ]
        office, same = [
            (await asked.get(f"/attachments/{number}/originalContent")).content for number in numbers
        ]

    # then only the office document differs
    assert office == samples.docx("Chrono : C/9")
    assert same == pdf


async def test_large_upload_leaves_memory(state: State) -> None:
    """A 20 MB upload is kept on the disk, not in memory, and comes back whole."""
    # given a body of 20 MB of text, encoded
    data = b"0123456789abcdef" * (20 * 65_536)
    body = json.dumps(upload(encodedFile=base64.b64encode(data).decode())).encode()

    # when it is uploaded under a watch of the memory
    async with client(state) as asked:
        tracemalloc.start()
        answer = await asked.post("/attachments", content=body, headers={"Content-Type": "application/json"})
        held, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        back = await asked.get(f"/attachments/{answer.json()['id']}/originalContent")

    # then little is held, and the bytes are equal
    assert held < 4 * 1024 * 1024
    assert back.content == data
