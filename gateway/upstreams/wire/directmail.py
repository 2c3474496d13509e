"""What Direct Mail's API sends (`upstreams.md` 4.3), and what it means here."""

import re
from datetime import datetime
from pathlib import PurePosixPath
from typing import Annotated

import msgspec

from gateway.domain.details import DirectMailDetails
from gateway.domain.media_types import media_type_of
from gateway.domain.model import Attachment, Record, RecordKind
from gateway.domain.refs import Ref, RefType
from gateway.transport.addresses import without_secrets
from gateway.transport.payloads import parse_time, text_or_none

Message = tuple[str, ...]
"""A project's document identifier and a message's UUID, as the server writes them: case counts."""

IDENTIFIER = re.compile(r"[A-Za-z0-9-]{1,64}")
"""Document identifiers are hex and the others UUIDs (`upstreams.md` 4.3): anything else is not asked for."""


# Wire shapes


class WireLink(msgspec.Struct):
    """Where something is; told apart by ``rel``, because nothing promises an order."""

    href: str = ""
    rel: str = ""


class WireLinks(msgspec.Struct):
    """Anything that has links; the answer to a deletion is nothing else."""

    links: list[WireLink] | None = None

    def link(self, rel: str) -> str | None:
        """Give the address with the relation; the content's is signed, and so a secret."""
        return next((link.href for link in self.links or () if link.rel == rel), None)


class WireAttachment(WireLinks, kw_only=True):
    """An attachment as the server writes it; which keys may be null is not documented."""

    uuid: Annotated[str, msgspec.Meta(min_length=1)]
    display_name: str | None = None
    file_name: str | None = None
    date_modified: str | None = None
    content_length: Annotated[int, msgspec.Meta(ge=0)] | None = None


# References


def is_message(ref: Ref) -> bool:
    """Tell whether a reference has the form of a message of a project."""
    return ref.type is RefType.RECORD and _are_ids(ref.key, ("project", "message"))


def is_attachment(ref: Ref) -> bool:
    """Tell whether a reference has the form of an attachment of a message."""
    return ref.type is RefType.ATTACHMENT and _are_ids(ref.key, ("project", "message", "attachment"))


def _are_ids(key: tuple[str, ...], names: tuple[str, ...]) -> bool:
    return len(key) == len(names) and all(IDENTIFIER.fullmatch(part) for part in key)


# Parsing


def parse_attachment(
    wire: WireAttachment, message: Message, source: str, content_expires_at: datetime | None
) -> Attachment:
    """Make an attachment; its message is what it was asked for by, which it does not tell."""
    return Attachment(
        ref=Ref(source, RefType.ATTACHMENT, (*message, wire.uuid)),
        name=display_name(wire),
        size=wire.content_length,
        media_type=media_type_of(wire.file_name) if wire.file_name else None,
        created_at=None,
        updated_at=parse_time(wire.date_modified, source),
        record=Record(Ref(source, RefType.RECORD, message), RecordKind.MESSAGE),
        can_update=False,
        can_delete=True,
        details=DirectMailDetails(
            native_id=wire.uuid,
            display_name=text_or_none(wire.display_name),
            storage_name=text_or_none(wire.file_name),
            url=without_secrets(wire.link("self")),
            content_expires_at=content_expires_at,
        ),
    )


def display_name(wire: WireAttachment) -> str:
    """Make the name to save a file under: what people call it, with the extension that only the store's name has."""
    if not wire.display_name:
        return wire.file_name or wire.uuid
    suffix = PurePosixPath(wire.file_name or "").suffix
    has_suffix = wire.display_name.lower().endswith(suffix.lower())
    return wire.display_name if has_suffix else wire.display_name + suffix
