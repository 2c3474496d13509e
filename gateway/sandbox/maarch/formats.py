"""Which files the server takes: the type is sniffed from the bytes and has to fit the named format.

The pairs follow upstreams.md 1.4, step 11. Sniffing looks at the first few kilobytes and is as good as
the handful of types needs; bytes that are no known format are text unless they hold a NUL.
"""

SNIFFED = 8_192
"""How many bytes are looked at."""

OFFICE = {"odt", "ods", "odp", "odf", "docx", "xlsx", "pptx"}
"""Formats that are merged, and so rewritten, when they are uploaded."""

OOXML = "application/vnd.openxmlformats-officedocument."
OPEN_DOCUMENT = "application/vnd.oasis.opendocument."

ALLOWED: dict[str, tuple[str, ...]] = {
    "pdf": ("application/pdf",),
    "tif": ("image/tiff",),
    "tiff": ("image/tiff",),
    "doc": ("application/msword",),
    "docx": (OOXML + "wordprocessingml.document",),
    "xls": ("application/vnd.ms-excel", "application/msword"),
    "xlsx": (OOXML + "spreadsheetml.sheet",),
    "ppt": ("application/vnd.ms-powerpoint", "application/msword"),
    "pptx": (OOXML + "presentationml.presentation",),
    "odt": (OPEN_DOCUMENT + "text",),
    "ods": (OPEN_DOCUMENT + "spreadsheet",),
    "odp": (OPEN_DOCUMENT + "presentation",),
    "xml": ("text/xml", "application/xml"),
    "txt": ("text/plain",),
    "eml": ("message/rfc822", "text/plain"),
    "msg": ("application/vnd.ms-outlook", "application/msword"),
    "jpg": ("image/jpeg",),
    "jpeg": ("image/jpeg",),
    "gif": ("image/gif",),
    "png": ("image/png",),
    "rtf": ("text/rtf",),
    "html": ("text/html",),
    "css": ("text/css", "text/plain"),
    "csv": ("text/csv", "text/plain"),
    "zip": ("application/zip",),
    "rar": ("application/x-rar",),
    "tar": ("application/x-tar",),
    "mov": ("video/quicktime",),
    "avi": ("video/x-msvideo",),
}

CONVERTIBLE = {
    *OFFICE,
    *("pdf", "doc", "xls", "ppt", "rtf", "txt", "csv", "html", "xml", "eml"),
    *("jpg", "jpeg", "png", "gif", "tif", "tiff"),
}

SIGNATURES = (
    (0, b"%PDF-", "application/pdf"),
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF8", "image/gif"),
    (0, b"II*\x00", "image/tiff"),
    (0, b"MM\x00*", "image/tiff"),
    (0, b"\xd0\xcf\x11\xe0", "application/msword"),
    (0, b"{\\rtf", "text/rtf"),
    (0, b"<?xml", "text/xml"),
    (0, b"Rar!", "application/x-rar"),
    (0, b"Received:", "message/rfc822"),
    (0, b"Return-Path:", "message/rfc822"),
    (4, b"ftypqt", "video/quicktime"),
    (8, b"AVI ", "video/x-msvideo"),
    (257, b"ustar", "application/x-tar"),
)

ZIPPED = (
    (b"word/", OOXML + "wordprocessingml.document"),
    (b"xl/", OOXML + "spreadsheetml.sheet"),
    (b"ppt/", OOXML + "presentationml.presentation"),
    (b"opendocument.text", OPEN_DOCUMENT + "text"),
    (b"opendocument.spreadsheet", OPEN_DOCUMENT + "spreadsheet"),
    (b"opendocument.presentation", OPEN_DOCUMENT + "presentation"),
)


def sniffed(head: bytes) -> str:
    """Tell the MIME type of a file by its first bytes."""
    if head.startswith(b"PK\x03\x04"):
        return next((mime for mark, mime in ZIPPED if mark in head), "application/zip")
    for offset, mark, mime in SIGNATURES:
        if head.startswith(mark, offset):
            return mime
    if head.lstrip()[:14].lower().startswith((b"<!doctype html", b"<html")):
        return "text/html"
    return "application/octet-stream" if b"\x00" in head else "text/plain"


def is_allowed(extension: str, mime: str) -> bool:
    """Whether an extension, in any case, goes with a sniffed type."""
    return mime in ALLOWED.get(extension.lower(), ())


def can_convert(extension: str) -> bool:
    """Whether the server makes a PDF of this format."""
    return extension.lower() in CONVERTIBLE
