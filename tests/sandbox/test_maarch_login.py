"""Who gets in and how far: the tokens, rights and closed doors of the sandbox Maarch Courrier."""

import base64
from datetime import timedelta

import httpx
import pytest

from gateway.sandbox.maarch import seed
from gateway.sandbox.maarch.state import State
from tests.sandbox.mailroom import RESTRICTED, Clock, client, upload


@pytest.fixture
def clock() -> Clock:
    """Make a clock that stands still."""
    return Clock()


@pytest.fixture
def state(clock: Clock) -> State:
    """Make the demo's mail room."""
    return seed.seeded(clock)


async def token(asked: httpx.AsyncClient) -> httpx.Headers:
    """Log in as the agent and give the headers that hold the tokens."""
    login = {"login": seed.AGENT_USER, "password": seed.AGENT_PASSWORD}
    answer = await asked.post("/authenticate", json=login)
    assert answer.status_code == 204
    return answer.headers


async def test_access_token_ends_after_half_an_hour(state: State, clock: Clock) -> None:
    """A Bearer token is good for 30 minutes, so that the adapter's renewal is needed."""
    # given a token
    async with client(state, auth=None) as asked:
        bearer = {"Authorization": f"Bearer {(await token(asked))['Token']}"}

        # when it is used before and after its end
        clock.now += timedelta(minutes=29)
        before = await asked.get("/attachments/1000", headers=bearer)
        clock.now += timedelta(minutes=2)
        after = await asked.get("/attachments/1000", headers=bearer)

    # then it is refused once it has expired
    assert before.status_code == 200
    assert (after.status_code, after.json()) == (401, {"errors": "Authentication Failed"})


async def test_refresh_token_gives_a_new_access_token(state: State, clock: Clock) -> None:
    """The refresh token outlives the access token and gets another; anything else is refused."""
    # given tokens whose access has ended
    async with client(state, auth=None) as asked:
        headers = await token(asked)
        clock.now += timedelta(hours=1)

        # when new access is asked for with the refresh token, the access token and nothing
        renewed = await asked.get("/authenticate/token", params={"refreshToken": headers["Refresh-Token"]})
        wrong = await asked.get("/authenticate/token", params={"refreshToken": headers["Token"]})
        missing = await asked.get("/authenticate/token")
        bearer = {"Authorization": f"Bearer {renewed.json()['token']}"}
        used = await asked.get("/attachments/1000", headers=bearer)

    # then only the first works
    assert (renewed.status_code, used.status_code) == (200, 200)
    assert (wrong.status_code, missing.status_code) == (401, 400)


async def test_forged_token_is_refused(state: State) -> None:
    """A token whose payload was changed, or that says it needs no signature, is worth nothing."""
    # given a real token and two forgeries of it
    async with client(state, auth=None) as asked:
        real = (await token(asked))["Token"]
        head, payload, signature = real.split(".")
        other = base64.urlsafe_b64encode(b'{"exp":9999999999,"user":{"id":1}}').rstrip(b"=").decode()
        none = base64.urlsafe_b64encode(b'{"typ":"JWT","alg":"none"}').rstrip(b"=").decode()
        forgeries = [f"{head}.{other}.{signature}", f"{none}.{payload}.", "x", "é.é.é", ""]

        # when they are used
        answers = [
            await asked.get("/attachments/1000", headers={"Authorization": f"Bearer {forged}".encode()})
            for forged in forgeries
        ]

    # then all are refused
    assert [answer.status_code for answer in answers] == [401] * 5


async def test_program_account_gets_no_token(state: State) -> None:
    """A ``rest`` user logs in with Basic only: asking for a token is 403, as is an unknown login."""
    # given the program's and an unknown account, and a wrong password of a person
    bodies = [
        {"login": seed.USER, "password": seed.PASSWORD},
        {"login": "inconnu", "password": "x"},
        {"login": seed.AGENT_USER, "password": "faux"},
        {"login": seed.AGENT_USER},
    ]

    # when they ask for tokens
    async with client(state, auth=None) as asked:
        answers = [await asked.post("/authenticate", json=body) for body in bodies]

    # then each is refused in its way
    assert [answer.status_code for answer in answers] == [403, 403, 401, 400]


async def test_program_may_be_limited_to_routes(state: State) -> None:
    """A ``rest`` user with a list of routes gets 403 on any other."""
    # given a program that may only read one attachment at a time
    state.users[0].routes = frozenset({"GET/attachments/{id}"})

    # when it asks for one, and for a list
    async with client(state) as asked:
        one = await asked.get("/attachments/1000")
        many = await asked.get("/resources/100/attachments")

    # then the list is refused
    assert one.status_code == 200
    assert (many.status_code, many.json()["errors"]) == (403, "This route is not authorized for this user")


async def test_perimeter_has_another_status_in_each_route(state: State) -> None:
    """Out of perimeter is 400 for a get and a creation, 403 for a list, a content and a deletion."""
    # given an attachment of a mail that the user doesn't see
    path = f"/attachments/{seed.FIRST_ATTACHMENT + 300}"

    # when the user tries each route
    async with client(state, RESTRICTED) as asked:
        answers = [
            await asked.get(path),
            await asked.post("/attachments", json=upload(resIdMaster=130)),
            await asked.put(path, json={"type": "simple_attachment"}),
            await asked.get("/resources/130/attachments"),
            await asked.get(f"{path}/originalContent"),
            await asked.delete(path),
        ]

    # then the statuses differ and the texts say perimeter
    assert [answer.status_code for answer in answers] == [400, 400, 400, 403, 403, 403]
    assert all("out of perimeter" in answer.json()["errors"] for answer in answers)


async def test_foreign_attachment_may_be_read_but_not_changed(state: State) -> None:
    """Without the privilege one changes only what one typed in, and the record says so beforehand."""
    # given two attachments of a visible mail, the second typed in by the user
    async with client(state, RESTRICTED) as asked:
        foreign, own = [(await asked.get(f"/attachments/{number}")).json() for number in (1002, 1003)]

        # when the user deletes both
        refused = await asked.delete("/attachments/1002")
        done = await asked.delete("/attachments/1003")

    # then only its own goes
    assert (foreign["canDelete"], own["canDelete"]) == (False, True)
    assert (refused.status_code, done.status_code) == (403, 204)


async def test_maintenance_answers_503_with_a_strange_delay(state: State) -> None:
    """During a migration every route answers 503, before the login, with a ``Retry-After`` that is no value."""
    # given a server in maintenance
    state.maintenance = True

    # when it is asked, even for an unknown route without a login
    async with client(state, auth=None) as asked:
        answers = [await asked.get("/attachments/1000"), await asked.get("/nope")]

    # then it says to come back in words
    assert [answer.status_code for answer in answers] == [503, 503]
    assert {answer.headers["retry-after"] for answer in answers} == {"5 minutes"}
    assert answers[0].json()["migrating"] is True


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("/attachments/99999999999", 500, "Internal server error"),
        ("/attachments/999999/originalContent", 400, "Attachment not found"),
        ("/attachments/abc/originalContent", 400, "Route id is not an integer"),
        ("/attachments/999999/thumbnail", 400, "Attachment not found"),
        ("/resources/999999/attachments", 403, "Document out of perimeter"),
        ("/attachments/1000/", 500, "Internal server error"),
    ],
)
async def test_missing_is_never_404(state: State, path: str, status: int, text: str) -> None:
    """What isn't there is told by text, with 400, 403 or 500."""
    # given the demo
    async with client(state) as asked:
        # when something that isn't there is asked for
        answer = await asked.get(path)

    # then status and text are the server's
    assert (answer.status_code, answer.json()["errors"]) == (status, text)
