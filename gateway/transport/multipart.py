"""Writes ``multipart/form-data`` (RFC 7578) so that no name and no type can make a part of its own."""

import re
import secrets

BREAKERS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")
"""What no text may hold that stands in a header or in XML: controls, line breaks, and what is no character."""
TURNERS = re.compile(r"[\u202a-\u202e\u2066-\u2069]")
"""What turns the direction of the letters that follow, so that `fdp.exe` reads as `exe.pdf`."""
LOOKS_ESCAPED = re.compile("%(22|0d|0a)", re.IGNORECASE)
"""What servers take for a quote or a line break that a browser escaped, so that it would not come back the same."""
MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,126}/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}", re.IGNORECASE)
"""A media type without parameters (RFC 6838, 4.2)."""
BYTES = "application/octet-stream"


def new_boundary() -> str:
    """Choose a delimiter that no file holds: nobody can guess its 128 random bits."""
    return secrets.token_hex(16)


def is_sendable(name: str) -> bool:
    """Tell whether a file's name comes back the same from a ``filename`` parameter.

    Servers cut paths off, and undo what browsers escape (the HTML standard's ``multipart/form-data``), so a name
    with a slash, a backslash or such an escape would come back as another one. One that turns the direction of its
    letters comes back the same, and reads as another one.
    """
    turns = BREAKERS.search(name) or TURNERS.search(name) or LOOKS_ESCAPED.search(name)
    return bool(name.strip()) and not ("/" in name or "\\" in name or turns)


def plain_media_type(text: str) -> str:
    """Give a media type without its parameters; for anything else, that of any bytes."""
    plain = text.partition(";")[0].strip()
    return plain.lower() if MEDIA_TYPE.fullmatch(plain) else BYTES


def part_head(boundary: str, name: str, media_type: str | None = None, filename: str | None = None) -> bytes:
    """Write the delimiter and the headers of a part; ``filename`` has to be sendable, ``media_type`` plain.

    Quotes are percent-encoded as browsers do, and other characters are UTF-8 as they are, because ``filename*`` is
    not for forms (RFC 7578, 4.2).
    """
    disposition = f'Content-Disposition: form-data; name="{name}"'
    if filename is not None:
        disposition += '; filename="{}"'.format(filename.replace('"', "%22"))
    kind = () if media_type is None else (f"Content-Type: {media_type}",)
    return "\r\n".join((f"--{boundary}", disposition, *kind, "", "")).encode()


def closing(boundary: str) -> bytes:
    """Write the line break after the last part, and the delimiter that ends the body."""
    return f"\r\n--{boundary}--\r\n".encode()
