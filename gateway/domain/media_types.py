"""Media types by the extension of a name, the same on every machine, and what takes them."""

from collections.abc import Sequence
from mimetypes import MimeTypes

_TABLE = MimeTypes()
"""What Python knows by itself, never the machine's own `/etc/mime.types`, which would change the answers."""

for _extension, _media_type in {
    "7z": "application/x-7z-compressed",
    "bz2": "application/x-bzip2",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "gz": "application/gzip",
    "md": "text/markdown",
    "msg": "application/vnd.ms-outlook",
    "odp": "application/vnd.oasis.opendocument.presentation",
    "ods": "application/vnd.oasis.opendocument.spreadsheet",
    "odt": "application/vnd.oasis.opendocument.text",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "rtf": "application/rtf",
    "webp": "image/webp",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}.items():
    _TABLE.add_type(_media_type, f".{_extension}")


def media_type_of(name: str) -> str | None:
    """Tell the media type that a file's name promises by its last extension; None where it promises none.

    Only the last one counts, so that ``letters.tar.gz`` is what its bytes are: ``application/gzip``.
    """
    return _TABLE.types_map[True].get(_extension_of(name))


def is_accepted(patterns: Sequence[str], name: str, media_type: str) -> bool:
    """Tell whether one of the patterns takes a file; none at all take every file.

    A pattern is an extension (``.pdf``), a media type (``image/png``) or a family of them (``image/*``); case does
    not count, nor do the parameters of a media type.
    """
    extension = _extension_of(name)
    plain = media_type.partition(";")[0].strip().lower()
    known = {extension, plain, f"{plain.partition('/')[0]}/*"}
    return not patterns or any(pattern.lower() in known for pattern in patterns)


def _extension_of(name: str) -> str:
    """Give the last extension of a name, in lower case with its dot; empty where only a dot begins or ends it."""
    stem, _, extension = name.rstrip("/").rpartition("/")[2].rpartition(".")
    return f".{extension.lower()}" if stem and extension else ""
