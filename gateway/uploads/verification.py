"""Looks at a staged object before a byte of it leaves: it must be what was announced."""

from gateway.domain.errors import BadInput
from gateway.uploads.storage import StagingStore, StoredObject
from gateway.uploads.tickets import Changes, Ticket

EXECUTABLES = (b"MZ", b"\x7fELF", b"\xca\xfe\xba\xbe", b"\xcf\xfa\xed\xfe", b"#!")
MARKUP = (b"<!doctype html", b"<html", b"<script", b"<svg")
MARKUP_TYPES = frozenset({"text/html", "application/xhtml+xml", "image/svg+xml", "text/xml", "application/xml"})
SIGNATURES = {
    "application/pdf": (b"%PDF-",),
    "image/png": (b"\x89PNG\r\n\x1a\n",),
    "image/jpeg": (b"\xff\xd8\xff",),
    "image/gif": (b"GIF87a", b"GIF89a"),
    "application/zip": (b"PK\x03\x04", b"PK\x05\x06"),
}
"""The first bytes of types that have such; an empty file has none and is what it says."""
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
LOOKED_AT = 512


async def verify(ticket: Ticket, store: StagingStore) -> Changes:
    """Compare the staged object with its ticket and give the facts that were found. Reads the object once.

    Raises NotFound while the object is not there, BadInput where it is another than announced, StorageUnavailable.
    """
    stored = await store.stat(ticket.object_key)
    _check_size(ticket, stored)
    digest = await store.digest(ticket.object_key, stored.etag)
    if ticket.sha256 is not None and digest.sha256 != ticket.sha256:
        raise BadInput("The uploaded bytes have another SHA-256 than was announced.")
    if not fits(ticket.media_type, digest.head):
        raise BadInput(f"The uploaded bytes are not {ticket.media_type}.")
    return {"etag": stored.etag, "verified_size": stored.size, "verified_sha256": digest.sha256}


def fits(media_type: str, head: bytes) -> bool:
    """Tell whether the first bytes of a file may be of a type: what pretends to be harmless is found out.

    Neither case nor parameters of the type count, and what browsers skip before markup is skipped here.
    """
    media_type = media_type.partition(";")[0].strip().lower()
    start = head[:LOOKED_AT].removeprefix(BYTE_ORDER_MARK).lstrip().lower()
    if media_type in SIGNATURES and head:
        return head.startswith(SIGNATURES[media_type])
    if media_type not in MARKUP_TYPES and start.startswith(MARKUP):
        return False
    return media_type == "application/octet-stream" or not head.startswith(EXECUTABLES)


def _check_size(ticket: Ticket, stored: StoredObject) -> None:
    if stored.size != ticket.size:
        raise BadInput(f"{stored.size:,} bytes were uploaded where {ticket.size:,} were announced.")
