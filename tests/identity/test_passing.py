"""Credentials that users bring for a source: sent on unchanged, kept apart, missed where they lack, shown nowhere."""

import asyncio
import base64
import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from gateway.asgi import create_app
from gateway.domain.errors import CredentialMissing
from gateway.domain.secret import Secret
from gateway.identity.passing import Passing
from gateway.sandbox.decisiv import seed as decisiv
from gateway.sandbox.decisiv.app import create_app as create_decisiv
from gateway.sandbox.maarch import seed as maarch
from gateway.sandbox.maarch.app import create_app as create_maarch
from gateway.sandbox.server import in_thread
from gateway.sandbox.upstream import Fault, SandboxUpstream
from gateway.settings import Settings
from gateway.transport.call import Call
from gateway.upstreams.decisiv import DecisivSettings
from gateway.upstreams.maarch import MaarchSettings

HEADER = "X-Mail-Authorization"
HIDDEN = next(iter(set(range(100, 200)) - set(maarch.RESTRICTED_MAILS)))
SEEN = min(maarch.RESTRICTED_MAILS)


def basic(user: str, password: str) -> str:
    """Write a user's credential as his client sends it."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


EVERYTHING = basic(maarch.USER, maarch.PASSWORD)
RESTRICTED = basic(maarch.RESTRICTED_USER, maarch.RESTRICTED_PASSWORD)


def listing(mail: int) -> str:
    """Ask for the attachments of a mail, and of a case of another system beside it."""
    return (
        f'{{ mail: record(by: {{ mail: {{ source: "mail", resId: {mail} }} }})'
        " { attachments(first: 10) { totalCount } }"
        ' case: record(by: { case: { source: "cases", caseId: "CASE-1001" } })'
        " { attachments(first: 10) { totalCount } } }"
    )


@dataclass(slots=True)
class Office:
    """A gateway over a mail room whose users bring their credentials, and cases that it asks itself."""

    origin: str
    client: httpx.Client
    mails: SandboxUpstream
    settings: MaarchSettings

    def ask(self, query: str, **headers: str | bytes) -> dict[str, Any]:
        """Ask with headers."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        answer: dict[str, Any] = self.client.post(
            f"{self.origin}/graphql", json={"query": query}, headers=sent
        ).json()
        return answer

    def credentials(self) -> list[str | None]:
        """Give the credentials that the mail room has seen."""
        return [request.headers.get("authorization") for request in self.mails.requests]


@contextmanager
def running() -> Iterator[Office]:
    """Start everything."""
    with ExitStack() as stack:
        mails = SandboxUpstream("mails", create_maarch(maarch.seeded()))
        origin = stack.enter_context(in_thread(mails))
        cases = stack.enter_context(in_thread(create_decisiv(decisiv.seeded())))
        settings = MaarchSettings(
            name="mail",
            kind="maarch",
            url=f"{origin}/rest",
            username="",
            password=Secret("x"),
            pass_through=HEADER,
        )
        other = DecisivSettings(
            name="cases", kind="decisiv", url=f"{cases}/platform_api", token=Secret(decisiv.TOKEN)
        )
        app = create_app(Settings(profile="demo", sources=(settings, other)))
        gateway = stack.enter_context(in_thread(app, lifespan="on"))
        client = stack.enter_context(httpx.Client(timeout=30))
        yield Office(gateway, client, mails, settings)


@pytest.fixture(scope="module")
def offices() -> Iterator[Office]:
    """Start once."""
    with running() as office:
        yield office


@pytest.fixture
def office(offices: Office) -> Office:
    """Give the office without requests and faults."""
    offices.mails.fault = None
    offices.mails.requests.clear()
    return offices


def test_a_user_is_himself_at_the_source(office: Office) -> None:
    """Each sees what the source shows him: the gateway adds no rights of its own."""
    # when
    everything, restricted = (
        office.ask(listing(HIDDEN), x_mail_authorization=one) for one in (EVERYTHING, RESTRICTED)
    )
    seen = office.ask(listing(SEEN), x_mail_authorization=RESTRICTED)

    # then
    assert everything["data"]["mail"]["attachments"]["totalCount"] == 10
    assert restricted["data"]["mail"]["attachments"] is None
    assert restricted["data"]["case"]["attachments"]["totalCount"] == 10
    assert seen["data"]["mail"]["attachments"]["totalCount"] == 10
    assert set(office.credentials()) == {EVERYTHING, RESTRICTED}


def test_without_a_credential_only_its_fields_are_missing(office: Office) -> None:
    """The source is not asked, its field says what is wanted, and everything else answers."""
    # when
    answer = office.ask(listing(SEEN))

    # then
    (error,) = answer["errors"]
    assert error["extensions"]["code"] == "CREDENTIAL_MISSING"
    assert error["extensions"]["source"] == "mail"
    assert HEADER in error["message"]
    assert answer["data"]["mail"]["attachments"] is None
    assert answer["data"]["case"]["attachments"]["totalCount"] == 10
    assert office.mails.requests == type(office.mails.requests)()


@pytest.mark.parametrize("header", ["x-other-authorization", "authorization-mail", "x-mail-authorization-2"])
def test_other_headers_are_not_sent_on(office: Office, header: str) -> None:
    """Only the header that the operator named is a credential."""
    # when
    answer = office.ask(listing(SEEN), **{header: EVERYTHING})

    # then
    assert answer["errors"][0]["extensions"]["code"] == "CREDENTIAL_MISSING"
    assert office.credentials() == []


def test_equal_queries_of_two_users_are_not_shared(office: Office) -> None:
    """The same text at the same moment is asked once for each user, so nobody gets what another may see."""
    # given
    office.mails.fault = Fault(delay=0.3)

    async def both() -> list[dict[str, Any]]:
        async with httpx.AsyncClient(timeout=30) as client:
            answers = await asyncio.gather(
                *(
                    client.post(
                        f"{office.origin}/graphql", json={"query": listing(HIDDEN)}, headers={HEADER: one}
                    )
                    for one in (EVERYTHING, RESTRICTED) * 10
                )
            )
        return [answer.json()["data"]["mail"]["attachments"] for answer in answers]

    # when
    found = asyncio.run(both())

    # then
    assert found == [{"totalCount": 10}, None] * 10
    assert 0 < office.credentials().count(EVERYTHING) < 10


def test_one_wrong_credential_locks_nobody_else_out(office: Office) -> None:
    """Who sends a wrong password three times waits, and he alone."""
    # given
    wrong = basic(maarch.USER, "wrong")

    # when
    refused = [office.ask(listing(SEEN), x_mail_authorization=wrong) for _ in range(5)]
    right = office.ask(listing(SEEN), x_mail_authorization=EVERYTHING)

    # then
    assert {answer["errors"][0]["extensions"]["code"] for answer in refused} == {"UNAUTHENTICATED"}
    assert office.credentials().count(wrong) == 3
    assert right["data"]["mail"]["attachments"]["totalCount"] == 10


def test_a_credential_that_breaks_out_of_its_header_is_refused(office: Office) -> None:
    """What is no value of a header is not sent on, and nothing of it is in the answer."""
    # when
    answer = office.ask(listing(SEEN), x_mail_authorization="Basic caf\u00e9-secret".encode("latin-1"))

    # then
    assert answer["errors"][0]["extensions"]["code"] == "BAD_INPUT"
    assert "secret" not in str(answer)
    assert office.credentials() == []


def test_uploads_are_not_offered(office: Office) -> None:
    """Uploads go on when their user has gone, and nobody keeps his credential for them."""
    # given
    query = '{ source(name: "mail") { capabilities { operation supported reason } } }'

    # when
    found = office.ask(query)["data"]["source"]["capabilities"]

    # then
    (upload,) = [one for one in found if one["operation"] == "UPLOAD"]
    assert upload["supported"] is False
    assert "without their user" in upload["reason"]
    assert [one["supported"] for one in found if one["operation"] in ("LIST", "FETCH", "DELETE")] == [True] * 3


def test_link_wants_the_credential_too(office: Office) -> None:
    """A link to a file opens the file, but the source is asked by a user with his credential alone."""
    # given
    query = listing(SEEN).replace("totalCount", "edges { node { id } }")
    mail = office.ask(query, x_mail_authorization=EVERYTHING)["data"]["mail"]["attachments"]["edges"][0][
        "node"
    ]["id"]
    download = f'{{ node(id: "{mail}") {{ ... on Attachment {{ download(expiresIn: 60) {{ url }} }} }} }}'
    answer = office.ask(download, x_mail_authorization=EVERYTHING)
    path = answer["data"]["node"]["download"]["url"].partition("/content/")[2]

    # when
    with_it, without = (
        office.client.get(f"{office.origin}/content/{path}", headers=headers)
        for headers in ({HEADER: EVERYTHING}, {})
    )

    # then
    assert (with_it.status_code, without.status_code) == (200, 401)


def test_credentials_are_shown_nowhere(office: Office, caplog: pytest.LogCaptureFixture) -> None:
    """Neither in what is logged, nor in traces, nor in errors."""
    # given
    caplog.set_level(logging.DEBUG)

    # when
    answers = [
        office.ask(listing(mail), x_mail_authorization=credential, x_gateway_trace="1")
        for mail in (SEEN, HIDDEN)
        for credential in (RESTRICTED, basic("nobody", "wrong-secret"))
    ]

    # then
    for credential in (RESTRICTED, basic("nobody", "wrong-secret")):
        assert credential.partition(" ")[2] not in caplog.text + str(answers)


async def test_only_so_many_credentials_are_held(office: Office) -> None:
    """Whoever sends a new credential with each request does not fill the memory; those who stay are kept."""
    # given
    passing = Passing(office.settings, most=3)
    first = passing.adapter(Secret(EVERYTHING))

    # when
    for number in range(10):
        passing.adapter(Secret(f"Basic {number}"))
        same = passing.adapter(Secret(EVERYTHING))

    # then
    assert same is first
    assert len(passing._adapters) == 3
    with pytest.raises(CredentialMissing):
        await passing.without.probe(Call.lasting(5))
    await passing.aclose()


async def test_only_so_many_adapters_wait_to_be_closed(office: Office) -> None:
    """One that gave way stays for what it was asked, but not where credentials are made up one after the other."""
    # given
    passing = Passing(office.settings, most=3)

    # when
    for number in range(20):
        passing.adapter(Secret(f"Basic {number}"))

    # then
    assert len(passing._leaving) == 3
    await passing.aclose()
