"""References: where an object lives, and the text that the journal holds for it.

Clients hold sealed identifiers, see `gateway.identifiers`.
"""

import base64
import binascii
from enum import StrEnum

import msgspec

from gateway.domain.errors import BadIdentifier

VERSION = "1"
SEPARATOR = "\x1f"
"""ASCII's unit separator: no upstream allows it in an identifier or a name."""

LONGEST_TEXT = 2048
LONGEST_PART = 256


class RefType(StrEnum):
    """What a reference points at; the value stands in identifiers and in the journal, and never changes."""

    ATTACHMENT = "a"
    FILE = "f"
    FOLDER = "d"
    RECORD = "r"
    LIBRARY = "l"
    SOURCE = "s"
    UPLOAD = "u"

    __hash__ = str.__hash__
    """That of an enum is written in Python, and every lookup of a reference takes it."""


class Ref(msgspec.Struct, frozen=True, gc=False):
    """One object of one source.

    ``key`` holds the identifiers that the upstream needs to find it, the outermost first: the message before
    its attachment. It is the object's identity, so nothing is in it that the upstream ignores.
    """

    source: str
    type: RefType
    key: tuple[str, ...]

    def to_text(self) -> str:
        """Write it for the journal; the same object always gets the same text, which anybody can read."""
        text = SEPARATOR.join((VERSION, self.type.value, self.source, *self.key))
        return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode("ascii")

    @classmethod
    def from_text(cls, text: str) -> "Ref":
        """Read it back; raises BadIdentifier for anything that ``to_text`` would not have written."""
        parts = _decoded(text).split(SEPARATOR)
        if len(parts) < len(("version", "type", "source", "key")) or parts[0] != VERSION:
            raise BadIdentifier("This is not a reference.")
        if not all(0 < len(part) <= LONGEST_PART for part in parts):
            raise BadIdentifier("This is not a reference.")
        ref = cls(parts[2], _type_of(parts[1]), tuple(parts[3:]))
        if ref.to_text() != text:  # base64 has several spellings of one text
            raise BadIdentifier("This is not a reference.")
        return ref


def _decoded(text: str) -> str:
    try:
        if len(text) > LONGEST_TEXT:
            raise BadIdentifier("This is too long to be a reference.")
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
    except (binascii.Error, ValueError) as exc:
        raise BadIdentifier("This is not a reference.") from exc


def _type_of(letter: str) -> RefType:
    try:
        return RefType(letter)
    except ValueError as exc:
        raise BadIdentifier("This is not a reference.") from exc
