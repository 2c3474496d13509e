"""Small real files, the same bytes for the same words at each start: PDF, PNG, DOCX and plain text."""

import io
import struct
import zipfile
import zlib
from xml.sax.saxutils import escape

EPOCH = (2025, 1, 1, 0, 0, 0)
"""The date of every member of an archive, so that archives come out equal."""

CONTENT_TYPES = (
    '<?xml version="1.0" encoding="UTF-8"?>'
    '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Override PartName="/word/document.xml" ContentType='
    '"application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>'
)
RELATIONSHIPS = (
    '<?xml version="1.0" encoding="UTF-8"?>'
    '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    '<Relationship Id="r1" Target="word/document.xml" Type='
    '"http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument"/></Relationships>'
)
DOCUMENT = (
    '<?xml version="1.0" encoding="UTF-8"?>'
    '<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body>'
    "{paragraphs}</w:body></w:document>"
)


def pdf(*lines: str) -> bytes:
    """Make a PDF of one page with these lines of text."""
    shown = b"".join(b"(" + _pdf_text(line) + b") Tj T* " for line in lines)
    drawing = b"BT /F1 14 Tf 20 TL 60 760 Td " + shown + b"ET"
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
        b"<</Length %d>>stream\n%b\nendstream" % (len(drawing), drawing),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>",
    ]
    return _pdf_file(objects)


def _pdf_text(line: str) -> bytes:
    escaped = line.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")
    return escaped.encode("cp1252", "replace")


def _pdf_file(objects: list[bytes]) -> bytes:
    """Write numbered objects and the table of where each begins."""
    out = bytearray(b"%PDF-1.4\n")
    offsets = []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(out))
        out += b"%d 0 obj%b\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    count = len(objects) + 1
    tail = b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (count, len(out))
    return bytes(out) + b"xref\n0 %d\n0000000000 65535 f \n%b%b" % (count, table, tail)


def png(seed: int, side: int = 16) -> bytes:
    """Make a square picture of one colour that follows from a number; ``side`` is in pixels."""
    colour = bytes((seed * factor) % 256 for factor in (37, 91, 151))
    rows = (b"\x00" + colour * side) * side
    size = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", size), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_png_chunk(kind, data) for kind, data in chunks)


def _png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def docx(*lines: str) -> bytes:
    """Make a Word document with one paragraph a line."""
    paragraphs = "".join(f"<w:p><w:r><w:t>{escape(line)}</w:t></w:r></w:p>" for line in lines)
    return archive(
        {
            "[Content_Types].xml": CONTENT_TYPES.encode(),
            "_rels/.rels": RELATIONSHIPS.encode(),
            "word/document.xml": DOCUMENT.format(paragraphs=paragraphs).encode(),
        }
    )


def archive(members: dict[str, bytes]) -> bytes:
    """Make a ZIP archive with these members, all of one date."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, data in members.items():
            opened.writestr(zipfile.ZipInfo(name, EPOCH), data, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def merged(office: bytes, chrono: str | None, title: str | None) -> bytes:
    """Rewrite an office document as the server does on upload: fields filled in, the archive made anew.

    Bytes that are no archive come back unchanged.
    """
    if not zipfile.is_zipfile(io.BytesIO(office)):
        return office
    fields = {b"[attachment.chrono]": chrono or "", b"[attachment.title]": title or ""}
    with zipfile.ZipFile(io.BytesIO(office)) as opened:
        return archive({name: _filled(opened.read(name), fields) for name in opened.namelist()})


def _filled(member: bytes, fields: dict[bytes, str]) -> bytes:
    for mark, value in fields.items():
        member = member.replace(mark, escape(value).encode())
    return member
