"""What the files that stand in for seeded contents are worth."""

import zipfile
from io import BytesIO

import pytest

from gateway.sandbox.specimens import SMALLEST, specimen

MAGIC = {
    "pdf": b"%PDF-1.4",
    "png": b"\x89PNG\r\n\x1a\n",
    "pages": b"PK\x03\x04",
    "docx": b"PK\x03\x04",
    "txt": b"Devis",
}


@pytest.mark.parametrize("suffix", MAGIC)
@pytest.mark.parametrize("size", [SMALLEST, 48_213, 99_999])
def test_specimens_have_their_size_and_type(suffix: str, size: int) -> None:
    """A file is of its kind by its first bytes, as long as asked, and the same each time."""
    # given a kind and a size
    title = 'Devis "révisé" (3/4)'

    # when it is made twice
    once, again = specimen(suffix, title, size), specimen(suffix, title, size)

    # then it is what was asked for
    assert once.startswith(MAGIC[suffix])
    assert len(once) == size
    assert once == again


def test_pdf_cross_references_are_right() -> None:
    """Viewers find each object of a PDF where its table says."""
    # given a PDF
    made = specimen("pdf", "Facture", 5_000)

    # when its table is read from where its end says
    start = int(made.rpartition(b"startxref\n")[2].split()[0])
    lines = made[start:].split(b"\n")
    offsets = [int(line.split()[0]) for line in lines[3:8]]

    # then every offset is the start of that object
    assert lines[0] == b"xref"
    assert [made[at : at + 7] for at in offsets] == [b"%d 0 obj" % number for number in range(1, 6)]


def test_archives_open() -> None:
    """Office documents are archives without damage."""
    # given an archive
    made = specimen("pages", "Plan de table", 5_000)

    # when it is opened
    with zipfile.ZipFile(BytesIO(made)) as opened:
        damaged, content = opened.testzip(), opened.read("contenu.txt")

    # then it is sound and tells its title
    assert damaged is None
    assert content.startswith(b"Plan de table\n")


@pytest.mark.parametrize("suffix", ["pdf", "png", "zip"])
def test_too_few_bytes_are_refused(suffix: str) -> None:
    """A size that the format's own frame exceeds is an error, not a broken file."""
    # given a size that cannot be
    # when such a file is asked for
    # then it is refused
    with pytest.raises(ValueError, match="too few"):
        specimen(suffix, "x", 40)
