"""Uploads to Decisiv: the shared suite, the form that goes over the wire, and nothing smuggled into it."""

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from functools import partial
from hashlib import sha256
from typing import Any, ClassVar
from xml.etree.ElementTree import Element

import pytest
from defusedxml.ElementTree import fromstring
from starlette.responses import Response
from starlette.types import ASGIApp

from gateway.domain.changes import UploadItem
from gateway.domain.errors import (
    BadInput,
    BadResponse,
    Conflict,
    GatewayError,
    NotFound,
    OutcomeUnknown,
    TooLarge,
)
from gateway.domain.refs import Ref, RefType
from gateway.domain.secret import Secret
from gateway.sandbox.decisiv import seed
from gateway.sandbox.decisiv.app import create_app
from gateway.sandbox.decisiv.multipart import MultipartReader, PartHead, boundary_of
from gateway.sandbox.decisiv.state import Attachment, State
from gateway.sandbox.upstream import Fault
from gateway.transport.call import Call
from gateway.upstreams.decisiv import DecisivAdapter, DecisivSettings
from tests.conformance.subject import Place
from tests.conformance.upload_suite import UploadSuite
from tests.conformance.uploading import Journal, staged
from tests.upstreams.decisiv_source import (
    SOURCE,
    SPACES,
    Bench,
    attachment,
    call,
    case,
    item as element,
    opened,
    parts,
    served,
    single,
)
from tests.upstreams.listening import Drain, Substitute, Wiretap, generated, measured

CASE = "CASE-1001"
CONTENTS = b"Bonjour"
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


def upload_of(bench: Bench, contents: bytes = CONTENTS, **changes: Any) -> UploadItem:
    """Write down an upload to the first case, begun now."""
    item = UploadItem(
        target=case(CASE),
        name="devis révisé.txt",
        media_type="text/plain",
        size=len(contents),
        sha256=sha256(contents).hexdigest(),
        options={"internal": False},
        marker="ticket",
        started_at=bench.now,
    )
    return replace(item, **changes)


async def uploaded(chosen: DecisivSettings, item: UploadItem, contents: bytes = CONTENTS) -> Ref | GatewayError:
    """Upload, whatever comes of it."""
    async with opened(chosen) as adapter:
        try:
            return await adapter.upload(item, staged(contents), call(), Journal())
        except GatewayError as exc:
            return exc


async def reconciled(chosen: DecisivSettings, item: UploadItem) -> Ref | GatewayError | None:
    """Look for what an attempt made, whatever comes of it."""
    async with opened(chosen) as adapter:
        try:
            return await adapter.reconcile(item, call())
        except GatewayError as exc:
            return exc


def held(bench: Bench, ref: object) -> Attachment:
    """Take what the platform holds by a reference."""
    assert isinstance(ref, Ref), ref
    return bench.state.cases[ref.key[0]].attachments[ref.key[1]]


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
    assert peak.extra < 8 * 2**20


# What someone might smuggle in


async def test_two_hundred_hostile_names_make_two_parts_each(bench: Bench) -> None:
    """A name is refused before anything is sent, or comes back as it was: never a part, a header or an element."""
    # given names that are made of what breaks forms, and texts likewise
    chooser = random.Random(7)  # noqa: S311 - the same names each time
    names = ["".join(chooser.choices(NASTY, k=chooser.randint(1, 4))) + "é.txt" for _ in range(400)]
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
    assert len(refused) > 100
    assert len(kept) > 100


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


# What came out


@pytest.mark.parametrize(
    ("answer", "requests"),
    [
        (Response(b"", 201, {"Location": "/platform_api/cases/CASE-1001/attachments/500001"}), 2),
        (Response(b"", 200, {"Location": "https://other.example/500001?x=1"}), 2),
        (Response(b"", 201, {"Location": "/platform_api/cases/CASE-1001/attachments"}), 3),
        (Response(b"", 201, {"Location": "/platform_api/cases/CASE-1001/attachments/100001"}), 3),
        (Response(b"", 201, {"Location": "/platform_api/cases/CASE-1001/attachments/.."}), 2),
        (Response(b"", 201), 2),
        (Response(b"<html>Merci</html>", 200), 2),
        (Response(b"Merci", 200), 2),
        (Response(single(element(parts(URL=None))), 201), 2),
    ],
    ids=range(9),
)
async def test_answer_without_the_attachment_is_made_good(
    bench: Bench, answer: Response, requests: int
) -> None:
    """The vendor does not say what an upload answers, so a ``Location`` is followed, and else the case is listed."""
    # given a platform that takes a file and says little
    bench.sandbox.app = Substitute(bench.sandbox.app, answer)

    # when a file is uploaded
    ref = await uploaded(bench.settings(), upload_of(bench))

    # then it is found, with as many requests as that takes
    assert ref == attachment(CASE, "500001")
    assert len(bench.seen()) == requests


async def test_answer_without_any_attachment_is_no_success(bench: Bench) -> None:
    """A success that leaves nothing behind is not believed."""
    # given something that answers instead of the platform
    bench.sandbox.fault = Fault(status=201, only=lambda request: request.method == "POST")

    # when a file is uploaded
    outcome = await uploaded(bench.settings(), upload_of(bench))

    # then the answer is called bad
    assert isinstance(outcome, BadResponse)


# Exactly once


@pytest.mark.parametrize(
    ("earlier", "expected"),
    [(-3600.0, "found"), (0.0, "found"), (1.5, "found"), (10.0, "unknown"), (120.0, None)],
)
async def test_time_decides_whose_an_equal_attachment_is(
    bench: Bench, earlier: float, expected: str | None
) -> None:
    """What was made since the attempt began is its own; just before leaves doubts, and long before is another's."""
    # given an equal attachment that was made so many seconds before the attempt began
    ref = await uploaded(bench.settings(), upload_of(bench))
    item = upload_of(bench, started_at=bench.now + timedelta(seconds=earlier))

    # when the attempt is reconciled
    outcome = await reconciled(bench.settings(), item)

    # then its time decides
    if expected == "unknown":
        assert isinstance(outcome, OutcomeUnknown)
    else:
        assert outcome == (ref if expected else None)


async def test_times_are_read_in_the_zone_of_the_settings(bench: Bench) -> None:
    """Times come without a zone, and a wrong one would make each upload look hours old."""
    # given a platform that writes the time of Montréal, which is four hours behind in May
    ref = await uploaded(bench.settings(), upload_of(bench))
    item = upload_of(bench, started_at=bench.now + timedelta(hours=4))

    # when the attempt is reconciled with and without knowing that
    known = await reconciled(bench.settings(timezone="America/Montreal"), item)
    unknown = await reconciled(bench.settings(), item)

    # then only who knows it finds the file
    assert (known, unknown) == (ref, None)


@pytest.mark.parametrize(
    "changes",
    [
        {"filename": "other.txt"},
        {"size": 8},
        {"description": "another"},
        {"internal": True},
        {"sender": seed.SENDERS[2]},
    ],
    ids=repr,
)
async def test_other_attachments_are_not_taken(bench: Bench, changes: Mapping[str, Any]) -> None:
    """An attachment that differs in anything that was sent is never taken for the upload."""
    # given an attachment that differs
    item = upload_of(bench, options={"internal": False, "sender_id": "u-201"})
    ref = await uploaded(bench.settings(), item)
    bench.state.cases[CASE].attachments["500001"] = replace(held(bench, ref), **changes)

    # when the attempt is reconciled
    outcome = await reconciled(bench.settings(), item)

    # then nothing is found
    assert outcome is None


async def test_two_equal_attachments_leave_the_outcome_unknown(bench: Bench) -> None:
    """Of two that may be it none is taken; one that belongs to another ticket does not count."""
    # given two equal attachments
    first, second = [await uploaded(bench.settings(), upload_of(bench)) for _ in range(2)]
    assert isinstance(first, Ref)

    # when the attempt is reconciled, without and with a claim on one of them
    unclaimed = await reconciled(bench.settings(), upload_of(bench))
    claimed = await reconciled(bench.settings(), upload_of(bench, claimed=frozenset({first})))

    # then only the second question has an answer
    assert isinstance(unclaimed, OutcomeUnknown)
    assert claimed == second


async def test_case_out_of_sight_leaves_the_outcome_unknown(bench: Bench) -> None:
    """Where the case cannot be listed any more, nothing is proven."""
    # given a case that is gone
    item = upload_of(bench, target=case("CASE-9999"))

    # when the attempt is reconciled
    outcome = await reconciled(bench.settings(), item)

    # then that is said
    assert isinstance(outcome, OutcomeUnknown)
