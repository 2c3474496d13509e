"""What clients do with uploads, and how workers share them: one transfer, leases that are kept, ends that stay."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.domain.errors import BadInput, Conflict, NotFound, StorageUnavailable
from gateway.domain.refs import Ref, RefType
from gateway.sandbox.store import Store
from gateway.uploads.service import UploadService
from gateway.uploads.storage import StagingStore
from gateway.uploads.tickets import TicketState, UploadMethod
from gateway.uploads.transfer import Patience
from tests.uploads.carrying import BODY, LEASE, Desk, a_desk, broken, until

SECONDS = 20.0


def other_service(desk: Desk, lease: float = LEASE) -> UploadService:
    """Make the service of another process, over the same journal and store."""
    return UploadService(
        desk.journal,
        desk.staging,
        {"shelf": desk.shelf},
        patience=Patience(settling=0.0),
        lease=lease,
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


async def test_a_long_transfer_keeps_its_lease(store: Store, bucket: str, tmp_path: Path) -> None:
    """However long a transfer takes, nobody takes it over while its worker lives."""
    # given a lease that is far shorter than the transfer
    async with a_desk(store, bucket, tmp_path, lease=0.6) as desk:
        hold = asyncio.Event()
        desk.shelf.before = hold.wait
        ticket, other = await desk.staged(), other_service(desk, lease=0.6)
        first = asyncio.create_task(desk.service.finalize(ticket.id, "", SECONDS))
        await until(lambda: desk.shelf.attempts)
        begun = (await desk.read(ticket)).lease_until
        assert begun is not None

        # when another process waits for it, and the lease has been renewed more than once
        second = asyncio.create_task(other.finalize(ticket.id, "", SECONDS))
        await until(lambda: desk.clock() > begun)
        hold.set()
        ends = await asyncio.gather(first, second)

        # then the transfer was one
        assert [end.state for end in ends] == [TicketState.FINALIZED] * 2
        assert (desk.shelf.attempts, desk.shelf.asked, ends[0].fence) == (1, 0, 1)


async def test_a_worker_that_cannot_renew_its_lease_stops(store: Store, bucket: str, tmp_path: Path) -> None:
    """Before anybody may take an upload over, the worker that has lost the journal has stopped sending."""
    # given a transfer that takes for ever, by a worker whose journal refuses to renew
    async with a_desk(store, bucket, tmp_path, lease=0.9) as desk:
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

        # when the lease comes near its end, and the source takes files again
        worker = asyncio.create_task(desk.service.finalize(ticket.id, "", SECONDS))
        await until(lambda: stopped)
        desk.shelf.before = None
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
