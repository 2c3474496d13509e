"""What Direct Mail answers: pages, attachments, signed links (`upstreams.md` 4.1, 4.3, 4.4)."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from gateway.domain.details import DirectMailDetails
from gateway.domain.errors import (
    BadResponse,
    Conflict,
    GatewayError,
    NotFound,
)
from gateway.domain.model import Attachment
from gateway.domain.refs import Ref, RefType
from gateway.sandbox.directmail import seed
from tests.conformance.subject import Place
from tests.upstreams.bench import asked, attachments_of, call, opened, served
from tests.upstreams.directmail_source import BASE, NOW, SOURCE, Bench, path_of

WIRE = {
    "uuid": "07846D22-F0F7-4A39-96FD-A7FACC022FB8",
    "display_name": "Seating",
    "file_name": "0E03BBC3.pages",
    "date_modified": "2011-07-11T23:03:48+0000",
    "content_length": 154766,
}


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    """Run one server for the whole file."""
    with served() as running:
        yield running


@pytest.fixture
def bench(place: Place) -> Bench:
    """Make an account of its own for one test."""
    return Bench(place)


# Pages


async def test_pages_are_followed_to_the_end(bench: Bench) -> None:
    """A list of more than a page comes whole and in order."""
    # given pages of two
    bench.state.page_size = 2
    expected = bench.attachments(5)

    # when a message with eight attachments is listed
    found = await attachments_of(bench.settings(), bench.message(5))

    # then all came, by the server's own links
    own = path_of(bench.message(5))
    assert [one.ref for one in found] == expected
    assert bench.seen() == [own, f"{own}?page=2", f"{own}?page=3", f"{own}?page=4"]


@pytest.mark.parametrize("position", [0, 5])
async def test_list_that_is_announced_longer_is_refused(bench: Bench, position: int) -> None:
    """A part of a list must not pass for the whole: an absent attachment would look deleted."""
    # given pages whose followers are not announced
    bench.state.page_size = 2
    bench.state.page_links = False

    # when a message is listed, and two of its attachments are fetched
    refs = bench.attachments(position)
    async with opened(bench.settings()) as adapter:
        (listing,) = await adapter.children([bench.message(position)], call())
        found = await adapter.fetch([refs[0], refs[-1]], call())

    # then that is an error, with the two numbers
    assert [type(one) for one in (listing, *found)] == [BadResponse] * 3
    assert f"{len(refs)} attachments and gives 2" in str(listing)


@pytest.mark.parametrize(
    "link",
    [
        '<{own}?page=2>; rel="next"',
        '<{path}?page=2>; rel="next"',
        "<?page=2>; rel=next",
        '<{own}?page=9>; rel="last", <{own}?page=2>; title="a, b; c"; rel="prefetch Next"',
    ],
)
async def test_link_to_the_next_page_has_many_spellings(bench: Bench, link: str) -> None:
    """RFC 8288 has relative targets, tokens without quotes, several relations and any order."""
    # given a first page that announces its follower in this spelling
    path = BASE + path_of(bench.message())
    bench.state.page_size = 2
    bench.answer(
        [{"uuid": "A1"}, {"uuid": "A2"}], {"link": link.format(own=bench.origin + path, path=path)}, times=1
    )

    # when the message is listed
    found = await attachments_of(bench.settings(), bench.message())

    # then the second page was asked for
    assert bench.seen() == [path_of(bench.message()), f"{path_of(bench.message())}?page=2"]
    assert [one.ref.key[2] for one in found] == ["A1", "A2", bench.attachments()[2].key[2]]


@pytest.mark.parametrize(
    "target",
    ["https://elsewhere.example/api/v2/next", "{origin}/admin", "{origin}/api/v2/../../admin", "http://[x/"],
)
async def test_link_that_leads_elsewhere_is_not_followed(bench: Bench, target: str) -> None:
    """The API key goes nowhere but below the base URL, whatever the server links to."""
    # given a page that announces a follower elsewhere
    url = target.format(origin=bench.origin)
    bench.answer([WIRE], {"link": f'<{url}>; rel="next"', "x-total-count": "2"})

    # when the message is listed
    found = await asked(bench.settings(), bench.message())

    # then nothing else was asked, and the list is not taken for whole
    assert type(found) is BadResponse
    assert len(bench.seen()) == 1


async def test_pages_that_lead_in_a_circle_end(bench: Bench) -> None:
    """A server that links back must not keep the gateway going."""
    # given a page that announces itself
    bench.answer([WIRE], {"link": f'<{bench.origin}{BASE}{path_of(bench.message())}>; rel="next"'})

    # when the message is listed
    found = await asked(bench.settings(), bench.message())

    # then it was asked for once
    assert type(found) is BadResponse
    assert len(bench.seen()) == 1


async def test_other_links_are_no_pages(bench: Bench) -> None:
    """Only the relation counts; a total that is no number says nothing."""
    # given a page with other links
    bench.answer([WIRE], {"link": '<https://h/x>; rel="prev"; title="rel=next", <y>', "x-total-count": "many"})

    # when the message is listed
    found = await attachments_of(bench.settings(), bench.message())

    # then that was all
    assert len(found) == 1


# What an attachment says


async def one_of(bench: Bench, **changes: Any) -> Attachment:
    """List an attachment with these fields; None for a field takes it away."""
    bench.answer([{key: value for key, value in {**WIRE, **changes}.items() if value is not None}])
    (found,) = await attachments_of(bench.settings(), bench.message())
    return found


def details_of(found: object) -> DirectMailDetails:
    """Take the details, which are Direct Mail's."""
    assert isinstance(found, Attachment)
    assert isinstance(found.details, DirectMailDetails)
    return found.details


async def test_seeded_attachment_is_read_completely(bench: Bench) -> None:
    """Every documented key reaches the client, and nothing of the signed link but its end."""
    # given the first attachment
    ref = bench.attachments()[0]

    # when it is fetched
    found = await asked(bench.settings(), ref)

    # then all of it is there
    details = details_of(found)
    assert (found.name, found.size) == ("Plan de table.pages", 154_766)
    assert (found.created_at, found.updated_at) == (None, datetime(2026, 1, 12, 8, 47, tzinfo=UTC))
    assert (found.can_update, found.can_delete) == (False, True)
    assert (found.record.ref, details.native_id) == (bench.message(), ref.key[2])
    assert details.display_name == "Plan de table"
    assert str(details.storage_name).endswith(".pages")
    assert details.url == f"{bench.origin}{BASE}{path_of(ref)}"
    assert details.content_expires_at == NOW + timedelta(seconds=bench.state.link_lifetime)
    assert "Signature" not in repr(found)


@pytest.mark.parametrize(
    ("display_name", "file_name", "name", "media_type"),
    [
        ("Plan", "0E.pdf", "Plan.pdf", "application/pdf"),
        ("Plan.PDF", "0E.pdf", "Plan.PDF", "application/pdf"),
        ("Plan v1.2", "0E.png", "Plan v1.2.png", "image/png"),
        ("Plan", "0E", "Plan", None),
        ("Plan", None, "Plan", None),
        (None, "0E.pdf", "0E.pdf", "application/pdf"),
        ("", "", WIRE["uuid"], None),
    ],
)
async def test_name_gets_the_extension_of_the_stored_file(
    bench: Bench, display_name: str | None, file_name: str | None, name: str, media_type: str | None
) -> None:
    """People's name has no extension and the store's is an UUID; together they make a name to save under."""
    # given these two names

    # when the attachment is read
    found = await one_of(bench, display_name=display_name, file_name=file_name)

    # then it has a name, and a type where its extension tells one
    assert (found.name, found.media_type) == (name, media_type)


async def test_missing_keys_are_unknown(bench: Bench) -> None:
    """Nothing says which keys may be absent, so only the identifier is relied on."""
    # given an attachment with an identifier alone
    bench.answer([{"uuid": "A1"}, {"uuid": "A2", "links": None, "content_length": None}])

    # when it is listed
    found = await attachments_of(bench.settings(), bench.message())

    # then all else is None
    assert [(one.name, one.size, one.updated_at) for one in found] == [("A1", None, None), ("A2", None, None)]
    assert details_of(found[0]) == DirectMailDetails("A1", None, None, None, None)


@pytest.mark.parametrize(
    "body",
    [
        [{**WIRE, "uuid": ""}],
        [{**WIRE, "content_length": -1}],
        [{**WIRE, "date_modified": "yesterday"}],
        {"attachments": [WIRE]},
        None,
    ],
)
async def test_other_shapes_are_refused(bench: Bench, body: object) -> None:
    """What breaks the contract is said to, and not guessed at."""
    # given a server that answers this
    bench.answer(body)

    # when a message is listed
    found = await asked(bench.settings(), bench.message())

    # then it is an error
    assert type(found) is BadResponse


async def test_answer_for_another_attachment_is_refused(bench: Bench) -> None:
    """An entry must not stand under an identifier that is not its own."""
    # given a server that answers another attachment
    bench.answer(WIRE)

    # when one is fetched
    found = await asked(bench.settings(), bench.attachments()[0])

    # then it is refused
    assert type(found) is BadResponse


# Signed links


async def test_signed_link_needs_no_credential_and_ends(bench: Bench) -> None:
    """The link is for the client's own use: it is made anew each time and works without the key until its end."""
    # given links of both orders, the content first and last
    refs = bench.attachments(5)
    assert {ref.key[2][0] > "7" for ref in refs} == {True, False}

    # when all are signed and followed
    async with opened(bench.settings()) as adapter:
        links = [await adapter.sign(ref, call()) for ref in refs]
    async with httpx.AsyncClient() as browser:
        contents = [(await browser.get(link.url)).content for link in links]

    # then each brought its bytes, for a request each, and says when it ends
    files = bench.state.projects[seed.FESTIVAL].messages[refs[0].key[1]].attachments
    assert contents == [one.content() for one in files.values()]
    assert {link.expires_at for link in links} == {NOW + timedelta(seconds=bench.state.link_lifetime)}
    assert bench.seen()[: len(refs)] == [path_of(ref) for ref in refs]
    assert "Signature" not in repr(links)


@pytest.mark.parametrize(
    ("links", "error"),
    [
        (None, Conflict),
        ([], Conflict),
        ([{"rel": "self", "href": "https://h/self"}], Conflict),
        ([{"rel": "content", "href": ""}], Conflict),
        ([{"rel": "content"}], Conflict),
        ([{"rel": "content", "href": "javascript:alert(1)"}], BadResponse),
        ([{"rel": "content", "href": "/relative"}], BadResponse),
        ([{"rel": "content", "href": "https://[bad/?Expires=1"}], BadResponse),
    ],
)
async def test_attachment_without_a_web_link_cannot_be_signed(
    bench: Bench, links: object, error: type[GatewayError]
) -> None:
    """A client is given nothing but web addresses; what is not there may come later."""
    # given an attachment with these links
    ref = bench.attachments()[0]
    bench.answer({**WIRE, "uuid": ref.key[2], "links": links})

    # when a link is asked for, and the attachment itself
    async with opened(bench.settings()) as adapter:
        with pytest.raises(error) as caught:
            await adapter.sign(ref, call())
        (found,) = await adapter.fetch([ref], call())

    # then there is no link, but the attachment is there
    assert "javascript" not in repr(caught.value)
    assert details_of(found).content_expires_at is None


@pytest.mark.parametrize("key", [("A", "B"), (seed.FESTIVAL, "B", "C")])
async def test_link_of_a_missing_attachment_is_not_found(bench: Bench, key: tuple[str, ...]) -> None:
    """A reference of another form is never asked for."""
    # given a reference that leads nowhere
    ref = Ref(SOURCE, RefType.ATTACHMENT, key)

    # when a link is asked for
    async with opened(bench.settings()) as adapter:
        with pytest.raises(NotFound):
            await adapter.sign(ref, call())

    # then only one of the right form reached the server
    assert len(bench.seen()) == len(key) - 2
