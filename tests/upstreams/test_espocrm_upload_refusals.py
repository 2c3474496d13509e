"""Uploads to EspoCRM that are refused, and files that others would replace (`upstreams.md` 5.4, 5.7, 5.8)."""

from collections.abc import Iterator

import pytest

from gateway.domain.errors import BadInput, Conflict, NotFound
from gateway.sandbox.espocrm import seed
from gateway.sandbox.espocrm.state import Record, State
from tests.conformance.comparison import changed
from tests.conformance.subject import Place
from tests.conformance.uploading import (
    attempt,
    download,
    refusal,
    some_bytes,
    uploaded,
)
from tests.upstreams.bench import served
from tests.upstreams.espocrm_source import (
    API_USER,
    CHUNK,
    SMALL,
    alive,
    connected,
    crm,
    item_for,
    loose,
    open_espocrm,
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


@pytest.fixture
def document(state: State) -> Record:
    """Choose a document, whose field holds one file."""
    return alive(state, "Document")[0]


# File fields


async def test_refuses_to_replace_a_file_unasked(place: Place, state: State, document: Record) -> None:
    """Another file in a file field deletes the first one, so it takes the word `replace`; no byte is sent before."""
    # given
    contents = some_bytes(10)
    item = item_for(record_ref(document, "file"), contents)
    before, file = loose(state), document.values["fileId"]

    async with connected(place, state, **SMALL) as subject:
        # when
        outcome = await attempt(subject, item, contents)

        # then
        assert type(outcome) is Conflict
        assert paths(subject) == [f"Document/{document.id}"]
        assert (loose(state), document.values["fileId"]) == (before, file)
        assert state.find("Attachment", file) is not None


async def test_replaces_a_file_when_asked(place: Place, state: State, document: Record) -> None:
    """With `replace` the field holds the new file, and the server has deleted the old one."""
    # given
    contents = some_bytes(2 * CHUNK)
    old = document.values["fileId"]
    item = changed(item_for(record_ref(document, "file"), contents), options={"replace": True})

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
    item = changed(item_for(record_ref(case), b""), **change)  # type: ignore[arg-type]

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
    item = changed(item_for(record_ref(case), b""), name=name, media_type=media_type)

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


@pytest.mark.parametrize("wrong", [{"accept": ("pdf",)}, {"chunk_size": 0}])
def test_settings_that_could_not_work_are_refused(wrong: dict[str, object]) -> None:
    """A pattern without its dot would refuse every file, and chunks of no bytes would never end."""
    # given the wrong value

    # when
    with pytest.raises(ValueError, match=next(iter(wrong))) as refusal:
        open_espocrm("http://127.0.0.1:9", **API_USER, **wrong)

    # then
    assert seed.API_KEY not in str(refusal.value)
