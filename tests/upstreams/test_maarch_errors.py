"""What the Maarch adapter makes of refusals, and what its questions cost (`upstreams.md` 1.2, 1.6, 6.2)."""

from collections.abc import Iterator

import pytest

from gateway.domain.errors import (
    BadInput,
    BadResponse,
    Forbidden,
    GatewayError,
    NotFound,
    TooLarge,
    Unauthenticated,
    Unavailable,
)
from gateway.domain.model import Attachment, AttachmentListing
from gateway.domain.refs import Ref, RefType
from gateway.domain.secret import Secret
from gateway.sandbox.maarch import seed
from tests.conformance.subject import Place
from tests.upstreams.bench import call, opened, served
from tests.upstreams.maarch_source import Bench, answer, attachment, downloaded, mail, outcome


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    """Run one server for all tests of this file."""
    with served() as running:
        yield running


@pytest.fixture
def bench(place: Place) -> Bench:
    """Make the demo's mail room."""
    return Bench(place)


# Errors


PROBLEM = {
    "title": "An error occurred",
    "type": "internalServerProblem",
    "detail": "…",
    "status": 400,
    "lang": None,
}


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (400, {"errors": "Attachment does not exist"}, NotFound),
        (400, {"errors": "Attachment out of perimeter"}, NotFound),
        (403, {"errors": "Document out of perimeter"}, NotFound),
        (400, {"errors": ["Attachment does not exist"]}, NotFound),
        (400, {"errors": {"id": "Attachment does not exist"}}, NotFound),
        (400, {**PROBLEM, "detail": "Document does not exist"}, NotFound),
        (400, {"title": "Attachment not found"}, NotFound),
        (404, {"errors": "Attachment not found on docserver"}, NotFound),
        (404, b"<html>", NotFound),
        (400, {"errors": "Body resIdMaster is out of perimeter"}, NotFound),
        (400, {"errors": "Body encodedFile size is over limit"}, TooLarge),
        (400, {"errors": "Body type does not exist"}, BadInput),
        (400, {"errors": "Query limit is not an integer"}, BadInput),
        (400, b"", BadInput),
        (400, ["Attachment does not exist"], BadInput),
        (400, {"errors": {}}, BadInput),
        (401, {"errors": "Authentication Failed"}, Unauthenticated),
        (403, {"errors": "Insufficient privilege"}, Forbidden),
        (403, {"errors": "This route is not authorized for this user"}, Forbidden),
        (413, b"<html>413", TooLarge),
        (500, {**PROBLEM, "errors": "Internal server error", "status": 500}, Unavailable),
        (500, {"errors": "[AttachmentController create] not found"}, Unavailable),
        (302, b"", BadResponse),
        (204, b"", BadResponse),
    ],
)
async def test_error_is_named_by_status_and_text(
    bench: Bench, status: int, body: object, error: type[GatewayError]
) -> None:
    """The server says "not there" with 400 and 403, so its text decides, wherever the release puts it."""
    # given a server that answers so
    bench.sandbox.fault = answer(body, status)

    # when an attachment is fetched, a mail is listed and bytes are opened
    fetched = await outcome(bench.settings(), attachment(1000))
    of_mail = await outcome(bench.settings(), mail(100))
    async with opened(bench.settings()) as adapter:
        with pytest.raises(GatewayError) as raised:
            await downloaded(adapter, attachment(1000))

    # then all three have the same name for it
    assert {type(fetched), type(of_mail), type(raised.value)} == {error}
    assert {fetched.source, of_mail.source, raised.value.source} == {"mails"}


async def test_maintenance_is_unavailable_and_tried_again_at_once(bench: Bench) -> None:
    """During a migration the server says `Retry-After: 5 minutes`, which is no HTTP value and is ignored."""
    # given a server under migration
    bench.state.maintenance = True

    # when an attachment is fetched
    error = await outcome(bench.settings(), attachment(1000))

    # then it was tried as often as may be, and no time to wait is made up
    assert (type(error), error.retry_after) == (Unavailable, None)
    assert len(bench.sandbox.requests) == 3


async def test_nobody_learns_what_is_hidden(bench: Bench) -> None:
    """A deleted, a hidden and a never seen attachment give one and the same error, as do mails."""
    # given an account that does not see mail 149, and an attachment that was deleted
    bench.state.attachments[1001].status = "DEL"
    chosen = bench.settings(username=seed.RESTRICTED_USER, password=Secret(seed.RESTRICTED_PASSWORD))

    # when all of them are asked for, and one that is there
    async with opened(chosen) as adapter:
        fetched = await adapter.fetch([attachment(n) for n in (1001, 1499, 999_999, 1000)], call())
        mails = await adapter.children([mail(n) for n in (149, 999_999, 100)], call())

    # then what is not shown looks alike, and the neighbours are there
    assert len({repr(error) for error in [*fetched[:3], *mails[:2]]}) == 1
    assert isinstance(fetched[0], NotFound)
    assert isinstance(fetched[3], Attachment)
    assert isinstance(mails[2], AttachmentListing)


@pytest.mark.parametrize(
    "native_id", ["0", "01", "-1", "1e3", "abc", "", " 1", "1\n", "\u0661", "1/../2", "..", "9" * 3 + "x"]
)
async def test_what_is_no_number_is_not_asked_for(bench: Bench, native_id: str) -> None:
    """The server crashes on ids that are no numbers, and a path must not be steered by one."""
    # given a reference that no answer ever held

    # when it is fetched, listed and opened
    fetched = await outcome(bench.settings(), attachment(native_id))
    of_mail = await outcome(bench.settings(), mail(native_id))
    async with opened(bench.settings()) as adapter:
        with pytest.raises(NotFound):
            await downloaded(adapter, attachment(native_id))

    # then it is not there, and the server was not asked
    assert (type(fetched), type(of_mail), len(bench.sandbox.requests)) == (NotFound, NotFound, 0)


async def test_reference_of_another_form_is_not_there(bench: Bench) -> None:
    """A mail is no attachment, and an attachment's key has one part."""
    # given references of other types and lengths
    wrong = [
        mail(1000),
        Ref("mails", RefType.ATTACHMENT, ("100", "1000")),
        Ref("mails", RefType.FILE, ("1000",)),
    ]

    # when they are fetched, and an attachment is listed
    async with opened(bench.settings()) as adapter:
        fetched = await adapter.fetch(wrong, call())
        mails = await adapter.children([attachment(100)], call())

    # then none of them is there
    assert [type(error) for error in [*fetched, *mails]] == [NotFound] * 4
    assert not bench.sandbox.requests


async def test_number_beyond_the_database_is_a_fault_of_the_source(bench: Bench) -> None:
    """The server crashes on a number that its database cannot hold, and 500 is not taken for "not there"."""
    # given a number beyond 32 bits

    # when it is asked for
    error = await outcome(bench.settings(), attachment(2**31))

    # then the source has a fault
    assert isinstance(error, Unavailable)


# Costs


async def test_each_distinct_key_costs_one_request(bench: Bench) -> None:
    """Fetching 50 attachments and listing 50 mails costs 50 requests each; repeated keys and no keys cost nothing."""
    # given 50 attachments and 50 mails, each asked for twice
    attachments = [attachment(1000 + n) for n in range(50)] * 2
    mails = [mail(100 + n) for n in range(50)] * 2

    # when they are asked for
    async with opened(bench.settings()) as adapter:
        fetched = await adapter.fetch(attachments, call())
        after_fetch = len(bench.sandbox.requests)
        listings = await adapter.children(mails, call())
        after_list = len(bench.sandbox.requests)
        empty = [*await adapter.fetch([], call()), *await adapter.children([], call())]

    # then each is asked for once, and answers come in order
    assert (after_fetch, after_list, len(bench.sandbox.requests), empty) == (50, 100, 100, [])
    assert [one.ref for one in fetched if isinstance(one, Attachment)] == attachments
    assert [one.record.ref for one in listings if isinstance(one, AttachmentListing)] == mails


async def test_reading_about_files_opens_none(bench: Bench) -> None:
    """The server notes every read of a content in its audit history: only a download may cause one."""
    # given an adapter
    async with opened(bench.settings()) as adapter:
        # when attachments are listed and fetched, and one is downloaded
        await adapter.children([mail(100)], call())
        await adapter.fetch([attachment(1000), attachment(1001)], call())
        before = dict(bench.state.views)
        await downloaded(adapter, attachment(1001))

    # then the history has the download alone
    assert (before, dict(bench.state.views)) == ({}, {1001: 1})
