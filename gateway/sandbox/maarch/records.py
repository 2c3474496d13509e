"""What the mail room keeps: users, mails, types and attachments, and the ways it says no."""

from dataclasses import dataclass, field
from datetime import datetime

from gateway.sandbox.maarch.contents import Content


class Refused(Exception):
    """An answer other than 200: its status and the text of ``errors``."""

    def __init__(self, status: int, text: str, **more: object) -> None:
        super().__init__(text)
        self.status = status
        self.body = {"errors": text, **more}


class Crashed(Exception):
    """An exception inside the server, which answers 500 with this message in ``context``."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.body = {
            "title": "An error occurred",
            "type": "internalServerProblem",
            "detail": "Internal server error",
            "errors": "Internal server error",
            "status": 500,
            "lang": None,
            "context": {"message": message},
        }


@dataclass(slots=True)
class User:
    """An account. ``mode`` is ``standard``, or ``rest`` for a program, which cannot get tokens.

    ``perimeter`` holds the ids of the mails it sees, None standing for all. ``routes`` limits a program to
    such routes as ``GET/attachments/{id}``; empty means any.
    """

    id: int
    login: str
    password: str = field(repr=False)
    firstname: str
    lastname: str
    mode: str = "standard"
    perimeter: frozenset[int] | None = None
    manages_attachments: bool = True
    routes: frozenset[str] = frozenset()
    refresh_tokens: list[str] = field(default_factory=list, repr=False)

    @property
    def label(self) -> str:
        """First and last name."""
        return f"{self.firstname} {self.lastname}"


@dataclass(frozen=True, slots=True)
class Mail:
    """A letter that attachments hang on; ``chrono`` is its number in the register."""

    res_id: int
    chrono: str
    subject: str


@dataclass(frozen=True, slots=True)
class AttachmentType:
    """A kind of attachment: ``chrono`` numbers it, ``signable`` puts it in the signature book."""

    id: int
    type_id: str
    label: str
    visible: bool = True
    email_link: bool = False
    signable: bool = False
    signed_by_default: bool = False
    icon: str = ""
    chrono: bool = False
    version_enabled: bool = True
    new_version_default: bool = True


@dataclass(slots=True)
class Attachment:
    """A row of ``res_attachments``; times are aware.

    ``origin_id`` is the first version's id on later versions. ``signs`` is the id that a signed response is the
    signed form of. ``external_state`` is what the signature book and the mailing services note.
    """

    res_id: int
    res_id_master: int
    title: str | None
    type: str
    format: str
    typist: int
    created_at: datetime
    content: Content = field(repr=False)
    chrono: str | None = None
    status: str = "A_TRA"
    relation: int = 1
    origin_id: int | None = None
    signs: int | None = None
    signatory_id: int | None = None
    recipient_id: int | None = None
    recipient_type: str | None = None
    validation_date: str | None = None
    effective_date: str | None = None
    modified_by: int | None = None
    modified_at: datetime | None = None
    fulltext_result: str | None = None
    in_signature_book: bool = False
    in_send_attach: bool = False
    external_state: dict[str, object] = field(default_factory=dict)

    @property
    def ordered_by(self) -> tuple[datetime, int]:
        """What lists are sorted by: the last change, which is the creation until there is one."""
        return (self.modified_at or self.created_at, self.res_id)


TYPES = (
    AttachmentType(
        2, "response_project", "Projet de réponse", email_link=True, signable=True, icon="R", chrono=True
    ),
    AttachmentType(3, "signed_response", "Réponse signée", visible=False, email_link=True, chrono=True),
    AttachmentType(4, "simple_attachment", "Pièce jointe", icon="PJ"),
    AttachmentType(5, "incoming_mail_attachment", "Pièce jointe capturée"),
    AttachmentType(6, "outgoing_mail", "Courrier départ spontané", signable=True, icon="DS", chrono=True),
    AttachmentType(
        8, "acknowledgement_record_management", "Accusé de réception (Archivage)", visible=False, chrono=True
    ),
    AttachmentType(
        9, "reply_record_management", "Réponse au transfert (Archivage)", visible=False, chrono=True
    ),
    AttachmentType(
        10,
        "shipping_deposit_proof",
        "Preuve de dépôt Maileva",
        visible=False,
        icon="M",
        version_enabled=False,
        new_version_default=False,
    ),
    AttachmentType(
        11,
        "shipping_acknowledgement_of_receipt",
        "Accusé de réception Maileva",
        visible=False,
        icon="M",
        version_enabled=False,
        new_version_default=False,
    ),
)
"""The types of the recorded server (recordings/maarch, attachmentsTypes)."""
