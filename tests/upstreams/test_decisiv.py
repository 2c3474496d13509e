"""The Decisiv adapter: the shared suite, what it costs, and how bytes come (`upstreams.md` 3)."""

import gzip
from collections.abc import Iterator
from typing import ClassVar

import pytest
from starlette.types import ASGIApp

from gateway.domain.details import DecisivDetails
from gateway.domain.errors import BadResponse, NotFound
from gateway.domain.model import Attachment, AttachmentListing
from gateway.domain.secret import Secret
from gateway.sandbox.decisiv import seed
from gateway.sandbox.decisiv.app import create_app, create_download_app
from gateway.sandbox.decisiv.state import Case, State
from gateway.sandbox.server import in_thread
from gateway.sandbox.upstream import Fault, SandboxUpstream
from gateway.upstreams.decisiv import DecisivAdapter, DecisivSettings
from tests.conformance.adapter_suite import AdapterSuite
from tests.conformance.comparison import changed
from tests.conformance.subject import Place, Samples
from tests.upstreams.bench import asked, call, opened, served
from tests.upstreams.decisiv_source import (
    SOURCE,
    Bench,
    attachment,
    case,
    document,
    downloaded,
    first_of,
    item,
    parts,
    single,
)

HOSTILE_NAME = 'Relevé "d\'été" 3/4.pdf'
CASE = "CASE-1001"


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    """Run one server for the whole file."""
    with served() as running:
        yield running


@pytest.fixture
def bench(place: Place) -> Bench:
    """Make a platform of its own for one test."""
    return Bench(place)


class TestDecisiv(AdapterSuite):
    """The shared suite."""

    requests_for_50: ClassVar[int] = 5
    secrets: ClassVar[tuple[str, ...]] = (seed.TOKEN,)
    required_fields: ClassVar[tuple[str, ...]] = ("URL",)
    required_in_listings: ClassVar[tuple[str, ...] | None] = ()  # an item without an id is left out of its list

    link_host: str

    @pytest.fixture
    def state(self) -> State:
        """Make the demo's cases, and a full one with the number that a probe asks for."""
        state = seed.seeded()
        file = next(iter(state.cases[CASE].attachments.values()))
        state.cases[CASE].attachments["7-8"] = changed(file, id="7-8", filename=HOSTILE_NAME)
        state.cases["0"] = Case("0", "Fuite d'huile", {"9": changed(file, id="9", case_id="0")})
        return state

    @pytest.fixture(autouse=True)
    def foreign(self, state: State) -> Iterator[SandboxUpstream]:
        """Serve the bytes from another origin, which does not want the bearer, and let the adapter go there."""
        sandbox = SandboxUpstream("downloads", create_download_app(state))
        with in_thread(sandbox) as origin:
            state.download_origin = origin
            self.link_host = origin.removeprefix("http://")
            yield sandbox

    @pytest.fixture
    def app(self, state: State) -> ASGIApp:
        """Serve the cases."""
        return create_app(state)

    @pytest.fixture
    def samples(self, state: State) -> Samples:
        """Ask for ten attachments of each of five cases."""
        cases = [f"CASE-{number}" for number in range(1002, 1007)]
        return Samples(
            known=[attachment(one, native_id) for one in cases for native_id in state.cases[one].attachments],
            missing=attachment(CASE, "999999"),
            parents=[case(CASE), case("CASE-1002")],
            missing_parent=case("CASE-9999"),
            hostile=attachment(CASE, "7-8"),
            hostile_name=HOSTILE_NAME,
        )

    def open_adapter(self, origin: str) -> DecisivAdapter:
        """Open the adapter."""
        settings = DecisivSettings(
            name=SOURCE,
            kind="decisiv",
            url=f"{origin}/platform_api",
            token=Secret(seed.TOKEN),
            link_hosts=(self.link_host,),
            private_links=True,
        )
        return DecisivAdapter(settings)


# What it costs


async def test_hundred_attachments_of_ten_cases_cost_ten_requests(bench: Bench) -> None:
    """A list answers any number of attachments of a case, so that a page of a hundred costs one request a case."""
    # given a hundred attachments, and one of them twice
    cases = list(bench.state.cases)[:10]
    refs = [attachment(one, native_id) for one in cases for native_id in bench.state.cases[one].attachments]

    # when they are fetched
    async with opened(bench.settings()) as adapter:
        found = await adapter.fetch([*refs, refs[0]], call())

    # then each case was listed once
    assert [one.ref for one in found if isinstance(one, Attachment)] == [*refs, refs[0]]
    assert sorted(bench.seen()) == sorted(("GET", f"/cases/{one}/attachments") for one in cases)


async def test_attachment_that_the_list_hides_is_asked_for_by_itself(bench: Bench) -> None:
    """An attachment may be hidden from the list and not from the reader, so absence there proves nothing."""
    # given a list without the attachment
    ref = first_of(bench)
    bench.answer(document(), only="/attachments")

    # when it is fetched
    found = await asked(bench.settings(), ref)

    # then the second request brought it, without the format that only lists tell
    assert isinstance(found, Attachment)
    assert (found.ref, found.name, found.media_type) == (ref, "estimate-1001.pdf", "application/pdf")
    assert isinstance(found.details, DecisivDetails)
    assert found.details.format is None
    assert bench.seen() == [
        ("GET", f"/cases/{CASE}/attachments"),
        ("GET", f"/cases/{CASE}/attachments/{ref.key[1]}"),
    ]


async def test_attachments_of_a_missing_case_cost_one_request(bench: Bench) -> None:
    """Where the case is not there, its attachments are not asked for one by one."""
    # given two attachments of no case
    refs = [attachment("CASE-9999", "1"), attachment("CASE-9999", "2")]

    # when they are fetched
    async with opened(bench.settings()) as adapter:
        found = await adapter.fetch(refs, call())

    # then the list said it all
    assert [type(one) for one in found] == [NotFound, NotFound]
    assert bench.seen() == [("GET", "/cases/CASE-9999/attachments")]


async def test_listing_keeps_the_order_of_the_source(bench: Bench) -> None:
    """Clients page through the order that the platform gives."""
    # given the order of the platform
    order = [attachment(CASE, native_id) for native_id in bench.state.cases[CASE].attachments]

    # when the case is listed
    listing = await asked(bench.settings(), case(CASE))

    # then it is kept, and nothing can be changed or deleted, for the platform has no such calls
    assert isinstance(listing, AttachmentListing)
    assert [one.ref for one in listing.attachments] == order
    assert {(one.can_update, one.can_delete) for one in listing.attachments} == {(False, False)}


async def test_seeded_attachment_is_read_completely(bench: Bench) -> None:
    """Every documented field reaches the client."""
    # given a platform that writes ids too
    bench.state.with_ids = True

    # when an attachment is fetched
    found = await asked(bench.settings(timezone="America/Toronto"), attachment(CASE, "100005"))

    # then all of it is there
    base = f"{bench.origin}/platform_api"
    assert isinstance(found, Attachment)
    assert isinstance(found.details, DecisivDetails)
    assert (found.name, found.size, found.media_type) == ("codes-defaut-1001.txt", 4096, "text/plain")
    assert found.created_at
    assert found.created_at.isoformat() == "2026-03-05T02:21:51+00:00"
    assert found.details.created_at_text == "2026-03-04T21:21:51.0"
    assert (found.details.format, found.details.internal, found.details.public) == ("txt", True, False)
    assert found.details.description == "Codes de défaut lus au diagnostic"
    assert found.details.url == f"{base}/cases/{CASE}/attachments/100005"
    assert found.details.case_url == f"{base}/cases/{CASE}"
    assert found.details.sender
    assert (found.details.sender.native_id, found.details.sender.group_name) == ("u-202", "Camions Beauport")
    assert (found.details.sender.name, found.details.sender.url) == ("Marc-André Gagnon", f"{base}/users/u-202")


# Bytes


async def test_bytes_at_the_own_origin_are_fetched_with_the_credential(bench: Bench) -> None:
    """A download address below the API's own one needs the bearer; the two requests are all it costs."""
    # given an attachment
    ref = first_of(bench)
    expected = bench.state.cases[CASE].attachments[ref.key[1]].content()

    # when it is read
    size, content = await downloaded(bench.settings(), ref)

    # then all bytes came, with their number
    assert (size, content) == (len(expected), expected)
    assert [path for _, path in bench.seen()] == [
        f"/cases/{CASE}/attachments/{ref.key[1]}",
        f"/downloads/{CASE}/{ref.key[1]}",
    ]


async def test_length_of_compressed_bytes_is_not_taken_for_the_size(bench: Bench) -> None:
    """A server between may compress although it was asked not to; then the announced length is another one."""
    # given an attachment that comes compressed all the same
    ref, body = first_of(bench), gzip.compress(b"a" * 1000)
    bench.sandbox.fault = Fault(
        status=200, body=body, headers={"content-encoding": "gzip"}, only=lambda one: "/downloads/" in one.path
    )

    # when it is read
    size, content = await downloaded(bench.settings(), ref)

    # then the bytes are those of the file, and their number is not known
    assert (size, content) == (None, b"a" * 1000)
    assert bench.sandbox.requests[-1].headers["accept-encoding"] == "identity"


async def test_bytes_at_an_allowed_host_are_fetched_without_the_credential(bench: Bench) -> None:
    """The token in the query opens the foreign host, which must never see the bearer or the transition token."""
    # given a foreign host that refuses a bearer
    ref = first_of(bench)
    foreign = SandboxUpstream("downloads", create_download_app(bench.state))
    expected = bench.state.cases[CASE].attachments[ref.key[1]].content()

    # when the attachment is read from it
    with in_thread(foreign) as origin:
        bench.state.download_origin = origin
        allowed = bench.settings(
            link_hosts=(origin.removeprefix("http://"),), transition_token=Secret("passing")
        )
        _, content = await downloaded(allowed, ref)

    # then the bytes came, and no credential went
    (seen,) = foreign.requests
    assert content == expected
    assert seen.query.startswith("token=")
    assert {"authorization", "x-decisiv-transiton-token"} & seen.headers.keys() == set()


async def test_bytes_at_another_host_are_refused(bench: Bench) -> None:
    """A source must not send the gateway to a host that the operator did not name."""
    # given a foreign host that no setting names
    foreign = SandboxUpstream("downloads", create_download_app(bench.state))

    # when the attachment is read
    with in_thread(foreign) as origin:
        bench.state.download_origin = origin
        with pytest.raises(BadResponse) as caught:
            await downloaded(bench.settings(), first_of(bench))

    # then nobody asked the host, and the address with its token is not told
    assert list(foreign.requests) == []
    assert "127.0.0.1" not in str(caught.value)


@pytest.mark.parametrize(
    "path",
    [
        "/admin/7",
        "/platform_api/../admin/7",
        "/platform_api/%2e%2e/admin/7",
        "/platform_apis/7",
        "/platform_api\\..\\7",
    ],
)
async def test_bytes_outside_the_base_path_are_refused(bench: Bench, path: str) -> None:
    """The bearer goes nowhere but below the base path, however the address is written."""
    # given an address at the API's own origin that leads elsewhere
    bench.answer(single(item(parts(downloadURL=bench.origin + path))))

    # when the attachment is read
    with pytest.raises(BadResponse):
        await downloaded(bench.settings(), attachment("C1", "7"))

    # then only its document was asked for
    assert bench.seen() == [("GET", "/cases/C1/attachments/7")]


async def test_query_of_an_own_download_address_is_kept_as_written(bench: Bench) -> None:
    """A signature in the query would break if it were encoded anew."""
    # given an own address with a query that has several spellings
    url = f"{bench.origin}/platform_api/downloads/7?sig=a%2Fb+c%20d&x=&sig=e"
    bench.answer(single(item(parts(downloadURL=url))), only="/attachments/7")

    # when the attachment is read, which the platform does not know
    with pytest.raises(NotFound):
        await downloaded(bench.settings(), attachment("C1", "7"))

    # then the query arrived as it was
    assert bench.sandbox.requests[-1].query == "sig=a%2Fb+c%20d&x=&sig=e"
    assert bench.sandbox.requests[-1].headers["authorization"] == f"Bearer {seed.TOKEN}"


@pytest.mark.parametrize("url", [None, "/downloads/7", "ftp://files.example.net/7", "http://[bad/7"])
async def test_attachment_without_a_web_address_has_no_bytes(bench: Bench, url: str | None) -> None:
    """What cannot be fetched is the source's fault, and says so."""
    # given an attachment whose address is missing or no web address
    bench.answer(single(item(parts(downloadURL=url))))

    # when it is read
    with pytest.raises(BadResponse):
        await downloaded(bench.settings(), attachment("C1", "7"))

    # then nothing else was asked
    assert len(bench.seen()) == 1
