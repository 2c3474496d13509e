"""The Direct Mail adapter: the shared suite, and the costs and the refusals (`upstreams.md` 4.1, 4.2)."""

from collections.abc import Iterator
from typing import ClassVar

import pytest
from starlette.types import ASGIApp

from gateway.domain.errors import (
    Forbidden,
    NotFound,
    RateLimited,
    Unauthenticated,
    Unavailable,
)
from gateway.domain.model import Attachment, AttachmentListing
from gateway.domain.refs import Ref, RefType
from gateway.sandbox.directmail import seed
from gateway.sandbox.directmail.app import create_app, create_content_app
from gateway.sandbox.directmail.state import State
from gateway.sandbox.server import in_thread
from gateway.sandbox.upstream import SandboxUpstream
from gateway.upstreams.directmail import DirectMailAdapter
from tests.conformance.adapter_suite import AdapterSuite
from tests.conformance.comparison import changed
from tests.conformance.subject import Place, Samples
from tests.upstreams.bench import asked, call, opened, served
from tests.upstreams.directmail_source import NOW, SOURCE, Bench, path_of, settings

HOSTILE = Ref(SOURCE, RefType.ATTACHMENT, (seed.FESTIVAL, "", "1B"))
HOSTILE_NAME = 'Tarifs "d\'été" 1/2.csv'


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    """Run one server for the whole file."""
    with served() as running:
        yield running


@pytest.fixture
def bench(place: Place) -> Bench:
    """Make an account of its own for one test."""
    return Bench(place)


class TestDirectMail(AdapterSuite):
    """The shared suite."""

    requests_for_50: ClassVar[int] = 10
    secrets: ClassVar[tuple[str, ...]] = (seed.KEY_SECRET,)
    required_fields: ClassVar[tuple[str, ...]] = ("uuid",)

    @pytest.fixture
    def state(self) -> State:
        """Make the demo's projects, with one file of an awkward name."""
        state = seed.seeded(lambda: NOW)
        message = next(iter(state.projects[seed.FESTIVAL].messages.values()))
        file = next(iter(message.attachments.values()))
        message.attachments["1B"] = changed(
            file, uuid="1B", display_name=HOSTILE_NAME.removesuffix(".csv"), file_name="1B.csv"
        )
        return state

    @pytest.fixture(autouse=True)
    def foreign(self, state: State) -> Iterator[SandboxUpstream]:
        """Serve the bucket from another origin, which refuses the API key."""
        sandbox = SandboxUpstream("bucket", create_content_app(state))
        with in_thread(sandbox) as origin:
            state.content_origin = origin
            yield sandbox

    @pytest.fixture
    def app(self, state: State) -> ASGIApp:
        """Serve the projects."""
        return create_app(state)

    @pytest.fixture
    def samples(self, state: State) -> Samples:
        """Ask for all attachments of ten messages."""
        messages = state.projects[seed.FESTIVAL].messages
        records = [Ref(SOURCE, RefType.RECORD, (seed.FESTIVAL, uuid)) for uuid in messages]
        known = [
            Ref(SOURCE, RefType.ATTACHMENT, (*record.key, uuid))
            for record in records
            for uuid in messages[record.key[1]].attachments
        ]
        hostile = changed(HOSTILE, key=(*records[0].key, "1B"))
        return Samples(
            known=[ref for ref in known if ref != hostile],
            missing=changed(known[0], key=(*known[0].key[:-1], "0" * 8)),
            parents=records[:2],
            missing_parent=changed(records[0], key=(seed.FESTIVAL, "0" * 8)),
            hostile=hostile,
            hostile_name=HOSTILE_NAME,
        )

    def open_adapter(self, origin: str) -> DirectMailAdapter:
        """Open the adapter."""
        return DirectMailAdapter(settings(origin))


# What it costs


async def test_single_attachment_is_asked_for_by_itself(bench: Bench) -> None:
    """One attachment of a message costs one request, and its neighbours are not carried along."""
    # given one attachment of each of two messages, and one of them twice
    one, other = bench.attachments(0)[1], bench.attachments(1)[0]

    # when they are fetched
    async with opened(bench.settings()) as adapter:
        found = await adapter.fetch([one, other, one], call())

    # then each was asked for once
    assert [entry.ref for entry in found if isinstance(entry, Attachment)] == [one, other, one]
    assert sorted(bench.seen()) == sorted([path_of(one), path_of(other)])


async def test_attachments_of_one_message_are_taken_from_its_list(bench: Bench) -> None:
    """The API has no batch, but several attachments of a message come with one list, or are not there."""
    # given two attachments of a message, and one that it does not have
    one, other, *_ = bench.attachments(0)
    missing = changed(one, key=(*one.key[:2], "07846D22"))

    # when they are fetched
    async with opened(bench.settings()) as adapter:
        found = await adapter.fetch([other, missing, one], call())

    # then one request brought all that is known
    assert [getattr(entry, "ref", type(entry)) for entry in found] == [other, NotFound, one]
    assert bench.seen() == [path_of(bench.message())]


async def test_case_of_identifiers_is_kept(bench: Bench) -> None:
    """The server compares UUIDs as they are written, so another spelling is another identifier."""
    # given an identifier in lower case
    ref = bench.attachments()[0]
    lower = changed(ref, key=(*ref.key[:2], ref.key[2].lower()))

    # when both are fetched
    async with opened(bench.settings()) as adapter:
        found = await adapter.fetch([ref, lower], call())

    # then only the one that was given out is known
    assert [getattr(entry, "ref", type(entry)) for entry in found] == [ref, NotFound]


# Access


async def test_probe_asks_for_little(bench: Bench) -> None:
    """The list of projects shows address and key; the keys that nobody reads are left out."""
    # given an account

    # when it is probed
    async with opened(bench.settings()) as adapter:
        await adapter.probe(call())

    # then one request was enough
    assert bench.seen() == ["/projects?fields=document_identifier"]


@pytest.mark.parametrize("terse", [True, False])
async def test_refusals_have_their_names(bench: Bench, terse: bool) -> None:
    """Statuses decide, for the bodies of errors are not documented and may be empty."""
    # given an account that refuses for one reason after another
    bench.state.terse = terse
    found = [await asked(bench.settings("wrong"), bench.message())]
    bench.state.disabled = True

    # when a message is listed each time
    found.append(await asked(bench.settings(), bench.message()))
    bench.state.disabled, bench.state.projects[seed.FESTIVAL].granted = False, False
    found.append(await asked(bench.settings(), bench.message()))
    bench.state.maintenance = True
    found.append(await asked(bench.settings(), bench.message()))

    # then each has its name, and none the server's words
    assert [type(one) for one in found] == [Unauthenticated, Forbidden, NotFound, Unavailable]
    assert not any("Direct Mail" in str(one) or "API key" in str(one) for one in found)


async def test_rate_limit_without_a_time_is_waited_out(bench: Bench) -> None:
    """The vendor documents no time to wait, so a read is tried again shortly, three times in all."""
    # given a server that refuses twice
    bench.state.rate_limited = 2

    # when a message is listed
    found = await asked(bench.settings(), bench.message())

    # then the third try answered
    assert isinstance(found, AttachmentListing)
    assert len(bench.seen()) == 3


async def test_rate_limit_with_a_time_is_told(bench: Bench) -> None:
    """A time to wait that is longer than the caller has is handed on instead of waited for."""
    # given a server that asks for a minute
    bench.state.rate_limited, bench.state.retry_after = 10, 60

    # when a message is listed
    found = await asked(bench.settings(), bench.message())

    # then nobody waited
    assert (type(found), found.retry_after) == (RateLimited, 60.0)
    assert len(bench.seen()) == 1
