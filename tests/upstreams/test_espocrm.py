"""The EspoCRM adapter: the shared suite for both kinds of users, costs and credentials (`upstreams.md` 5.1, 5.6)."""

from collections.abc import Iterator
from typing import ClassVar

import pytest
from starlette.types import ASGIApp

from gateway.domain.errors import (
    NotFound,
    Unauthenticated,
)
from gateway.domain.model import Attachment
from gateway.domain.refs import Ref, RefType
from gateway.domain.secret import Secret
from gateway.sandbox.espocrm import seed
from gateway.sandbox.espocrm.app import create_app
from gateway.sandbox.espocrm.state import State
from gateway.sandbox.upstream import Fault
from gateway.transport.call import Call
from gateway.upstreams.espocrm import EspoCrmAdapter, EspoCrmSettings
from tests.conformance.adapter_suite import AdapterSuite
from tests.conformance.subject import Place, Samples, fetched, listed, read
from tests.upstreams.bench import served
from tests.upstreams.espocrm_source import (
    ADMIN,
    API_USER,
    HOSTILE,
    HOSTILE_NAME,
    MISSING,
    SIGNER,
    SOURCE,
    add_attachment,
    alive,
    attachment,
    attachment_ref,
    connected,
    crm,
    names,
    open_espocrm,
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


class EspoCrmSuite(AdapterSuite):
    """What both kinds of users have in common."""

    required_fields: ClassVar[tuple[str, ...]] = ("id", "name")

    @pytest.fixture
    def app(self, state: State) -> ASGIApp:
        """Serve the demo's CRM."""
        return create_app(state)

    @pytest.fixture
    def samples(self, state: State) -> Samples:
        """Ask for attachments of a set and of a file field."""
        case, document, note = (alive(state, kind)[0] for kind in ("Case", "Document", "Note"))
        ids = [one.id for one in alive(state, "Attachment")]
        return Samples(
            known=[attachment_ref(one) for one in ids[::3]],
            missing=attachment_ref(MISSING),
            parents=[record_ref(case), record_ref(document, "file"), record_ref(note)],
            missing_parent=Ref(SOURCE, RefType.RECORD, ("Case", MISSING, "attachments")),
            hostile=attachment_ref(HOSTILE),
            hostile_name=HOSTILE_NAME,
        )


class TestAdministrator(EspoCrmSuite):
    """The shared suite for a user who may list attachments."""

    requests_for_50: ClassVar[int] = 1
    secrets: ClassVar[tuple[str, ...]] = (seed.ADMIN_PASSWORD,)

    def open_adapter(self, origin: str) -> EspoCrmAdapter:
        """Open the adapter as an administrator."""
        return open_espocrm(origin, **ADMIN)


class TestApiUser(EspoCrmSuite):
    """The shared suite for a user who may not: one request each, and one that shows so."""

    requests_for_50: ClassVar[int] = 51
    secrets: ClassVar[tuple[str, ...]] = (seed.API_KEY,)

    def open_adapter(self, origin: str) -> EspoCrmAdapter:
        """Open the adapter with an API key."""
        return open_espocrm(origin, **API_USER)


# What it costs


async def test_gives_an_administrator_a_hundred_attachments_by_one_request(place: Place, state: State) -> None:
    """The promise that batches are worth an administrator's credential, with a URL that servers take."""
    # given
    refs = [attachment_ref(one.id) for one in alive(state, "Attachment")[:100]]

    async with connected(place, state, **ADMIN) as subject:
        # when
        outcomes = await fetched(subject, refs)

        # then
        assert [attachment(one).ref for one in outcomes] == refs
        (request,) = subject.sandbox.requests
        assert (request.path, request.headers["x-no-total"]) == ("/api/v1/Attachment", "true")
        assert len(request.query) < 6_000


async def test_splits_what_does_not_fit_one_list(place: Place, state: State) -> None:
    """More than 200 ids, or ids too long for one URL, go in several lists that the server still takes."""
    # given
    many = [attachment_ref(add_attachment(state, f"{number:017x}").id) for number in range(1, 402)]
    long = [attachment_ref(add_attachment(state, f"{number:064x}").id) for number in range(1, 101)]

    async with connected(place, state, **ADMIN) as subject:
        # when
        of_many = await fetched(subject, many)
        asked_for_many = list(subject.sandbox.requests)
        subject.sandbox.requests.clear()
        of_long = await fetched(subject, long)

        # then
        assert [attachment(one).ref for one in (*of_many, *of_long)] == [*many, *long]
        assert len(asked_for_many) == 3
        assert len(subject.sandbox.requests) == 2
        assert max(len(one.query) for one in (*asked_for_many, *subject.sandbox.requests)) < 6_000


async def test_finds_out_once_that_it_may_not_list(place: Place, state: State) -> None:
    """An API user's first batch shows that lists are closed to it; nobody asks again."""
    # given
    refs = [attachment_ref(one.id) for one in alive(state, "Attachment")[:20]]

    async with connected(place, state, **API_USER) as subject:
        # when
        alone = await fetched(subject, refs[:1])
        for_one = paths(subject)
        first = await fetched(subject, refs[:10])
        for_first = paths(subject)
        second = await fetched(subject, refs[10:])
        for_second = paths(subject)

        # then
        assert set(types([*alone, *first, *second])) == {Attachment}
        assert for_one == [f"Attachment/{refs[0].key[0]}"]
        assert sorted(for_first) == ["Attachment", *(f"Attachment/{one.key[0]}" for one in refs[:10])]
        assert sorted(for_second) == [f"Attachment/{one.key[0]}" for one in refs[10:]]


async def test_finds_out_by_one_list_however_many_there_would_be(place: Place, state: State) -> None:
    """The first of several lists goes alone, so that an API user is not refused for each of them."""
    # given
    refs = [attachment_ref(add_attachment(state, f"{number:017x}").id) for number in range(1, 252)]

    async with connected(place, state, **API_USER) as subject:
        # when
        outcomes = await fetched(subject, refs)

        # then
        asked = paths(subject)
        assert [attachment(one).ref for one in outcomes] == refs
        assert (asked.count("Attachment"), len(asked)) == (1, 252)


@pytest.mark.parametrize(
    "reason", [{}, {"x-status-reason": "Max size should not exceed 2. Use offset and limit."}]
)
async def test_goes_on_listing_after_a_refusal_of_another_meaning(
    place: Place, state: State, reason: dict[str, str]
) -> None:
    """A shut-out address, or a smaller page, is no proof that the credential may not list."""
    # given
    refs = [attachment_ref(one.id) for one in alive(state, "Attachment")[:5]]

    async with connected(place, state, **ADMIN) as subject:
        subject.sandbox.fault = Fault(status=403, headers=reason, times=1)

        # when
        first = await fetched(subject, refs)
        for_first = paths(subject)
        second = await fetched(subject, refs)

        # then
        assert types([*first, *second]) == [Attachment] * 10
        assert len(for_first) == 6
        assert paths(subject) == ["Attachment"]


async def test_reads_a_record_once_for_several_of_its_fields(place: Place, state: State) -> None:
    """Fields of one record share its request, and all attachments of all parents share a list."""
    # given
    cases = alive(state, "Case")[:3]
    parents = [*(record_ref(one) for one in cases), record_ref(cases[0], "contacts"), record_ref(cases[0])]

    async with connected(place, state, **ADMIN) as subject:
        # when
        listings = await listed(subject, parents)

        # then
        assert [len(names(one)) for one in listings[:3]] == [4, 4, 4]
        assert names(listings[3]) == []
        assert (listings[4].record, listings[4].listed) == (listings[0].record, listings[0].listed)
        assert sorted(paths(subject)) == sorted(["Attachment", *(f"Case/{one.id}" for one in cases)])


async def test_asks_nothing_for_references_of_another_form(place: Place, state: State) -> None:
    """What no EspoCRM would have made never becomes a path."""
    # given
    entries = [(), ("a/b",), ("..",), ("id\n",), ("x" * 65,), ("é",), (MISSING, MISSING)]
    records = [
        ("Case", MISSING),
        ("../Case", MISSING, "file"),
        ("Case", "a?b", "file"),
        ("Case", MISSING, "a-b"),
    ]

    async with connected(place, state, **API_USER) as subject:
        # when
        outcomes = [
            *await fetched(subject, [Ref(SOURCE, RefType.ATTACHMENT, key) for key in entries]),
            *await fetched(subject, [Ref(SOURCE, RefType.FILE, (MISSING,))]),
            *await listed(subject, [Ref(SOURCE, RefType.RECORD, key) for key in records]),
            *await listed(subject, [Ref(SOURCE, RefType.LIBRARY, ("Case", MISSING, "file"))]),
        ]

        # then
        assert set(types(outcomes)) == {NotFound}
        assert paths(subject) == []


# Credentials


@pytest.mark.parametrize("credential", [API_USER, SIGNER, ADMIN], ids=lambda one: one["auth"])
async def test_is_known_by_each_credential(place: Place, state: State, credential: dict[str, object]) -> None:
    """A key, a signature (over the path of each kind of request, without its query) and a password all work."""
    # given
    case, first = alive(state, "Case")[0], alive(state, "Attachment")[0]

    async with connected(place, state, **credential) as subject:
        # when
        await subject.adapter.probe(Call.lasting(30))
        (listing,) = await listed(subject, [record_ref(case)])
        content = await read(subject.adapter, attachment_ref(first.id))

        # then
        assert len(names(listing)) == 4
        assert len(content) == first.values["size"]


async def test_stops_sending_a_refused_credential(place: Place, state: State) -> None:
    """Ten refusals shut out the address for everybody, so the third is the last."""
    # given
    (ref,) = (attachment_ref(one.id) for one in alive(state, "Attachment")[:1])

    async with connected(place, state, **{**SIGNER, "secret": Secret("wrong")}) as subject:
        # when
        outcomes = [(await fetched(subject, [ref]))[0] for _ in range(12)]

        # then
        assert set(types(outcomes)) == {Unauthenticated}
        assert len(subject.sandbox.requests) == 3
        assert len(state.denied) == 3


async def test_asks_once_when_many_are_refused(place: Place, state: State) -> None:
    """A batch with a wrong credential costs one refusal, and not one per attachment."""
    # given
    refs = [attachment_ref(one.id) for one in alive(state, "Attachment")[:50]]

    async with connected(place, state, auth="api_key", api_key=Secret("wrong")) as subject:
        # when
        outcomes = await fetched(subject, refs)

        # then
        assert types(outcomes) == [Unauthenticated] * 50
        assert paths(subject) == ["Attachment"]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({}, "needs its keys"),
        ({"auth": "hmac", "api_key": Secret("k")}, "needs its keys"),
        ({"auth": "basic", "username": "u"}, "needs its keys"),
        ({**API_USER, "url": "https://crm.example.org"}, "ends in /api/v1"),
    ],
)
def test_refuses_incomplete_settings(wrong: dict[str, object], said: str) -> None:
    """An operator learns at the start which key is missing."""
    # given
    good = {"name": SOURCE, "kind": "espocrm", "url": "https://crm.example.org/api/v1/"}

    # when
    with pytest.raises(ValueError, match=said) as caught:
        EspoCrmSettings(**{**good, **wrong})

    # then
    assert EspoCrmSettings(**good, **API_USER).auth == "api_key"
    assert seed.API_KEY not in str(caught.value)
