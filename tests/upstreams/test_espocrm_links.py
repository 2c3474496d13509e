"""Links at EspoCRM (`upstreams.md` 5.7): a set is written whole, and nothing that hangs in it gets lost."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from gateway.domain.errors import (
    BadInput,
    Conflict,
    DeadlineExceeded,
    GatewayError,
    NotFound,
    OutcomeUnknown,
)
from gateway.domain.model import AttachmentListing
from gateway.domain.refs import Ref, RefType
from gateway.sandbox.espocrm.state import Record, State
from gateway.sandbox.upstream import Fault, SeenRequest
from gateway.transport.call import Call
from gateway.upstreams.espocrm import EspoCrmAdapter
from tests.conformance.subject import Place, Subject, eventually, listed
from tests.conformance.troubles import PATIENCE
from tests.upstreams.bench import served
from tests.upstreams.espocrm_source import (
    ADMIN,
    MISSING,
    SOURCE,
    add_attachment,
    alive,
    attachment_ref,
    connected,
    crm,
    paths,
    record_ref,
    types,
)

MANY = 50
UNHURRIED = {"try_timeout": PATIENCE}
"""Settings with which a request that is held up is waited for, and not sent again."""


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    """Run one server for all tests of this file."""
    with served() as place:
        yield place


@pytest.fixture
def state() -> State:
    """Make a CRM for one test."""
    return crm()


@pytest.fixture
def case(state: State) -> Record:
    """Choose a case, which has four attachments and counts its versions."""
    return alive(state, "Case")[0]


@pytest.fixture
def note(state: State) -> Record:
    """Choose a note, which has attachments and counts no versions."""
    return alive(state, "Note")[1]


def espocrm(subject: Subject) -> EspoCrmAdapter:
    """Take the adapter as what it is."""
    assert isinstance(subject.adapter, EspoCrmAdapter)
    return subject.adapter


def loose(state: State, number: int) -> list[Ref]:
    """Make attachments of the gateway's user that hang on nothing."""
    return [
        attachment_ref(add_attachment(state, f"{one:017x}", parentType=None, parentId=None).id)
        for one in range(1, number + 1)
    ]


async def linked(
    subject: Subject, record: Ref, refs: list[Ref], seconds: float = PATIENCE
) -> list[Ref] | GatewayError:
    """Link attachments, whatever comes of it; gives what hangs there then."""
    try:
        listing = await espocrm(subject).link(record, refs, Call.lasting(seconds))
    except GatewayError as exc:
        return exc
    assert listing.record.ref == record
    return [one.ref for one in listing.attachments]


async def held(subject: Subject, record: Ref) -> list[Ref]:
    """List what hangs on a record."""
    (listing,) = await listed(subject, [record])
    assert isinstance(listing, AttachmentListing)
    return [one.ref for one in listing.attachments]


# Links


@pytest.mark.parametrize("kind", ["Case", "Note"])
async def test_fifty_links_at_once_lose_nothing(place: Place, state: State, kind: str) -> None:
    """A set is read, added to and written whole: fifty callers at once, and nothing is missing then."""
    # given
    record = record_ref(alive(state, kind)[0])
    refs = loose(state, MANY)

    async with connected(place, state, **ADMIN) as subject:
        before = await held(subject, record)

        # when
        outcomes = await asyncio.gather(*(linked(subject, record, [ref]) for ref in refs))

        # then
        after = await held(subject, record)
        assert set(types(outcomes)) == {list}
        assert all(
            ref in outcome for ref, outcome in zip(refs, outcomes, strict=True) if isinstance(outcome, list)
        )
        assert len(after) == len(set(after)) == len(before) + MANY
        assert set(after) == {*before, *refs}


async def test_two_processes_lose_nothing_where_versions_are_counted(
    place: Place, state: State, case: Record
) -> None:
    """Another process is not locked out, but its write gives a 409, after which the set is read again."""
    # given
    record, refs = record_ref(case), loose(state, 6)

    async with (
        connected(place, state, **ADMIN) as one,
        connected(place, state, **ADMIN) as other,
    ):
        before = await held(one, record)

        # when
        outcomes = await asyncio.gather(
            *(linked(one, record, [ref]) for ref in refs[::2]),
            *(linked(other, record, [ref]) for ref in refs[1::2]),
        )

        # then
        assert set(types(outcomes)) == {list}
        assert set(await held(one, record)) == {*before, *refs}


async def test_link_costs_three_requests_and_the_listing(place: Place, state: State, case: Record) -> None:
    """Read, write, read again; then what an answer shows."""
    # given
    (ref,) = loose(state, 1)

    async with connected(place, state, **ADMIN) as subject:
        # when
        outcome = await linked(subject, record_ref(case), [ref])

        # then
        methods = [one.method for one in subject.sandbox.requests]
        assert isinstance(outcome, list)
        assert ref in outcome
        assert methods == ["GET", "PUT", "GET", "GET"]
        assert paths(subject) == [*[f"Case/{case.id}"] * 3, "Attachment"]


async def test_linking_what_hangs_there_writes_nothing(place: Place, state: State, note: Record) -> None:
    """A repeated link changes nothing, so nothing is written."""
    # given
    async with connected(place, state, **ADMIN) as subject:
        there = await held(subject, record_ref(note))
        subject.sandbox.requests.clear()

        # when
        outcome = await linked(subject, record_ref(note), there[:1])

        # then
        assert outcome == there
        assert [one.method for one in subject.sandbox.requests] == ["GET", "GET"]


async def test_linking_nothing_writes_nothing(place: Place, state: State) -> None:
    """No attachments at all give what hangs there, also in a field that is full."""
    # given
    document = alive(state, "Document")[0]

    async with connected(place, state, **ADMIN) as subject:
        # when
        outcome = await linked(subject, record_ref(document, "file"), [])

        # then
        assert outcome == [attachment_ref(document.values["fileId"])]
        assert {one.method for one in subject.sandbox.requests} == {"GET"}


async def test_write_that_is_overwritten_is_repeated(place: Place, state: State, note: Record) -> None:
    """Where no versions are counted, another's write between ours and the look after it is noticed by that look."""
    # given
    (ref,) = loose(state, 1)
    record = record_ref(note)
    robbed: list[str] = []

    async with connected(place, state, **ADMIN) as subject:
        before = await held(subject, record)
        subject.sandbox.requests.clear()

        def rob(request: SeenRequest) -> bool:
            """Unlink what the first write linked, just before it is looked at."""
            if len(subject.sandbox.requests) == 3 and not robbed:
                robbed.append(request.path)
                state.records["Attachment"][ref.key[0]].values.update(parentId=None, parentType=None)
            return False

        subject.sandbox.fault = Fault(only=rob)

        # when
        outcome = await linked(subject, record, [ref])

        # then
        assert robbed
        assert isinstance(outcome, list)
        assert set(outcome) == {*before, ref}
        assert [one.method for one in subject.sandbox.requests].count("PUT") == 2


async def test_record_that_always_changes_is_a_conflict(place: Place, state: State, case: Record) -> None:
    """After some rounds of 409 the gateway gives up, and has written nothing."""
    # given
    (ref,) = loose(state, 1)

    async with connected(place, state, **ADMIN) as subject:
        before = await held(subject, record_ref(case))
        subject.sandbox.fault = Fault(status=409, only=lambda request: request.method == "PUT")

        # when
        outcome = await linked(subject, record_ref(case), [ref])

        # then
        assert type(outcome) is Conflict
        assert await held(subject, record_ref(case)) == before


async def test_link_whose_effect_is_not_seen_is_unknown(place: Place, state: State, case: Record) -> None:
    """A write that succeeded and a look that failed are no failure of the write."""
    # given
    (ref,) = loose(state, 1)

    async with connected(place, state, **ADMIN) as subject:
        subject.sandbox.fault = Fault(status=403, only=lambda _: len(subject.sandbox.requests) == 3)

        # when
        outcome = await linked(subject, record_ref(case), [ref])

        # then
        assert type(outcome) is OutcomeUnknown
        assert state.records["Attachment"][ref.key[0]].values["parentId"] == case.id


async def test_write_reads_for_itself(place: Place, state: State, case: Record) -> None:
    """Equal requests that run at once share an answer, but a write never takes one that was asked for before it."""
    # given
    (ref,) = loose(state, 1)
    release = threading.Event()

    async with connected(place, state, **ADMIN, **UNHURRIED) as subject:
        await held(subject, record_ref(case))
        fault = subject.sandbox.fault = Fault(hold=release, times=1)
        reader = asyncio.ensure_future(held(subject, record_ref(case)))
        reached = await eventually(lambda: fault.times == 0)

        # when
        outcome = await linked(subject, record_ref(case), [ref])
        release.set()

        # then
        assert reached
        assert isinstance(outcome, list)
        assert ref in outcome
        assert ref in await reader


async def test_waiting_writer_leaves_at_its_deadline(place: Place, state: State, case: Record) -> None:
    """Who waits for another writer of the record waits no longer than its caller does, and then writes nothing."""
    # given
    one, other = loose(state, 2)
    release = threading.Event()

    async with connected(place, state, **ADMIN, **UNHURRIED) as subject:
        fault = subject.sandbox.fault = Fault(hold=release, times=1)
        first = asyncio.ensure_future(linked(subject, record_ref(case), [one]))
        reached = await eventually(lambda: fault.times == 0)

        # when
        outcome = await linked(subject, record_ref(case), [other], 0.1)
        release.set()

        # then
        assert reached
        assert type(outcome) is DeadlineExceeded
        assert isinstance(await first, list)
        assert state.records["Attachment"][other.key[0]].values["parentId"] is None


@pytest.mark.parametrize(
    ("target", "attachment", "expected"),
    [
        (("Case", MISSING, "attachments"), None, NotFound),
        (("Case", "", "attachments"), None, NotFound),
        (("Case", "*", "attachments"), MISSING, NotFound),
        (("Case", "*", "attachments"), "../x", NotFound),
        (("Case", "*", "teams"), None, BadInput),
        (("Case", "*", "nothing"), None, BadInput),
    ],
    ids=["no record", "no id", "no attachment", "no id of an attachment", "set of others", "no field"],
)
async def test_link_that_cannot_be_is_refused(
    place: Place, state: State, target: tuple[str, ...], attachment: str | None, expected: type[GatewayError]
) -> None:
    """A wrong target or attachment is named, and nothing that hangs on the record is touched."""
    # given
    case = alive(state, "Case")[0]
    record = Ref(SOURCE, RefType.RECORD, tuple(case.id if part == "*" else part for part in target))
    ref = loose(state, 1)[0] if attachment is None else attachment_ref(attachment)

    async with connected(place, state, **ADMIN) as subject:
        before = await held(subject, record_ref(case))

        # when
        outcome = await linked(subject, record, [ref])

        # then
        assert type(outcome) is expected
        assert await held(subject, record_ref(case)) == before


async def test_file_field_takes_one_file_and_keeps_the_one_it_has(place: Place, state: State) -> None:
    """A link into a file field would delete the file that is there, so it is refused; so are two at once."""
    # given
    refs = loose(state, 2)
    document = alive(state, "Document")[0]
    file = document.values["fileId"]

    async with connected(place, state, **ADMIN) as subject:
        # when
        outcomes = [await linked(subject, record_ref(document, "file"), some) for some in (refs[:1], refs)]

        # then
        assert types(outcomes) == [Conflict, BadInput]
        assert document.values["fileId"] == file
