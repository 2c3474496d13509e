"""What sweeping does: it takes up what died, ends what never came, and takes away what nobody needs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import asdict

import pytest

from gateway.domain.errors import NotFound, StorageUnavailable
from gateway.domain.refs import Ref, RefType
from gateway.uploads import sweeper
from gateway.uploads.storage import StagingStore
from gateway.uploads.sweeper import KEPT, ORPHAN_AGE, Report, Sweeper
from gateway.uploads.tickets import TicketState, UploadMethod
from tests.uploads.carrying import BODY, LEASE, Desk, broken, put, until

SECONDS = 60.0
DAY = 24 * 3600.0


@pytest.mark.parametrize("state", [TicketState.VERIFIED, TicketState.SENDING, TicketState.SENT])
async def test_what_died_is_carried_to_its_end(desk: Desk, state: TicketState) -> None:
    """Whichever step a worker died in, the upload ends without anybody asking for it."""
    # given
    facts = {"result": Ref("shelf", RefType.ATTACHMENT, ("1", "x")).to_text()}
    ticket = await desk.left_in(state, **facts if state is TicketState.SENT else {})

    # when
    report = await Sweeper(desk.service).sweep()

    # then
    assert (report.resumed, report.failed) == (1, 0)
    assert (await desk.read(ticket)).state is TicketState.FINALIZED
    assert desk.shelf.attempts == (0 if state is TicketState.SENT else 1)


async def test_what_was_asked_for_goes_on_without_its_client(desk: Desk) -> None:
    """A worker that died before it had looked at the bytes leaves an upload that somebody wanted: it is carried."""
    # given one upload that a dead worker was about to carry, and one that nobody has asked for yet
    asked, waiting = await desk.left_in(TicketState.PENDING), await desk.staged()

    # when
    report = await Sweeper(desk.service).sweep()

    # then
    assert report.resumed == 1
    assert [(await desk.read(one)).state for one in (asked, waiting)] == [
        TicketState.FINALIZED,
        TicketState.PENDING,
    ]


async def test_a_worker_that_died_while_it_cancelled_sends_nothing(desk: Desk) -> None:
    """Who wanted an upload to end must not find it carried because a process died."""
    # given a process that died with the claim of a cancellation
    ticket = await desk.staged()
    await desk.journal.claim(ticket.id, None, LEASE)
    desk.clock.pass_by(LEASE + 1)

    # when
    report = await Sweeper(desk.service).sweep()

    # then
    assert (report.resumed, desk.shelf.attempts) == (0, 0)
    assert (await desk.service.cancel(ticket.id, "")).state is TicketState.CANCELLED


async def test_what_lives_is_left_alone(desk: Desk) -> None:
    """An upload that somebody works on is nobody else's."""
    # given
    ticket = await desk.left_in(TicketState.SENDING)
    await desk.journal.claim(ticket.id, "other", LEASE)

    # when
    report = await Sweeper(desk.service).sweep()

    # then
    assert report == Report()
    assert desk.shelf.asked == 0


async def test_a_source_that_is_away_is_asked_again(desk: Desk) -> None:
    """What cannot go on now is counted, and goes on in a later sweep."""
    # given an upload in doubt, and a source that does not answer what it did
    ticket = await desk.left_in(TicketState.SENDING)
    reconcile = desk.shelf.reconcile
    fail = broken()

    async def away(*asked: object) -> object:
        fail()
        return await reconcile(*asked)  # type: ignore[arg-type]

    desk.shelf.reconcile = away  # type: ignore[assignment, method-assign]

    # when
    first = await Sweeper(desk.service).sweep()
    left = await desk.read(ticket)
    second = await Sweeper(desk.service).sweep()

    # then
    assert (first.resumed, first.failed, left.state) == (1, 1, TicketState.SENDING)
    assert (second.resumed, second.failed) == (1, 0)
    assert (await desk.read(ticket)).state is TicketState.FINALIZED


async def test_what_never_came_ends(desk: Desk) -> None:
    """After 24 hours an upload without bytes expires; one that cannot be ended keeps no other from it."""
    # given two uploads whose time is up, one of which somebody works on when its turn comes
    busy, free = [await desk.staged(body=None) for _ in range(2)]
    desk.clock.pass_by(DAY + 1)
    listed = await desk.journal.expired(desk.clock(), 10)
    await desk.journal.claim(busy.id, "other", LEASE)

    async def stale(*_: object) -> object:
        return listed

    desk.journal.expired = stale  # type: ignore[assignment, method-assign]

    # when
    report = await Sweeper(desk.service).sweep()

    # then
    assert report.expired == 1
    states = {(await desk.read(one)).state for one in (busy, free)}
    assert states == {TicketState.PENDING, TicketState.EXPIRED}


async def test_a_dry_run_counts_bytes_and_touches_nothing(desk: Desk) -> None:
    """An operator sees what would go before it goes, in bytes, and the same goes then."""
    # given a stuck upload, and some whose time is up: one without bytes, one with them, and one with a part of them
    await desk.left_in(TicketState.VERIFIED)
    await desk.staged(body=None)
    await desk.staged()
    late = await desk.staged(body=None, method=UploadMethod.MULTIPART)
    await put(desk.service.staged(late).targets[0], BODY)
    # and a staged object and an upload in parts that nobody needs
    done = await desk.staged()
    parted = await desk.staged(body=None, method=UploadMethod.MULTIPART)
    await put(desk.service.staged(parted).targets[0], BODY)
    for one in (done, parted):
        claimed = await desk.journal.claim(one.id, "me", LEASE)
        await desk.journal.advance(claimed, TicketState.CANCELLED)
    desk.clock.pass_by(ORPHAN_AGE.total_seconds() + 1)

    # when
    seen = await Sweeper(desk.service).sweep(dry_run=True)
    attempts = desk.shelf.attempts
    staged = await desk.staging.stat(done.object_key)
    swept = await Sweeper(desk.service).sweep()

    # then
    assert asdict(seen) == {
        "resumed": 1,
        "failed": 0,
        "expired": 3,
        "removed_objects": 2,
        "removed_bytes": 2 * len(BODY),
        "aborted_uploads": 2,
        "aborted_bytes": 2 * len(BODY),
    }
    assert "\n".join(seen.lines()).count(f"{2 * len(BODY):,} bytes") == 2
    assert (attempts, staged.size) == (0, len(BODY))
    assert swept == seen
    with pytest.raises(NotFound):
        await desk.staging.stat(done.object_key)


async def test_ended_uploads_are_forgotten_after_a_week(desk: Desk) -> None:
    """What ended can be asked for during a week."""
    # given
    ticket = await desk.staged()
    await desk.service.finalize(ticket.id, "", SECONDS)

    # when
    await Sweeper(desk.service).sweep()
    known = await desk.read(ticket)
    desk.clock.pass_by(KEPT.total_seconds() + 1)
    await Sweeper(desk.service).sweep()

    # then
    assert known.state is TicketState.FINALIZED
    with pytest.raises(NotFound):
        await desk.read(ticket)


async def test_a_running_gateway_sweeps_on(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a store that is away nor a transfer that takes long keeps the next sweep from coming."""
    # given a store that cannot be listed at first, and an upload that takes for ever
    hold = asyncio.Event()
    desk.shelf.before = hold.wait
    slow = await desk.left_in(TicketState.VERIFIED)
    listed = StagingStore.list_objects
    asked: list[object] = []

    async def away(self: StagingStore, *given: object) -> AsyncIterator[object]:
        asked.append(given)
        if len(asked) == 1:
            raise StorageUnavailable("The object store cannot be reached.")
        async for one in listed(self, *given):  # type: ignore[arg-type]
            yield one

    monkeypatch.setattr(StagingStore, "list_objects", away)
    monkeypatch.setattr(sweeper, "EVERY", 0.05)

    # when
    running = asyncio.create_task(Sweeper(desk.service).run())
    await until(lambda: len(asked) > 2)

    # then
    assert (await desk.read(slow)).state is TicketState.SENDING
    assert desk.shelf.attempts == 1
    hold.set()
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


async def test_a_defect_does_not_end_the_sweeping(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a sweep meets, the next one comes: nobody else takes up what a dead process has left."""
    # given
    monkeypatch.setattr(sweeper, "EVERY", 0.01)
    swept = asyncio.Event()
    calls = 0

    async def sweep(*, patient: bool) -> Report:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise LookupError("a column that is not there yet")
        swept.set()
        return Report(resumed=int(patient))

    running = Sweeper(desk.service)
    monkeypatch.setattr(running, "sweep", sweep)

    # when
    task = asyncio.create_task(running.run())
    await asyncio.wait_for(swept.wait(), SECONDS)
    task.cancel()

    # then
    assert calls > 1
