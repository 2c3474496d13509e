"""Small but real documents: what the seeded files of the Arrhes sandbox contain."""

import csv
import io
import struct
import zlib
from collections.abc import Iterable, Sequence

LINE_HEIGHT = 14
TOP = 790
PNG_SIDE = 24


def pdf(lines: Sequence[str]) -> bytes:
    """Make a PDF of one A4 page with the given lines of text in Helvetica."""
    rows = "\n".join(f"({_escaped(line)}) '" for line in lines)
    text = f"BT /F1 11 Tf {LINE_HEIGHT} TL 50 {TOP} Td\n{rows}\nET".encode("cp1252", "replace")
    return _with_table(
        [
            b"<</Type/Catalog/Pages 2 0 R>>",
            b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
            b"<</Length %d>>\nstream\n%b\nendstream" % (len(text), text),
            b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>",
        ]
    )


def png(shade: int) -> bytes:
    """Make a square picture with a gradient, a different one for each shade from 0 to 2**24 - 1."""
    start = shade.to_bytes(3, "big")
    rows = b"".join(
        b"\0" + bytes((start[i % 3] + x + y) % 256 for x in range(PNG_SIDE) for i in range(3))
        for y in range(PNG_SIDE)
    )
    header = struct.pack(">IIBBBBB", PNG_SIDE, PNG_SIDE, 8, 2, 0, 0, 0)
    chunks = _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(rows)) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def table(rows: Iterable[Sequence[object]]) -> bytes:
    """Make a CSV file as French spreadsheets read it: semicolons, and UTF-8 with a byte order mark."""
    text = io.StringIO()
    csv.writer(text, delimiter=";").writerows(rows)
    return text.getvalue().encode("utf-8-sig")


def _escaped(line: str) -> str:
    return line.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")


def _with_table(objects: Sequence[bytes]) -> bytes:
    """Put numbered objects, their cross-reference table and the trailer together."""
    out = bytearray(b"%PDF-1.4\n")
    offsets = []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"trailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)
    return bytes(out)


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
