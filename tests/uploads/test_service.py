"""What clients do with uploads, and how workers share them: one transfer, leases that are kept, ends that stay."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from gateway.domain.errors import BadInput, Conflict, NotFound, StorageUnavailable
from gateway.domain.refs import Ref, RefType
from gateway.sandbox.store import Store
from gateway.uploads import lease, service
from gateway.uploads.service import LIFETIME, UploadService
from gateway.uploads.storage import StagingStore
from gateway.uploads.tickets import LeaseHeld, TicketState, UploadMethod
from gateway.uploads.transfer import Patience
from tests.uploads.carrying import BODY, LEASE, Desk, Shelf, a_desk, broken, put, until

SECONDS = 60.0
LONG = 60.0
"""Seconds of a lease that no loaded machine loses by itself; tests let the journal's clock run ahead instead."""


def other_service(desk: Desk, seconds: float = LEASE) -> UploadService:
    """Make the service of another process, over the same journal and store."""
    return UploadService(
        desk.journal,
        desk.staging,
        lambda _: {"shelf": desk.shelf},
        patience=Patience(settling=0.0),
        lease=seconds,
        now=desk.clock,
    )


# Carrying


async def test_an_upload_is_carried_and_cleaned_up(desk: Desk) -> None:
    """What is finalized is at its source, and not in the store any more."""
    # given
    ticket = await desk.staged()

    # when
    final = await desk.service.finalize(ticket.id, "", SECONDS)

    # then
    assert (final.state, final.attempt, final.bytes_carried) == (TicketState.FINALIZED, 1, len(BODY))
    assert list(desk.shelf.files.values()) == [("devis.pdf", BODY)]
    with pytest.raises(NotFound):
        await desk.staging.stat(ticket.object_key)


async def test_a_hundred_finalizes_at_once_are_one(desk: Desk) -> None:
    """Everybody who asks gets the same end of the one transfer, in this process and in another."""
    # given
    ticket, other = await desk.staged(), other_service(desk)

    # when
    asking = [one.finalize(ticket.id, "", SECONDS) for one in (desk.service, other) for _ in range(50)]
    ends = await asyncio.gather(*asking)

    # then
    assert {(end.state, end.result) for end in ends} == {(TicketState.FINALIZED, ends[0].result)}
    assert desk.shelf.attempts == 1


async def test_the_work_goes_on_when_nobody_waits(desk: Desk) -> None:
    """A client that has gone finds its file when it asks again."""
    # given a source that takes its time
    hold = asyncio.Event()
    desk.shelf.before = hold.wait
    ticket = await desk.staged()

    # when the client waits for no longer than it takes to ask
    early = await desk.service.finalize(ticket.id, "", 0.0)
    hold.set()
    late = await desk.service.finalize(ticket.id, "", SECONDS)

    # then
    assert early.state in (TicketState.PENDING, TicketState.VERIFIED, TicketState.SENDING)
    assert (late.state, desk.shelf.attempts) == (TicketState.FINALIZED, 1)


async def test_bytes_that_are_not_there_are_waited_for(desk: Desk) -> None:
    """Asking too early changes nothing, and keeps nobody from asking again at once."""
    # given
    ticket = await desk.staged(body=None)

    # when
    for _ in range(2):
        with pytest.raises(Conflict, match="have not arrived"):
            await desk.service.finalize(ticket.id, "", SECONDS)

    # then
    assert (await desk.read(ticket)).state is TicketState.PENDING


async def test_other_tenants_see_nothing(desk: Desk) -> None:
    """The identifier of somebody else's upload is as good as none, for every verb."""
    # given
    ticket = await desk.staged()

    # when
    for asking in (
        desk.service.finalize(ticket.id, "other", SECONDS),
        desk.service.cancel(ticket.id, "other"),
        desk.service.resolve(ticket.id, "other", None),
    ):
        with pytest.raises(NotFound):
            await asking

    # then
    assert await desk.read(ticket) == ticket


# Leases


async def test_a_long_transfer_keeps_its_lease(
    store: Store, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long a transfer takes, nobody takes it over while its worker lives."""
    # given a transfer that is held up, and another process that waits for it
    monkeypatch.setattr(lease, "RENEWED_AFTER", 0.001)
    async with a_desk(store, bucket, tmp_path, lease=LONG) as desk:
        hold = asyncio.Event()
        desk.shelf.before = hold.wait
        ticket, other = await desk.staged(), other_service(desk, LONG)
        first = asyncio.create_task(desk.service.finalize(ticket.id, "", SECONDS))
        await until(lambda: desk.shelf.attempts)
        second = asyncio.create_task(other.finalize(ticket.id, "", SECONDS))

        async def renewed() -> bool:
            left = (await desk.read(ticket)).lease_until
            return left is not None and left > desk.clock() + timedelta(seconds=LONG / 2)

        # when far more time passes than the lease had, and it is renewed again and again
        for _ in range(3):
            desk.clock.pass_by(LONG / 2)
            await until(renewed)
        with pytest.raises(LeaseHeld):
            await desk.journal.claim(ticket.id, "a third one", LONG)
        hold.set()
        ends = await asyncio.gather(first, second)

        # then the transfer was one
        assert [end.state for end in ends] == [TicketState.FINALIZED] * 2
        assert (desk.shelf.attempts, desk.shelf.asked, ends[0].fence) == (1, 0, 1)


async def test_a_worker_that_cannot_renew_its_lease_stops(
    store: Store, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anybody may take an upload over, the worker that has lost the journal has stopped sending."""
    # given a transfer that takes for ever, by a worker whose journal refuses to renew
    monkeypatch.setattr(lease, "RENEWED_AFTER", 0.001)
    monkeypatch.setattr(lease, "STOPPED_AFTER", 0.01)
    async with a_desk(store, bucket, tmp_path, lease=LONG) as desk:
        stopped: list[bool] = []

        async def for_ever() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                stopped.append((await desk.read(ticket)).is_leased(desk.clock()))

        async def refused(*_: object) -> None:
            raise StorageUnavailable("The journal's disk is full.")

        ticket = await desk.staged()
        desk.shelf.before = for_ever
        desk.journal.renew = refused  # type: ignore[assignment, method-assign]

        # when the lease comes near its end, and is over, and the source takes files again
        worker = asyncio.create_task(desk.service.finalize(ticket.id, "", SECONDS))
        await until(lambda: stopped)
        desk.shelf.before = None
        desk.clock.pass_by(LONG)
        monkeypatch.undo()
        final = await worker

        # then it had stopped while nobody else could have begun, and the next attempt was reconciled first
        assert stopped == [True]
        assert (final.state, final.attempt, desk.shelf.asked) == (TicketState.FINALIZED, 2, 1)
        assert len(desk.shelf.files) == 1


async def test_a_stopped_process_keeps_its_leases(desk: Desk) -> None:
    """What a stopped process was sending may still take effect: nobody looks for it before the lease is over."""
    # given an upload on its way
    desk.shelf.before = asyncio.Event().wait
    ticket = await desk.staged()
    asking = asyncio.create_task(desk.service.finalize(ticket.id, "", 0.0))
    await until(lambda: desk.shelf.attempts)
    await asking

    # when the process stops
    await desk.service.aclose()

    # then
    left = await desk.read(ticket)
    assert (left.state, left.is_leased(desk.clock())) == (TicketState.SENDING, True)


async def test_a_dead_workers_upload_is_taken_over(desk: Desk) -> None:
    """When the lease is over the next who asks carries on, and asks the source before anything is sent again."""
    # given a worker that died after its source took the file
    ticket = await desk.left_in(TicketState.SENDING)
    desk.shelf.files[ticket.id] = ("devis.pdf", BODY)

    # when
    final = await desk.service.finalize(ticket.id, "", SECONDS)

    # then
    assert (final.state, final.attempt) == (TicketState.FINALIZED, 1)
    assert (desk.shelf.attempts, desk.shelf.asked) == (0, 1)


async def test_a_source_that_hangs_holds_up_no_other(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Uploads that wait for a place at their source hold no lease, and those to another source go past them."""
    # given a source that hangs, with an upload at work on its only place, and another source
    monkeypatch.setattr(service, "AT_WORK", 1)
    hold, other = asyncio.Event(), Shelf(name="other")
    sources = {"shelf": desk.shelf, "other": other}
    desk.service._sources_of = desk.service._transfer.sources_of = lambda _: sources  # type: ignore[assignment]
    desk.shelf.before = hold.wait
    hanging, waiting = await desk.staged(), await desk.staged(name="next.pdf")
    free = await desk.staged(target=Ref("other", RefType.RECORD, ("1",)))
    first = asyncio.create_task(desk.service.finalize(hanging.id, "", SECONDS))
    await until(lambda: desk.shelf.attempts)

    # when
    await desk.service.finalize(waiting.id, "", 0.0)
    past = await desk.service.finalize(free.id, "", SECONDS)
    left = await desk.read(waiting)
    hold.set()
    ends = await asyncio.gather(first, desk.service.finalize(waiting.id, "", SECONDS))

    # then
    assert past.state is TicketState.FINALIZED
    assert (left.state, left.lease_until) == (TicketState.PENDING, None)
    assert [end.state for end in ends] == [TicketState.FINALIZED] * 2


# Preparing


async def test_targets_are_the_same_until_half_of_their_life_is_over(desk: Desk) -> None:
    """A hundred who ask at once get one answer; whoever comes late gets a target that still lives, and it works."""
    # given
    ticket = await desk.staged(body=None)
    life = timedelta(seconds=desk.staging.settings.expires)
    first = desk.service.staged(ticket).targets

    # when
    again = desk.service.staged(ticket).targets
    desk.clock.pass_by(life.total_seconds() - 1)
    (late,) = desk.service.staged(ticket).targets

    # then
    assert again == first
    assert late.expires_at - desk.clock() >= life / 2
    assert late.url != first[0].url


async def test_a_target_is_signed_anew_for_who_comes_too_late(desk: Desk) -> None:
    """A phone that was in a tunnel for longer than its target lived asks again, and its bytes arrive."""
    # given an upload that was announced long ago
    desk.clock.ahead = -timedelta(minutes=10)
    ticket = await desk.staged(body=None)
    (ended,) = desk.service.staged(ticket).targets
    desk.clock.ahead = timedelta()

    # when
    with pytest.raises(httpx.HTTPStatusError):
        await put(ended, BODY)
    await put(desk.service.staged(ticket).targets[0], BODY)
    final = await desk.service.finalize(ticket.id, "", SECONDS)

    # then
    assert final.state is TicketState.FINALIZED


async def test_no_target_is_signed_for_what_is_over(desk: Desk) -> None:
    """Once bytes are not waited for any more, nobody gets a way to put them."""
    # given
    arrived, expired = await desk.left_in(TicketState.VERIFIED), await desk.staged(body=None)

    # when
    desk.clock.pass_by(LIFETIME.total_seconds())

    # then
    assert [desk.service.staged(one).targets for one in (arrived, expired)] == [(), ()]


# Ending


@pytest.mark.parametrize("state", [TicketState.PENDING, TicketState.VERIFIED])
async def test_an_upload_is_cancelled_before_it_leaves(desk: Desk, state: TicketState) -> None:
    """A cancelled upload never arrives, and its bytes are taken away."""
    # given
    ticket = await desk.left_in(state)

    # when
    cancelled = await desk.service.cancel(ticket.id, "")
    final = await desk.service.finalize(ticket.id, "", SECONDS)

    # then
    assert (cancelled.state, final.state) == (TicketState.CANCELLED, TicketState.CANCELLED)
    assert desk.shelf.attempts == 0
    with pytest.raises(NotFound):
        await desk.staging.stat(ticket.object_key)


async def test_what_is_under_way_is_not_called_back(desk: Desk) -> None:
    """Cancelling comes too late once bytes may have left; it keeps nobody from carrying on at once."""
    # given
    ticket = await desk.left_in(TicketState.SENDING)

    # when
    with pytest.raises(Conflict, match="cannot be called back"):
        await desk.service.cancel(ticket.id, "")

    # then
    left = await desk.read(ticket)
    assert (left.state, left.lease_until) == (TicketState.SENDING, None)


async def test_what_never_came_expires(desk: Desk) -> None:
    """An upload in parts whose bytes never came ends, with its parts."""
    # given
    ticket = await desk.staged(body=None, method=UploadMethod.MULTIPART)

    # when
    expired = await desk.service.expire(ticket)

    # then
    assert expired.state is TicketState.EXPIRED
    with pytest.raises(NotFound):
        await desk.staging.list_parts(ticket.object_key, ticket.multipart_id or "")


async def test_what_came_in_the_last_moment_does_not_expire(desk: Desk) -> None:
    """An upload that was verified since it was listed is left alone, and to whoever finalizes it."""
    # given
    verified = await desk.left_in(TicketState.VERIFIED)

    # when
    with pytest.raises(Conflict):
        await desk.service.expire(replace(verified, state=TicketState.PENDING))

    # then
    assert (await desk.service.finalize(verified.id, "", SECONDS)).state is TicketState.FINALIZED


# Resolving


async def unknown(desk: Desk) -> str:
    """Leave an upload of which nobody knows whether it arrived."""
    desk.shelf.knows, desk.shelf.after = False, broken()
    ticket = await desk.staged()
    final = await desk.service.finalize(ticket.id, "", SECONDS)
    assert (final.state, final.error_code) == (TicketState.UNKNOWN, "OUTCOME_UNKNOWN")
    return ticket.id


async def test_an_unknown_outcome_is_not_sent_again(desk: Desk) -> None:
    """Finalizing it once more tells the same; only a person ends the doubt."""
    # given
    ticket_id = await unknown(desk)

    # when
    again = await desk.service.finalize(ticket_id, "", SECONDS)

    # then
    assert (again.state, desk.shelf.attempts) == (TicketState.UNKNOWN, 1)


async def test_a_person_says_that_it_became_nothing(desk: Desk) -> None:
    """Then it can be finalized again, once: who decides too late is told so."""
    # given
    ticket_id = await unknown(desk)

    # when
    resolved = await desk.service.resolve(ticket_id, "", None)
    with pytest.raises(Conflict, match="unknown"):
        await desk.service.resolve(ticket_id, "", None)
    final = await desk.service.finalize(ticket_id, "", SECONDS)

    # then
    assert (resolved.state, resolved.lease_until) == (TicketState.VERIFIED, None)
    assert (final.state, final.attempt) == (TicketState.FINALIZED, 2)


async def test_a_decision_that_cannot_be_right_leaves_the_doubt(desk: Desk) -> None:
    """A result of another source, or one that is not there, is refused, and one can decide again at once."""
    # given
    ticket_id = await unknown(desk)

    # when
    for wrong in (Ref("other", RefType.ATTACHMENT, ("1",)), Ref("shelf", RefType.ATTACHMENT, ("1", "none"))):
        with pytest.raises(BadInput):
            await desk.service.resolve(ticket_id, "", wrong)

    # then
    left = await desk.journal.get(ticket_id, "")
    assert (left.state, left.lease_until) == (TicketState.UNKNOWN, None)


async def test_the_store_may_be_away_when_it_is_done(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the source has is told as such, though its staged copy cannot be removed yet."""

    # given
    async def away(*_: object) -> None:
        raise StorageUnavailable("The object store cannot be reached.")

    ticket = await desk.staged()
    monkeypatch.setattr(StagingStore, "remove", away)

    # when
    sent = await desk.service.finalize(ticket.id, "", SECONDS)
    monkeypatch.undo()
    desk.clock.pass_by(LEASE + 1)
    final = await desk.service.finalize(ticket.id, "", SECONDS)

    # then
    assert (sent.state, sent.result) == (TicketState.SENT, final.result)
    assert (final.state, desk.shelf.attempts) == (TicketState.FINALIZED, 1)
