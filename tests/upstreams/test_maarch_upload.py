"""Uploads to Maarch: the shared suite, what goes over the wire, and what is refused before (`upstreams.md` 1.4)."""

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from functools import partial
from typing import Any, ClassVar

import pytest
from starlette.responses import JSONResponse
from starlette.types import ASGIApp

from gateway.domain.errors import BadInput, Conflict, NotFound
from gateway.domain.refs import Ref, RefType
from gateway.domain.secret import Secret
from gateway.sandbox.maarch import seed
from gateway.sandbox.maarch.app import create_app
from gateway.sandbox.maarch.contents import read
from gateway.sandbox.maarch.state import State
from gateway.transport.call import Call
from gateway.upstreams.maarch import MaarchAdapter, MaarchSettings
from tests.conformance.subject import Place
from tests.conformance.upload_suite import UploadSuite
from tests.conformance.uploading import Journal, staged
from tests.upstreams.bench import call, opened, served, uploaded
from tests.upstreams.listening import Drain, Wiretap, generated, measured
from tests.upstreams.maarch_source import MAIL, Bench, mail, upload_of


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    """Run one server for all tests of this file."""
    with served() as running:
        yield running


@pytest.fixture
def bench(place: Place) -> Bench:
    """Make the demo's mail room."""
    return Bench(place)


class TestMaarchUploads(UploadSuite):
    """The shared suite."""

    limit: ClassVar[int] = 70_002
    secrets: ClassVar[tuple[str, ...]] = (seed.PASSWORD,)
    takes_nothing: ClassVar[bool] = False

    @pytest.fixture
    def state(self) -> State:
        """Make the demo's mail room, whose PHP takes not one character more than the largest file has."""
        state = seed.seeded()
        state.upload_limit = self.limit // 3 * 4
        return state

    @pytest.fixture
    def app(self, state: State) -> ASGIApp:
        """Serve it."""
        return create_app(state)

    @pytest.fixture
    def target(self) -> Ref:
        """Choose a mail."""
        return mail(MAIL)

    @pytest.fixture
    def stored(self, state: State) -> Callable[[], int]:
        """Count the attachments, whatever their state."""
        return lambda: len(state.attachments)

    def open_adapter(self, origin: str) -> MaarchAdapter:
        """Open the adapter with the limit of the suite."""
        url, password = f"{origin}/rest", Secret(seed.PASSWORD)
        return MaarchAdapter(
            MaarchSettings(
                name="mails",
                kind="maarch",
                url=url,
                username=seed.USER,
                password=password,
                max_upload=self.limit,
            )
        )


# What goes over the wire


@pytest.mark.parametrize("size", [1, 2, 3, 4, 1_008, 1_009, 1_010, 100_001])
async def test_upload_is_one_document_of_one_line(bench: Bench, size: int) -> None:
    """The server mends bad Base64 as it likes, so it gets the right one: standard, padded, one line, exact length."""
    # given a file that comes in pieces of a length that no encoding likes
    contents = (bytes(range(32, 127)) * (size // 95 + 1))[:size]
    tap = bench.sandbox.app = Wiretap(bench.sandbox.app)

    # when it is uploaded
    ref = await uploaded(bench.settings(), upload_of(bench, contents), contents)

    # then the body is plain JSON of the announced length
    assert isinstance(ref, Ref)
    (body,) = tap.bodies
    (request,) = bench.sandbox.requests
    assert request.headers["content-length"] == str(len(body))
    assert "transfer-encoding" not in request.headers
    assert json.loads(body) == {
        "title": "Devis n° 1",
        "resIdMaster": MAIL,
        "type": "simple_attachment",
        "format": "txt",
        "encodedFile": base64.b64encode(contents).decode(),
    }


async def test_options_reach_the_server(bench: Bench) -> None:
    """Type, status and title are the caller's to choose."""
    # given all options
    options = {"type": "response_project", "status": "TRA", "title": 'Réponse "finale"'}

    # when a file is uploaded with them
    ref = await uploaded(bench.settings(), upload_of(bench, options=options))

    # then the server has them
    assert isinstance(ref, Ref)
    row = bench.state.attachments[int(ref.key[0])]
    assert (row.type, row.status, row.title) == ("response_project", "TRA", 'Réponse "finale"')
    assert (row.format, read(row.content)) == ("txt", b"Bonjour")


@pytest.mark.slow
async def test_fifty_megabytes_are_not_held(place: Place, bench: Bench) -> None:
    """A large file passes through in pieces, although the server wants it as one JSON document."""
    # given a server that only counts, and 50 MB
    size = 50_000_000
    drain = place.switch.app = Drain(JSONResponse({"id": 7}))
    item = upload_of(bench, size=size)

    # when they are uploaded
    async with opened(bench.settings()) as adapter:
        with measured() as peak:
            await adapter.upload(item, partial(generated, size), Call.lasting(120), Journal())

    # then they were never held together
    assert drain.received == drain.announced
    assert drain.received[0] > size * 4 / 3
    assert peak.extra < 16 * 2**20


# What is refused


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "sans extension"},
        {"name": ".txt"},
        {"name": "a."},
        {"name": "a.t\u0000xt"},
        {"name": "  .txt"},
        {"name": "x" * 256 + ".txt"},
        {"name": "a\u2028b.txt"},
        {"name": "\udc80.txt"},
        {"options": {"title": "a\nb"}},
        {"options": {"title": 5}},
        {"options": {"status": "SIGN"}},
        {"options": {"status": True}},
        {"options": {"type": "signed_response"}},
        {"options": {"type": "outgoing_mail"}},
        {"name": "a.exe"},
        {"size": 0},
        {"target": Ref("mails", RefType.ATTACHMENT, ("1000",))},
        {"target": mail("../100")},
        {"target": mail(2**31)},
    ],
    ids=repr,
)
async def test_what_cannot_succeed_is_refused_before(bench: Bench, changes: Mapping[str, Any]) -> None:
    """Nobody uploads 50 MB to the store to be told afterwards that the name was wrong."""
    # given settings that narrow what is taken
    chosen = bench.settings(types=("simple_attachment",), accept=(".TXT", ".pdf"))
    item = upload_of(bench, **changes)

    # when it is checked, and uploaded all the same
    async with opened(chosen) as adapter:
        with pytest.raises(BadInput) as refused:
            adapter.check(item)
    outcome = await uploaded(chosen, item)

    # then both refuse it, and nothing was sent
    assert type(refused.value) is BadInput
    assert type(outcome) is BadInput
    assert bench.seen() == []


async def test_accepted_types_are_accepted(bench: Bench) -> None:
    """What the settings name is taken, whatever its case."""
    # given settings that narrow what is taken
    chosen = bench.settings(types=("simple_attachment",), accept=(".TXT",))

    # when a file that fits is uploaded
    outcome = await uploaded(chosen, upload_of(bench, name="NOTE.TXT"))

    # then it is there
    assert isinstance(outcome, Ref)


async def test_unknown_mail_is_not_found(bench: Bench) -> None:
    """The server calls a mail that is not there "out of perimeter"; which of the two it is stays untold."""
    # given a mail that is not there
    item = upload_of(bench, target=mail(999_999))

    # when a file is uploaded to it
    outcome = await uploaded(bench.settings(), item)

    # then it is not found
    assert isinstance(outcome, NotFound)


async def test_format_that_lies_is_named(bench: Bench) -> None:
    """The server sniffs the content, and its refusal is passed on in words that help."""
    # given text that calls itself a PDF
    before = len(bench.state.attachments)
    item = upload_of(bench, name="devis.pdf")

    # when it is uploaded
    outcome = await uploaded(bench.settings(), item)

    # then the format is named, and nothing is kept
    assert isinstance(outcome, BadInput)
    assert "format" in outcome.message
    assert len(bench.state.attachments) == before


@pytest.mark.parametrize("staged_contents", [b"", b"Bonjou", b"Bonjour!", b"Bonjour" * 50_000])
async def test_other_bytes_than_announced_are_not_sent(bench: Bench, staged_contents: bytes) -> None:
    """A staged file that changed its length after it was checked never becomes an attachment."""
    # given a file that is shorter or longer than it was
    before = len(bench.state.attachments)

    # when it is uploaded
    outcome = await uploaded(bench.settings(), upload_of(bench), staged_contents)

    # then it is refused and nothing is kept
    assert isinstance(outcome, Conflict)
    assert len(bench.state.attachments) == before


async def test_token_that_ended_is_renewed(bench: Bench) -> None:
    """A stream can't be sent again by the transport, so the file is opened again once there is a new token."""
    # given a session whose token has ended
    before = len(bench.state.attachments)
    async with opened(bench.bearer()) as adapter:
        await adapter.probe(call())
        bench.now += timedelta(days=30)

        # when a file is uploaded
        ref = await adapter.upload(upload_of(bench), staged(b"Bonjour"), call(), Journal())

    # then it is there, once
    assert len(bench.state.attachments) == before + 1
    assert read(bench.state.attachments[int(ref.key[0])].content) == b"Bonjour"
