"""Logins of the sandbox EspoCRM: keys, signatures, tokens, and doors that close."""

import base64
import hashlib
import hmac
from datetime import timedelta

import httpx
import pytest

from gateway.sandbox.espocrm import seed
from gateway.sandbox.espocrm.auth import sign
from tests.sandbox.crm import ADMIN, KEY, client


@pytest.fixture
def clock() -> seed.Clock:
    """Give a clock that the test moves."""
    return seed.Clock()


@pytest.fixture
def crm(clock: seed.Clock) -> httpx.AsyncClient:
    """Make a client of a CRM that has users only, and this clock."""
    return client(seed.empty(clock))


async def test_too_many_wrong_keys_close_the_door_for_a_minute(
    crm: httpx.AsyncClient, clock: seed.Clock
) -> None:
    """A refused credential that is sent again and again locks the right ones out too."""
    # given eleven wrong keys
    wrong = [await crm.get("/Case", headers={"X-Api-Key": f"wrong-{number}"}) for number in range(11)]

    # when the right key comes at once, and after a minute
    at_once = await crm.get("/Case", headers=KEY)
    clock.time += timedelta(seconds=61)
    later = await crm.get("/Case", headers=KEY)

    # then
    assert {each.status_code for each in wrong} == {401}
    assert (at_once.status_code, at_once.content, "x-status-reason" in at_once.headers) == (403, b"", False)
    assert later.status_code == 200


async def test_maintenance_lets_admins_in_only(crm: httpx.AsyncClient) -> None:
    """During maintenance an API user gets 503 with a reason, and the admin can end it."""
    # given
    await crm.put("/Settings", json={"maintenanceMode": True}, auth=ADMIN)

    # when
    refused = await crm.get("/Case", headers=KEY)
    ended = await crm.put("/Settings", json={"maintenanceMode": False}, auth=ADMIN)

    # then
    assert (refused.status_code, refused.headers["x-status-reason"]) == (
        503,
        "Application is in maintenance mode.",
    )
    assert "maintenance" in refused.json()["message"]
    assert ended.status_code == 200
    assert (await crm.get("/Case", headers=KEY)).status_code == 200


def raw_signature(method: str, path: str) -> str:
    """Sign as clients did before EspoCRM 8.4.1, with the bytes of the digest."""
    digest = hmac.new(seed.HMAC_SECRET.encode(), f"{method} {path}".encode(), hashlib.sha256).digest()
    return base64.b64encode(seed.HMAC_KEY.encode() + b":" + digest).decode()


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (sign("GET", "/Case", seed.HMAC_KEY, seed.HMAC_SECRET), 200),
        (raw_signature("GET", "/Case"), 200),
        (sign("POST", "/Case", seed.HMAC_KEY, seed.HMAC_SECRET), 401),
        (sign("GET", "/Case?maxSize=1", seed.HMAC_KEY, seed.HMAC_SECRET), 401),
        (sign("GET", "/Case", seed.API_KEY, seed.HMAC_SECRET), 401),
        (sign("GET", "/Case", seed.HMAC_KEY, "another secret"), 401),
        ("not base64 at all!", 401),
    ],
)
async def test_signature_covers_method_and_path(crm: httpx.AsyncClient, header: str, status: int) -> None:
    """A signature holds for one method and one path, without the query."""
    # given a signature

    # when
    answer = await crm.get("/Case?maxSize=1", headers={"X-Hmac-Authorization": header})

    # then
    assert answer.status_code == status


async def test_key_that_signs_is_no_key_to_send(crm: httpx.AsyncClient) -> None:
    """The public half of an HMAC user opens nothing by itself."""
    # given the key of the user that signs

    # when
    answer = await crm.get("/Case", headers={"X-Api-Key": seed.HMAC_KEY})

    # then
    assert (answer.status_code, answer.content) == (401, b"")


async def test_token_serves_as_password(crm: httpx.AsyncClient) -> None:
    """A token from App/user logs in through the header without a scheme, and a wrong one doesn't."""
    # given
    token = (await crm.get("/App/user", auth=ADMIN)).json()["token"]
    pairs = [f"{seed.ADMIN}:{token}", f"{seed.ADMIN}:wrong", "no colon"]

    # when
    answers = [
        await crm.get(
            "/Attachment", headers={"Espo-Authorization": base64.b64encode(each.encode()).decode(), **KEY}
        )
        for each in pairs
    ]

    # then the key beside it is not looked at
    assert [each.status_code for each in answers] == [200, 401, 400]
