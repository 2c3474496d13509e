"""The demo's mail room: 50 mails of a town hall with 10 attachments each, the same at each start.

Mails are 100 to 149; the ids of their attachments follow upon each other from 1000, ten to a mail. Ids from
2000 are signed responses, which no list shows. Everything follows from the numbers; contents are made when read.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial

from gateway.sandbox.maarch import samples
from gateway.sandbox.maarch.contents import Content, Made
from gateway.sandbox.maarch.records import Attachment, Mail, User
from gateway.sandbox.maarch.state import State

USER = "passerelle"
PASSWORD = "passerelle-maarch"
"""A program's account (mode ``rest``) that sees and manages everything; Basic only."""

AGENT_USER = "bblier"
AGENT_PASSWORD = "maarch"
"""A person's account that sees and manages everything; may also ask for tokens."""

RESTRICTED_USER = "ccharles"
RESTRICTED_PASSWORD = "maarch"
"""A person's account that sees the mails in ``RESTRICTED_MAILS`` only, and changes only what it typed in."""

FIRST_MAIL = 100
MAILS = 50
PER_MAIL = 10
FIRST_ATTACHMENT = 1000
FIRST_SIGNED = 2000
RESTRICTED_MAILS = frozenset(range(100, 110))

START = datetime(2025, 1, 6, 7, 45, 12, 248_826, tzinfo=UTC)
SIGNATORY = 10
RECIPIENTS = 40
"""How many contacts there are; their ids begin with 1."""

SUBJECTS = (
    "Demande d'intervention sur la voirie, rue des Écoles",
    "Réclamation pour nuisances sonores, place de l'Église",
    "Demande de subvention de l'association « Les Amis du Théâtre »",
    "Permis de construire : extension d'une maison d'habitation",
    "Inscription à la cantine scolaire, année 2025/2026",
    "Demande de logement social",
    "Signalement d'un dépôt sauvage, chemin du Moulin",
    "Occupation du domaine public : fête de quartier",
    "Marché public : réfection de la toiture du gymnase",
    "Demande de mutation d'un agent technique",
)

ENTRIES: tuple[tuple[str, str, str], ...] = (
    ("response_project", "docx", "Projet de réponse à l'usager"),
    ("simple_attachment", "pdf", "Plan cadastral de la parcelle"),
    ("simple_attachment", "png", "Photographie des lieux, façade côté rue"),
    ("incoming_mail_attachment", "pdf", "Pièce d'identité du demandeur"),
    ("simple_attachment", "txt", "Compte rendu de l'entretien téléphonique"),
    ("outgoing_mail", "docx", "Courrier d'accusé de réception"),
    ("simple_attachment", "pdf", "Délibération du conseil municipal"),
    ("incoming_mail_attachment", "txt", "Message électronique de l'usager"),
    ("response_project", "pdf", "Réponse définitive de Monsieur le Maire"),
    ("shipping_deposit_proof", "pdf", "Preuve de dépôt de l'envoi recommandé"),
)
"""Type, format and title of the ten attachments of every mail."""

SIGNED_ENTRY = 8
"""The entry that is signed on every second mail."""
CHANGED_ENTRY = 4
"""The entry that somebody changed a day later."""
SENT_ENTRY = 5
"""The entry that went to a signature book outside."""


def seeded(clock: Callable[[], datetime] | None = None) -> State:
    """Make the demo's mail room; ``clock`` gives aware times and is the machine's by default."""
    state = State(
        contacts=set(range(1, RECIPIENTS + 1)), watermark="Copie conforme à l'original", users=_users()
    )
    if clock is not None:
        state.clock = clock
    state.add_mails(_mails())
    for number in range(MAILS):
        for row in _attachments(number):
            state.add(row)
    state.next_chrono = MAILS * PER_MAIL + 1
    return state


def _users() -> list[User]:
    return [
        User(1, USER, PASSWORD, "Passerelle", "DOCUMENTAIRE", mode="rest"),
        User(21, AGENT_USER, AGENT_PASSWORD, "Bernard", "BLIER"),
        User(
            16,
            RESTRICTED_USER,
            RESTRICTED_PASSWORD,
            "Charlotte",
            "CHARLES",
            perimeter=RESTRICTED_MAILS,
            manages_attachments=False,
        ),
        User(SIGNATORY, "ppetit", "maarch", "Patricia", "PETIT"),
    ]


def _mails() -> Iterator[Mail]:
    for number in range(MAILS):
        subject = SUBJECTS[number % len(SUBJECTS)]
        yield Mail(FIRST_MAIL + number, f"MAARCH/2025A/{number + 1}", subject)


def _attachments(number: int) -> Iterator[Attachment]:
    """Give the attachments of one mail by its number, from 0, and the signed form of one of them."""
    for entry in range(PER_MAIL):
        row = _attachment(number, entry)
        yield row
        if row.status == "SIGN":
            yield _signed_form(row)


def _attachment(number: int, entry: int) -> Attachment:
    kind, extension, title = ENTRIES[entry]
    res_id = FIRST_ATTACHMENT + number * PER_MAIL + entry
    numbered = kind in ("response_project", "outgoing_mail")
    created_at = START + timedelta(days=number * 3, minutes=entry * 37, seconds=res_id)
    mail = FIRST_MAIL + number
    row = Attachment(
        res_id=res_id,
        res_id_master=mail,
        title=f"{title} (courrier {mail})",
        type=kind,
        format=extension,
        typist=16 if entry % 2 else 21,
        created_at=created_at,
        content=_content(res_id, extension, title, mail),
        chrono=f"MAARCH/2025A/{number * PER_MAIL + entry + 1}" if numbered else None,
        recipient_id=number % RECIPIENTS + 1 if numbered else None,
        recipient_type="contact" if numbered else None,
        fulltext_result="SUCCESS" if extension != "png" else None,
        in_signature_book=numbered,
        in_send_attach=kind == "shipping_deposit_proof",
    )
    return _marked(row, number, entry)


def _marked(row: Attachment, number: int, entry: int) -> Attachment:
    """Vary a few: signed, sent to a signature book outside, changed after its creation, without a title."""
    if entry == SIGNED_ENTRY and number % 2 == 0:
        row.status = "SIGN"
    elif entry == SENT_ENTRY and number % 5 == 0:
        row.status = "FRZ"
        row.external_state = {"signatureBookWorkflow": {"fetchDate": "2025-06-02T09:00:00+02:00", "data": []}}
    elif entry == CHANGED_ENTRY:
        row.modified_at, row.modified_by = row.created_at + timedelta(days=1), 21
    elif entry == 1 and number % 10 == 9:
        row.title = None
    return row


def _signed_form(row: Attachment) -> Attachment:
    return Attachment(
        res_id=row.res_id + FIRST_SIGNED - FIRST_ATTACHMENT,
        res_id_master=row.res_id_master,
        title=row.title,
        type="signed_response",
        format="pdf",
        typist=row.typist,
        created_at=row.created_at + timedelta(hours=5),
        content=_content(row.res_id, "pdf", f"{row.title}, signé", row.res_id_master),
        chrono=row.chrono,
        signs=row.res_id,
        signatory_id=SIGNATORY,
        recipient_id=row.recipient_id,
        recipient_type=row.recipient_type,
        in_signature_book=True,
    )


def _content(res_id: int, extension: str, title: str, mail: int) -> Content:
    """Make the file when it is read; only its words are kept."""
    lines = ("Mairie de Maarch-les-Bains", title, f"Courrier n° {mail}, pièce n° {res_id}")
    if extension == "png":
        return Made(partial(samples.png, res_id))
    if extension == "txt":
        return Made("\n".join((*lines, "")).encode)
    return Made(partial(samples.pdf if extension == "pdf" else samples.docx, *lines))
