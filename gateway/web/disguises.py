"""Finds out files that are something else than they are called: what might run somewhere is served as bytes alone.

A browser shows nothing of what `/content` serves, because it comes as an attachment, sandboxed and with `nosniff`.
This is for programs that are less careful with what they are given.
"""

import re
from collections.abc import AsyncIterator

from gateway.uploads.verification import SIGNATURES, fits

BYTES = "application/octet-stream"
LOOKED_AT = 4096
"""Bytes of the beginning; browsers look at 1,445 or fewer (the WHATWG's MIME sniffing standard, 5)."""
HARMLESS = re.compile(
    r"audio/[\w.+-]+|video/[\w.+-]+|image/(?!svg)[\w.+-]+|text/(?:plain|csv|markdown)"
    r"|application/(?:pdf|zip|json|msword|rtf|vnd\.(?:openxmlformats|oasis|ms-)[\w.+-]+)"
)
"""Types that are for looking at, not for running."""
SIMPLE = ("audio/", "image/", "text/", "video/")
"""What none of the types that have a signature but their own is a form of."""
MARKUP = re.compile(
    rb"<(?:!doctype|!--|html|head|body|title|script|svg|iframe|frame|object|embed|applet|img|style|meta|link|base|form"
    rb"|table|video|audio|math|hta:|\?php|\?xml|%)|javascript:|\+adw-|^mime-version:|^content-type:|\[internetshortcut\]",
    re.IGNORECASE | re.MULTILINE,
)
"""What makes something out of a text or of the comment of a picture, in whichever case."""
SCRIPT = re.compile(rb"(?:GIF8[79]a|BM|RIFF|\xff\xd8\xff.|\x89PNG).{0,4}?(?:/\*|=[\s\w'\"(\[{/])", re.DOTALL)
"""The first bytes of a picture or a sound that are the beginning of a script as well."""
PROGRAMS = (b"FWS", b"CWS", b"ZWS", b"\0asm", b"L\0\0\0\x01\x14\x02\0", b"ITSF", b"!<arch>", b"dex\n")


def served_type(media_type: str | None, head: bytes) -> str:
    """Choose the type that a file with these first bytes is served as: its own where it is that and harmless."""
    plain = (media_type or "").partition(";")[0].strip().lower()
    return (
        plain if HARMLESS.fullmatch(plain) and fits(plain, head) and not _is_disguised(plain, head) else BYTES
    )


def _is_disguised(media_type: str, head: bytes) -> bool:
    letters = head[:LOOKED_AT].replace(b"\0", b"")  # so that UTF-16 is found out too
    if MARKUP.search(letters) or SCRIPT.match(head) or head.startswith(PROGRAMS):
        return True
    if (
        media_type != "application/pdf" and b"%PDF-" in head[:1024]
    ):  # readers of PDF begin to read anywhere there
        return True
    others = (mark for name, marks in SIGNATURES.items() if name != media_type for mark in marks)
    return media_type.startswith(SIMPLE) and head.startswith(tuple(others))


async def peeked(chunks: AsyncIterator[bytes]) -> tuple[bytes, AsyncIterator[bytes]]:
    """Read the beginning of a stream, and give it with the whole stream."""
    head = b""
    async for chunk in chunks:
        head += chunk
        if len(head) >= LOOKED_AT:
            break
    return head, _after(head, chunks)


async def _after(head: bytes, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    if head:
        yield head
    async for chunk in chunks:
        yield chunk
