"""Decisiv's XML as it comes: order, namespaces, missing elements, ids, times, names (`upstreams.md` 3.3, 3.6)."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.domain.details import DecisivDetails, Sender
from gateway.domain.errors import BadResponse
from gateway.domain.model import Attachment
from gateway.domain.refs import Ref
from gateway.sandbox.decisiv.state import Case
from tests.conformance.subject import Place
from tests.upstreams.bench import asked, served
from tests.upstreams.decisiv_source import (
    PARTS,
    PROLOG,
    SENDER,
    SPACES,
    Bench,
    attachment,
    case,
    document,
    item,
    listed,
    parts,
    single,
)

LIST = document(item())
BOMB = '<!DOCTYPE a [<!ENTITY x "ha"><!ENTITY y "&x;&x;">]>'
OUTSIDE = '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hostname">]>'


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    """Run one server for the whole file."""
    with served() as running:
        yield running


@pytest.fixture
def bench(place: Place) -> Bench:
    """Make a platform of its own for one test."""
    return Bench(place)


async def the_only(bench: Bench, *chosen: str, **settings: Any) -> Attachment:
    """Let a list answer these elements, and give the only attachment that the adapter finds in it."""
    bench.answer(document(*chosen))
    (found,) = await listed(bench.settings(**settings))
    return found


def details_of(found: Attachment) -> DecisivDetails:
    """Take the details, which are Decisiv's."""
    assert isinstance(found.details, DecisivDetails)
    return found.details


def natural(found: Attachment) -> tuple[str, str]:
    """Give the id where it is shown and where it is kept."""
    return found.ref.key[1], details_of(found).native_id


@pytest.mark.parametrize(
    "text",
    [
        document(item(dict(reversed(PARTS.items())), dict(reversed(SENDER.items())))),
        document(item(), spaces=SPACES.replace("0.0.7", "0.1")),
        LIST.replace("<a:", "<").replace("</a:", "</").replace("<s:", "<").replace("</s:", "</"),
        PROLOG + LIST,
        "\n" + LIST,
        LIST.replace("><", ">\n    <"),
        LIST.replace("<a:attachments ", '<a:attachments xmlns:xsi="urn:x" xsi:schemaLocation="one" '),
        LIST.replace("</a:attachments>", "<a:page>1</a:page><!-- end --></a:attachments>"),
    ],
    ids=["order", "0.1", "no namespace", "two prologs", "space first", "indented", "schema location", "others"],
)
async def test_form_of_the_document_does_not_matter(bench: Bench, text: str) -> None:
    """Order, prefixes, namespaces and white space carry no meaning here, so that both versions are read."""
    # given the plain form, and another one of the same
    plain = await the_only(bench, item())
    bench.answer(text)

    # when the case is listed
    (found,) = await listed(bench.settings())

    # then it is the same attachment
    assert found == plain
    assert details_of(found).sender == Sender("u1", "Josée", "Beauport", "https://h/users/u1")


@pytest.mark.parametrize(
    "text",
    [
        LIST.replace(PROLOG, PROLOG + BOMB).replace("Estimate", "&y;"),
        LIST.replace(PROLOG, PROLOG + OUTSIDE).replace("Estimate", "&x;"),
        LIST.replace(PROLOG, PROLOG + "<!DOCTYPE a>"),
        document(root="attachment"),
        document(root="cases"),
        "<html><body>Sign in</body></html>",
        "{}",
        "",
    ],
    ids=["entities", "external", "doctype", "single", "other root", "page", "JSON", "empty"],
)
async def test_other_documents_are_refused_whole(bench: Bench, text: str) -> None:
    """Untrusted XML declares nothing, and what is no list of attachments is not taken for an empty one."""
    # given a platform that answers this
    bench.answer(text)

    # when a case is listed
    found = await asked(bench.settings(), case("C1"))

    # then it is an error that quotes nothing
    assert type(found) is BadResponse
    assert "html" not in str(found)


@pytest.mark.parametrize(
    ("chosen", "native_id"),
    [
        (parts(id="9"), "9"),
        (parts(id=" 9\n"), "9"),
        (parts(id=""), "7"),
        (parts(URL="https://h/platform_api/cases/C1/attachments/7/?token=t#f"), "7"),
        (parts(URL="https://h/attachments/a%2Fb%20%C3%A9"), "a/b é"),
        (parts(URL="attachments/7"), "7"),
    ],
)
async def test_id_is_found_in_its_element_or_its_address(
    bench: Bench, chosen: dict[str, str], native_id: str
) -> None:
    """The schema requires an id that the vendor's own samples lack; their address ends with it."""
    # given an attachment that says its id in this way

    # when its case is listed
    found = await the_only(bench, item(chosen))

    # then the id is known, decoded, and goes back the way it came
    assert natural(found) == (native_id, native_id)
    assert Ref.from_text(found.ref.to_text()) == found.ref


@pytest.mark.parametrize("url", [None, "", "https://h/", "https://h", "https://[h/7"])
async def test_attachment_without_any_id_is_left_out_of_its_list(bench: Bench, url: str | None) -> None:
    """What cannot be asked for again is no attachment, and does not spoil its neighbours."""
    # given a list of one without an id and one with it

    # when it is listed
    found = await the_only(bench, item(parts(URL=url)), item(parts(id="8")))

    # then the other one is there
    assert natural(found) == ("8", "8")


@pytest.mark.parametrize("chosen", [parts(URL=None), parts(id="8")])
async def test_single_answer_must_be_the_one_that_was_asked_for(bench: Bench, chosen: dict[str, str]) -> None:
    """An answer without an id, or with another one, would stand under the wrong identifier."""
    # given a case that lists nothing, and such an answer
    bench.state.cases["C1"] = Case("C1", "Empty")
    bench.answer(single(item(chosen)), only="/attachments/7")

    # when the attachment is fetched
    found = await asked(bench.settings(), attachment("C1", "7"))

    # then it is refused
    assert type(found) is BadResponse
    assert len(bench.seen()) == 2


@pytest.mark.parametrize(
    ("text", "zone", "hour"),
    [
        ("2006-05-04T18:13:51.0", "UTC", 18),
        ("2006-05-04T18:13:51.0", "Europe/Paris", 16),
        ("2006-01-04T18:13:51", "Europe/Paris", 17),
        ("2006-05-04T18:13:51Z", "Europe/Paris", 18),
        ("2006-05-04T18:13:51.25-04:00", "Europe/Paris", 22),
    ],
)
async def test_times_without_a_zone_are_in_the_settings_zone(
    bench: Bench, text: str, zone: str, hour: int
) -> None:
    """The platform writes local times; a zone that is written wins, and the text stays as it was."""
    # given a time in this spelling

    # when it is read in this zone
    found = await the_only(bench, item(parts(createdAt=text, updatedAt=None)), timezone=zone)

    # then it is in UTC
    assert found.created_at
    assert (found.created_at.hour, found.created_at.tzinfo) == (hour, UTC)
    assert (found.updated_at, details_of(found).updated_at_text) == (None, None)
    assert details_of(found).created_at_text == text


@pytest.mark.parametrize(
    ("text", "value"), [("true", True), ("1", True), (" false ", False), ("0", False), ("", None), (None, None)]
)
async def test_booleans_have_two_spellings(bench: Bench, text: str | None, value: bool | None) -> None:
    """XML Schema writes them as words or as digits; an absent one is unknown, not false."""
    # given the boolean in this spelling

    # when it is read
    found = await the_only(bench, item(parts(internal=text, public=text)))

    # then it is known, or known to be unknown
    assert (details_of(found).internal, details_of(found).public) == (value, value)


@pytest.mark.parametrize(
    "changes",
    [
        {"internal": "yes"},
        {"size": "12.5"},
        {"size": "-1"},
        {"size": "٣"},
        {"size": "9" * 5000},
        {"createdAt": "yesterday"},
    ],
)
async def test_values_of_another_type_are_refused(bench: Bench, changes: dict[str, str]) -> None:
    """A value that is not of its type means that the contract is broken; nothing is guessed."""
    # given a list with such a value
    bench.answer(document(item(parts(**changes))))

    # when it is read
    found = await asked(bench.settings(), case("C1"))

    # then the list is refused, and the error names the field at most
    assert type(found) is BadResponse
    assert not any(value in str(found) for value in changes.values())


@pytest.mark.parametrize(
    ("changes", "name", "media_type"),
    [
        ({"filename": "devis été.PDF"}, "devis été.PDF", "application/pdf"),
        ({"filename": "scan", "format": "image/PNG"}, "scan", "image/png"),
        ({"filename": "scan", "format": "png"}, "scan", None),
        ({"filename": "photo.png", "format": "application/pdf"}, "photo.png", "image/png"),
        ({"filename": None, "format": None}, "Estimate", None),
        ({"filename": "", "description": None, "format": "text/ plain"}, "7", None),
    ],
)
async def test_name_and_type_come_from_what_is_there(
    bench: Bench, changes: dict[str, str | None], name: str, media_type: str | None
) -> None:
    """The name is the file's, else its description, else the id; `format` counts where it is a media type."""
    # given an attachment with these fields

    # when it is read
    found = await the_only(bench, item(parts(**changes)))

    # then it has a name in any case
    assert (found.name, found.media_type) == (name, media_type)


async def test_missing_elements_are_unknown(bench: Bench) -> None:
    """The schema requires more than the samples have, so nothing but an id is relied on."""
    # given an attachment that has nothing but its id

    # when it is read
    found = await the_only(bench, item({"id": "7"}, None))

    # then all else is None
    assert (found.name, found.size, found.media_type, found.created_at) == ("7", None, None, None)
    assert details_of(found) == DecisivDetails("7", *[None] * 9)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://h:8443/cases/C1?token=t", "https://h:8443/cases/C1"),
        ("https://me:pw@h/cases/C1#t", "https://h/cases/C1"),
        ("/cases/C1?token=t", "/cases/C1"),
        ("javascript:alert(1)", None),
        ("https://[h/", None),
    ],
)
async def test_addresses_are_shown_without_what_may_be_secret(
    bench: Bench, url: str, shown: str | None
) -> None:
    """Addresses may hold tokens and passwords, and pages make links of them."""
    # given an attachment, its case and its sender with such an address
    chosen = parts(id="7", URL=url, subjectURL=url)

    # when it is read
    found = details_of(await the_only(bench, item(chosen, {"id": "u1", "URL": url})))

    # then only the harmless part is there
    assert (found.url, found.case_url) == (shown, shown)
    assert found.sender == Sender("u1", None, None, shown)


async def test_times_are_aware(bench: Bench) -> None:
    """A listed attachment can be compared with any other, whatever its source."""
    # given a time without a zone

    # when it is read
    found = await the_only(bench, item())

    # then it can be compared
    assert found.updated_at == datetime(2006, 5, 5, 18, 13, 51, tzinfo=UTC)
