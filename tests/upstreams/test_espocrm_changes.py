"""Names and deletions at EspoCRM (`upstreams.md` 5.3)."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from gateway.domain.changes import Deletion, DeletionState, FileChange
from gateway.domain.errors import (
    BadInput,
    Forbidden,
    NotFound,
    Unsupported,
)
from gateway.domain.model import Attachment, AttachmentListing
from gateway.domain.refs import Ref
from gateway.sandbox.espocrm.state import Record, State
from gateway.sandbox.upstream import Fault
from gateway.transport.call import Call
from gateway.upstreams.espocrm import EspoCrmAdapter
from tests.conformance.subject import Place, Subject, fetched, listed
from tests.upstreams.bench import served
from tests.upstreams.espocrm_source import (
    API_USER,
    MISSING,
    SIGNER,
    add_attachment,
    alive,
    attachment_ref,
    connected,
    crm,
    paths,
    record_ref,
    types,
)


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    """Run one server for all tests of this file."""
    with served() as place:
        yield place


@pytest.fixture
def state() -> State:
    """Make a CRM for one test."""
    return crm()


@pytest.fixture
def case(state: State) -> Record:
    """Choose a case, which has four attachments and counts its versions."""
    return alive(state, "Case")[0]


def espocrm(subject: Subject) -> EspoCrmAdapter:
    """Take the adapter as what it is."""
    assert isinstance(subject.adapter, EspoCrmAdapter)
    return subject.adapter


async def held(subject: Subject, record: Ref) -> list[Ref]:
    """List what hangs on a record."""
    (listing,) = await listed(subject, [record])
    assert isinstance(listing, AttachmentListing)
    return [one.ref for one in listing.attachments]


# Names


async def test_renames(place: Place, state: State) -> None:
    """A new name is all that changes; what is not to change costs a look alone."""
    # given
    one, other = alive(state, "Attachment")[:2]
    changes = [
        FileChange(ref=attachment_ref(one.id), name="Facture n° 2 « payée ».pdf"),
        FileChange(ref=attachment_ref(other.id)),
    ]

    async with connected(place, state, **API_USER) as subject:
        before = await fetched(subject, [one.ref for one in changes])
        subject.sandbox.requests.clear()

        # when
        outcomes = await espocrm(subject).update(changes, Call.lasting(30))

        # then
        assert set(types(outcomes)) == set(types(before)) == {Attachment}
        assert [one.name for one in outcomes if isinstance(one, Attachment)] == [
            "Facture n° 2 « payée ».pdf",
            other.values["name"],
        ]
        assert sorted(one.method for one in subject.sandbox.requests) == ["GET", "PUT"]
        assert await fetched(subject, [one.ref for one in changes]) == list(outcomes)


async def test_names_what_cannot_be_changed(place: Place, state: State) -> None:
    """A folder, a reference or a date is Unsupported; a bad name or a missing attachment has its own error."""
    # given
    ref = attachment_ref(alive(state, "Attachment")[0].id)
    changes = [
        FileChange(ref=ref, folder=None),
        FileChange(ref=ref, name="new.pdf", reference="R"),
        FileChange(ref=ref, document_date=datetime.now(UTC)),
        FileChange(ref=ref, name="two\r\nlines.pdf"),
        FileChange(ref=ref, name=""),
        FileChange(ref=attachment_ref(MISSING), name="new.pdf"),
        FileChange(ref=attachment_ref("../x"), name="new.pdf"),
    ]

    async with connected(place, state, **API_USER) as subject:
        # when
        outcomes = await espocrm(subject).update(changes, Call.lasting(30))

        # then
        assert types(outcomes) == [Unsupported] * 3 + [BadInput] * 2 + [NotFound] * 2
        assert paths(subject) == [f"Attachment/{MISSING}"]


# Deletions


async def test_deletes_and_counts_what_is_gone_as_deleted(place: Place, state: State, case: Record) -> None:
    """A second deletion finds nothing, which is what was wanted; neighbours stay."""
    # given
    first, second = map(attachment_ref, _of(state, case)[:2])
    missing = attachment_ref(MISSING)

    async with connected(place, state, **API_USER) as subject:
        # when
        outcomes = [
            *await espocrm(subject).delete([first, missing, first], Call.lasting(30)),
            *await espocrm(subject).delete([first], Call.lasting(30)),
        ]

        # then
        assert outcomes == [Deletion(ref, DeletionState.DELETED) for ref in (first, missing, first, first)]
        assert type((await fetched(subject, [first]))[0]) is NotFound
        assert second in await held(subject, record_ref(case))
        assert await espocrm(subject).deletion(outcomes[0], Call.lasting(30)) == outcomes[0]  # type: ignore[arg-type]


async def test_refused_deletion_is_an_error_of_its_own(place: Place, state: State, case: Record) -> None:
    """Only who made an attachment may delete it; the refusal does not fail its neighbours."""
    # given
    (theirs,) = _of(state, case)[:1]
    signer = next(one.user_id for one in state.logins if one.secret)
    ours = add_attachment(state, "0123456789abcdef0", createdById=signer).id

    async with connected(place, state, **SIGNER) as subject:
        # when
        outcomes = await espocrm(subject).delete(
            [attachment_ref(theirs), attachment_ref(ours), attachment_ref("../x")], Call.lasting(30)
        )

        # then
        assert types(outcomes) == [Forbidden, Deletion, NotFound]
        assert state.find("Attachment", theirs) is not None


async def test_lost_answer_of_a_deletion_is_asked_for_again(place: Place, state: State, case: Record) -> None:
    """A deletion may be repeated, because what is gone counts as deleted."""
    # given
    ref = attachment_ref(_of(state, case)[0])

    async with connected(place, state, **API_USER) as subject:
        subject.sandbox.fault = Fault(torn=True, times=1)

        # when
        outcomes = await espocrm(subject).delete([ref], Call.lasting(30))

        # then
        assert outcomes == [Deletion(ref, DeletionState.DELETED)]
        assert len(subject.sandbox.requests) == 2


def _of(state: State, record: Record) -> list[str]:
    """Name the attachments of a record."""
    return [one.id for one in state.alive("Attachment") if one.values.get("parentId") == record.id]
