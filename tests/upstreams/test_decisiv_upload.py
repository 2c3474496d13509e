"""Uploads to Decisiv: the shared suite, the form that goes over the wire, and nothing smuggled into it."""

import random
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, ClassVar
from xml.etree.ElementTree import Element

import pytest
from defusedxml.ElementTree import fromstring
from starlette.responses import Response
from starlette.types import ASGIApp

from gateway.domain.errors import (
    BadInput,
    Conflict,
    GatewayError,
    NotFound,
    TooLarge,
)
from gateway.domain.refs import Ref, RefType
from gateway.domain.secret import Secret
from gateway.sandbox.decisiv import seed
from gateway.sandbox.decisiv.app import create_app
from gateway.sandbox.decisiv.multipart import MultipartReader, PartHead, boundary_of
from gateway.sandbox.decisiv.state import State
from gateway.transport.call import Call
from gateway.upstreams.decisiv import DecisivAdapter, DecisivSettings
from tests.conformance.subject import Place
from tests.conformance.upload_suite import UploadSuite
from tests.conformance.uploading import Journal, staged
from tests.upstreams.bench import call, opened, served, uploaded
from tests.upstreams.decisiv_source import CASE, CONTENTS, SOURCE, SPACES, Bench, case, held, single, upload_of
from tests.upstreams.decisiv_source import item as element
from tests.upstreams.listening import Drain, Wiretap, generated, measured

NASTY = (
    *('"', "'", "\\", "/", "%22", "%0d%0a", "%", ";", "=", ":", "<", ">", "&", "]]>", "</a:description>", "--"),
    *("\r", "\n", "\r\n\r\n", "\0", "\x1b", "\x7f", "\x85", "\u2028", "\ufffe", "\udc80", "\t", " ", "."),
    *('"; filename="b.txt', "é", "文", "😀", "name", "Content-Type: text/html", "&#10;", "{case_id}", "../"),
)
"""Pieces of texts that someone might want to smuggle into a form, a header or XML."""


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    """Run one server for all tests of this file."""
    with served() as running:
        yield running


@pytest.fixture
def bench(place: Place) -> Bench:
    """Make a platform of its own for one test."""
    return Bench(place)


class TestDecisivUploads(UploadSuite):
    """The shared suite."""

    limit: ClassVar[int] = 70_002
    secrets: ClassVar[tuple[str, ...]] = (seed.TOKEN,)
    options: ClassVar[Mapping[str, Any]] = {"internal": True}

    @pytest.fixture
    def state(self) -> State:
        """Make the demo's cases, at a server that takes not one byte more than the largest file has."""
        state = seed.seeded()
        state.max_size = self.limit
        return state

    @pytest.fixture
    def app(self, state: State) -> ASGIApp:
        """Serve them."""
        return create_app(state)

    @pytest.fixture
    def target(self) -> Ref:
        """Choose a case."""
        return case(CASE)

    @pytest.fixture
    def stored(self, state: State) -> Callable[[], int]:
        """Count the attachments of all cases, and the files that none of them knows."""
        return lambda: (
            sum(len(one.attachments) for one in state.cases.values())
            + len(
                set(state.folder.iterdir())
                - {file.stored for one in state.cases.values() for file in one.attachments.values()}
            )
        )

    def open_adapter(self, origin: str) -> DecisivAdapter:
        """Open the adapter with the limit of the suite."""
        url, token = f"{origin}/platform_api", Secret(seed.TOKEN)
        return DecisivAdapter(
            DecisivSettings(name=SOURCE, kind="decisiv", url=url, token=token, max_upload=self.limit)
        )


def parts_of(tap: Wiretap, bench: Bench) -> list[tuple[PartHead, bytes]]:
    """Take the last form apart as a server does that is strict."""
    reader = MultipartReader(boundary_of(bench.sandbox.requests[-1].headers["content-type"]))
    found: list[tuple[PartHead, bytes]] = []
    for event in reader.feed(bytes(tap.bodies[-1])):
        if isinstance(event, PartHead):
            found.append((event, b""))
        elif isinstance(event, bytes):
            found[-1] = (found[-1][0], found[-1][1] + event)
    reader.close()
    return found


def described(document: bytes) -> Element:
    """Read the XML of an upload."""
    root: Element = fromstring(document, forbid_dtd=True)
    return root


# What goes over the wire


async def test_form_has_the_two_parts_of_the_vendor(bench: Bench) -> None:
    """The parts, their names and the request's own namespaces are what the vendor's page shows."""
    # given an upload with every option
    options = {"internal": False, "description": 'Reçu </a:description> & "signé"\r\nvu', "sender_id": "u-203"}
    tap = bench.sandbox.app = Wiretap(bench.sandbox.app)

    # when it is made
    ref = await uploaded(bench.settings(), upload_of(bench, options=options))

    # then the form says just that, with its exact length
    request = bench.sandbox.requests[-1]
    (body, document), (file, contents) = parts_of(tap, bench)
    root = described(document)
    assert request.headers["content-length"] == str(len(tap.bodies[-1]))
    assert "transfer-encoding" not in request.headers
    assert (body.name, body.filename, file.name, file.filename) == ("body", None, "file", "devis révisé.txt")
    assert (contents, b"Content-Type: text/plain\r\n" in tap.bodies[-1]) == (CONTENTS, True)
    assert root.tag == f"{{{SPACES}AttachmentRequest}}attachment"
    assert root.findtext(f"{{{SPACES}AttachmentRequest}}internal") == "false"
    assert root.findtext(f"{{{SPACES}SenderRequest}}sender/{{{SPACES}SenderRequest}}id") == "u-203"
    assert held(bench, ref).description == 'Reçu </a:description> & "signé"\nvu'
    assert (held(bench, ref).internal, held(bench, ref).sender.id) == (False, "u-203")


@pytest.mark.slow
async def test_fifty_megabytes_are_not_held(place: Place, bench: Bench) -> None:
    """A large file passes through in pieces."""
    # given a server that only counts, and 50 MB
    size = 50_000_000
    answer = Response(single(element()), 201, media_type="application/xml")
    drain = place.switch.app = Drain(answer)
    item = upload_of(bench, size=size)

    # when they are uploaded
    async with opened(bench.settings(max_upload=size)) as adapter:
        with measured() as peak:
            await adapter.upload(item, partial(generated, size), Call.lasting(120), Journal())

    # then they were never held together
    assert drain.received == drain.announced
    assert size < drain.received[0] < size + 2_000
    assert peak.extra < 16 * 2**20


# What someone might smuggle in


async def test_two_hundred_hostile_names_make_two_parts_each(bench: Bench) -> None:
    """A name is refused before anything is sent, or comes back as it was: never a part, a header or an element."""
    # given names that are made of what breaks forms, and texts likewise
    chooser = random.Random(7)  # noqa: S311 - the same names each time
    names = ["".join(chooser.choices(NASTY, k=chooser.randint(1, 4))) + "é.txt" for _ in range(800)]
    tap = bench.sandbox.app = Wiretap(bench.sandbox.app)
    refused, kept = [], []

    # when each is uploaded, described by itself
    async with opened(bench.settings()) as adapter:
        for name in names:
            options = {"internal": True, "description": f"x{name}x"}
            item = upload_of(bench, name=name, options=options, media_type=f"text/{name}")
            before = len(bench.sandbox.requests)
            try:
                ref = await adapter.upload(item, staged(CONTENTS), call(), Journal())
            except BadInput:
                refused.append(name)
                assert len(bench.sandbox.requests) == before, f"refused only after it was sent: {name!r}"
                continue
            kept.append(name)
            (body, document), (file, contents) = parts_of(tap, bench)
            assert (body.name, file.name, contents) == ("body", "file", CONTENTS)
            assert len(described(document)) == 2
            assert (held(bench, ref).filename, held(bench, ref).description) == (name, f"x{name}x")

    # then there are many of either
    assert len(refused) > 200
    assert len(kept) > 200


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("application/pdf", b"application/pdf"),
        ("Text/Plain; charset=utf-8", b"text/plain"),
        ("text/plain\r\nX-Injected: yes", b"application/octet-stream"),
        ('text/html"; name="body', b"application/octet-stream"),
        ("texte simple", b"application/octet-stream"),
        ("text/é", b"application/octet-stream"),
        ("", b"application/octet-stream"),
    ],
)
async def test_media_type_is_plain_or_none(bench: Bench, given: str, sent: bytes) -> None:
    """What is no media type is not sent as one."""
    # given a file of some type
    tap = bench.sandbox.app = Wiretap(bench.sandbox.app)

    # when it is uploaded
    ref = await uploaded(bench.settings(), upload_of(bench, media_type=given))

    # then its part has a type that is one
    assert isinstance(ref, Ref)
    heads = bytes(tap.bodies[-1]).partition(b'name="file"')[2].partition(b"\r\n\r\n")[0]
    assert heads.splitlines()[1:] == [b"Content-Type: " + sent]


# What is refused


@pytest.mark.parametrize(
    "changes",
    [
        {"options": {}},
        {"options": {"internal": None}},
        {"options": {"internal": "true"}},
        {"options": {"internal": 1}},
        {"options": {"internal": True, "description": "  "}},
        {"options": {"internal": True, "description": "a\x00b"}},
        {"options": {"internal": True, "description": "a\ufffeb"}},
        {"options": {"internal": True, "description": "x" * 4_001}},
        {"options": {"internal": True, "description": 5}},
        {"options": {"internal": True, "sender_id": ""}},
        {"name": ""},
        {"name": "  "},
        {"name": "a/b.txt"},
        {"name": "a\\b.txt"},
        {"name": "a%22b.txt"},
        {"name": "x" * 256},
        {"target": Ref(SOURCE, RefType.ATTACHMENT, (CASE, "1"))},
    ],
    ids=repr,
)
async def test_what_cannot_succeed_is_refused_before(bench: Bench, changes: Mapping[str, Any]) -> None:
    """Who may see a file is never left to a default, and nothing is sent that would come back as another thing."""
    # given an upload that is wrong
    item = upload_of(bench, **changes)

    # when it is checked, and uploaded all the same
    async with opened(bench.settings()) as adapter:
        with pytest.raises(BadInput) as refused:
            adapter.check(item)
    outcome = await uploaded(bench.settings(), item)

    # then both refuse it, and nothing was sent
    assert (type(refused.value), type(outcome)) == (BadInput, BadInput)
    assert bench.seen() == []


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (413, "", TooLarge),
        (422, "<e><errors><error><field>size</field><code>invalid</code></error></errors></e>", TooLarge),
        (422, "<e><errors><error><code>decisiv:attachments:002</code></error></errors></e>", TooLarge),
        (
            422,
            "<e><errors><error><field>file</field><code>already_exists</code></error></errors></e>",
            Conflict,
        ),
        (422, "too large", BadInput),
    ],
)
async def test_refusals_are_named(bench: Bench, status: int, body: str, error: type[GatewayError]) -> None:
    """A refused upload is named by its status, or by what the body of a 422 says."""
    # given a platform that refuses
    bench.answer(body, status)

    # when a file is uploaded
    outcome = await uploaded(bench.settings(), upload_of(bench))

    # then the refusal has its name
    assert type(outcome) is error


async def test_unknown_case_and_unknown_sender_are_told_apart(bench: Bench) -> None:
    """The platform says "missing" of both, but only one of them is the target."""
    # given an upload to no case, and one by nobody
    nowhere = upload_of(bench, target=case("CASE-9999"))
    nobody = upload_of(bench, options={"internal": True, "sender_id": "u-999"})

    # when they are made
    outcomes = [await uploaded(bench.settings(), one) for one in (nowhere, nobody)]

    # then each is named
    assert [type(one) for one in outcomes] == [NotFound, BadInput]
    assert "sender_id" in str(outcomes[1])


@pytest.mark.parametrize("staged_contents", [b"", b"Bonjou", b"Bonjour!", b"Bonjour" * 50_000])
async def test_other_bytes_than_announced_are_not_sent(bench: Bench, staged_contents: bytes) -> None:
    """A staged file that changed its length after it was checked never becomes an attachment."""
    # given a file that is shorter or longer than it was
    before = len(bench.state.cases[CASE].attachments)

    # when it is uploaded
    outcome = await uploaded(bench.settings(), upload_of(bench), staged_contents)

    # then it is refused and nothing is kept
    assert isinstance(outcome, Conflict)
    assert len(bench.state.cases[CASE].attachments) == before


async def test_bearer_that_ended_is_renewed(bench: Bench) -> None:
    """A stream can't be sent again by the transport, so the file is opened again once there is a new bearer."""
    # given a consumer whose bearer has ended
    before = len(bench.state.cases[CASE].attachments)
    async with opened(bench.consumer()) as adapter:
        await adapter.probe(call())
        bench.state.expire_tokens()

        # when a file is uploaded
        ref = await adapter.upload(upload_of(bench), staged(CONTENTS), call(), Journal())

    # then it is there, once
    assert held(bench, ref).size == len(CONTENTS)
    assert len(bench.state.cases[CASE].attachments) == before + 1


async def test_static_token_is_not_tried_twice(bench: Bench) -> None:
    """Where there is no other credential a refusal is final, and nobody is locked out for insisting."""
    # given a token that ended
    bench.state.expire_tokens()

    # when a file is uploaded
    await uploaded(bench.settings(), upload_of(bench))

    # then it was sent once
    assert [method for method, _ in bench.seen()] == ["POST"]
