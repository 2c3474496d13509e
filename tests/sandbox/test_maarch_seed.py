"""The demo's mail room is believable, complete and the same at each start."""

import io
import struct
import zipfile
from collections import Counter

import httpx
import pytest

from gateway.sandbox.maarch import seed
from gateway.sandbox.maarch.app import create_app
from gateway.sandbox.maarch.contents import read
from gateway.sandbox.maarch.formats import is_allowed, sniffed


def client(user: str = seed.USER, password: str = seed.PASSWORD) -> httpx.AsyncClient:
    """Make a client of a fresh mail room of the demo."""
    transport = httpx.ASGITransport(create_app(seed.seeded()))
    return httpx.AsyncClient(transport=transport, base_url="http://maarch/rest", auth=(user, password))


async def test_every_mail_has_ten_attachments() -> None:
    """The demo promises 50 mails with 10 attachments each, in the lists as in the register."""
    # given the demo's mail room
    mails = range(seed.FIRST_MAIL, seed.FIRST_MAIL + seed.MAILS)

    # when every mail's list is asked for
    async with client() as asked:
        lists = [(await asked.get(f"/resources/{mail}/attachments")).json() for mail in mails]

    # then each has ten, of its own, and 500 different ids come together
    assert [len(answer["attachments"]) for answer in lists] == [10] * 50
    assert len({entry["resId"] for answer in lists for entry in answer["attachments"]}) == 500
    assert all(
        entry["resIdMaster"] == mail
        for mail, answer in zip(mails, lists, strict=True)
        for entry in answer["attachments"]
    )


async def test_listed_attachment_is_found_by_id_with_its_content() -> None:
    """Every listed id answers a get that tells the same, and an original."""
    # given the list of one mail
    async with client() as asked:
        entries = (await asked.get("/resources/104/attachments")).json()["attachments"]

        # when each entry is asked for by its id
        singles = [(await asked.get(f"/attachments/{entry['resId']}")).json() for entry in entries]
        originals = [await asked.get(f"/attachments/{entry['resId']}/originalContent") for entry in entries]

    # then what both forms have is equal, and the bytes are there
    shared = entries[0].keys() - {"canConvert"}
    assert [{key: one[key] for key in shared & one.keys()} for one in singles] == [
        {key: entry[key] for key in shared & entry.keys()} for entry in entries
    ]
    assert all(original.status_code == 200 and original.content for original in originals)


def test_starts_equal() -> None:
    """Two starts have the same records and the same bytes, so that links and examples stay valid."""
    # given two demos
    one, other = seed.seeded(), seed.seeded()

    # when all they hold is compared
    records = [
        [(row.res_id, row.title, row.chrono, row.created_at, row.status) for row in state.attachments.values()]
        for state in (one, other)
    ]
    contents = [[read(row.content) for row in state.attachments.values()] for state in (one, other)]

    # then nothing differs
    assert records[0] == records[1]
    assert contents[0] == contents[1]


def test_contents_are_what_their_format_says() -> None:
    """Each file would be accepted as an upload: its bytes are of the format that its record names."""
    # given the demo's attachments
    rows = seed.seeded().attachments.values()

    # when each content's type is sniffed
    refused = [row.res_id for row in rows if not is_allowed(row.format, sniffed(read(row.content)))]

    # then all fit, and the four formats are there
    assert refused == []
    assert set(Counter(row.format for row in rows)) == {"pdf", "docx", "txt", "png"}


def test_contents_differ_between_attachments() -> None:
    """A download that mixes two attachments up is noticed: no two have the same bytes."""
    # given the attachments that lists show
    state = seed.seeded()
    rows = [row for mail in state.mails for row in state.listed(mail)]

    # when their contents are read
    different = {read(row.content) for row in rows}

    # then none is twice
    assert len(different) == len(rows) == 500


def test_pdf_table_points_at_its_objects() -> None:
    """A PDF of the demo opens in a viewer: its cross-reference table has the offsets of its objects."""
    # given a PDF of the demo
    data = read(seed.seeded().attachments[1001].content)

    # when the table is read
    table = int(data.rsplit(b"startxref\n", 1)[1].split()[0])
    lines = data[table:].split(b"\n")
    offsets = [int(line.split()[0]) for line in lines[3 : 2 + int(lines[1].split()[1])]]

    # then each offset is where the object of that number begins
    assert len(offsets) == 5
    assert all(data[offset:].startswith(b"%d 0 obj" % number) for number, offset in enumerate(offsets, start=1))


def test_office_and_picture_open() -> None:
    """A Word document of the demo is a sound archive with a document in it, a PNG has a width and height."""
    # given a DOCX and a PNG of the demo
    rows = seed.seeded().attachments
    docx, png = read(rows[1000].content), read(rows[1002].content)

    # when they are opened
    with zipfile.ZipFile(io.BytesIO(docx)) as opened:
        broken = opened.testzip()
        text = opened.read("word/document.xml").decode()

    # then their insides are right
    assert broken is None
    assert "Projet de réponse à l'usager" in text
    assert struct.unpack(">II", png[16:24]) == (16, 16)


def test_variety() -> None:
    """The demo shows what the adapter has to cope with: signed, frozen, changed, untitled, with a state outside."""
    # given the attachments that lists show
    state = seed.seeded()
    rows = [row for mail in state.mails for row in state.listed(mail)]

    # when the odd ones are counted
    found = {
        "signed": sum(row.status == "SIGN" for row in rows),
        "frozen": sum(row.status == "FRZ" for row in rows),
        "changed": sum(row.modified_at is not None for row in rows),
        "untitled": sum(row.title is None for row in rows),
        "numbered": sum(row.chrono is not None for row in rows),
        "known outside": sum(bool(row.external_state) for row in rows),
    }

    # then there are some of each
    assert found == {
        "signed": 25,
        "frozen": 10,
        "changed": 50,
        "untitled": 5,
        "numbered": 150,
        "known outside": 10,
    }


@pytest.mark.parametrize(("mail", "status"), [(100, 200), (109, 200), (110, 403), (149, 403)])
async def test_restricted_user_sees_its_mails_only(mail: int, status: int) -> None:
    """The second account of the demo has a perimeter, so that a missing right can be shown."""
    # given the account with a perimeter
    async with client(seed.RESTRICTED_USER, seed.RESTRICTED_PASSWORD) as asked:
        # when it asks for a mail
        answer = await asked.get(f"/resources/{mail}/attachments")

    # then it gets those of its perimeter only
    assert answer.status_code == status
