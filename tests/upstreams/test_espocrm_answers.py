"""How the EspoCRM adapter reads refusals, attachments and their bytes (`upstreams.md` 5.2, 5.5, 5.8)."""

from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec
import pytest

from gateway.domain.details import EspoCrmDetails
from gateway.domain.errors import BadInput, Conflict, Forbidden, GatewayError, NotFound, TooLarge, Unavailable
from gateway.domain.refs import Ref
from gateway.sandbox.espocrm import seed
from gateway.sandbox.espocrm.records import remove
from gateway.sandbox.espocrm.state import State
from gateway.sandbox.upstream import Fault
from gateway.transport.call import Call
from gateway.upstreams.wire.espocrm import reason_in
from tests.conformance.subject import Place, Subject, fetched, listed
from tests.upstreams.bench import served
from tests.upstreams.espocrm_source import (
    ADMIN,
    API_USER,
    MISSING,
    add_attachment,
    alive,
    attachment,
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


# What it says


@pytest.mark.parametrize(
    ("status", "reason", "expected"),
    [
        (403, "", Forbidden),
        (403, "No access to 'Case'.", Forbidden),
        (403, "Attachment size exceeds `attachmentUploadMaxSize`.", TooLarge),
        (403, "Max attachment size exceeded.", TooLarge),
        (400, "File size should not exceed 5 Mb.", TooLarge),
        (403, "Field 'pièce' does not exist.", BadInput),
        (403, "Field type 'text' is not allowed for Attachment.", BadInput),
        (403, "Role not allowed.", BadInput),
        (403, "Not allowed file type.", BadInput),
        (403, "Passed type does not correspond to extension.", BadInput),
        (403, "Detected mime type does not correspond to extension.", BadInput),
        (403, "Attachment is not being-uploaded.", Conflict),
        (404, "Controller 'Nope' does not exist.", NotFound),
        (409, "modified", Conflict),
        (413, "", TooLarge),
        (500, "Field 'x' does not exist.", Unavailable),
    ],
)
async def test_reads_the_reason(
    place: Place, state: State, status: int, reason: str, expected: type[GatewayError]
) -> None:
    """The status alone is too coarse; the reason decides, and is never repeated."""
    # given a reason in bytes of UTF-8, as the server sends it, and no body
    case = alive(state, "Case")[0]
    headers = {"x-status-reason": reason.encode().decode("latin-1")}

    async with connected(place, state, **API_USER) as subject:
        subject.sandbox.fault = Fault(status=status, headers=headers)

        # when
        (error,) = await listed(subject, [record_ref(case)])

        # then
        assert type(error) is expected
        assert not reason or reason not in f"{error} {error!r}"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("Fichier refusÃ©", "Fichier refusé"),
        ("Fichier refusé", "Fichier refusé"),
        ("Файл", "Файл"),
        ("", ""),
    ],
)
def test_decodes_the_reason(header: str, expected: str) -> None:
    """The header holds UTF-8, which an HTTP library gives as Latin-1 or already decoded."""
    # given
    headers = {"x-status-reason": header}

    # when
    reason = reason_in(headers)

    # then
    assert reason == expected
    assert reason_in({}) is None


async def test_tells_everything_that_the_source_tells(place: Place, state: State) -> None:
    """Every documented field arrives, times as UTC, empty texts as nothing, and a missing type by the name."""
    # given
    add_attachment(
        state,
        "a" * 17,
        name="Devis.pdf",
        type="",
        size=None,
        sourceId="b" * 17,
        storage="",
        storageFilePath="2025/a",
        createdAt="2025-09-04 20:02:00",
        modifiedAt=None,
    )
    case = alive(state, "Case")[0]

    async with connected(place, state, **API_USER) as subject:
        # when
        (outcome,) = await fetched(subject, [attachment_ref("a" * 17)])

        # then
        found = attachment(outcome)
        assert (found.name, found.size, found.media_type) == ("Devis.pdf", None, "application/pdf")
        assert (found.created_at, found.updated_at) == (datetime(2025, 9, 4, 20, 2, tzinfo=UTC), None)
        assert found.details == EspoCrmDetails(
            native_id="a" * 17,
            field="attachments",
            role="Attachment",
            parent_type="Case",
            parent_id=case.id,
            parent_name=case.values["name"],
            related_type=None,
            related_id=None,
            copied_from="b" * 17,
            is_being_uploaded=False,
            is_global=False,
            storage=None,
            storage_path="2025/a",
            created_by_id=seed.owner(state),
            created_by_name="gateway",
        )
        assert len(msgspec.structs.fields(found.details)) == 15


# Content


async def test_opens_the_bytes(place: Place, state: State) -> None:
    """The bytes come as they are, with the size that the source announces and no promise of ranges."""
    # given
    first = alive(state, "Attachment")[0]

    async with connected(place, state, **API_USER) as subject:
        # when
        async with subject.adapter.open(attachment_ref(first.id), Call.lasting(30), "bytes=0-9") as content:
            got = b"".join([chunk async for chunk in content.chunks])

        # then
        (request,) = subject.sandbox.requests
        assert (content.size, content.content_range) == (first.values["size"], None)
        assert got == b"".join(state.files[first.id].pieces())
        assert request.headers["accept-encoding"] == "identity"


async def test_tells_deleted_bytes_from_broken_ones(place: Place, state: State) -> None:
    """An administrator's download of a deleted file is a 500, as is one whose name breaks the header."""
    # given
    gone, broken = alive(state, "Attachment")[:2]
    remove(state, gone)
    broken.values["name"] = "a\r\nb.pdf"

    async def failure(subject: Subject, ref: Ref) -> GatewayError:
        with pytest.raises(GatewayError) as caught:
            async with subject.adapter.open(ref, Call.lasting(30)):
                pass
        return caught.value

    async with connected(place, state, **ADMIN) as subject:
        # when
        refs = [attachment_ref(one) for one in (gone.id, broken.id, MISSING, "a/b")]
        errors = [await failure(subject, ref) for ref in refs]

        # then
        assert types(errors) == [NotFound, Unavailable, NotFound, NotFound]
        assert len(paths(subject)) == 5
