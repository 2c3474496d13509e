"""How the Direct Mail adapter deletes: accepted at once, done later, confirmed by a look (`upstreams.md` 4.2)."""

from collections.abc import Iterator

import pytest
from starlette.responses import PlainTextResponse

from gateway.domain.capabilities import Operation
from gateway.domain.changes import Deletion, DeletionState
from gateway.domain.errors import (
    BadInput,
    BadResponse,
    Conflict,
    Forbidden,
    GatewayError,
    NotFound,
    RateLimited,
    Unavailable,
)
from gateway.domain.refs import Ref
from gateway.sandbox.server import in_thread
from gateway.sandbox.upstream import Fault, SandboxUpstream
from gateway.upstreams.base import capabilities
from tests.conformance.comparison import changed
from tests.conformance.subject import Place
from tests.upstreams.bench import asked, call, opened, served
from tests.upstreams.directmail_source import Bench, path_of


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    """Run one server for the whole file."""
    with served() as running:
        yield running


@pytest.fixture
def bench(place: Place) -> Bench:
    """Make an account of its own for one test."""
    return Bench(place)


async def deleted(bench: Bench, *refs: Ref) -> list[Deletion | GatewayError]:
    """Delete attachments, whatever comes of each."""
    async with opened(bench.settings()) as adapter:
        return list(await adapter.delete(refs, call()))


async def accepted(bench: Bench, ref: Ref) -> Deletion:
    """Delete an attachment that is there."""
    (outcome,) = await deleted(bench, ref)
    assert isinstance(outcome, Deletion), outcome
    return outcome


async def looked(bench: Bench, deletion: Deletion) -> Deletion | GatewayError:
    """Ask how far a deletion is, whatever comes of it."""
    async with opened(bench.settings()) as adapter:
        try:
            return await adapter.deletion(deletion, call())
        except GatewayError as exc:
            return exc


async def test_deletion_is_accepted_then_done_then_confirmed(bench: Bench) -> None:
    """DELETING until the task is done and a look finds nothing; a step costs one request, the last one two."""
    # given
    ref = bench.attachments()[0]
    bench.state.merge_polls = 2

    # when
    steps = [await accepted(bench, ref)]
    for _ in range(3):
        outcome = await looked(bench, steps[-1])
        assert isinstance(outcome, Deletion), outcome
        steps.append(outcome)

    # then
    task = str(steps[0].task).removeprefix(f"{bench.origin}/api/v2")
    states = [one.state for one in steps]
    assert states == [*[DeletionState.DELETING] * 3, DeletionState.DELETED]
    assert {one.ref for one in steps} == {ref}
    assert bench.seen() == [path_of(ref), *[task] * 3, path_of(ref)]
    assert type(await asked(bench.settings(), ref)) is NotFound


async def test_task_is_kept_as_it_was_written(bench: Bench) -> None:
    """The query holds a whole encoded address, which no other spelling of it would find; nor is it shown."""
    # given
    deletion = await accepted(bench, bench.attachments()[0])

    # when
    await looked(bench, deletion)

    # then
    sent = bench.sandbox.requests[-1]
    assert f"{bench.origin}{sent.path}?{sent.query}" == deletion.task
    assert "%3A%2F%2F" in sent.query
    assert str(deletion.task) not in repr(deletion)


async def test_task_that_is_done_is_not_believed(bench: Bench) -> None:
    """While the attachment still answers, it is not deleted, whatever its task says."""
    # given
    ref = bench.attachments()[0]
    deletion = await accepted(bench, ref)
    bench.sandbox.fault = Fault(status=200, body=b"{}", only=lambda request: "merge-task" in request.path)

    # when
    outcome = await looked(bench, deletion)

    # then
    assert outcome == deletion


async def test_what_is_gone_counts_as_deleted(bench: Bench) -> None:
    """A second deletion after the first was merged finds nothing; neighbours and other messages are not touched."""
    # given
    first, second = bench.attachments()[:2]
    missing = changed(first, key=(*first.key[:2], "0" * 8))
    bench.state.merge_polls = 0
    await looked(bench, await accepted(bench, first))

    # when
    again = await deleted(bench, first, missing, second)
    finished = await looked(bench, Deletion(first, DeletionState.DELETED))

    # then
    assert again[:2] == [Deletion(first, DeletionState.DELETED), Deletion(missing, DeletionState.DELETED)]
    assert isinstance(again[2], Deletion)
    assert again[2].state is DeletionState.DELETING
    assert finished == Deletion(first, DeletionState.DELETED)


@pytest.mark.parametrize("there", [True, False], ids=["still there", "gone"])
async def test_forgotten_task_is_judged_by_the_attachment(bench: Bench, there: bool) -> None:
    """A server may forget a task that is done: then a look tells whether it was."""
    # given
    ref = bench.attachments()[0]
    deletion = await accepted(bench, ref)
    bench.state.merges.clear()
    if not there:
        bench.state.projects[ref.key[0]].messages[ref.key[1]].attachments.pop(ref.key[2])

    # when
    outcome = await looked(bench, deletion)

    # then
    assert type(outcome) is (NotFound if there else Deletion)
    assert there or outcome == Deletion(ref, DeletionState.DELETED)


@pytest.mark.parametrize(
    ("status", "expected"), [(403, Forbidden), (409, Conflict), (400, BadInput), (500, Unavailable)]
)
async def test_failed_task_is_named(bench: Bench, status: int, expected: type[GatewayError]) -> None:
    """A task that fails is no deletion: its status has the meaning that it has elsewhere."""
    # given
    ref = bench.attachments()[0]
    bench.state.merge_polls, bench.state.merge_failure = 0, status
    deletion = await accepted(bench, ref)

    # when
    outcome = await looked(bench, deletion)

    # then
    assert type(outcome) is expected
    assert not isinstance(await asked(bench.settings(), ref), GatewayError)


async def test_refusals_are_values(bench: Bench) -> None:
    """A message that was sent keeps its attachments; that fails none of the others."""
    # given
    locked, free = bench.attachments(0)[0], bench.attachments(1)[0]
    bench.state.projects[locked.key[0]].messages[locked.key[1]].editable = False

    # when
    outcomes = await deleted(bench, locked, free, bench.message())

    # then
    assert [type(one) for one in outcomes] == [Forbidden, Deletion, NotFound]


async def test_rate_limit_says_when(bench: Bench) -> None:
    """A 429 that asks for a longer wait than the caller has is passed on with its time."""
    # given
    bench.state.rate_limited, bench.state.retry_after = 9, 77

    # when
    (outcome,) = await deleted(bench, bench.attachments()[0])

    # then
    assert isinstance(outcome, RateLimited)
    assert outcome.retry_after == 77


async def test_lost_answer_is_asked_for_again(bench: Bench) -> None:
    """A deletion joins the one that is under way, so it may be repeated."""
    # given
    ref = bench.attachments()[0]
    bench.sandbox.fault = Fault(torn=True, times=1)

    # when
    outcome = await accepted(bench, ref)

    # then
    assert outcome.state is DeletionState.DELETING
    assert len(bench.state.merges) == 1


LINKS = {
    "another host": "https://elsewhere.example/api/v2/projects/1/merge-task?s=1",
    "another scheme": "HOST+https/api/v2/projects/1/merge-task?s=1",
    "another path": "HOST/api/v2/projects/1/messages",
    "outside the base path": "HOST/admin/merge-task",
    "climbing": "HOST/api/v2/../../admin/merge-task",
    "no address": "merge-task",
    "nothing": "",
}


@pytest.mark.parametrize("href", LINKS.values(), ids=LINKS.keys())
async def test_task_elsewhere_is_refused(bench: Bench, href: str) -> None:
    """The credential goes to the server's own tasks only, whatever the server, or a client, calls a task."""
    # given
    ref = bench.attachments()[0]
    url = href.replace("HOST+https", bench.origin.replace("http:", "https:")).replace("HOST", bench.origin)
    body = f'{{"links": [{{"href": "{url}", "rel": "merge-task"}}]}}'.encode()
    bench.sandbox.fault = Fault(status=202, body=body, headers={"content-type": "application/json"})

    # when
    (outcome,) = await deleted(bench, ref)
    polled = await looked(bench, Deletion(ref, DeletionState.DELETING, url))

    # then
    assert (type(outcome), type(polled)) == (BadResponse, BadInput)
    assert len(bench.sandbox.requests) == 1


async def test_redirected_task_is_not_followed(bench: Bench) -> None:
    """A task that answers 303 is done, and where it points to is never asked."""
    # given
    ref = bench.attachments()[0]
    deletion = await accepted(bench, ref)
    stranger = SandboxUpstream("stranger", PlainTextResponse(""))

    # when
    with in_thread(stranger) as origin:
        bench.sandbox.fault = Fault(
            status=303, headers={"location": f"{origin}/"}, only=lambda request: "merge-task" in request.path
        )
        outcome = await looked(bench, deletion)

    # then
    assert outcome == deletion
    assert list(stranger.requests) == []


async def test_takes_no_uploads_and_no_changes(bench: Bench) -> None:
    """The server has no operation for either (`upstreams.md` 4.2), so the adapter has no method to be tried."""
    # given
    async with opened(bench.settings()) as adapter:
        # when
        can = {one.operation for one in capabilities(adapter) if one.supported}

        # then
        assert can == {Operation.LIST, Operation.FETCH, Operation.DOWNLOAD, Operation.DELETE}
