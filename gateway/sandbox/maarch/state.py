"""The mail room: who sees what, and what creating, overwriting and deleting do (upstreams.md 1.3, 1.4, 1.6)."""

import secrets
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from gateway.sandbox.maarch import php, samples
from gateway.sandbox.maarch.contents import Content, Kept, decoded_base64, read
from gateway.sandbox.maarch.formats import OFFICE
from gateway.sandbox.maarch.records import TYPES, Attachment, AttachmentType, Crashed, Mail, User

LARGEST_ID = 2**31 - 1
HIDDEN_TYPES = {"signed_response", "summary_sheet"}
GONE = {"DEL", "OBS"}


def utc_now() -> datetime:
    """Give the time; tests put another clock in its place."""
    return datetime.now(UTC)


@dataclass(slots=True)
class State:
    """Everything a sandbox Maarch Courrier knows.

    ``upload_limit`` is in characters of Base64 (the server measures the encoded text), ``session`` in minutes.
    ``maintenance`` makes every route answer 503. ``has_converter`` is whether PDF renditions and thumbnails can
    be made; ``watermark`` is the line that renditions bear. ``zone`` is the one in which times are written.
    ``views`` counts the reads of content by attachment, which the real server writes into its audit history.
    """

    users: list[User] = field(default_factory=list)
    mails: dict[int, Mail] = field(default_factory=dict)
    attachments: dict[int, Attachment] = field(default_factory=dict)
    types: dict[str, AttachmentType] = field(default_factory=lambda: {kind.type_id: kind for kind in TYPES})
    contacts: set[int] = field(default_factory=set)
    clock: Callable[[], datetime] = utc_now
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("Europe/Paris"))
    next_id: int = 1
    next_chrono: int = 1
    upload_limit: int = 100 * 1024 * 1024
    session: int = 10_080
    secret: str = field(default_factory=lambda: secrets.token_hex(32), repr=False)
    maintenance: bool = False
    has_converter: bool = True
    watermark: str | None = None
    maileva_enabled: bool = False
    views: Counter[int] = field(default_factory=Counter)

    def user(self, user_id: int | None) -> User | None:
        """Find a user by number."""
        return next((user for user in self.users if user.id == user_id), None)

    def user_named(self, login: str) -> User | None:
        """Find a user by login, in any case."""
        return next((user for user in self.users if user.login.lower() == login.lower()), None)

    def label(self, user_id: int | None) -> str:
        """Give a user's first and last name; empty where there is no such user."""
        user = self.user(user_id)
        return user.label if user else ""

    def sees(self, user: User, mail_id: int) -> bool:
        """Whether a mail exists and is in the user's perimeter; the server never tells which it was."""
        return mail_id in self.mails and (user.perimeter is None or mail_id in user.perimeter)

    def may_change(self, user: User, attachment: Attachment) -> bool:
        """Whether the user typed the attachment in or has the privilege to manage all."""
        return user.manages_attachments or attachment.typist == user.id

    def find(self, text: str) -> Attachment | None:
        """Find an attachment, whatever its status, by the id in a path; crashes on a bad one (recorded)."""
        if php.is_empty(text):
            raise Crashed("Argument id is empty")
        if not php.is_integer(text):
            raise Crashed("Argument id is not an integer (value)")
        return self.attachments.get(in_range(text))

    def listed(self, mail_id: int) -> list[Attachment]:
        """Give the attachments that a mail's list shows, the last changed first."""
        shown = (
            row
            for row in self.attachments.values()
            if row.res_id_master == mail_id and row.status not in GONE and row.type not in HIDDEN_TYPES
        )
        return sorted(shown, key=lambda row: row.ordered_by, reverse=True)

    def chain(self, first: int | None) -> list[Attachment]:
        """Give every version of an attachment, the newest first, from the id of its first one."""
        rows = [row for row in self.attachments.values() if first in (row.res_id, row.origin_id)]
        return sorted(rows, key=lambda row: row.relation, reverse=True)

    def signed_form(self, attachment: Attachment) -> Attachment | None:
        """Find the signed response of an attachment, where it has one."""
        rows = self.attachments.values()
        return next((row for row in rows if row.signs == attachment.res_id and row.status != "DEL"), None)

    def add_mails(self, mails: Iterable[Mail]) -> None:
        """Put mails into the register."""
        self.mails.update({mail.res_id: mail for mail in mails})

    def add(self, attachment: Attachment) -> Attachment:
        """Put a ready attachment into the register; the next id comes after the largest."""
        self.attachments[attachment.res_id] = attachment
        self.next_id = max(self.next_id, attachment.res_id + 1)
        return attachment

    def create(self, user: User, body: dict[str, Any]) -> Attachment:
        """Store a new attachment of a checked body; with ``originId`` it replaces the versions before it."""
        kind = self.types[body["type"]]
        signed = kind.type_id == "signed_response"
        origin = int(body["originId"]) if not php.is_empty(body.get("originId")) else None
        versions = self.chain(origin) if origin and not signed else []
        status = "SIGN" if kind.signed_by_default else body.get("status") or "A_TRA"
        chrono = self._chrono_for(kind, body.get("chrono"))
        row = Attachment(
            res_id=self.next_id,
            res_id_master=int(body["resIdMaster"]),
            type=kind.type_id,
            format=body["format"],
            typist=int(body["typist"]) if php.is_integer(body.get("typist")) else user.id,
            created_at=self.clock(),
            content=_stored(body, chrono, status),
            chrono=chrono,
            status=status,
            relation=versions[0].relation + 1 if versions else 1,
            origin_id=origin if versions else None,
            signs=origin if signed else None,
            in_signature_book=_wanted(body, versions[0].in_signature_book if versions else kind.signable),
            **_writable(body),
        )
        self._supersede(versions, signs=row.signs)
        return self.add(row)

    def _supersede(self, versions: list[Attachment], signs: int | None) -> None:
        for version in versions:
            version.status = "OBS"
        if signs in self.attachments:
            self.attachments[signs].status = "SIGN"

    def overwrite(self, user: User, row: Attachment, body: dict[str, Any]) -> None:
        """Store a checked body over an attachment: what the body lacks becomes null."""
        row.type = body["type"]
        for name, value in _writable(body).items():
            setattr(row, name, value)
        row.chrono = row.chrono or self._chrono_for(self.types[row.type], None)
        row.modified_by, row.modified_at = user.id, self.clock()
        if not php.is_empty(body.get("encodedFile")):
            row.format = body["format"]
            row.content = Kept(decoded_base64(body["encodedFile"]))

    def delete(self, row: Attachment) -> None:
        """Mark an attachment and every version of it as deleted, obsolete ones too."""
        for version in self.chain(row.origin_id or row.res_id):
            version.status = "DEL"

    def _chrono_for(self, kind: AttachmentType, sent: object) -> str | None:
        if not php.is_empty(sent):
            return php.text(sent)
        if not kind.chrono:
            return None
        number, self.next_chrono = self.next_chrono, self.next_chrono + 1
        return f"MAARCH/{self.clock().astimezone(self.zone).year}D/{number}"


def in_range(text: object) -> int:
    """Turn a checked id into a number; one beyond the column's type crashes in the database."""
    number = int(str(text))
    if number > LARGEST_ID:
        message = f'7 ERROR:  value "{number}" is out of range for type integer'
        raise Crashed(f"SQLSTATE[22003]: Numeric value out of range: {message}")
    return number


def _writable(body: dict[str, Any]) -> dict[str, Any]:
    """Give the columns that creating and overwriting fill alike, null where the body has nothing."""
    recipient = body.get("recipientId")
    return {
        "title": None if body.get("title") is None else php.text(body["title"]),
        "recipient_id": None if php.is_empty(recipient) else int(str(recipient)),
        "recipient_type": None if php.is_empty(recipient) else body.get("recipientType"),
        "validation_date": body.get("validationDate") or None,
        "effective_date": body.get("effectiveDate") or None,
    }


def _wanted(body: dict[str, Any], otherwise: bool) -> bool:
    sent = body.get("inSignatureBook")
    return otherwise if sent is None else not php.is_empty(sent)


def _stored(body: dict[str, Any], chrono: str | None, status: str) -> Content:
    """Decode the file; office documents are merged, and so rewritten, unless they are bound for a mailing."""
    kept = Kept(decoded_base64(body["encodedFile"]))
    if body["format"] not in OFFICE or status == "SEND_MASS":
        return kept
    return Kept(iter((samples.merged(read(kept), chrono, body.get("title")),)))
