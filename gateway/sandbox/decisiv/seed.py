"""The demo's service cases: twenty-four trucks in Québec workshops, ten attachments each, the same at each start."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count

from gateway.sandbox.decisiv.state import Attachment, Case, Sender, State, utc_now

TOKEN = "decisiv-sandbox-token"
"""A bearer that does not end by itself."""
CONSUMER_KEY = "decisiv-sandbox-consumer"
CONSUMER_SECRET = "decisiv-sandbox-secret"

FIRST_CASE, CASES = 1001, 24
FIRST_TIME = datetime(2026, 3, 4, 18, 13, 51)  # noqa: DTZ001 - the server writes times without a zone

SENDERS = [
    Sender("u-201", "Josée Tremblay", "Camions Beauport"),
    Sender("u-202", "Marc-André Gagnon", "Camions Beauport"),
    Sender("u-203", "Élise Bergeron", "Transport Nord-Sud"),
    Sender("u-204", "Kevin O'Connor", "Transport Nord-Sud"),
]

TRUCKS = [
    "Volvo VNL 860",
    "Mack Anthem",
    "Kenworth T680",
    "Peterbilt 579",
    "Freightliner Cascadia",
    "International LT",
]
COMPLAINTS = [
    "fuite de liquide de refroidissement",
    "brake pedal travels too far",
    "témoin DEF allumé",
    "no start after a cold night",
]


@dataclass(frozen=True, slots=True)
class Template:
    """One of the ten documents of a case; braces in the name take the number of the case."""

    filename: str
    description: str
    internal: bool
    sender: int
    size: int


TEMPLATES = [
    Template("estimate-{}.pdf", "Estimate of the repair", False, 0, 48_213),
    Template("devis révisé {}.pdf", "Devis révisé après démontage", False, 0, 51_877),
    Template("photo-avant-{}.png", "Photo du pare-chocs avant", False, 2, 96_404),
    Template("photo odomètre {}.png", "Odometer at check-in", False, 1, 71_350),
    Template("codes-defaut-{}.txt", "Codes de défaut lus au diagnostic", True, 1, 4_096),
    Template("work-order-{}.pdf", "Work order, signed", False, 3, 39_120),
    Template("pièces d'origine {}.csv", 'Pièces commandées, joint 3/4" compris', True, 0, 6_512),
    Template("note-interne-{}.txt", "Note interne : client à rappeler", True, 1, 2_048),
    Template("invoice-{}.pdf", "Invoice", False, 0, 44_905),
    Template("facture-acquittée-{}.pdf", "Facture acquittée", False, 2, 45_311),
]


def seeded(clock: Callable[[], datetime] = utc_now) -> State:
    """Make the state of the demo; contents are made when somebody downloads them.

    ``clock`` gives aware UTC, for the ends of tokens and the times of uploads.
    """
    state = State(
        clock=clock,
        senders={sender.id: sender for sender in SENDERS},
        default_sender=SENDERS[0],
        consumers={CONSUMER_KEY: CONSUMER_SECRET},
        tokens={TOKEN: None},
    )
    ids = count(100_001)
    for number in range(FIRST_CASE, FIRST_CASE + CASES):
        case = _case(number, ids)
        state.cases[case.id] = case
    return state


def _case(number: int, ids: "count[int]") -> Case:
    position = number - FIRST_CASE
    title = f"{TRUCKS[position % len(TRUCKS)]}: {COMPLAINTS[position % len(COMPLAINTS)]}"
    case = Case(f"CASE-{number}", title)
    for step, template in enumerate(TEMPLATES):
        attachment = _attachment(case.id, str(next(ids)), template, position, step)
        case.attachments[attachment.id] = attachment
    return case


def _attachment(case_id: str, attachment_id: str, template: Template, position: int, step: int) -> Attachment:
    created = FIRST_TIME + timedelta(hours=31 * position, minutes=47 * step)
    return Attachment(
        id=attachment_id,
        case_id=case_id,
        description=template.description,
        filename=template.filename.format(case_id.removeprefix("CASE-")),
        size=template.size + 7 * position,
        internal=template.internal,
        created_at=created,
        updated_at=created + timedelta(minutes=step) if step % 3 == 0 else None,
        sender=SENDERS[template.sender],
    )
