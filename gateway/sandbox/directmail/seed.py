"""The demo's two e-mail projects, of a village festival and of its choir; the same at each start."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid5

from gateway.sandbox.directmail.state import Attachment, Message, Project, State, utc_now

KEY_ID = "C1D44D21-5080-4537-AE80-7A1B2C3D4E5F"
KEY_SECRET = "directmail-sandbox-secret"

FESTIVAL = "187812f26ba37d9769d8691d2a83c95c"
CHOIR = "fa877ea921c9ce814b2344550c193c25"
NAMESPACE = UUID("5b0b7a52-6a1c-4f0e-9d2e-3a58b8a7c0de")
FIRST_TIME = datetime(2026, 1, 12, 8, 30, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Template:
    """A file that messages carry: its name as people read it, its extension, its size in bytes."""

    display_name: str
    suffix: str
    size: int


FILES = [
    Template("Plan de table", "pages", 154_766),
    Template("Affiche du festival", "png", 212_480),
    Template("Programme détaillé", "pdf", 88_310),
    Template('Tarifs "réduits" 3/4', "csv", 5_120),
    Template("Bulletin d'inscription", "pdf", 46_222),
    Template("Plan d'accès à la salle", "png", 130_905),
    Template("Règlement intérieur", "docx", 37_888),
    Template("Budget prévisionnel", "numbers", 61_004),
]

FESTIVAL_MESSAGES = [
    "Invitation à l'assemblée générale",
    "Appel à bénévoles",
    "Ouverture de la billetterie",
    "Lettre d'information de mars",
    "Hébergement des artistes",
    "Dîner des partenaires",
    "Dernières places à réserver",
    "Consignes de stationnement",
    "Le festival commence demain !",
    "Merci à toutes et à tous",
    "Photos de l'édition 2026",
    "Questionnaire de satisfaction",
]
CHOIR_MESSAGES = [
    "Calendrier des répétitions",
    "Partitions du concert de Noël",
    "Tenue de scène",
    "Covoiturage pour Besançon",
    "Cotisation annuelle",
    "Stage de chant à l'été",
    "Enregistrement du disque",
    "Goûter de fin d'année",
]


def seeded(clock: Callable[[], datetime] = utc_now, content_origin: str | None = None) -> State:
    """Make the state of the demo; contents are made when somebody downloads them.

    ``clock`` gives aware UTC, for the ends of content links. ``content_origin`` is where those links point, such
    as the port of ``create_content_app``; None stands for the API's own server.
    """
    projects = [
        _project(FESTIVAL, "Festival des Granges", FESTIVAL_MESSAGES),
        _project(CHOIR, "Chœur de la Vallée", CHOIR_MESSAGES),
    ]
    return State(
        projects={project.document_identifier: project for project in projects},
        keys={KEY_ID: KEY_SECRET},
        clock=clock,
        content_origin=content_origin,
    )


def _project(document_identifier: str, name: str, subjects: list[str]) -> Project:
    project = Project(document_identifier, name)
    for position, subject in enumerate(subjects):
        message = _message(project, position, subject)
        project.messages[message.uuid] = message
    return project


def _message(project: Project, position: int, subject: str) -> Message:
    message = Message(
        uuid=_uuid(project.document_identifier, subject),
        title=f"{project.name} - {subject}",
        subject=subject,
        from_name=f"{project.name} (secrétariat)",
        from_email="secretariat@example.org",
        date_created=FIRST_TIME + timedelta(days=9 * position),
        # Every fourth message has been sent, which makes it read-only.
        editable=position % 4 != 3,
    )
    for step in range(3 + position % 6):
        attachment = _attachment(message, position, step)
        message.attachments[attachment.uuid] = attachment
    return message


def _attachment(message: Message, position: int, step: int) -> Attachment:
    template = FILES[(position + step) % len(FILES)]
    return Attachment(
        uuid=_uuid(message.uuid, template.display_name),
        display_name=template.display_name,
        file_name=f"{_uuid(message.uuid, template.display_name, 'file')}.{template.suffix}",
        date_modified=message.date_created + timedelta(minutes=17 * (step + 1)),
        content_length=template.size + position,
    )


def _uuid(*parts: str) -> str:
    return str(uuid5(NAMESPACE, "/".join(parts))).upper()
