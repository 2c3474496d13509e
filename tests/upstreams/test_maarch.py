"""The Maarch adapter: the shared suite, the two forms of an attachment, and local times (`upstreams.md` 1.5, 1.6)."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

import pytest
from starlette.types import ASGIApp

from gateway.domain.details import AttachmentVersion, MaarchDetails
from gateway.domain.errors import BadResponse
from gateway.domain.model import Attachment, AttachmentListing, Record, RecordKind
from gateway.domain.secret import Secret
from gateway.sandbox.maarch import seed
from gateway.sandbox.maarch.app import create_app
from gateway.upstreams.maarch import MaarchAdapter, MaarchSettings
from tests.conformance.adapter_suite import AdapterSuite
from tests.conformance.comparison import changed
from tests.conformance.subject import Place, Samples
from tests.upstreams.bench import call, opened, served
from tests.upstreams.maarch_source import Bench, answer, attachment, got, listed, mail, outcome, recorded

ODT = "application/vnd.oasis.opendocument.text"
HOSTILE = 1001
HOSTILE_TITLE = 'Reçu « d\'été » 1/2 "payé"'


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    """Run one server for all tests of this file."""
    with served() as running:
        yield running


@pytest.fixture
def bench(place: Place) -> Bench:
    """Make the demo's mail room."""
    return Bench(place)


class TestMaarch(AdapterSuite):
    """The shared suite."""

    requests_for_50: ClassVar[int] = 50
    secrets: ClassVar[tuple[str, ...]] = (seed.PASSWORD,)
    required_fields: ClassVar[tuple[str, ...]] = ("resId", "resIdMaster")
    required_in_listings: ClassVar[tuple[str, ...]] = ("resId", "attachments")
    varying: ClassVar[frozenset[str]] = frozenset({"details.can_convert"})  # in lists only

    @pytest.fixture
    def app(self) -> ASGIApp:
        """Serve the demo's mail room, with one title that is awkward."""
        state = seed.seeded()
        state.attachments[HOSTILE].title = HOSTILE_TITLE
        return create_app(state)

    @pytest.fixture
    def samples(self) -> Samples:
        """Ask for the attachments of the first mails."""
        return Samples(
            known=[attachment(seed.FIRST_ATTACHMENT + n) for n in range(60)],
            missing=attachment(999_999),
            parents=[mail(seed.FIRST_MAIL), mail(seed.FIRST_MAIL + 9)],
            missing_parent=mail(999_999),
            hostile=attachment(HOSTILE),
            hostile_name=f"{HOSTILE_TITLE}.pdf",
        )

    def open_adapter(self, origin: str) -> MaarchAdapter:
        """Open the adapter as an operator would configure it for the sandbox."""
        url, password = f"{origin}/rest", Secret(seed.PASSWORD)
        return MaarchAdapter(
            MaarchSettings(name="mails", kind="maarch", url=url, username=seed.USER, password=password)
        )


# The two forms


async def test_single_form_of_a_running_server_fills_every_detail(bench: Bench) -> None:
    """Every field that the server documents reaches the details, and its empty texts become None."""
    # given what a running server answered, with the two fields set that were null in it
    body = recorded("007-get-2-as-superadmin")
    bench.sandbox.fault = answer(
        {**body, "validationDate": "2021-04-01 00:00:00", "modificationDate": "2021-03-27 08:00:00"}
    )

    # when it is fetched
    found = await got(bench.settings(), attachment(2))

    # then nothing of it is lost, and its Paris times are UTC
    assert found == Attachment(
        ref=attachment(2),
        name="Demande d'interventions.docx",
        size=None,
        media_type="application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        created_at=datetime(2021, 3, 26, 13, 25, 44, 781708, UTC),
        updated_at=datetime(2021, 3, 27, 7, 0, tzinfo=UTC),
        record=Record(mail(101), RecordKind.MAIL),
        can_update=True,
        can_delete=True,
        details=MaarchDetails(
            native_id="2",
            chrono="MAARCH/2021D/2",
            title="Demande d'interventions",
            status="SIGN",
            type="response_project",
            type_label="Projet de réponse",
            version=2,
            typist_id=16,
            typist_name="Charlotte CHARLES",
            modified_by=None,
            in_signature_book=True,
            in_mailing=False,
            external_state={},
            signatory_name="Patricia PETIT",
            signatory_id=10,
            signed_at=datetime(2021, 3, 26, 14, 18, 24, 248826, UTC),
            signed_response_id=3,
            can_convert=None,
            created_at_text="2021-03-26 14:25:44.781708",
            updated_at_text="2021-03-27 08:00:00",
            format="docx",
            recipient_id=6,
            recipient_type="contact",
            origin_id=1,
            validated_at=datetime(2021, 3, 31, 22, 0, tzinfo=UTC),
            text_extraction="SUCCESS",
            versions=(AttachmentVersion("1", 1),),
        ),
    )


async def test_list_form_of_a_running_server_keeps_what_it_has(bench: Bench) -> None:
    """A list tells less than a single get: what it lacks is None, and no extension is guessed for the name."""
    # given what a running server answered for mail 101, with registered mail switched on
    bench.sandbox.fault = answer({**recorded("008-list-101-as-superadmin"), "mailevaEnabled": True})

    # when the mail is listed
    listing = await listed(bench.settings(), mail(101))

    # then the attachment points at its mail and says that it can be converted
    (found,) = listing.attachments
    assert isinstance(found.details, MaarchDetails)
    assert (listing.record, listing.registered_mail) == (Record(mail(101), RecordKind.MAIL), True)
    assert (found.name, found.media_type, found.record) == ("Demande d'interventions", None, listing.record)
    assert (found.details.can_convert, found.details.signatory_name) == (True, "Patricia PETIT")
    assert (found.details.format, found.details.recipient_id, found.details.versions) == (None, None, ())


async def test_list_of_the_older_release_takes_the_mail_that_was_asked_for(bench: Bench) -> None:
    """MEM 21.03 leaves out the mail, the rights and the state; who may not be known to write may not write."""
    # given a list without them
    (row,) = recorded("008-list-101-as-superadmin")["attachments"]
    gone = {"resIdMaster", "external_state", "canUpdate", "canDelete", "canConvert"}
    bench.sandbox.fault = answer({"attachments": [{key: row[key] for key in row.keys() - gone}]})

    # when the mail is listed
    listing = await listed(bench.settings(), mail(101))

    # then the mail is the one asked for, and nothing may be changed
    (found,) = listing.attachments
    assert isinstance(found.details, MaarchDetails)
    assert (found.record, listing.registered_mail) == (Record(mail(101), RecordKind.MAIL), None)
    assert (found.can_update, found.can_delete, found.details.external_state) == (False, False, {})


async def test_listed_attachments_agree_with_fetched_ones(bench: Bench) -> None:
    """What both forms have is the same in both, so that a client's cache does not flicker."""
    # given an adapter
    async with opened(bench.settings()) as adapter:
        # when a mail is listed and its attachments are fetched
        (listing,) = await adapter.children([mail(100)], call())
        assert isinstance(listing, AttachmentListing)
        fetched = await adapter.fetch([one.ref for one in listing.attachments], call())

    # then they are the same but for what only one form tells
    assert len(fetched) == seed.PER_MAIL
    for one, other in zip(listing.attachments, fetched, strict=True):
        assert isinstance(other, Attachment)
        same = changed(other, name=one.name, media_type=None, details=one.details)
        assert same == one
        assert other.name.startswith(one.name)


@pytest.mark.parametrize(
    ("fields", "name", "media_type"),
    [
        ({"title": "Plan", "format": "pdf"}, "Plan.pdf", "application/pdf"),
        ({"title": "Plan.PDF", "format": "pdf"}, "Plan.PDF", "application/pdf"),
        ({"title": "Photo", "format": "JPG"}, "Photo.JPG", "image/jpeg"),
        ({"title": "v1.2", "format": ""}, "v1.2", None),
        ({"title": None, "chrono": "MEM/2025A/7", "format": "odt"}, "MEM/2025A/7.odt", ODT),
        ({"title": "", "chrono": None, "format": "bin7"}, "12.bin7", None),
        ({"title": "d'été « 1/2 »"}, "d'été « 1/2 »", None),
    ],
)
async def test_name_is_made_of_title_and_format(
    bench: Bench, fields: Mapping[str, Any], name: str, media_type: str | None
) -> None:
    """The server has no file names: title, chrono or number serve, and the format once at the end."""
    # given an attachment that has these fields
    bench.sandbox.fault = answer({"resId": 12, "resIdMaster": 100, **fields})

    # when it is fetched
    found = await got(bench.settings(), attachment(12))

    # then it has a name that says what it is
    assert (found.name, found.media_type) == (name, media_type)


async def test_numbers_as_texts_and_unknown_fields_do_no_harm(bench: Bench) -> None:
    """Releases differ in whether ids are numbers, and each adds fields of its own."""
    # given an attachment whose numbers are texts, who changed it a number, and a state that is one
    body = {
        "resId": "12",
        "resIdMaster": "100",
        "typist": "16",
        "modifiedBy": 21,
        "relation": "3",
        "isNew": [1],
    }
    bench.sandbox.fault = answer({**body, "external_state": {"maileva": {"id": 4}}})

    # when it is fetched
    found = await got(bench.settings(), attachment(12))

    # then they are read as what they mean
    assert isinstance(found.details, MaarchDetails)
    assert (found.ref, found.record) == (attachment(12), Record(mail(100), RecordKind.MAIL))
    assert (found.details.typist_id, found.details.version, found.details.modified_by) == (16, 3, "21")
    assert found.details.external_state == {"maileva": {"id": 4}}


@pytest.mark.parametrize(
    "body", [{"resIdMaster": 100}, {"resId": 12}, {"resId": None, "resIdMaster": 1}, [], "x"]
)
async def test_attachment_without_identity_breaks_the_contract(bench: Bench, body: object) -> None:
    """An attachment of which nobody knows what it is or hangs on is a fault of the source, not an answer."""
    # given an answer 200 that lacks the number, or the mail
    bench.sandbox.fault = answer(body)

    # when it is fetched
    error = await outcome(bench.settings(), attachment(12))

    # then the source is blamed
    assert isinstance(error, BadResponse)


# Times


@pytest.mark.parametrize(
    ("written", "zone", "expected"),
    [
        ("2025-01-06 08:45:12.248826", "Europe/Paris", "2025-01-06T07:45:12.248826+00:00"),
        ("2025-07-06 08:45:12", "Europe/Paris", "2025-07-06T06:45:12+00:00"),
        ("2025-07-06 08:45:12.5", "Europe/Paris", "2025-07-06T06:45:12.500000+00:00"),
        ("2025-03-30 02:30:00", "Europe/Paris", "2025-03-30T01:30:00+00:00"),
        ("2025-10-26 01:59:59", "Europe/Paris", "2025-10-25T23:59:59+00:00"),
        ("2025-10-26 02:30:00", "Europe/Paris", "2025-10-26T00:30:00+00:00"),
        ("2025-10-26 03:00:00", "Europe/Paris", "2025-10-26T02:00:00+00:00"),
        ("2025-07-06 08:45:12", "Indian/Reunion", "2025-07-06T04:45:12+00:00"),
    ],
)
async def test_local_times_become_utc(bench: Bench, written: str, zone: str, expected: str) -> None:
    """The server writes local times without a zone: the setting tells it, summer time and its folds included."""
    # given an attachment of that time, never changed
    body = {"resId": 12, "resIdMaster": 100, "creationDate": written, "modificationDate": None}
    bench.sandbox.fault = answer(body)

    # when it is fetched from a server in that zone
    found = await got(bench.settings(timezone=zone), attachment(12))

    # then the time is known in UTC, its text is kept, and there is no later change
    assert isinstance(found.details, MaarchDetails)
    assert found.created_at == datetime.fromisoformat(expected)
    assert (found.created_at.tzinfo, found.details.created_at_text) == (UTC, written)
    assert (found.updated_at, found.details.updated_at_text) == (None, None)


@pytest.mark.parametrize("zone", ["Europe/Pariss", "Europe", "", "../Paris"])
def test_unknown_zone_is_refused_at_the_start(bench: Bench, zone: str) -> None:
    """A misspelt zone would shift every time by hours; it stops the start instead."""
    # given settings with a zone that there is not

    # when they are read, then they are refused
    with pytest.raises(ValueError, match="time zone"):
        bench.settings(timezone=zone)
