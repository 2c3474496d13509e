"""Makes small, valid files of an exact size, so that seeded records need no bytes until somebody downloads one."""

import struct
import zipfile
import zlib
from collections.abc import Callable
from io import BytesIO

SMALLEST = 2_000
"""Bytes. Every kind of file here fits, with a title of up to some 200 characters, into this size."""

PAGE = (
    "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R "
    "/Resources << /Font << /F1 5 0 R >> >> >>"
)
FONT = "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"


def specimen(suffix: str, title: str, size: int) -> bytes:
    """Make a file of exactly ``size`` bytes, always the same for the same arguments.

    ``suffix`` is the extension without its dot; unknown ones get plain text. Raises ValueError where the title
    and the frame of the format do not fit into the size.
    """
    return _MAKERS.get(suffix.lower(), text)(title, size)


def text(title: str, size: int) -> bytes:
    """Make UTF-8 text: the title, then numbered lines up to the size."""
    head = f"{title}\n".encode()
    lines = size // 12 + 1
    return _exactly((head + b"".join(b"ligne %5d\n" % number for number in range(lines)))[:size], size)


def pdf(title: str, size: int) -> bytes:
    """Make a one-page PDF that shows the title; a comment before the cross-references fills it up."""
    shown = title.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)").encode("cp1252", "replace")
    drawing = b"BT /F1 16 Tf 60 760 Td (" + shown + b") Tj ET"
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        PAGE.encode(),
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(drawing), drawing),
        FONT.encode(),
    ]
    body, offsets = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, start=1):
        offsets.append(len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"xref\n0 6\n0000000000 65535 f \n" + b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    # The last offset has a fixed width too, so the length of the end does not depend on the filling.
    end = b"trailer\n<< /Size 6 /Root 1 0 R >>\nstartxref\n%010d\n%%%%EOF\n"
    filling = b"%" + b"." * (size - len(body) - len(table) - len(end % 0) - 2) + b"\n"
    return _exactly(body + filling + table + end % (len(body) + len(filling)), size)


def png(title: str, size: int) -> bytes:
    """Make a 320 x 240 picture whose colour follows from the title; a private chunk fills it up."""
    red, green, blue, _ = zlib.crc32(title.encode()).to_bytes(4, "big")
    row = b"\x00" + bytes([red, green, blue]) * 320
    head = b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", struct.pack(">IIBBBBB", 320, 240, 8, 2, 0, 0, 0))
    picture = _chunk(b"tEXt", b"Title\x00" + title.encode("latin-1", "replace"))
    picture += _chunk(b"IDAT", zlib.compress(row * 240, 9))
    end = _chunk(b"IEND", b"")
    filling = _chunk(b"fiLl", b"." * (size - len(head) - len(picture) - len(end) - 12))
    return _exactly(head + picture + filling + end, size)


def archive(title: str, size: int) -> bytes:
    """Make a ZIP archive of one stored text, as office documents are archives."""
    return _exactly(_zipped(text(title, size - len(_zipped(b"")))), size)


def _zipped(content: bytes) -> bytes:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as zipped:
        zipped.writestr(zipfile.ZipInfo("contenu.txt", (2026, 1, 5, 8, 0, 0)), content)
    return buffer.getvalue()


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _exactly(content: bytes, size: int) -> bytes:
    if len(content) != size:
        raise ValueError(f"{size} bytes are too few for this file")
    return content


_MAKERS: dict[str, Callable[[str, int], bytes]] = {
    "pdf": pdf,
    "png": png,
    "pages": archive,
    "numbers": archive,
    "docx": archive,
    "xlsx": archive,
    "zip": archive,
}
