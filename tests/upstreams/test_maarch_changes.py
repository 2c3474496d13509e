"""Renaming and deleting at Maarch: nothing else is lost, and what cannot be is said (`upstreams.md` 1.3, 1.6)."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from gateway.domain.changes import Deletion, DeletionState, FileChange
from gateway.domain.errors import (
    BadInput,
    Conflict,
    Forbidden,
    GatewayError,
    NotFound,
    Unavailable,
    Unsupported,
)
from gateway.domain.model import Attachment, Entry
from gateway.domain.refs import Ref
from gateway.domain.secret import Secret
from gateway.sandbox.maarch import seed
from gateway.sandbox.maarch.records import Attachment as Row
from gateway.sandbox.upstream import Fault
from gateway.upstreams.maarch import MaarchSettings
from gateway.upstreams.wire.maarch import WireAttachment, overwriting
from tests.conformance.subject import Place
from tests.upstreams.bench import call, opened, served
from tests.upstreams.maarch_source import Bench, attachment, mail, outcome

FIRST = seed.FIRST_ATTACHMENT
SIGNED = FIRST + seed.SIGNED_ENTRY
CHANGED = {"title", "modified_by", "modified_at"}


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    """Run one server for all tests of this file."""
    with served() as running:
        yield running


@pytest.fixture
def bench(place: Place) -> Bench:
    """Make the demo's mail room."""
    return Bench(place)


async def changed(chosen: MaarchSettings, *changes: FileChange) -> Sequence[Entry | GatewayError]:
    """Change attachments."""
    async with opened(chosen) as adapter:
        return await adapter.update(changes, call())


async def deleted(chosen: MaarchSettings, *refs: Ref) -> Sequence[Deletion | GatewayError]:
    """Delete attachments."""
    async with opened(chosen) as adapter:
        return await adapter.delete(refs, call())


def restricted(bench: Bench) -> MaarchSettings:
    """Write the settings of an account that changes only what it typed in."""
    return bench.settings(username=seed.RESTRICTED_USER, password=Secret(seed.RESTRICTED_PASSWORD))


def values_of(row: Row) -> dict[str, Any]:
    """Take down the columns of an attachment."""
    return {name: getattr(row, name) for name in Row.__slots__}


# Renaming


async def test_renaming_loses_nothing(bench: Bench) -> None:
    """The server makes null of what an update lacks, so everything it tells is sent back."""
    # given an attachment with a recipient and a date
    row = bench.state.attachments[FIRST]
    row.validation_date = "2026-02-01"
    before = values_of(row)

    # when it is renamed
    (found,) = await changed(bench.settings(), FileChange(ref=attachment(FIRST), name="Réponse 1/2.docx"))

    # then it has its new name, and all the rest is as it was
    after = values_of(bench.state.attachments[FIRST])
    assert isinstance(found, Attachment)
    assert (found.name, found.updated_at) == ("Réponse 1/2.docx", bench.now)
    assert {key for key in before if before[key] != after[key]} == CHANGED
    assert (before["recipient_id"], before["recipient_type"]) == (1, "contact")


async def test_what_the_server_tells_goes_back_in_its_form() -> None:
    """Dates come with a time and are taken without one; a release that tells the effective date keeps it."""
    # given an attachment as a server tells it
    told = {
        "resId": 1,
        "type": "t",
        "validationDate": "2026-02-01 00:00:00",
        "effectiveDate": "2026-03-01 00:00:00",
    }
    wire = msgspec.convert(told, WireAttachment)

    # when an update of it is written
    body = overwriting(wire, "Titre")

    # then the dates are there
    assert body == {
        "type": "t",
        "title": "Titre",
        "recipientId": None,
        "recipientType": None,
        "validationDate": "2026-02-01",
        "effectiveDate": "2026-03-01",
    }


@pytest.mark.parametrize(
    ("name", "title", "shown"),
    [
        ("Plan.pdf", "Plan", "Plan.pdf"),
        ("Plan", "Plan", "Plan.pdf"),
        ("Plan.PDF", "Plan.PDF", "Plan.PDF"),
        ("Plan.docx", "Plan.docx", "Plan.docx.pdf"),
        ("Plan.pdf.pdf", "Plan.pdf.pdf", "Plan.pdf.pdf"),
    ],
)
async def test_extension_is_no_part_of_the_title(bench: Bench, name: str, title: str, shown: str) -> None:
    """Names are shown with the format behind the title, so that it is not doubled when a name comes back."""
    # given a PDF
    native_id = FIRST + 1

    # when it gets a name
    (found,) = await changed(bench.settings(), FileChange(ref=attachment(native_id), name=name))

    # then its title is the name as far as the format does not say it
    assert isinstance(found, Attachment)
    assert bench.state.attachments[native_id].title == title
    assert found.name == shown


async def test_each_change_has_its_own_result(bench: Bench) -> None:
    """What cannot be changed does not keep its neighbours from it."""
    # given one change of each kind
    changes = [
        FileChange(ref=attachment(FIRST + 1), name="Plan.pdf"),
        FileChange(ref=attachment(999_999), name="Plan.pdf"),
        FileChange(ref=attachment(SIGNED), name="Plan.pdf"),
        FileChange(ref=attachment(FIRST + 2), name=".png"),
        FileChange(ref=attachment(FIRST + 2), name="a\nb.png"),
        FileChange(ref=attachment(FIRST + 2), name="x" * 256),
        FileChange(ref=mail(100), name="Plan.pdf"),
        FileChange(ref=attachment(FIRST + 3)),
    ]
    titles = {key: row.title for key, row in bench.state.attachments.items()}

    # when they are made together
    results = await changed(bench.settings(), *changes)

    # then each has its own result, and only one attachment is another
    kinds = [Attachment, NotFound, Conflict, BadInput, BadInput, BadInput, NotFound, Attachment]
    assert [type(one) for one in results] == kinds
    assert [one for one, row in bench.state.attachments.items() if row.title != titles[one]] == [FIRST + 1]
    assert [method for method, _ in bench.seen()].count("PUT") == 1


@pytest.mark.parametrize(
    "change",
    [{"folder": None}, {"reference": "R"}, {"document_date": datetime(2026, 1, 1, tzinfo=UTC)}],
    ids=repr,
)
async def test_only_the_name_can_change(bench: Bench, change: Mapping[str, Any]) -> None:
    """There are no folders, references and dates here, and a change that asks for one makes nothing at all."""
    # given a change of a name and of more
    wanted = FileChange(ref=attachment(FIRST), name="Plan.docx", **change)

    # when it is made
    (result,) = await changed(bench.settings(), wanted)

    # then it is refused without a request
    assert isinstance(result, Unsupported)
    assert bench.seen() == []


async def test_account_without_the_right_is_told_so(bench: Bench) -> None:
    """The server says "out of perimeter" to who may see and not change, which would be taken for "not there"."""
    # given an attachment of somebody else
    change = FileChange(ref=attachment(FIRST), name="Plan.docx")

    # when an account renames it that manages only its own
    (result,) = await changed(restricted(bench), change)

    # then the refusal is named
    assert isinstance(result, Forbidden)


async def test_renaming_is_repeated_when_the_server_stumbles(bench: Bench) -> None:
    """The same full body gives the same result, so it may be sent again."""
    # given a server that answers one update with 503
    bench.sandbox.fault = Fault(status=503, only=lambda request: request.method == "PUT", times=1)

    # when an attachment is renamed
    (result,) = await changed(bench.settings(), FileChange(ref=attachment(FIRST), name="Plan.docx"))

    # then it has the name
    assert isinstance(result, Attachment)
    assert result.name == "Plan.docx"
    assert [method for method, _ in bench.seen()] == ["GET", "PUT", "PUT", "GET"]


async def test_fault_while_renaming_is_named(bench: Bench) -> None:
    """A server that is down is not taken for an attachment that is not there."""
    # given a server that answers no update
    bench.sandbox.fault = Fault(status=500, only=lambda request: request.method == "PUT")

    # when an attachment is renamed
    (result,) = await changed(bench.settings(), FileChange(ref=attachment(FIRST), name="Plan.docx"))

    # then the fault is named
    assert isinstance(result, Unavailable)


# Deleting


def version_of(bench: Bench) -> int:
    """Make a second version of the first attachment; gives its id."""
    first = bench.state.attachments[FIRST]
    first.status = "OBS"
    row = Row(**{**values_of(first), "res_id": 5000, "origin_id": FIRST, "relation": 2, "status": "A_TRA"})
    return bench.state.add(row).res_id


async def test_deleting_takes_every_version(bench: Bench) -> None:
    """The server deletes the whole chain, and the schema says so."""
    # given an attachment with an older version
    newest = version_of(bench)

    # when the newer one is deleted
    (result,) = await deleted(bench.settings(), attachment(newest))

    # then both are gone, at once
    assert result == Deletion(attachment(newest), DeletionState.DELETED)
    assert {bench.state.attachments[one].status for one in (newest, FIRST)} == {"DEL"}
    assert isinstance(await outcome(bench.settings(), attachment(newest)), NotFound)


async def test_what_is_gone_counts_as_deleted(bench: Bench) -> None:
    """A deletion that is repeated, by a client or after a lost answer, succeeds again."""
    # given a deletion whose first answer is lost
    ref = attachment(FIRST)
    bench.sandbox.fault = Fault(torn=True, times=1)

    # when it is made, and once more beside one of what never was
    (first,) = await deleted(bench.settings(), ref)
    again = await deleted(bench.settings(), ref, attachment(999_999))

    # then all are deletions
    assert [type(one) for one in (first, *again)] == [Deletion] * 3
    assert bench.state.attachments[FIRST].status == "DEL"


async def test_what_may_not_be_deleted_stays(bench: Bench) -> None:
    """Archived, foreign and misnamed attachments are refused by name, beside one that goes."""
    # given an attachment that belongs to the archive
    bench.state.attachments[FIRST].type = "reply_record_management"
    account, others = bench.settings(), restricted(bench)

    # when it is deleted beside others
    results = await deleted(account, attachment(FIRST), attachment(FIRST + 1), mail(100), attachment("../x"))
    foreign = await deleted(others, attachment(FIRST + 2), attachment(FIRST + 490))

    # then only one is gone
    assert [type(one) for one in results] == [Conflict, Deletion, NotFound, NotFound]
    assert [type(one) for one in foreign] == [NotFound, NotFound]
    assert [key for key, row in bench.state.attachments.items() if row.status == "DEL"] == [FIRST + 1]


async def test_deletion_is_done_when_it_is_answered(bench: Bench) -> None:
    """There is no task to ask for here, and asking costs nothing."""
    # given a deletion
    done = Deletion(attachment(FIRST), DeletionState.DELETED)

    # when it is asked for
    async with opened(bench.settings()) as adapter:
        again = await adapter.deletion(done, call())

    # then it is the same
    assert (again, bench.seen()) == (done, [])
