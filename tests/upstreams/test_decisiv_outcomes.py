"""What an upload to Decisiv made, as told by an answer that may say nothing, or by the list (`upstreams.md` 3.4)."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import pytest
from starlette.responses import Response

from gateway.domain.errors import (
    BadResponse,
    OutcomeUnknown,
)
from gateway.domain.refs import Ref
from gateway.sandbox.decisiv import seed
from gateway.sandbox.upstream import Fault
from tests.conformance.comparison import changed
from tests.conformance.subject import Place
from tests.upstreams.bench import reconciled, served, uploaded
from tests.upstreams.decisiv_source import CASE, Bench, attachment, case, held, parts, single, upload_of
from tests.upstreams.decisiv_source import item as element
from tests.upstreams.listening import Substitute


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    """Run one server for all tests of this file."""
    with served() as running:
        yield running


@pytest.fixture
def bench(place: Place) -> Bench:
    """Make a platform of its own for one test."""
    return Bench(place)


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
    bench.state.cases[CASE].attachments["500001"] = changed(held(bench, ref), **changes)

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
