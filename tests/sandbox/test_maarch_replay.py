"""The sandbox Maarch Courrier answers as the recorded server 2301.3.7 did."""

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime

import httpx
import pytest

from gateway.sandbox.maarch.app import create_app
from gateway.sandbox.maarch.contents import Made
from gateway.sandbox.maarch.records import Attachment, Mail, User
from gateway.sandbox.maarch.state import State
from gateway.sandbox.server import in_thread
from tests.sandbox.replay import RECORDINGS, Comparison, check, check_exceptions, names, replay

KIND = "maarch"

CREDENTIALS = {
    f"{login}:right password": f"{login}:maarch" for login in ("superadmin", "bblier", "cchaplin", "bbain")
}

BIG = b"@\x07\x11" + b"a" * (12 * 1024 * 1024)
"""The file of the recorded 12 MB upload, found again by the digest of its request."""


DRAFTED_AT = datetime(2021, 3, 26, 13, 25, 44, 781_708, tzinfo=UTC)
SIGNED_AT = datetime(2021, 3, 26, 14, 18, 24, 248_826, tzinfo=UTC)


def big_request() -> bytes:
    """Write the recorded 12 MB request anew; the recording keeps its beginning, size and digest only."""
    body = {
        "encodedFile": base64.b64encode(BIG).decode(),
        "resIdMaster": 103,
        "type": "simple_attachment",
        "format": "txt",
        "status": "A_TRA",
        "title": "t",
    }
    return json.dumps(body).encode()


def recorded_state() -> State:
    """Make what the recorded server had before the first exchange; it had no converter of documents."""
    state = State(
        users=[
            User(1, "superadmin", "maarch", "Super", "ADMIN"),
            User(21, "bblier", "maarch", "Bernard", "BLIER"),
            User(22, "cchaplin", "maarch", "Charlie", "CHAPLIN", manages_attachments=False),
            User(19, "bbain", "maarch", "Barbara", "BAIN"),
            User(16, "ccharles", "maarch", "Charlotte", "CHARLES"),
            User(10, "ppetit", "maarch", "Patricia", "PETIT"),
        ],
        has_converter=False,
    )
    state.add_mails(Mail(number, f"MAARCH/2021A/{number}", "Courrier") for number in range(100, 104))
    for attachment in (_row(1, "OBS"), _row(2, "SIGN"), _row(3, "A_TRA")):
        state.add(attachment)
    return state


def _row(res_id: int, status: str) -> Attachment:
    """Make one of the three attachments that mail 101 had: two versions and the signed form of the second."""
    signed = res_id == 3
    return Attachment(
        res_id=res_id,
        res_id_master=101,
        title="Demande d'interventions",
        type="signed_response" if signed else "response_project",
        format="pdf" if signed else "docx",
        typist=16,
        created_at=SIGNED_AT if signed else DRAFTED_AT,
        content=Made(lambda: b"%PDF-1.4"),
        chrono="MAARCH/2021D/2",
        status=status,
        relation=2 if res_id == 2 else 1,
        origin_id=1 if res_id == 2 else None,
        signs=2 if signed else None,
        signatory_id=10 if signed else None,
        recipient_id=6,
        recipient_type="contact",
        fulltext_result=None if signed else "SUCCESS",
        in_signature_book=True,
    )


@pytest.fixture(scope="module")
def compared() -> Iterator[dict[str, Comparison]]:
    """Replay all exchanges once, in their order."""
    bodies = {"060-big-12-mb.json": big_request()}
    with in_thread(create_app(recorded_state())) as origin:
        yield replay(RECORDINGS / KIND, origin, credentials=CREDENTIALS, bodies=bodies)


@pytest.mark.parametrize("name", names(KIND))
def test_answers_as_recorded(name: str, compared: dict[str, Comparison]) -> None:
    """Each exchange has the recorded status, content type, error text, JSON keys and types."""
    # given the exchange, and the answers of the whole replay
    # when it is compared
    # then it differs nowhere, or is excepted for a reason
    check(KIND, name, compared)


@pytest.mark.parametrize(
    "name",
    [
        "007-get-2-as-superadmin.json",
        "008-list-101-as-superadmin.json",
        "010-get-3-as-bblier.json",
        "016-list-101-as-cchaplin.json",
        "082-attachmentstypes.json",
    ],
)
async def test_values_are_as_recorded(name: str) -> None:
    """Where an answer follows from the records alone, its values and the order of its keys are the recorded ones."""
    # given a recorded answer
    recorded = json.loads((RECORDINGS / KIND / name).read_text(encoding="utf-8"))
    login = recorded["request"]["headers"]["Authorization"].removeprefix("Basic <").partition(":")[0]

    # when the sandbox is asked the same
    transport = httpx.ASGITransport(create_app(recorded_state()))
    async with httpx.AsyncClient(transport=transport, base_url="http://maarch") as asked:
        answer = await asked.get(recorded["request"]["path"], auth=(login, "maarch"))

    # then it is equal to the letter
    assert json.dumps(answer.json()) == json.dumps(recorded["response"]["body"]["json"])


def test_every_exchange_is_replayed(compared: dict[str, Comparison]) -> None:
    """No recording is left out: all 63 are there and were sent."""
    # given the recordings
    recorded = names(KIND)

    # when they were replayed
    sent = list(compared)

    # then each was
    assert sent == recorded
    assert len(recorded) == 63


def test_exceptions_exist() -> None:
    """An exception that outlives its recording, or that gives no reason, is found."""
    # given the exceptions of this kind
    # when they are held against the recordings
    # then each names one and says why
    check_exceptions(KIND)
