"""What the tests of the sandbox Maarch Courrier share: a clock, clients of a mail room, and uploads."""

import base64
from datetime import UTC, datetime
from typing import Any

import httpx

from gateway.sandbox.maarch import seed
from gateway.sandbox.maarch.app import create_app
from gateway.sandbox.maarch.state import State

AGENT = (seed.AGENT_USER, seed.AGENT_PASSWORD)
RESTRICTED = (seed.RESTRICTED_USER, seed.RESTRICTED_PASSWORD)
PROGRAM = (seed.USER, seed.PASSWORD)


class Clock:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 15, 9, 30, 0, 120_000, tzinfo=UTC)

    def __call__(self) -> datetime:
        """Give the time."""
        return self.now


def client(state: State, auth: tuple[str, str] | None = PROGRAM) -> httpx.AsyncClient:
    """Make a client of a mail room; an unexpected exception in it is an answer 500 no test expects."""
    transport = httpx.ASGITransport(create_app(state))
    return httpx.AsyncClient(transport=transport, base_url="http://maarch/rest", auth=auth)


def upload(**changes: object) -> dict[str, Any]:
    """Write the body of a creation on mail 100."""
    body = {
        "encodedFile": base64.b64encode(b"Bonjour").decode(),
        "resIdMaster": 100,
        "type": "simple_attachment",
        "format": "txt",
        "title": "Note",
    }
    return {**body, **changes}


async def created(asked: httpx.AsyncClient, **changes: object) -> int:
    """Create an attachment and give its id."""
    answer = await asked.post("/attachments", json=upload(**changes))
    assert answer.status_code == 200, answer.text
    number: int = answer.json()["id"]
    return number
