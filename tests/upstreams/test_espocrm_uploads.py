"""Uploads to EspoCRM: the shared suite, and what only this source does (`upstreams.md` 5.4, 5.7)."""

import tracemalloc
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from hashlib import sha256
from typing import ClassVar

import pytest
from starlette.types import ASGIApp

from gateway.domain.errors import BadInput, Conflict, NotFound, Unavailable
from gateway.domain.model import AttachmentListing
from gateway.domain.refs import Ref
from gateway.sandbox.espocrm import seed
from gateway.sandbox.espocrm.app import create_app
from gateway.sandbox.espocrm.attachments import bytes_of
from gateway.sandbox.espocrm.state import Record, State
from gateway.sandbox.upstream import Fault
from gateway.transport.call import Call
from gateway.upstreams.espocrm import NOTED, EspoCrmAdapter
from tests.conformance.subject import Place, listed
from tests.conformance.upload_suite import UploadSuite
from tests.conformance.uploading import (
    Journal,
    attempt,
    download,
    reconciled,
    refusal,
    some_bytes,
    uploaded,
    uploading,
)
from tests.upstreams.espocrm_source import (
    API_USER,
    SIGNER,
    alive,
    attachment_ref,
    connected,
    crm,
    item_for,
    open_espocrm,
    paths,
    record_ref,
    served,
)

LIMIT = 10_000
CHUNK = 3_001
SMALL = {**API_USER, "max_upload": LIMIT, "chunk_size": CHUNK}


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


@pytest.fixture
def document(state: State) -> Record:
    """Choose a document, whose field holds one file."""
    return alive(state, "Document")[0]


def linked(state: State) -> list[Record]:
    """List the attachments that hang on something."""
    return [
        one for one in state.alive("Attachment") if one.values.get("parentId") or one.values.get("relatedId")
    ]


def loose(state: State) -> list[str]:
    """Name the attachments that hang on nothing."""
    return [one.id for one in state.alive("Attachment") if one not in linked(state)]


class SetSuite(UploadSuite):
    """The shared suite for a set of attachments.

    An attachment that hangs nowhere is not counted where no id of it came back: the server removes such ones. What
    becomes of the others is tested below.
    """

    limit: ClassVar[int] = LIMIT
    secrets: ClassVar[tuple[str, ...]] = (seed.API_KEY,)

    @pytest.fixture
    def app(self, state: State) -> ASGIApp:
        """Serve the demo's CRM."""
        return create_app(state)

    @pytest.fixture
    def target(self, case: Record) -> Ref:
        """Upload to a case."""
        return record_ref(case)

    @pytest.fixture
    def stored(self, state: State) -> Callable[[], int]:
        """Count what hangs on something."""
        return lambda: len(linked(state))


class TestInChunks(SetSuite):
    """Files of four chunks."""

    def open_adapter(self, origin: str) -> EspoCrmAdapter:
        """Open the adapter with small chunks."""
        return open_espocrm(origin, **SMALL)


class TestAtOnce(SetSuite):
    """Files of one chunk, by requests that are signed, to a record that does not count its versions."""

    secrets: ClassVar[tuple[str, ...]] = (seed.HMAC_SECRET,)

    @pytest.fixture
    def target(self, state: State) -> Ref:
        """Upload to a note of the signer."""
        note = alive(state, "Note")[0]
        note.values["createdById"] = next(one.user_id for one in state.logins if one.secret)
        return record_ref(note)

    def open_adapter(self, origin: str) -> EspoCrmAdapter:
        """Open the adapter with chunks as they usually are."""
        return open_espocrm(origin, **SIGNER, max_upload=LIMIT)


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


# File fields


async def test_refuses_to_replace_a_file_unasked(place: Place, state: State, document: Record) -> None:
    """Another file in a file field deletes the first one, so it takes the word `replace`; no byte is sent before."""
    # given
    contents = some_bytes(10)
    item = item_for(record_ref(document, "file"), contents)

    async with connected(place, state, **SMALL) as subject:
        # when
        outcome = await attempt(subject, item, contents)

        # then
        assert type(outcome) is Conflict
        assert paths(subject) == [f"Document/{document.id}"]
        assert (loose(state), state.find("Attachment", document.values["fileId"])) != ([], None)


async def test_replaces_a_file_when_asked(place: Place, state: State, document: Record) -> None:
    """With `replace` the field holds the new file, and the server has deleted the old one."""
    # given
    contents = some_bytes(2 * CHUNK)
    old = document.values["fileId"]
    item = replace(item_for(record_ref(document, "file"), contents), options={"replace": True})

    async with connected(place, state, **SMALL) as subject:
        # when
        ref = await uploaded(subject, item, contents)

        # then
        assert (document.values["fileId"],) == ref.key
        assert state.find("Attachment", old) is None
        assert await download(subject, ref) == contents


async def test_file_field_of_a_deleted_file_is_free(place: Place, state: State, document: Record) -> None:
    """A field whose file was deleted still names it (`upstreams.md` 5.8); nothing is left to be replaced."""
    # given
    contents = some_bytes(10)
    state.records["Attachment"][document.values["fileId"]].values["deleted"] = True

    async with connected(place, state, **SMALL) as subject:
        # when
        ref = await uploaded(subject, item_for(record_ref(document, "file"), contents), contents)

        # then
        assert (document.values["fileId"],) == ref.key


# What is refused


@pytest.mark.parametrize(
    "change",
    [
        {"options": {"replace": "yes"}},
        {"options": {"role": "Attachment"}},
        {"media_type": "text/plain\r\nX-Injected: 1"},
        {"media_type": ""},
        {"name": "half \ud800.txt"},
        {"name": " .txt"[:1]},
        {"name": "virus.exe", "media_type": "application/octet-stream"},
    ],
    ids=[
        "option",
        "unknown option",
        "type that breaks a header",
        "no type",
        "half a letter",
        "blank",
        "accept",
    ],
)
async def test_refuses_before_sending(
    place: Place, state: State, case: Record, change: dict[str, object]
) -> None:
    """What the server would take and then never give back, or what the operator does not want, costs no request."""
    # given
    item = replace(item_for(record_ref(case), b""), **change)  # type: ignore[arg-type]

    async with connected(place, state, **SMALL, accept=(".txt", "image/*", "application/pdf")) as subject:
        # when
        refused = refusal(subject, item)

        # then
        assert type(refused) is BadInput
        assert paths(subject) == []


@pytest.mark.parametrize(
    ("name", "media_type"), [("a.TXT", "x/y"), ("a.webp", "image/webp"), ("a", "Application/PDF; v=1")]
)
async def test_accepts_what_the_setting_lists(
    place: Place, state: State, case: Record, name: str, media_type: str
) -> None:
    """An extension, a media type or a family of them is enough."""
    # given
    item = replace(item_for(record_ref(case), b""), name=name, media_type=media_type)

    async with connected(place, state, **SMALL, accept=(".txt", "image/*", "application/pdf")) as subject:
        # when
        refused = refusal(subject, item)

        # then
        assert refused is None


async def test_type_that_the_field_does_not_take_is_bad_input(
    place: Place, state: State, document: Record
) -> None:
    """The server's own list of types, which nothing tells beforehand, refuses with 403; nothing is left."""
    # given
    item = item_for(record_ref(document, "file"), b"MZ", name="virus.exe")
    state.records["Attachment"][document.values["fileId"]].values["deleted"] = True
    before = loose(state)

    async with connected(place, state, **SMALL) as subject:
        # when
        outcome = await attempt(subject, item, b"MZ")

        # then
        assert type(outcome) is BadInput
        assert loose(state) == before


async def test_missing_record_is_not_found(place: Place, state: State) -> None:
    """A record that is not there costs one request and leaves nothing."""
    # given
    missing = Record("Case", {"id": "0000000000000000a", "deleted": False})
    before = loose(state)

    async with connected(place, state, **SMALL) as subject:
        # when
        outcome = await attempt(subject, item_for(record_ref(missing), b"x"), b"x")

        # then
        assert type(outcome) is NotFound
        assert loose(state) == before


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
        found = await reconciled(subject, replace(item, notes=journal.kept))

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
        looks = [await reconciled(subject, replace(item, notes=journal.kept)) for _ in range(2)]

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
    item = replace(item_for(record_ref(case), b""), size=size)
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
