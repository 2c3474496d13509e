"""How a file gets to its source: a step at a time, and after a doubt never blindly again."""

import asyncio
from dataclasses import replace

import pytest

from gateway.domain.errors import Conflict, RateLimited, Unavailable
from gateway.uploads.service import UploadService
from gateway.uploads.storage import StagingStore
from gateway.uploads.tickets import OnConflict, TicketState, UploadMethod
from gateway.uploads.transfer import Patience
from tests.uploads.carrying import BODY, CASE, LEASE, Desk, broken, put, until

SECONDS = 60.0
DAY = 24 * 3600.0


async def test_a_lost_answer_is_looked_for(desk: Desk) -> None:
    """A source that took the file and could not say so is asked what it has."""
    # given
    ticket = await desk.staged()
    desk.shelf.after = broken()

    # when
    final = await desk.service.finalize(ticket.id, "", SECONDS)

    # then
    assert (final.state, final.attempt) == (TicketState.FINALIZED, 1)
    assert (desk.shelf.attempts, len(desk.shelf.files)) == (1, 1)


async def test_what_provably_failed_may_be_tried_again(desk: Desk) -> None:
    """A source that broke off before it took anything: the cause is told, and the next finalize sends again."""
    # given
    ticket = await desk.staged()
    desk.shelf.before = broken()

    # when
    failed = await desk.service.finalize(ticket.id, "", SECONDS)
    final = await desk.service.finalize(ticket.id, "", SECONDS)

    # then
    assert (failed.state, failed.error_code, failed.may_be_retried) == (
        TicketState.FAILED,
        Unavailable.code,
        True,
    )
    assert (final.state, desk.shelf.attempts, len(desk.shelf.files)) == (TicketState.FINALIZED, 2, 1)


@pytest.mark.parametrize("behavior", OnConflict)
async def test_a_first_attempt_that_comes_late_is_the_upload(desk: Desk, behavior: OnConflict) -> None:
    """A file that turns up after its upload was given up is no stranger that has taken the name: it is this one."""
    # given a source that breaks off, has nothing when it is asked, and then takes the file after all
    desk.shelf.lists = True
    ticket = await desk.staged(on_conflict=behavior)
    desk.shelf.before = broken()
    failed = await desk.service.finalize(ticket.id, "", SECONDS)
    desk.shelf.files[ticket.id] = ("devis.pdf", BODY)

    # when it is finalized again, as a client does that was told to
    final = await desk.service.finalize(ticket.id, "", SECONDS)

    # then it is there once, under its own name
    assert failed.may_be_retried
    assert (final.state, final.name, final.error_code) == (TicketState.FINALIZED, "devis.pdf", None)
    assert (desk.shelf.attempts, len(desk.shelf.files)) == (1, 1)


async def test_a_name_that_others_took_stays_taken(desk: Desk) -> None:
    """Looking for a late copy of its own does not make an upload take a stranger's file for it."""
    # given an attempt that made nothing, and then a stranger's file of the same name
    desk.shelf.lists = True
    ticket = await desk.staged()
    desk.shelf.before = broken()
    await desk.service.finalize(ticket.id, "", SECONDS)
    desk.shelf.files["stranger"] = ("devis.pdf", b"something else")

    # when
    final = await desk.service.finalize(ticket.id, "", SECONDS)

    # then
    assert (final.state, final.error_code) == (TicketState.FAILED, Conflict.code)
    assert desk.shelf.attempts == 1


async def test_a_source_that_tells_nothing_for_a_day_leaves_a_doubt(desk: Desk) -> None:
    """An upload whose source does not come back is not asked about for ever: a person decides."""
    # given an upload in doubt, and a source that is away
    ticket = await desk.left_in(TicketState.SENDING)
    desk.shelf.reconcile = _away  # type: ignore[assignment, method-assign]
    with pytest.raises(Unavailable):
        await desk.service.finalize(ticket.id, "", SECONDS)
    left = await desk.read(ticket)

    # when it is still away the next day
    desk.clock.pass_by(DAY)
    final = await desk.service.finalize(ticket.id, "", SECONDS)

    # then
    assert (left.state, left.lease_until) == (TicketState.SENDING, None)
    assert (final.state, final.error_code) == (TicketState.UNKNOWN, "OUTCOME_UNKNOWN")


async def _away(*_: object) -> None:
    raise Unavailable("The source is away.", source="shelf")


async def test_a_refusal_is_the_end(desk: Desk) -> None:
    """What the source refuses for good is not tried again, and not asked about."""
    # given
    ticket = await desk.staged()
    desk.shelf.before = broken(Conflict("The target has a file of this name.", source="shelf"))

    # when
    ends = [await desk.service.finalize(ticket.id, "", SECONDS) for _ in range(2)]

    # then
    assert [(end.state, end.error_code) for end in ends] == [(TicketState.FAILED, Conflict.code)] * 2
    assert (desk.shelf.attempts, desk.shelf.asked) == (1, 0)


async def test_a_refusal_that_passes_is_tried_again(desk: Desk) -> None:
    """A source that wants fewer requests has taken nothing, so that nothing is asked before the next try."""
    # given
    ticket = await desk.staged()
    desk.shelf.before = broken(RateLimited("The source asks for fewer requests.", source="shelf"))

    # when
    ends = [await desk.service.finalize(ticket.id, "", SECONDS) for _ in range(2)]

    # then
    assert [end.state for end in ends] == [TicketState.FAILED, TicketState.FINALIZED]
    assert desk.shelf.asked == 0


async def test_another_object_than_was_verified_is_refused(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A form can be used twice: what takes the place of the verified bytes never reaches the source."""
    # given a form, and a second use of it after the bytes were looked at
    other = BODY[:-1] + b"!"
    ticket = await desk.staged(method=UploadMethod.POST)
    (target,) = desk.service.staged(ticket).targets
    digest = StagingStore.digest

    async def swapped(self: StagingStore, key: str, etag: str) -> object:
        seen = await digest(self, key, etag)
        await put(target, other)
        return seen

    monkeypatch.setattr(StagingStore, "digest", swapped)

    # when
    final = await desk.service.finalize(ticket.id, "", SECONDS)

    # then
    assert (final.state, final.error_code) == (TicketState.FAILED, Conflict.code)
    assert desk.shelf.files == {}


async def test_other_bytes_than_announced_never_leave(desk: Desk) -> None:
    """An object that is no PDF though it says so is refused before anything is sent."""
    # given
    ticket = await desk.staged(body=b"MZ" + BODY)

    # when
    final = await desk.service.finalize(ticket.id, "", SECONDS)

    # then
    assert (final.state, final.error_code, desk.shelf.attempts) == (TicketState.FAILED, "BAD_INPUT", 0)


async def test_equal_uploads_share_out_what_was_made(desk: Desk) -> None:
    """Two dead attempts to send the same bytes under one name, of which one arrived: one gets it, one is sent."""
    # given two equal uploads in doubt, and a source that knows files by their names alone
    first, second = [await desk.left_in(TicketState.SENDING) for _ in range(2)]
    desk.shelf.files["any"] = ("devis.pdf", BODY)
    reconcile = desk.shelf.reconcile

    async def by_name(item: object, call: object) -> object:
        marked = replace(item, marker="any")  # type: ignore[type-var]
        found = await reconcile(marked, call)  # type: ignore[arg-type]
        return None if found in marked.claimed else found  # type: ignore[attr-defined]

    desk.shelf.reconcile = by_name  # type: ignore[assignment, method-assign]

    # when
    asking = [desk.service.finalize(one.id, "", SECONDS) for one in (first, second)]
    ends = await asyncio.gather(*asking)

    # then
    assert [end.state for end in ends] == [TicketState.FINALIZED] * 2
    assert len({end.result for end in ends}) == 2
    assert desk.shelf.attempts == 1


async def test_a_doubt_waits_for_an_equal_upload_under_way(desk: Desk) -> None:
    """What another worker is making at this moment must not be taken for what a dead one has made."""
    # given an equal upload on its way, and a dead one
    dead = await desk.left_in(TicketState.SENDING)
    await desk.journal.create([replace(dead, id="living", object_key="living")])
    await desk.journal.claim("living", "other", LEASE)

    # when the dead one is taken up
    asking = asyncio.create_task(desk.service.finalize(dead.id, "", SECONDS))
    await until(lambda: _is_doubted(desk, dead.id))

    # then nobody asks the source before the other one has ended
    assert desk.shelf.asked == 0
    under_way = await desk.journal.get("living", "")
    await desk.journal.advance(under_way, TicketState.SENT, result=CASE.to_text())
    assert (await asking).state is TicketState.FINALIZED
    assert desk.shelf.asked == 1


async def _is_doubted(desk: Desk, ticket_id: str) -> bool:
    return "doubted" in (await desk.journal.get(ticket_id, "")).notes


async def test_an_equal_name_with_other_bytes_leaves_a_doubt(desk: Desk) -> None:
    """Where a found file may be that of either of two uploads, a person decides."""
    # given two dead uploads of one name and size, the bytes of which differ
    ticket = await desk.left_in(TicketState.SENDING)
    other = replace(ticket, id="other", object_key="other", verified_sha256="0" * 64, lease_until=None)
    await desk.journal.create([other])
    desk.shelf.files[ticket.id] = ("devis.pdf", BODY)

    # when
    final = await desk.service.finalize(ticket.id, "", SECONDS)

    # then
    assert (final.state, final.error_code) == (TicketState.UNKNOWN, "OUTCOME_UNKNOWN")


async def test_an_attempt_that_may_still_take_effect_is_given_time(desk: Desk) -> None:
    """A source that breaks the connection first and takes the file a moment later is not sent it again."""
    # given a source that takes the file while nobody listens any more
    service = UploadService(
        desk.journal,
        desk.staging,
        lambda _: {"shelf": desk.shelf},
        patience=Patience(settling=0.3),
        now=desk.clock,
    )
    ticket = await desk.staged()

    def late() -> None:
        desk.shelf.before = None
        loop = asyncio.get_running_loop()
        loop.call_later(0.05, desk.shelf.files.__setitem__, ticket.id, ("devis.pdf", BODY))
        raise Unavailable("The source broke off its answer.", source="shelf")

    desk.shelf.before = late

    # when
    final = await service.finalize(ticket.id, "", SECONDS)

    # then
    assert (final.state, desk.shelf.attempts) == (TicketState.FINALIZED, 1)
