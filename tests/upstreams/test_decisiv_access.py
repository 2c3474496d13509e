"""How the Decisiv adapter gets in, and what it makes of refusals (`upstreams.md` 3.1, 3.5)."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from gateway.domain.errors import (
    BadInput,
    BadResponse,
    Conflict,
    Forbidden,
    NotFound,
    RateLimited,
    Unauthenticated,
    Unavailable,
)
from gateway.domain.model import AttachmentListing
from gateway.domain.secret import Secret
from gateway.sandbox.decisiv import seed
from gateway.sandbox.decisiv.documents import InvalidFieldError, write_invalid
from gateway.sandbox.upstream import Fault
from gateway.upstreams.decisiv import DecisivSettings
from gateway.upstreams.registry import KINDS, open_source
from tests.conformance.subject import Place
from tests.upstreams.bench import asked, call, opened, served
from tests.upstreams.decisiv_source import Bench, case

CASE = "CASE-1001"
TOKEN = ("POST", "/oauth2/token")
LIST = ("GET", f"/cases/{CASE}/attachments")
SETTINGS = {"name": "service", "kind": "decisiv", "url": "https://api.example.net/platform_api"}


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    """Run one server for the whole file."""
    with served() as running:
        yield running


@pytest.fixture
def bench(place: Place) -> Bench:
    """Make a platform of its own for one test."""
    return Bench(place)


def configured(**keys: Any) -> DecisivSettings:
    """Read settings as they come from a file."""
    values = {**SETTINGS, "token": "t", **keys}
    present = {key: value for key, value in values.items() if value is not None}
    return msgspec.convert(present, DecisivSettings, dec_hook=lambda _, value: Secret(value))


# Credentials


async def test_consumer_key_fetches_one_token_for_many_requests(bench: Bench) -> None:
    """A token is fetched when the first request needs it, once, and used until it is refused."""
    # given a consumer
    cases = [case(one) for one in list(bench.state.cases)[:5]]

    # when five cases are listed at once, and again
    async with opened(bench.consumer()) as adapter:
        first = await adapter.children(cases, call())
        again = await adapter.children(cases, call())

    # then all were answered for one token
    assert [type(one) for one in (*first, *again)] == [AttachmentListing] * 10
    assert bench.seen().count(TOKEN) == 1
    assert bench.seen()[0] == TOKEN


async def test_ended_token_is_replaced(bench: Bench) -> None:
    """No answer tells when a token ends, so the refusal does, and the caller notices nothing."""
    # given a consumer whose token has ended
    async with opened(bench.consumer()) as adapter:
        await adapter.children([case(CASE)], call())
        bench.now += timedelta(hours=2)

        # when it asks again
        (found,) = await adapter.children([case(CASE)], call())

    # then it got a new one
    assert isinstance(found, AttachmentListing)
    assert bench.seen() == [TOKEN, LIST, LIST, TOKEN, LIST]


async def test_refused_consumer_is_unauthenticated(bench: Bench) -> None:
    """A wrong secret is the operator's to mend, and is not shown."""
    # given a wrong secret
    settings = bench.consumer("wrong-secret")

    # when a case is listed
    found = await asked(settings, case(CASE))

    # then no case was asked for
    assert type(found) is Unauthenticated
    assert bench.seen() == [TOKEN]
    assert "wrong-secret" not in f"{found!r} {settings!r}"


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, Unauthenticated),
        (403, Unauthenticated),
        (404, BadResponse),
        (302, BadResponse),
        (500, Unavailable),
    ],
)
async def test_failing_token_request_is_no_missing_case(
    bench: Bench, status: int, error: type[Exception]
) -> None:
    """A wrong address answers 404 to the token request, which must not look like a case that is gone."""
    # given a platform that refuses token requests
    bench.answer("", status, only="/token")

    # when a case is listed, and the source is probed
    found = await asked(bench.consumer(), case(CASE))
    async with opened(bench.consumer()) as adapter:
        with pytest.raises(error):
            await adapter.probe(call())

    # then both say what is wrong
    assert type(found) is error


@pytest.mark.parametrize("body", ["<a/>", "<a><token> </token></a>", "{}"])
async def test_token_request_must_bring_a_token(bench: Bench, body: str) -> None:
    """An answer without a token breaks the contract."""
    # given such an answer
    bench.answer(body, only="/token")

    # when a case is listed
    found = await asked(bench.consumer(), case(CASE))

    # then that is said
    assert type(found) is BadResponse


@pytest.mark.parametrize("name", [None, "X-Decisiv-Transition-Token"])
async def test_transition_token_goes_in_its_header(bench: Bench, name: str | None) -> None:
    """The vendor spells the header in two ways, so it is a setting whose default is the documented one."""
    # given a transition token
    keys = {} if name is None else {"transition_header": name}

    # when a case is listed
    found = await asked(bench.settings(transition_token=Secret("passing"), **keys), case(CASE))

    # then the header went along with the bearer
    assert isinstance(found, AttachmentListing)
    (seen,) = bench.sandbox.requests
    assert seen.headers[(name or "X-DECISIV-TRANSITON-TOKEN").lower()] == "passing"
    assert (seen.headers["authorization"], seen.headers["accept"]) == (
        f"Bearer {seed.TOKEN}",
        "application/xml",
    )


# Probing


async def test_probe_takes_a_missing_case_as_proof(bench: Bench) -> None:
    """No call is made for it, but a 404 comes after the credential was looked at."""
    # given a platform without a case of this number

    # when the source is probed
    async with opened(bench.settings()) as adapter:
        await adapter.probe(call())

    # then one request was enough
    assert bench.seen() == [("GET", "/cases/0/attachments")]


async def test_probe_tells_a_wrong_address(bench: Bench) -> None:
    """The page of another server is no proof, whatever its status."""
    # given a web server that has a page for everything it does not have
    bench.sandbox.fault = Fault(status=404, body=b"<h1>Oops</h1>", headers={"content-type": "text/html"})

    # when the source is probed
    async with opened(bench.settings()) as adapter:
        with pytest.raises(NotFound) as caught:
            await adapter.probe(call())

    # then it fails
    assert caught.value.source == "service"


async def test_probe_tells_a_refused_token(bench: Bench) -> None:
    """The probe shows whether the credential works."""
    # given a token that has ended
    bench.state.expire_tokens()

    # when the source is probed
    async with opened(bench.settings()) as adapter:
        with pytest.raises(Unauthenticated) as caught:
            await adapter.probe(call())

    # then it fails without the token
    assert seed.TOKEN not in repr(caught.value)


# Errors


@pytest.mark.parametrize(
    ("code", "error"),
    [("missing", NotFound), ("already_exists", Conflict), ("missing_field", BadInput), ("invalid", BadInput)],
)
async def test_code_of_a_refused_value_names_the_error(bench: Bench, code: str, error: type[Exception]) -> None:
    """A 422 says in its body, after two XML prologs, which of three things it means."""
    # given a platform that refuses with this code
    body = write_invalid(InvalidFieldError("Case", "id", code, "canary"))
    bench.answer(body.decode(), 422)

    # when a case is listed
    found = await asked(bench.settings(), case(CASE))

    # then the error has that meaning, and none of the platform's words
    assert type(found) is error
    assert "canary" not in repr(found)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("<e><code>missing</code>", NotFound),
        ('{"errors": [{"code": "already_exists"}]}', Conflict),
        ("<p>A page is missing.</p>", BadInput),
        ("", BadInput),
    ],
)
async def test_code_is_found_in_text_too(bench: Bench, body: str, error: type[Exception]) -> None:
    """Bodies of errors are hardly documented, so one that does not parse is searched as text."""
    # given a 422 that is no XML
    bench.answer(body, 422)

    # when a case is listed
    found = await asked(bench.settings(), case(CASE))

    # then its code counts where it has one
    assert type(found) is error


async def test_forbidden_case_spares_the_others(bench: Bench) -> None:
    """A case of somebody else is an error in its place."""
    # given a case of somebody else among two
    bench.state.forbidden_cases = {CASE}

    # when both are listed
    async with opened(bench.settings()) as adapter:
        found = await adapter.children([case(CASE), case("CASE-1002")], call())

    # then one was refused
    assert [type(one) for one in found] == [Forbidden, AttachmentListing]


async def test_rate_limit_is_waited_out(bench: Bench) -> None:
    """Reading is repeated a little later; a limit that stays is told as such."""
    # given a platform that refuses twice
    bench.state.rate_limited = 2

    # when a case is listed, and once more under a limit that stays
    found = await asked(bench.settings(), case(CASE))
    tries = len(bench.seen())
    bench.state.rate_limited = 100
    limited = await asked(bench.settings(), case(CASE))

    # then the third try answered
    assert isinstance(found, AttachmentListing)
    assert tries == 3
    assert type(limited) is RateLimited


# Settings


@pytest.mark.parametrize(
    ("keys", "named"),
    [
        ({"token": None}, "token"),
        ({"consumer_key": "k", "consumer_secret": "s"}, "token"),
        ({"token": None, "consumer_key": "k"}, "consumer_secret"),
        ({"consumer_secret": "s"}, "consumer_secret"),
        ({"timezone": "Europe/Pari"}, "timezone"),
        ({"timezone": "Europe"}, "timezone"),
        ({"timezone": ""}, "timezone"),
        ({"list_path": "/case/{case}/attachments"}, "list_path"),
        ({"list_path": "/cases/attachments"}, "list_path"),
        ({"list_path": "cases/{case_id}"}, "list_path"),
        ({"list_path": "/cases/{case_id.__class__}"}, "list_path"),
        ({"list_path": "/cases/{case_id!r}"}, "list_path"),
        ({"list_path": "/cases/{case_id:>9}"}, "list_path"),
        ({"list_path": "/cases/{case_id"}, ""),
        ({"item_path": "/cases/{case_id}/attachments"}, "item_path"),
        ({"item_path": "/cases/{case_id}/{id}/{}"}, "item_path"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_unusable_settings_are_refused_when_they_are_read(keys: dict[str, Any], named: str) -> None:
    """What could only fail at the first request is told at once, by the name of its key and without secrets."""
    # given settings with these keys

    # when they are read
    with pytest.raises(msgspec.ValidationError) as caught:
        configured(**keys)

    # then the key is named
    assert named in str(caught.value)


async def test_paths_are_settings(bench: Bench) -> None:
    """The vendor's pages disagree about the paths; identifiers stay in their places of any template."""
    # given the singular form of the vendor's headings
    settings = bench.settings(
        list_path="/case/{case_id}/attachments", item_path="/case/{case_id}/attachment/{id}"
    )

    # when a case with an awkward number is listed
    found = await asked(settings, case("C/1 é?"))

    # then the template was used, and the platform does not know it
    assert type(found) is NotFound
    assert bench.seen() == [("GET", "/case/C%2F1%20%C3%A9%3F/attachments")]


@pytest.mark.parametrize("native_id", [".", ".."])
async def test_identifier_that_climbs_is_refused(bench: Bench, native_id: str) -> None:
    """No identifier makes another path of a template."""
    # given a case whose number is a dot segment

    # when it is listed
    found = await asked(bench.settings(), case(native_id))

    # then nothing was asked
    assert type(found) is BadInput
    assert bench.seen() == []


async def test_registry_opens_the_kind() -> None:
    """The settings' kind leads to the adapter."""
    # given settings
    settings = configured()

    # when the source is opened
    adapter = open_source(settings)
    await adapter.aclose()

    # then it is this adapter, and its settings show no secret
    assert (KINDS["decisiv"].settings, adapter.name) == (DecisivSettings, "service")
    assert "'t'" not in repr(settings)
