"""The demo's EspoCRM is believable, complete and the same at each start."""

import io
import re
import zipfile
import zlib
from collections import Counter
from datetime import UTC, datetime

import pytest
from defusedxml import ElementTree

from gateway.sandbox.espocrm import seed
from gateway.sandbox.espocrm.auth import sign
from gateway.sandbox.espocrm.entities import OFFICE
from gateway.sandbox.espocrm.samples import Sample
from tests.sandbox.crm import ADMIN, KEY, client


def sample(name: str, size: int) -> bytes:
    """Give the bytes of a file of the demo."""
    return b"".join(Sample(name, size).pieces())


def test_starts_equal() -> None:
    """The demo's links and screenshots hold after a restart: ids, names, times and bytes never change."""
    # given two starts
    one, other = seed.seeded(), seed.seeded()

    # when their records and files are compared
    same_files = {key: b"".join(file.pieces()) for key, file in list(one.files.items())[:10]}

    # then they are equal
    assert one.records == other.records
    assert one.made == other.made
    assert all(b"".join(other.files[key].pieces()) == content for key, content in same_files.items())


def test_has_what_the_demo_promises() -> None:
    """The demo has enough of everything, and every id has EspoCRM's form."""
    # given
    state = seed.seeded()

    # when
    counts = {kind: len(list(state.alive(kind))) for kind in state.records}
    ids = [key for records in state.records.values() for key in records]

    # then
    assert counts["Account"] >= 12
    assert (counts["Case"], counts["Note"], counts["Document"]) == (20, 20, 20)
    assert counts["Attachment"] >= 150
    assert len(set(ids)) == len(ids)
    assert [key for key in ids if not re.fullmatch("[0-9a-f]{17}", key)] == []


def test_attachments_are_various_and_french() -> None:
    """A table of the demo shows several types, sizes and times, and names that need more than ASCII."""
    # given
    files = list(seed.seeded().alive("Attachment"))

    # when
    types = Counter(each.values["type"] for each in files)
    times = [datetime.fromisoformat(each.values["createdAt"]).replace(tzinfo=UTC) for each in files]

    # then
    assert len(types) >= 6
    assert types["application/pdf"] > 50
    assert sum(not each.values["name"].isascii() for each in files) > 50
    assert any('"' in each.values["name"] for each in files)
    assert len({each.values["size"] for each in files}) > 100
    assert times == sorted(times)
    assert (times[-1] - times[0]).days > 30


async def test_every_attachment_is_reached_from_its_record() -> None:
    """The key of the gateway finds all attachments through the records they hang on, without the admin list."""
    # given the ids of the records
    state = seed.seeded()
    records = [each for kind in ("Case", "Note", "Document") for each in state.alive(kind)]

    # when each is read with the API key
    async with client(state) as asked:
        answers = [
            (await asked.get(f"/{each.type}/{each.id}", headers=KEY)).raise_for_status().json()
            for each in records
        ]

    # then all attachments that are not deleted appear, once
    named = [key for answer in answers for key in answer.get("attachmentsIds", [answer.get("fileId")])]
    assert Counter(named) == Counter(each.id for each in state.alive("Attachment"))
    assert all(
        answer["attachmentsNames"].keys() == set(answer["attachmentsIds"])
        for answer in answers
        if "attachmentsIds" in answer
    )


async def test_downloads_have_the_size_that_the_record_says() -> None:
    """Every seeded file downloads whole, with its type."""
    # given
    state = seed.seeded()
    files = list(state.alive("Attachment"))

    # when
    async with client(state) as asked:
        answers = [await asked.get(f"/Attachment/file/{each.id}", headers=KEY) for each in files]

    # then
    assert {answer.status_code for answer in answers} == {200}
    assert [len(answer.content) for answer in answers] == [each.values["size"] for each in files]
    assert all(
        answer.headers["content-type"].startswith(each.values["type"])
        for answer, each in zip(answers, files, strict=True)
    )


def test_documents_have_a_type_that_their_field_accepts() -> None:
    """The seed holds nothing that the server's own rules would refuse."""
    # given
    state = seed.seeded()

    # when
    names = [
        state.records["Attachment"][each.values["fileId"]].values["name"] for each in state.alive("Document")
    ]

    # then
    assert [name for name in names if not name.endswith(OFFICE)] == []


async def test_each_credential_works() -> None:
    """Admin, API key and signature open the demo, each with the rights it has."""
    # given the three credentials
    signed = {"X-Hmac-Authorization": sign("GET", "/Attachment", seed.HMAC_KEY, seed.HMAC_SECRET)}
    signed_case = {"X-Hmac-Authorization": sign("GET", "/Case", seed.HMAC_KEY, seed.HMAC_SECRET)}

    # when they list attachments, and the two API users list cases
    async with client(seed.seeded()) as asked:
        admin = await asked.get("/Attachment", params={"maxSize": 5}, auth=ADMIN)
        refused = [await asked.get("/Attachment", headers=each) for each in (KEY, signed)]
        cases = [await asked.get("/Case?maxSize=3", headers=each) for each in (KEY, signed_case)]

    # then only the admin may, and all know the cases
    assert (admin.json()["total"], len(admin.json()["list"])) == (159, 5)
    assert [each.status_code for each in refused] == [403, 403]
    assert [each.json()["total"] for each in cases] == [20, 20]


async def test_one_deleted_attachment_shows_to_the_admin_only() -> None:
    """The demo has the trap that an admin gets deleted records."""
    # given
    state = seed.seeded()
    [gone] = [each for each in state.records["Attachment"].values() if each.deleted]

    # when
    async with client(state) as asked:
        seen = await asked.get(f"/Attachment/{gone.id}", auth=ADMIN)
        unseen = await asked.get(f"/Attachment/{gone.id}", headers=KEY)

    # then
    assert seen.json()["deleted"] is True
    assert unseen.headers["x-status-reason"] == f"Record {gone.id} does not exist."


@pytest.mark.parametrize("size", [4_096, 100_001])
def test_pdf_is_readable(size: int) -> None:
    """A reader finds the table of offsets of a made PDF, and the objects where the table says."""
    # given
    content = sample("Devis (révisé).pdf", size)

    # when
    found = re.search(rb"startxref\n(\d+)\n%%EOF\n$", content)
    assert found is not None
    table = content[int(found[1]) :]
    offsets = [int(each) for each in re.findall(rb"(\d{10}) 00000 n", table)]

    # then
    assert len(content) == size
    assert table.startswith(b"xref\n0 7\n")
    assert [content[at : at + 7] for at in offsets] == [b"%d 0 obj" % number for number in range(1, 7)]


def test_docx_is_readable() -> None:
    """A made document is a sound archive whose parts are XML."""
    # given
    content = sample("Modèle <A&B>.docx", 50_000)

    # when
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        broken = archive.testzip()
        parts = {name: ElementTree.fromstring(archive.read(name)) for name in archive.namelist()}

    # then
    assert len(content) == 50_000
    assert broken is None
    assert "".join(parts["word/document.xml"].itertext()) == "Modèle <A&B>.docx"


def test_png_is_readable() -> None:
    """A made image consists of sound chunks and has the pixels that its header announces."""
    # given
    content = sample("Photo.png", 10_000)

    # when
    chunks, position = {}, 8
    while position < len(content):
        length = int.from_bytes(content[position : position + 4])
        kind = content[position + 4 : position + 8]
        chunks[kind] = content[position + 8 : position + 8 + length]
        checksum = int.from_bytes(content[position + 8 + length : position + 12 + length])
        assert checksum == zlib.crc32(kind + chunks[kind])
        position += 12 + length

    # then
    assert len(content) == 10_000
    assert list(chunks) == [b"IHDR", b"tEXt", b"IDAT", b"IEND"]
    assert len(zlib.decompress(chunks[b"IDAT"])) == 16 * 17
