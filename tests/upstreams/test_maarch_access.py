"""How the Maarch adapter signs in, what it downloads, and that no credential leaks (`upstreams.md` 1.1, 1.6)."""

import asyncio
import base64
import threading
import traceback
from collections.abc import Iterator
from datetime import timedelta

import pytest

from gateway.domain.capabilities import Operation
from gateway.domain.errors import (
    BadInput,
    BadResponse,
    DeadlineExceeded,
    GatewayError,
    NotFound,
    Unauthenticated,
    Unavailable,
)
from gateway.domain.model import Attachment
from gateway.domain.secret import Secret
from gateway.sandbox.maarch import seed
from gateway.sandbox.maarch.contents import Made, read
from gateway.sandbox.upstream import Fault, SeenRequest
from gateway.transport.call import Call
from gateway.upstreams.base import capabilities
from gateway.upstreams.maarch import LARGEST_REFUSAL, MaarchAdapter
from gateway.upstreams.registry import open_source
from tests.conformance.comparison import changed
from tests.conformance.subject import Place, sent_credentials
from tests.conformance.troubles import HURRY
from tests.upstreams.bench import call, opened, served
from tests.upstreams.maarch_source import Bench, answer, attachment, downloaded, got, mail, outcome

LOGIN = ("POST", "/authenticate")
HALF_AN_HOUR = timedelta(minutes=31)
CANARY = "canary-that-must-stay-in-its-cage"


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    """Run one server for all tests of this file."""
    with served() as running:
        yield running


@pytest.fixture
def bench(place: Place) -> Bench:
    """Make the demo's mail room."""
    return Bench(place)


def only_login(request: SeenRequest) -> bool:
    """Choose the request for a token."""
    return request.path.endswith("/authenticate")


def all_but_login(request: SeenRequest) -> bool:
    """Choose every other request."""
    return not only_login(request)


# Signing in


async def test_basic_sends_name_and_password(bench: Bench) -> None:
    """A program's account gets no token, so each request has its name and password, and none is spent on a login."""
    # given the settings of a program's account

    # when an attachment is fetched
    await got(bench.settings(), attachment(1000))

    # then one request was made, with that account
    (request,) = bench.sandbox.requests
    sent = base64.b64decode(request.headers["authorization"].removeprefix("Basic ")).decode()
    assert sent == f"{seed.USER}:{seed.PASSWORD}"


async def test_one_token_serves_all_who_wait(bench: Bench) -> None:
    """Requests that start together share one login, which itself bears no credential but its body."""
    # given an account that asks for tokens
    async with opened(bench.bearer()) as adapter:
        # when three attachments and a mail are asked for at once, and one later
        refs = [attachment(n) for n in (1000, 1001, 1002)]
        await asyncio.gather(adapter.fetch(refs, call()), adapter.children([mail(100)], call()))
        (found,) = await adapter.fetch([attachment(1003)], call())

    # then there was one login, and all others had its token
    login, *others = bench.sandbox.requests
    assert isinstance(found, Attachment)
    assert [bench.seen()[0], bench.seen().count(LOGIN), len(others)] == [LOGIN, 1, 5]
    assert "authorization" not in login.headers
    assert len({request.headers["authorization"] for request in others}) == 1
    assert others[0].headers["authorization"].startswith("Bearer ")


async def test_ended_token_is_renewed_once_for_all(bench: Bench) -> None:
    """A token lives for half an hour: what is refused with an old one is asked again with a new one."""
    # given an adapter whose token has ended
    async with opened(bench.bearer()) as adapter:
        await adapter.fetch([attachment(1000)], call())
        bench.now += HALF_AN_HOUR

        # when two attachments are fetched at once
        found = await adapter.fetch([attachment(1001), attachment(1002)], call())

    # then both are there, for one more login
    assert [type(one) for one in found] == [Attachment, Attachment]
    assert bench.seen().count(LOGIN) == 2


async def test_ended_token_is_renewed_for_a_download(bench: Bench) -> None:
    """A download begins with the same token as everything else, so it must survive its end as well."""
    # given an adapter whose token has ended
    async with opened(bench.bearer()) as adapter:
        await adapter.fetch([attachment(1004)], call())
        bench.now += HALF_AN_HOUR
        bench.sandbox.requests.clear()

        # when bytes are downloaded
        _, data = await downloaded(adapter, attachment(1004))

    # then they are there, after one refusal and one login
    path = ("GET", "/attachments/1004/originalContent")
    assert data == read(bench.state.attachments[1004].content)
    assert bench.seen() == [path, LOGIN, path]


async def test_downloads_that_start_with_an_ended_token_all_come(bench: Bench) -> None:
    """Many downloads at once meet one ended token: that is no series of wrong passwords, and locks nobody out."""
    # given an adapter whose token has ended
    async with opened(bench.bearer()) as adapter:
        await adapter.fetch([attachment(1000)], call())
        bench.now += HALF_AN_HOUR

        # when six attachments are downloaded at once
        ids = range(1000, 1006)
        found = await asyncio.gather(*(downloaded(adapter, attachment(one)) for one in ids))

    # then all of them are there, for one more login
    assert [data for _, data in found] == [read(bench.state.attachments[one].content) for one in ids]
    assert bench.seen().count(LOGIN) == 2


async def test_refusal_of_a_new_token_is_told(bench: Bench) -> None:
    """A server that refuses even a new token is not asked for another one for ever."""
    # given a server that takes no token
    bench.sandbox.fault = Fault(status=401, body=b'{"errors": "Authentication Failed"}', only=all_but_login)

    # when an attachment is fetched, and bytes are opened
    async with opened(bench.bearer()) as adapter:
        (error,) = await adapter.fetch([attachment(1000)], call())
        after_fetch = len(bench.sandbox.requests)
        with pytest.raises(Unauthenticated):
            await downloaded(adapter, attachment(1000))

    # then each was tried with one renewed token
    assert isinstance(error, Unauthenticated)
    assert (after_fetch, len(bench.sandbox.requests)) == (4, 7)


@pytest.mark.parametrize(
    ("username", "password"),
    [(seed.AGENT_USER, "wrong"), (seed.USER, seed.PASSWORD), ("nobody", "wrong"), (seed.AGENT_USER, "")],
    ids=["wrong password", "account of a program", "unknown", "no password"],
)
async def test_account_without_token_is_unauthenticated(bench: Bench, username: str, password: str) -> None:
    """Whatever a login is refused for, it is the operator's to mend, and the request itself is not made."""
    # given an account that gets no token
    chosen = bench.bearer(username=username, password=Secret(password))

    # when an attachment is fetched
    error = await outcome(chosen, attachment(1000))

    # then the credential is named as the reason
    assert (type(error), error.source) == (Unauthenticated, "mails")
    assert bench.seen() == [LOGIN]


@pytest.mark.parametrize(
    ("fault", "error", "tries"),
    [
        (Fault(status=204, only=only_login), BadResponse, 1),
        (Fault(status=200, body=b"{}", only=only_login), BadResponse, 1),
        (Fault(status=503, only=only_login), Unavailable, 3),
    ],
    ids=["no token", "another status", "maintenance"],
)
async def test_failed_login_is_named(bench: Bench, fault: Fault, error: type[GatewayError], tries: int) -> None:
    """A login that fails for another reason than the account does not blame it, and may be tried again."""
    # given a server whose login fails
    bench.sandbox.fault = fault

    # when an attachment is fetched
    found = await outcome(bench.bearer(), attachment(1000))

    # then that is the error, and nothing else was asked
    assert type(found) is error
    assert bench.seen() == [LOGIN] * tries


async def test_probe_shows_whether_address_and_account_work(bench: Bench) -> None:
    """The cheapest authenticated question: it passes, or names a wrong account or address."""
    # given a right, a wrong and a misdirected configuration
    wrong = bench.settings(password=Secret("wrong"))

    # when each is probed
    async with opened(bench.settings()) as adapter, opened(wrong) as refused:
        await adapter.probe(call())
        with pytest.raises(Unauthenticated):
            await refused.probe(call())
        bench.sandbox.fault = Fault(
            status=200, body=b"<html>Maarch</html>", headers={"content-type": "text/html"}
        )
        with pytest.raises(BadResponse):
            await adapter.probe(call())

    # then each cost one request
    assert bench.seen() == [("GET", "/attachmentsTypes")] * 3


# Content


@pytest.mark.parametrize("native_id", [1000, 1002, 1004, 1008])
async def test_download_has_the_stored_bytes(bench: Bench, native_id: int) -> None:
    """The original is downloaded, not the PDF with a watermark that the server shows people."""
    # given a stored file
    stored = read(bench.state.attachments[native_id].content)

    # when it is downloaded
    async with opened(bench.settings()) as adapter:
        size, data = await downloaded(adapter, attachment(native_id))

    # then every byte is there, for one request, and the size was known before
    assert (size, data) == (len(stored), stored)
    assert bench.seen() == [("GET", f"/attachments/{native_id}/originalContent")]


@pytest.mark.parametrize("size", [0, 1, 300_000])
async def test_download_of_any_size(bench: Bench, size: int) -> None:
    """Empty files and those of several chunks arrive whole, also where they exceed what a JSON answer may have."""
    # given a file, and a bound for other answers that is smaller
    stored = bytes(n % 251 for n in range(size))
    bench.state.attachments[1004].content = Made(lambda: stored)

    # when it is downloaded
    async with opened(bench.settings(max_body=1000)) as adapter:
        announced, data = await downloaded(adapter, attachment(1004))

    # then every byte is there
    assert (announced, data) == (size, stored)


async def test_range_is_not_offered(bench: Bench) -> None:
    """The server knows no ranges: the whole file comes, and nothing claims that it is a part."""
    # given an adapter
    adapter = MaarchAdapter(bench.settings())

    # when a range is asked for in spite of that
    async with adapter.open(attachment(1004), call(), "bytes=0-3") as content:
        data = b"".join([chunk async for chunk in content.chunks])
    await adapter.aclose()

    # then the answer is the whole file
    assert adapter.supports_range is False
    assert content.content_range is None
    assert data == read(bench.state.attachments[1004].content)
    assert "range" not in bench.sandbox.requests[0].headers


async def test_what_cannot_be_downloaded_is_named(bench: Bench) -> None:
    """The routes of contents have other texts than those of metadata, and mean the same."""
    # given a deleted and a hidden attachment
    bench.state.attachments[1001].status = "DEL"
    chosen = bench.settings(username=seed.RESTRICTED_USER, password=Secret(seed.RESTRICTED_PASSWORD))

    # when they and one that never was are opened
    texts = set()
    async with opened(chosen) as adapter:
        for native_id in (1001, 1499, 999_999):
            with pytest.raises(NotFound) as raised:
                await downloaded(adapter, attachment(native_id))
            texts.add(repr(raised.value))

    # then they look alike
    assert len(texts) == 1


async def test_long_refusal_of_a_download_is_cut(bench: Bench) -> None:
    """A refusal's body is read as far as its text may reach, not for as long as it comes."""
    # given a refusal whose text comes after the bound, and a short one
    long = {"padding": "x" * LARGEST_REFUSAL, "errors": "Attachment not found"}

    # when bytes are opened
    async with opened(bench.settings()) as adapter:
        bench.sandbox.fault = answer(long, 400)
        with pytest.raises(BadInput):
            await downloaded(adapter, attachment(1004))
        bench.sandbox.fault = answer({"errors": "Attachment not found"}, 400)
        with pytest.raises(NotFound):
            await downloaded(adapter, attachment(1004))

    # then only the short text counted, and neither was tried again
    assert len(bench.sandbox.requests) == 2


async def test_broken_download_is_told(bench: Bench) -> None:
    """A download that breaks off is an error of the source, not a short file."""
    # given an answer that is shorter than it said
    bench.sandbox.fault = Fault(status=200, body=b"abc", headers={"content-length": "9"})

    # when it is downloaded, then the missing bytes are noticed
    async with opened(bench.settings()) as adapter:
        with pytest.raises(Unavailable):
            await downloaded(adapter, attachment(1004))


# Secrets


async def test_no_error_shows_a_credential(bench: Bench) -> None:
    """Errors reach logs and clients: neither texts nor tracebacks may hold a password, token, header or body."""
    # given both ways to sign in, a login that is refused, and every kind of failure
    choices = (bench.settings(), bench.bearer(), bench.bearer(password=Secret(CANARY)))
    faults = [
        *(
            answer({"errors": CANARY}, status, **{"x-canary": CANARY})
            for status in (400, 401, 403, 404, 429, 500)
        ),
        answer(CANARY.encode()),
        Fault(hold=threading.Event()),
    ]
    errors: list[GatewayError] = []

    # when everything fails after the login
    for chosen in choices:
        for fault in faults:
            bench.sandbox.fault = changed(fault, only=all_but_login)
            async with opened(chosen) as adapter:
                errors += [
                    one
                    for one in await adapter.fetch(
                        [attachment(1000)], Call.lasting(HURRY) if fault.hold else call()
                    )
                    if isinstance(one, GatewayError)
                ]

    # then nothing of it is shown
    texts = [text for one in errors for text in (repr(one), str(one), *traceback.format_exception(one))]
    hidden = [CANARY, seed.PASSWORD, *sent_credentials(bench.sandbox)]
    assert len(errors) == len(choices) * len(faults)
    assert {type(one) for one in errors} >= {Unauthenticated, DeadlineExceeded, BadResponse, Unavailable}
    assert {scheme.split(" ")[0] for scheme in hidden[2:]} == {"Basic", "Bearer"}
    assert [text for text in texts if any(one in text for one in hidden)] == []


def test_settings_do_not_show_the_password(bench: Bench) -> None:
    """Settings are printed by commands of operators."""
    # given settings
    chosen = bench.settings()

    # when they are written out
    text = repr(chosen)

    # then the password is not there, and the user is
    assert seed.USER in text
    assert seed.PASSWORD not in text


# What it is


async def test_source_of_this_kind_is_opened_with_its_capabilities(bench: Bench) -> None:
    """The registry knows the kind, and clients are told what can be done with its files."""
    # given settings

    # when the source is opened
    adapter = open_source(bench.settings())
    can = {one.operation for one in capabilities(adapter) if one.supported}
    await adapter.aclose()

    # then it is this adapter, which reads and writes
    assert isinstance(adapter, MaarchAdapter)
    assert can == {
        *(Operation.LIST, Operation.FETCH, Operation.DOWNLOAD),
        *(Operation.UPLOAD, Operation.UPDATE, Operation.DELETE),
    }
