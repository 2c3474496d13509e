"""Uploads that a person decides, and those that nobody can end any more: no claim outlives its refusal."""

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.domain.errors import BadInput, Conflict, GatewayError, NotFound
from gateway.domain.model import Entry
from gateway.domain.refs import Ref, RefType
from gateway.links import utc_now
from gateway.sandbox.store import Store
from gateway.transport.call import Call
from gateway.uploads.journal import Journal
from gateway.uploads.service import UploadService
from gateway.uploads.storage import StagingStore
from gateway.uploads.tickets import AlreadyTaken, Ticket, TicketState, UploadMethod, new_ticket
from tests.graphql.places import Cases, attachment

CASE = Ref("cases", RefType.RECORD, ("1",))
FOUND = attachment(7)
_S = TicketState


class KnownCases(Cases):
    """A source that finds its attachments by their references too."""

    async def fetch(self, refs: Sequence[Ref], call: Call) -> Sequence[Entry | GatewayError]:  # noqa: ARG002
        """Give what is there."""
        there = {one.ref: one for one in self.attachments}
        return [there.get(ref) or NotFound("There is no such object.", source=self.name) for ref in refs]


@pytest.fixture
async def service(tmp_path: Path, store: Store, bucket: str) -> AsyncIterator[UploadService]:
    """Make a service over one source of cases."""
    journal = await Journal.open(f"sqlite:///{tmp_path}/journal.db", utc_now)
    staging = StagingStore(store.settings(bucket))
    cases = KnownCases([FOUND])
    service = UploadService(journal, staging, lambda _: {"cases": cases})
    yield service
    await service.aclose()
    await staging.aclose()
    await journal.aclose()


async def in_doubt(service: UploadService, number: int = 1) -> Ticket:
    """Write an upload whose outcome nobody knows."""
    journal = service.journal
    ticket = new_ticket(
        principal="somebody",
        target=CASE.to_text(),
        name="a.pdf",
        media_type="application/pdf",
        size=1,
        method=UploadMethod.PUT,
        object_key=f"staging/{number}",
        now=utc_now(),
        lifetime=timedelta(hours=1),
    )
    await journal.create([ticket])
    ticket = await journal.claim(ticket.id, "a worker", 15)
    facts = {"etag": "e", "verified_size": 1, "verified_sha256": "0" * 64}
    ticket = await journal.advance(ticket, _S.VERIFIED, **facts)  # type: ignore[arg-type]
    ticket = await journal.advance(ticket, _S.SENDING)
    return await journal.advance(ticket, _S.UNKNOWN, error_code="OUTCOME_UNKNOWN", error_message="Who knows?")


async def test_a_person_names_what_an_upload_became(service: UploadService) -> None:
    """A wrong guess costs nothing: the right one can be given at once."""
    # given an upload in doubt
    ticket = await in_doubt(service)

    # when what is not there, or is of another source, is named, and then what it is
    for wrong in (Ref("cases", RefType.ATTACHMENT, ("1", "8")), Ref("books", RefType.FILE, ("1",))):
        with pytest.raises((NotFound, BadInput)):
            await service.resolve(ticket.id, "", wrong)
    resolved = await service.resolve(ticket.id, "", FOUND.ref)

    # then it is that
    assert (resolved.state, resolved.result) == (_S.FINALIZED, FOUND.ref.to_text())
    assert resolved.error_code is None


async def test_one_object_is_never_what_two_uploads_became(service: UploadService) -> None:
    """What belongs to one upload is refused for another, which stays open to the truth."""
    # given an upload that became an object, and another in doubt
    first, second = await in_doubt(service, 1), await in_doubt(service, 2)
    await service.resolve(first.id, "", FOUND.ref)

    # when the second is said to be the same, and then to be nothing
    with pytest.raises(AlreadyTaken):
        await service.resolve(second.id, "", FOUND.ref)
    resolved = await service.resolve(second.id, "", None)

    # then it may be finalized again
    assert resolved.state is _S.VERIFIED
    assert (await service.journal.get(second.id, "")).lease_owner is None


async def test_what_is_known_cannot_be_decided_or_cancelled(service: UploadService) -> None:
    """A decided upload is decided, and one in doubt cannot be called back."""
    # given an upload in doubt, then decided
    ticket = await in_doubt(service)
    cancelled = await service.cancel(ticket.id, "")
    await service.resolve(ticket.id, "", FOUND.ref)

    # when it is decided once more, then that is refused
    with pytest.raises(Conflict):
        await service.resolve(ticket.id, "", None)
    assert cancelled.state is _S.UNKNOWN
