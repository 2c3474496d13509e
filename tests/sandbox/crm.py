"""What the tests of the sandbox EspoCRM share: clients, and uploads and records by the gateway's user."""

import base64
from typing import Any

import httpx

from gateway.sandbox.espocrm import seed
from gateway.sandbox.espocrm.app import create_app
from gateway.sandbox.espocrm.state import State

ADMIN = (seed.ADMIN, seed.ADMIN_PASSWORD)
KEY = {"X-Api-Key": seed.API_KEY}
READONLY = {"X-Api-Key": seed.READONLY_KEY}


def client(state: State) -> httpx.AsyncClient:
    """Make a client of a CRM that sends no credential by itself."""
    transport = httpx.ASGITransport(create_app(state))
    return httpx.AsyncClient(transport=transport, base_url="http://espocrm/api/v1")


def data_uri(content: bytes) -> str:
    """Write bytes as a data URI."""
    return "data:text/plain;base64," + base64.b64encode(content).decode()


async def upload(crm: httpx.AsyncClient, name: str = "a.txt", **fields: Any) -> Any:
    """Upload a small file for a note, or as told, and give the record."""
    sent = {"name": name, "type": "text/plain", "field": "attachments", "parentType": "Note", "file": ",eA=="}
    answer = await crm.post("/Attachment", json={**sent, **fields}, headers=KEY)
    return answer.raise_for_status().json()


async def create(crm: httpx.AsyncClient, kind: str, **fields: Any) -> Any:
    """Create a record and give it."""
    return (await crm.post(f"/{kind}", json=fields, headers=KEY)).raise_for_status().json()
