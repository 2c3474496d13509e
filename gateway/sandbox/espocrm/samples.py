"""Files of the demo, made when somebody downloads them: small real documents, filled up to the recorded size."""

import io
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from gateway.sandbox.espocrm.contents import windows

LINE = "Ce document de démonstration ne contient aucune donnée réelle.\n"


@dataclass(frozen=True, slots=True)
class Sample:
    """The bytes of one seeded attachment: the same at each start, ``size`` of them (at least 4,096)."""

    name: str
    size: int

    def pieces(self) -> Iterator[bytes]:
        """Make the file and give it in pieces."""
        build = BUILDERS[PurePosixPath(self.name).suffix.lower()][1]
        return windows(memoryview(build(self.name, self.size)))


def media_of(name: str) -> str:
    """Give the MIME type of a sample by its extension."""
    return BUILDERS[PurePosixPath(name).suffix.lower()][0]


def _text(name: str, size: int) -> bytes:
    """Write lines, and blank ones where a whole line has no place any more."""
    head, line = f"# {name}\n\n".encode(), LINE.encode()
    lines, rest = divmod(size - len(head), len(line))
    return head + line * lines + b"\n" * rest


def _csv(_: str, size: int) -> bytes:
    head, line = (
        "Date;Désignation;Quantité;Montant HT\n".encode(),
        "2025-09-15;Pièce détachée;4;118,40\n".encode(),
    )
    lines, rest = divmod(size - len(head), len(line))
    return head + line * lines + b"\n" * rest


def _pdf(name: str, size: int) -> bytes:
    """Write one page that shows the name; the room between it and the table of offsets is a comment."""
    text = name.encode("cp1252", "replace")
    for special in (b"\\", b"(", b")"):
        text = text.replace(special, b"\\" + special)
    stream = b"BT /F1 18 Tf 60 760 Td (" + text + b") Tj ET"
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources 6 0 R >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
        b"<< /Font << /F1 5 0 R >> >>",
    ]
    body, table = b"%PDF-1.4\n", b"xref\n0 7\n0000000000 65535 f \n"
    for number, content in enumerate(objects, 1):
        table += b"%010d 00000 n \n" % len(body)
        body += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table += b"trailer\n<< /Size 7 /Root 1 0 R >>\nstartxref\n%010d\n%%%%EOF\n"
    room = size - len(body) - len(table % 0)
    return body + b"%" + b" " * (room - 2) + b"\n" + table % (len(body) + room)


def _png(_: str, size: int) -> bytes:
    """Paint a small grey square; the rest of the size is a comment."""
    head = b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", struct.pack(">IIBBBBB", 16, 16, 8, 0, 0, 0, 0))
    tail = _chunk(b"IDAT", zlib.compress((b"\0" + b"\x90" * 16) * 16)) + _chunk(b"IEND", b"")
    room = size - len(head) - len(tail) - 12
    return head + _chunk(b"tEXt", b"Comment\0".ljust(room)) + tail


def _chunk(kind: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


def _docx(name: str, size: int) -> bytes:
    """Write a document of one paragraph; the parts aren't compressed, so a comment of any length fits the size."""
    return _zipped(name, size - len(_zipped(name, 0)))


def _zipped(name: str, room: int) -> bytes:
    types = "http://schemas.openxmlformats.org/package/2006/content-types"
    relations = "http://schemas.openxmlformats.org/package/2006/relationships"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument"
    words = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    main = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{types}"><Default Extension="rels"'
        ' ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/word/document.xml" ContentType="{main}"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{relations}">'
        f'<Relationship Id="r1" Type="{office}" Target="word/document.xml"/></Relationships>',
        "word/document.xml": f'<w:document xmlns:w="{words}"><w:body><w:p><w:r><w:t>{_escaped(name)}</w:t></w:r>'
        f"</w:p></w:body></w:document><!--{' ' * room}-->",
    }
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        for path, content in parts.items():
            archive.writestr(zipfile.ZipInfo(path), '<?xml version="1.0" encoding="UTF-8"?>' + content)
    return written.getvalue()


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")


BUILDERS: dict[str, tuple[str, Callable[[str, int], bytes]]] = {
    ".pdf": ("application/pdf", _pdf),
    ".png": ("image/png", _png),
    ".csv": ("text/csv", _csv),
    ".txt": ("text/plain", _text),
    ".md": ("text/markdown", _text),
    ".docx": ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", _docx),
}
"""MIME type and maker of each kind of file, by extension."""
