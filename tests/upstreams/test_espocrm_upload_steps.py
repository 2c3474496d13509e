"""Uploads to EspoCRM: which requests they take, and what is left when they fail (`upstreams.md` 5.3, 5.4, 5.7)."""

import tracemalloc
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from hashlib import sha256

import pytest

from gateway.domain.errors import Conflict, Unavailable
from gateway.domain.model import AttachmentListing
from gateway.sandbox.espocrm.attachments import bytes_of
from gateway.sandbox.espocrm.state import Record, State
from gateway.sandbox.upstream import Fault
from gateway.transport.call import Call
from gateway.upstreams.espocrm import NOTED
from tests.conformance.comparison import changed
from tests.conformance.subject import Place, listed
from tests.conformance.uploading import (
    Journal,
    attempt,
    reconciled,
    some_bytes,
    uploaded,
    uploading,
)
from tests.upstreams.bench import served
from tests.upstreams.espocrm_source import (
    API_USER,
    CHUNK,
    LIMIT,
    SMALL,
    alive,
    attachment_ref,
    connected,
    crm,
    item_for,
    linked,
    loose,
    paths,
    record_ref,
)


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
    """Choose a case, which has four attachments in a set and counts its versions."""
    return alive(state, "Case")[0]


# What it costs, and in which order


async def test_sends_chunks_after_the_note(place: Place, state: State, case: Record) -> None:
    """The id is written down before the first byte leaves, and each request is one that had to be made."""
    # given
    contents = some_bytes(2 * CHUNK + 1)
    asked: list[list[str]] = []

    async with connected(place, state, **SMALL) as subject:

        class Watching(Journal):
            async def __call__(self, more: object) -> None:
                asked.append(paths(subject))
                await super().__call__(more)  # type: ignore[arg-type]

        journal = Watching()

        # when
        ref = await attempt(subject, item_for(record_ref(case), contents), contents, journal)

        # then
        native_id = journal.kept[NOTED]
        record = f"Case/{case.id}"
        assert ref == attachment_ref(native_id)
        assert asked == [[record, "Attachment"]]
        assert paths(subject) == [
            *[f"Attachment/chunk/{native_id}"] * 3,
            f"Attachment/{native_id}",
            *[record] * 3,
        ]


async def test_small_file_goes_at_once(place: Place, state: State, case: Record) -> None:
    """A file of at most one chunk takes five requests."""
    # given
    contents = some_bytes(CHUNK)

    async with connected(place, state, **SMALL) as subject:
        # when
        await uploaded(subject, item_for(record_ref(case), contents), contents)

        # then
        assert paths(subject) == [f"Case/{case.id}", "Attachment", *[f"Case/{case.id}"] * 3]


async def test_keeps_what_hangs_there(place: Place, state: State, case: Record) -> None:
    """A set is written whole, so what was in it is sent again and stays, in its order."""
    # given
    contents = some_bytes(10)

    async with connected(place, state, **SMALL) as subject:
        (before,) = await listed(subject, [record_ref(case)])

        # when
        ref = await uploaded(subject, item_for(record_ref(case), contents), contents)

        # then
        (after,) = await listed(subject, [record_ref(case)])
        assert isinstance(before, AttachmentListing)
        assert isinstance(after, AttachmentListing)
        assert [one.ref for one in after.attachments] == [*(one.ref for one in before.attachments), ref]


# What is half-made


@pytest.mark.parametrize("sent", [LIMIT - 1, LIMIT + 1, CHUNK], ids=["fewer", "more", "one chunk of four"])
async def test_takes_back_what_was_staged_differently(
    place: Place, state: State, case: Record, sent: int
) -> None:
    """Fewer or more bytes than announced are a Conflict, and the attachment that was begun is gone again."""
    # given
    item = item_for(record_ref(case), some_bytes(LIMIT))
    before = loose(state)

    async with connected(place, state, **SMALL) as subject:
        # when
        outcome = await attempt(subject, item, some_bytes(sent))

        # then
        assert type(outcome) is Conflict
        assert loose(state) == before
        assert len(linked(state)) == len(linked(crm()))


async def test_leaves_the_rest_to_reconciliation_where_it_cannot_take_back(
    place: Place, state: State, case: Record
) -> None:
    """A refusal whose clean-up fails is no definite error: the caller reconciles, which removes the rest."""
    # given
    contents = some_bytes(LIMIT)
    item, journal = item_for(record_ref(case), contents), Journal()
    before = loose(state)

    async with connected(place, state, **SMALL) as subject:
        subject.sandbox.fault = Fault(
            status=400, only=lambda request: "chunk" in request.path or request.method == "DELETE"
        )

        # when
        outcome = await attempt(subject, item, contents, journal)
        left = loose(state)
        subject.sandbox.fault = None
        found = await reconciled(subject, changed(item, notes=journal.kept))

        # then
        assert type(outcome) is Unavailable
        assert left == [*before, journal.kept[NOTED]]
        assert (found, loose(state)) == (None, before)


@pytest.mark.parametrize("status", [None, 503], ids=["lost answer", "fault"])
async def test_reconciliation_removes_what_hangs_nowhere(
    place: Place, state: State, case: Record, status: int | None
) -> None:
    """An upload that broke off between its chunks is no file, so it is deleted; a second look finds nothing."""
    # given
    contents = some_bytes(LIMIT)
    item, journal = item_for(record_ref(case), contents), Journal()
    before = loose(state)

    async with connected(place, state, **SMALL) as subject:
        subject.sandbox.fault = Fault(
            torn=status is None, status=status, only=lambda request: "chunk" in request.path
        )
        await attempt(subject, item, contents, journal)
        subject.sandbox.fault = None
        left = loose(state)

        # when
        looks = [await reconciled(subject, changed(item, notes=journal.kept)) for _ in range(2)]

        # then
        assert left == [*before, journal.kept[NOTED]]
        assert (looks, loose(state)) == ([None, None], before)


async def test_without_a_note_nothing_is_asked(place: Place, state: State, case: Record) -> None:
    """What never got an id can hang nowhere, so that its absence is certain."""
    # given
    item = item_for(record_ref(case), b"x")

    async with connected(place, state, **SMALL) as subject:
        # when
        found = await reconciled(subject, item)

        # then
        assert (found, paths(subject)) == (None, [])


async def test_mangled_bytes_are_noticed(place: Place, state: State, case: Record) -> None:
    """The size that comes back is compared: a server that lost bytes has not the file that was sent."""
    # given
    contents = some_bytes(100)

    async with connected(place, state, **SMALL) as subject:
        subject.wire.edit = _shrunk

        # when
        outcome = await attempt(subject, item_for(record_ref(case), contents), contents)

        # then
        assert "another number of bytes" in str(outcome)
        assert len(linked(state)) == len(linked(crm()))


def _shrunk(body: object) -> object:
    return {**body, "size": 99} if isinstance(body, dict) and "size" in body else body


# What it takes


@pytest.mark.slow
async def test_fifty_megabytes_cost_a_few(place: Place, state: State, case: Record) -> None:
    """A large file goes in chunks that are never whole in memory: neither at once nor as base64.

    The sandbox, which runs in this process too, holds one chunk of 5.6 MB as text and as bytes.
    """
    # given
    size, block = 50_000_000, bytes(range(250)) * 400
    item = changed(item_for(record_ref(case), b""), size=size)
    digest = sha256()

    @asynccontextmanager
    async def staged() -> AsyncIterator[AsyncIterator[bytes]]:
        yield blocks()

    async def blocks() -> AsyncIterator[bytes]:
        for _ in range(size // len(block)):
            yield block

    async with connected(place, state, **API_USER) as subject:
        adapter = uploading(subject)
        tracemalloc.start()

        # when
        ref = await adapter.upload(item, staged, Call.lasting(120.0), Journal())
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()

        # then
        assert peak < 32 * 1024 * 1024
        for piece in bytes_of(state, state.records["Attachment"][ref.key[0]]):
            digest.update(piece)
        assert digest.hexdigest() == sha256(block * (size // len(block))).hexdigest()
        assert sum("chunk" in one.path for one in subject.sandbox.requests) == 12
