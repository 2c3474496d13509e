"""What an upload to Maarch made whose answer was lost, told by a list that tells little (`upstreams.md` 1.5, 1.6)."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.domain.errors import OutcomeUnknown
from gateway.domain.refs import Ref
from gateway.sandbox.maarch import samples
from gateway.sandbox.maarch.contents import read
from gateway.sandbox.upstream import Fault
from gateway.upstreams.maarch import MaarchAdapter
from tests.conformance.comparison import changed
from tests.conformance.subject import Place, eventually
from tests.conformance.uploading import Journal, staged
from tests.upstreams.bench import call, opened, reconciled, served, uploaded
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


# Exactly once


@pytest.mark.parametrize(
    ("earlier", "expected"),
    [(-3600.0, "found"), (0.0, "found"), (1.5, "found"), (10.0, "unknown"), (120.0, None)],
)
async def test_time_decides_whose_an_equal_attachment_is(
    bench: Bench, earlier: float, expected: str | None
) -> None:
    """What was made since the attempt began is its own; just before leaves doubts, and long before is another's."""
    # given an attachment of the same title, made so many seconds before the attempt began
    ref = await uploaded(bench.settings(), upload_of(bench))
    item = upload_of(bench, started_at=bench.now + timedelta(seconds=earlier))

    # when the attempt is reconciled
    outcome = await reconciled(bench.settings(), item)

    # then its time decides
    if expected == "unknown":
        assert isinstance(outcome, OutcomeUnknown)
    else:
        assert outcome == (ref if expected else None)


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


@pytest.mark.parametrize(
    "changes", [{"title": "Devis n° 2"}, {"type": "outgoing_mail"}, {"res_id_master": 101}]
)
async def test_other_attachments_are_not_taken(bench: Bench, changes: Mapping[str, Any]) -> None:
    """An attachment of another title, type or mail is never taken for the upload."""
    # given an attachment that differs
    ref = await uploaded(bench.settings(), upload_of(bench))
    assert isinstance(ref, Ref)
    bench.state.attachments[int(ref.key[0])] = changed(bench.state.attachments[int(ref.key[0])], **changes)

    # when the attempt is reconciled
    outcome = await reconciled(bench.settings(), upload_of(bench))

    # then nothing is found
    assert outcome is None


async def test_bytes_tell_two_uploads_of_one_title_apart(bench: Bench) -> None:
    """Lists tell no sizes, so what another upload of the same title made is known by its bytes, or by nothing."""
    # given an attachment of the title with other bytes, and one whose bytes are lost
    other = await uploaded(bench.settings(), upload_of(bench, b"Bonsoir"), b"Bonsoir")
    assert isinstance(other, Ref)
    lost = Fault(status=404, only=lambda request: request.path.endswith("originalContent"))

    # when an attempt is reconciled that finds either
    different = await reconciled(bench.settings(), upload_of(bench))
    bench.sandbox.fault = lost
    missing = await reconciled(bench.settings(), upload_of(bench, b"Bonsoir"))

    # then neither is taken
    assert [type(one) for one in (different, missing)] == [OutcomeUnknown] * 2


async def test_office_documents_are_known_by_their_title(bench: Bench) -> None:
    """The server rewrites them, so other bytes are no sign that they are another's."""
    # given an office document that the server rewrote
    contents = samples.docx("Devis", "chrono : [attachment.chrono]")
    item = upload_of(bench, contents, name="Devis n° 1.docx", options={"type": "response_project"})
    ref = await uploaded(bench.settings(), item, contents)
    assert isinstance(ref, Ref)
    assert read(bench.state.attachments[int(ref.key[0])].content) != contents

    # when the attempt is reconciled
    outcome = await reconciled(bench.settings(), item)

    # then it is found
    assert outcome == ref


async def test_hour_that_comes_twice_is_read_both_ways(bench: Bench) -> None:
    """At the end of summer time a local time stands for two moments; the later one is found as well."""
    # given an attachment of the second 02:30 in Paris
    bench.now = datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    ref = await uploaded(bench.settings(), upload_of(bench))

    # when the attempt is reconciled
    outcome = await reconciled(bench.settings(), upload_of(bench))

    # then it is found
    assert outcome == ref


async def test_mail_out_of_sight_leaves_the_outcome_unknown(bench: Bench) -> None:
    """Where the mail cannot be listed any more, nothing is proven."""
    # given a mail that is gone
    item = upload_of(bench, target=mail(999_999))

    # when the attempt is reconciled
    outcome = await reconciled(bench.settings(), item)

    # then that is said
    assert isinstance(outcome, OutcomeUnknown)


@pytest.fixture
async def adapter(bench: Bench) -> AsyncIterator[MaarchAdapter]:
    """Open the adapter for all of a test."""
    async with opened(bench.settings()) as running:
        yield running


async def test_listing_under_way_is_not_asked(bench: Bench, adapter: MaarchAdapter) -> None:
    """Equal queries share an answer, but one that began before the upload proves nothing about it."""
    # given a listing that waits for its answer, and then an upload
    await adapter.probe(call())  # until a credential is known to work, requests wait for each other
    release = threading.Event()
    held = Fault(hold=release, only=lambda request: request.method == "GET", times=1)
    bench.sandbox.fault = held
    waiting = asyncio.ensure_future(adapter.children([mail(MAIL)], call()))
    reached = await eventually(lambda: held.times == 0)
    ref = await adapter.upload(upload_of(bench), staged(b"Bonjour"), call(), Journal())

    # when the upload is reconciled
    outcome = await adapter.reconcile(upload_of(bench), call())
    answered = waiting.done()
    release.set()
    await waiting

    # then it asked for itself
    assert (reached, answered) == (True, False)
    assert outcome == ref
