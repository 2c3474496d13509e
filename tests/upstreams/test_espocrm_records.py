"""What the EspoCRM adapter finds on records, and what it leaves out (`upstreams.md` 5.3, 5.7, 5.8)."""

from collections.abc import Iterator

import msgspec
import pytest

from gateway.domain.errors import (
    BadInput,
    BadResponse,
    Forbidden,
    NotFound,
    Unavailable,
)
from gateway.domain.model import Attachment, AttachmentListing
from gateway.domain.refs import Ref, RefType
from gateway.domain.secret import Secret
from gateway.sandbox.espocrm.records import remove
from gateway.sandbox.espocrm.state import READ, Login, Role, State
from gateway.sandbox.upstream import Fault
from tests.conformance.subject import Place, fetched, listed
from tests.upstreams.bench import served
from tests.upstreams.espocrm_source import (
    ADMIN,
    API_USER,
    SOURCE,
    add_attachment,
    alive,
    attachment,
    attachment_ref,
    connected,
    crm,
    names,
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


# What hangs where


async def test_lists_a_set_in_the_order_of_the_record(place: Place, state: State) -> None:
    """The order is the record's own, which a list in the order of its making would not keep."""
    # given
    note = alive(state, "Note")[2]

    async with connected(place, state, **API_USER) as subject:
        (before,) = await listed(subject, [record_ref(note)])
        given = [one.ref.key[0] for one in before.attachments]

        def reverse(body: dict[str, object]) -> dict[str, object]:
            return {**body, "attachmentsIds": given[::-1]} if "attachmentsIds" in body else body

        # when
        subject.wire.edit = reverse
        (after,) = await listed(subject, [record_ref(note)])

        # then
        assert [one.ref.key[0] for one in after.attachments] == given[::-1]
        assert {one.record for one in after.attachments} == {after.record}
        assert after.record.ref == record_ref(note)


async def test_lists_the_one_file_of_a_file_field(place: Place, state: State) -> None:
    """A file field holds one attachment or none, under a key without an s."""
    # given
    full, empty = alive(state, "Document")[:2]
    empty.values["fileId"] = None

    async with connected(place, state, **API_USER) as subject:
        # when
        listings = await listed(subject, [record_ref(full, "file"), record_ref(empty, "file")])

        # then
        assert [[one.ref.key[0] for one in each.attachments] for each in listings] == [
            [full.values["fileId"]],
            [],
        ]


async def test_names_a_field_that_is_not_there(place: Place, state: State) -> None:
    """A wrong field is the caller's mistake, and is told apart from a record without attachments."""
    # given
    case = alive(state, "Case")[0]

    async with connected(place, state, **API_USER) as subject:
        # when
        wrong, right = await listed(subject, [record_ref(case, "attachmnets"), record_ref(case)])

        # then
        assert (type(wrong), wrong.message) == (BadInput, "The record has no such field for attachments.")
        assert len(names(right)) == 4


async def test_says_what_a_fetched_attachment_hangs_on(place: Place, state: State) -> None:
    """The parent of a set's member and the related record of a file both lead back; half of one leads nowhere."""
    # given
    document = alive(state, "Document")[0]
    member = alive(state, "Attachment")[0]
    orphan = add_attachment(state, "f" * 17, parentType=None, relatedType="Document")
    fieldless = add_attachment(state, "e" * 17, field=None)
    asked = [member.id, document.values["fileId"], orphan.id, fieldless.id]

    async with connected(place, state, **ADMIN) as subject:
        # when
        outcomes = await fetched(subject, [attachment_ref(one) for one in asked])

        # then
        records = [attachment(one).record for one in outcomes]
        case = state.records["Case"][member.values["parentId"]]
        assert [one and one.ref for one in records] == [
            record_ref(case),
            record_ref(document, "file"),
            None,
            None,
        ]


async def test_a_file_of_two_documents_is_listed_under_each(place: Place, state: State) -> None:
    """The attachment itself knows the last document only, so the listing says whose it is."""
    # given
    one, other = alive(state, "Document")[:2]
    other.values["fileId"] = one.values["fileId"]
    parents = [record_ref(one, "file"), record_ref(other, "file")]

    async with connected(place, state, **API_USER) as subject:
        # when
        listings = await listed(subject, parents)

        # then
        assert [[each.record.ref for each in listing.attachments] for listing in listings] == [
            [ref] for ref in parents
        ]
        assert len(paths(subject)) == 3


# What is gone, closed or odd


@pytest.mark.parametrize("credential", [API_USER, ADMIN], ids=lambda one: one["auth"])
async def test_deleted_is_not_found(place: Place, state: State, credential: dict[str, object]) -> None:
    """An administrator is shown deleted records, which are nobody's business any more."""
    # given
    gone, kept = alive(state, "Attachment")[:2]
    case = alive(state, "Case")[-1]
    remove(state, gone)
    case.values["deleted"] = True

    async with connected(place, state, **credential) as subject:
        # when
        alone = await fetched(subject, [attachment_ref(gone.id)])
        together = await fetched(subject, [attachment_ref(gone.id), attachment_ref(kept.id)])
        listings = await listed(subject, [record_ref(case)])

        # then
        assert types([*alone, *together, *listings]) == [NotFound, NotFound, Attachment, NotFound]


@pytest.mark.parametrize("credential", [API_USER, ADMIN], ids=lambda one: one["auth"])
async def test_leaves_vanished_attachments_out(
    place: Place, state: State, credential: dict[str, object]
) -> None:
    """A document goes on naming a file that was deleted."""
    # given
    broken, whole = alive(state, "Document")[:2]
    remove(state, state.records["Attachment"][broken.values["fileId"]])

    async with connected(place, state, **credential) as subject:
        # when
        listings = await listed(subject, [record_ref(broken, "file"), record_ref(whole, "file")])

        # then
        assert [len(names(one)) for one in listings] == [0, 1]


async def test_leaves_out_what_the_credential_may_not_see(place: Place, state: State) -> None:
    """One closed attachment does not close the listing; fetched alone it says what it is."""
    # given
    state.logins.append(
        Login(state.logins[1].user_id, "guest", Role("r", "guest", {"Document": READ}), key="guest")
    )
    shared, own = alive(state, "Document")[:2]
    closed = state.records["Attachment"][shared.values["fileId"]]
    closed.values.update(relatedType="Case", relatedId=alive(state, "Case")[0].id, createdById="somebody")

    async with connected(place, state, auth="api_key", api_key=Secret("guest")) as subject:
        # when
        listings = await listed(subject, [record_ref(shared, "file"), record_ref(own, "file")])
        (alone,) = await fetched(subject, [attachment_ref(closed.id)])

        # then
        assert [len(names(one)) for one in listings] == [0, 1]
        assert isinstance(alone, Forbidden)


async def test_a_failing_attachment_fails_its_listing_alone(place: Place, state: State) -> None:
    """A listing that lacks a file because the source stumbled would be a lie."""
    # given
    one, other = alive(state, "Document")[:2]
    struck = f"/api/v1/Attachment/{one.values['fileId']}"

    async with connected(place, state, **API_USER) as subject:
        subject.sandbox.fault = Fault(status=500, only=lambda request: request.path == struck)

        # when
        listings = await listed(subject, [record_ref(one, "file"), record_ref(other, "file")])

        # then
        assert types(listings) == [Unavailable, AttachmentListing]


async def test_an_odd_attachment_fails_alone(place: Place, state: State) -> None:
    """A zero date, which MySQL lets in, costs nobody else the answer."""
    # given
    odd, good = alive(state, "Attachment")[:2]
    odd.values["createdAt"] = "0000-00-00 00:00:00"

    async with connected(place, state, **ADMIN) as subject:
        # when
        outcomes = await fetched(subject, [attachment_ref(odd.id), attachment_ref(good.id)])

        # then
        assert types(outcomes) == [BadResponse, Attachment]


async def test_is_not_fooled_by_ids_of_another_case(place: Place, state: State) -> None:
    """The database compares ids without case; one object must not have two references."""
    # given
    first = alive(state, "Attachment")[0]
    case = alive(state, "Case")[0]
    found = msgspec.json.encode({"id": case.id, "name": "a.pdf", "attachmentsIds": []})

    async with connected(place, state, **ADMIN) as subject:
        subject.sandbox.fault = Fault(status=200, body=found, headers={"content-type": "application/json"})

        # when
        outcomes = [
            *await fetched(subject, [attachment_ref(first.id)]),
            *await listed(subject, [Ref(SOURCE, RefType.RECORD, ("Case", case.id.upper(), "attachments"))]),
        ]

        # then
        assert types(outcomes) == [NotFound, NotFound]


@pytest.mark.parametrize("ids", ["a/b", {"a": "b"}, ["a/b"], [1], [None]])
async def test_does_not_follow_ids_of_another_form(place: Place, state: State, ids: object) -> None:
    """What a record names becomes a path only when it looks like an id."""
    # given
    case = alive(state, "Case")[0]

    async with connected(place, state, **API_USER) as subject:
        subject.wire.edit = lambda body: {**body, "attachmentsIds": ids}

        # when
        (outcome,) = await listed(subject, [record_ref(case)])

        # then
        assert (type(outcome), paths(subject)) == (BadResponse, [f"Case/{case.id}"])
