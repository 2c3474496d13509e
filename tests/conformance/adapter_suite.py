"""What every adapter does, whatever its source: the checks U01 to U15 that need no write (U12 is about uploads).

A kind's test is a subclass with a sandbox, an opener and samples::

    class TestArrhes(AdapterSuite):
        requests_for_50 = 1
        secrets = (seed.API_KEY,)
        required_fields = ("name",)

        @pytest.fixture
        def app(self, state: State) -> ASGIApp: ...

        @pytest.fixture
        def samples(self, state: State) -> Samples: ...

        def open_adapter(self, origin: str) -> Adapter: ...

An id never changes its meaning (``checks.json``). An error that is raised counts as a failed check.
"""

import asyncio
import threading
import traceback
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import ClassVar

import pytest
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp

from gateway.domain.capabilities import Operation
from gateway.domain.errors import BadInput, BadResponse, GatewayError, NotFound
from gateway.domain.model import AttachmentListing
from gateway.domain.refs import Ref
from gateway.domain.tree import Tree
from gateway.sandbox.server import in_thread
from gateway.sandbox.upstream import Fault, SandboxUpstream
from gateway.transport.call import Call
from gateway.upstreams.base import Adapter, capabilities
from tests.conformance.answers import (
    children_of,
    entry,
    flaws,
    listing,
    misplacements,
    owner_of,
    parent_of,
    ref_of,
)
from tests.conformance.comparison import changed, differences
from tests.conformance.rewriting import add_unknown_fields, without_field
from tests.conformance.subject import (
    HOSTILE_ID,
    Damaged,
    Place,
    Samples,
    Subject,
    Switch,
    eventually,
    fetched,
    implements,
    listed,
    opened,
    read,
    sent_credentials,
    shows,
    signed,
    struck,
    torn,
)
from tests.conformance.troubles import CANARY, TROUBLES, Trouble

MANY = 50
LONG = 60.0
"""Seconds of a call that is cancelled, so that its own end can't be taken for the cancellation."""
QUIET_AFTER = 5.0
"""Seconds after which nothing of a cancelled call is left; one that goes on does so for LONG."""


class AdapterSuite:
    """The checks for every kind; a subclass gives what stands before the first of them."""

    requests_for_50: ClassVar[int]
    """The most upstream requests that 50 keys of ``Samples.known`` may cost."""

    secrets: ClassVar[tuple[str, ...]]
    """Texts that no error and no link may show: passwords, keys, tokens."""

    required_fields: ClassVar[tuple[str, ...]]
    """JSON keys, or local names of XML elements, without which an entry is no entry."""

    required_in_listings: ClassVar[tuple[str, ...] | None] = None
    """The same for listings, where those have other fields."""

    varying: ClassVar[frozenset[str]] = frozenset()
    """Dotted fields that differ from answer to answer, with the reason beside them; best none."""

    status_errors: ClassVar[Mapping[int, type[GatewayError]]] = {}
    """What a status means at this kind, where that isn't what it means elsewhere."""

    @pytest.fixture
    def app(self) -> ASGIApp:
        """Make the sandbox application; a subclass gives it."""
        raise NotImplementedError

    @pytest.fixture
    def samples(self) -> Samples:
        """Choose references from the state of ``app``; a subclass gives them."""
        raise NotImplementedError

    def open_adapter(self, origin: str) -> Adapter:
        """Make the adapter of a sandbox at ``http://127.0.0.1:port``; a subclass does."""
        raise NotImplementedError

    @pytest.fixture
    def foreign(self) -> SandboxUpstream | None:
        """Give the server on another origin that holds the source's contents, where there is one."""
        return None

    @pytest.fixture
    def damaged(self) -> Damaged | None:
        """Give a library with cycles and orphans; a kind with folders does."""
        return None

    @pytest.fixture(scope="class")
    @classmethod
    def place(cls) -> Iterator[Place]:
        """Run one server for all checks of a kind."""
        switch = Switch()
        with in_thread(switch) as origin:
            yield Place(switch, origin)

    @pytest.fixture
    async def subject(self, place: Place, app: ASGIApp) -> AsyncIterator[Subject]:
        """Open the adapter on a sandbox of its own."""
        async with opened(place, app, self.open_adapter) as subject:
            yield subject

    # Reading

    async def test_u01_answers_one_result_per_ref_in_order(self, subject: Subject, samples: Samples) -> None:
        """MUST answer one result per ref, in order, duplicates and the empty list included."""
        # given
        first, second, third = samples.known[:3]
        asked = [third, first, second, first, third]
        parent = samples.parents[0]

        # when
        nothing = [*await fetched(subject, []), *await listed(subject, [])]
        unasked = len(subject.sandbox.requests)
        entries = await fetched(subject, asked)
        listings = await listed(subject, [parent, samples.missing_parent, parent])

        # then
        assert (nothing, unasked) == ([], 0), "the empty list gives the empty list and costs nothing"
        assert [ref_of(one) for one in entries] == asked
        assert [parent_of(one) for one in listings] == [parent, None, parent]

    async def test_u02_gives_not_found_as_a_value(self, subject: Subject, samples: Samples) -> None:
        """MUST give NotFound as a value for a missing ref and still answer its neighbours."""
        # given
        first, second = samples.known[:2]
        missing = samples.missing
        too_long = changed(first, key=(*first.key, "more"))

        # when
        entries = await fetched(subject, [first, missing, second, too_long])
        alone = await fetched(subject, [missing])
        listings = await listed(subject, [samples.missing_parent, samples.parents[0]])

        # then
        assert [ref_of(one) for one in entries] == [first, None, second, None]
        assert [type(one) for one in (entries[1], entries[3], alone[0], listings[0])] == [NotFound] * 4
        assert parent_of(listings[1]) == samples.parents[0]

    async def test_u03_gives_refs_that_round_trip(self, subject: Subject, samples: Samples) -> None:
        """MUST return entries whose ref round-trips through text and fetches the same entry."""
        # given
        asked = [*samples.known[:3], samples.hostile]
        once = [entry(one) for one in await fetched(subject, asked)]

        # when
        texts = [Ref.from_text(one.ref.to_text()) for one in once]
        again = [entry(one) for one in await fetched(subject, texts)]

        # then
        assert texts == asked
        assert [differences(*pair, self.varying) for pair in zip(once, again, strict=True)] == [[]] * len(once)

    async def test_u04_gives_clean_values(self, subject: Subject, samples: Samples) -> None:
        """MUST return timezone-aware times, sizes >= 0 or None, no empty-string stand-ins for None."""
        # given
        asked = samples.known[:MANY]

        # when
        entries = [entry(one) for one in await fetched(subject, asked)]
        listings = [listing(one) for one in await listed(subject, samples.parents)]
        entries += [child for one in listings for child in children_of(one)]

        # then
        assert {flaw for one in entries for flaw in flaws(one)} == set()

    async def test_u05_keeps_hostile_names_and_ids(self, subject: Subject, samples: Samples) -> None:
        """MUST keep non-ASCII, quote and slash in names and ids."""
        # given
        assert not samples.hostile_name.isascii(), "the sample has no letter outside ASCII"
        assert {"/"} < set(samples.hostile_name) & set("/\"'"), "the sample has no slash and quote"
        hostile_id = changed(samples.known[0], key=(*samples.known[0].key[:-1], HOSTILE_ID))

        # when
        named = entry((await fetched(subject, [samples.hostile]))[0])
        subject.sandbox.requests.clear()
        (unknown,) = await fetched(subject, [hostile_id])

        # then
        assert (named.ref, named.name) == (samples.hostile, samples.hostile_name)
        assert type(unknown) in (NotFound, BadInput)
        assert [part for one in subject.sandbox.requests for part in torn(one)] == []

    async def test_u06_lists_children_that_fetch_equal(self, subject: Subject, samples: Samples) -> None:
        """MUST list children that each fetch to an equal entry, with the parent pointing back."""
        # given
        parents = samples.parents

        # when
        listings = [listing(one) for one in await listed(subject, parents)]
        children = [child for one in listings for child in children_of(one)]
        entries = [entry(one) for one in await fetched(subject, [child.ref for child in children])]

        # then
        pairs = list(zip(children, entries, strict=True))
        assert children_of(listings[0]), "the first parent of the samples has no children"
        assert [parent_of(one) for one in listings] == list(parents)
        assert {owner_of(child) for one in listings for child in children_of(one)} <= set(parents)
        assert all(owner_of(child) == parent_of(one) for one in listings for child in children_of(one))
        assert {(one.ref, *differences(one, two, self.varying)) for one, two in pairs} == {
            (one.ref,) for one in children
        }

    # Failing

    @pytest.mark.parametrize("trouble", TROUBLES, ids=lambda one: one.name)
    async def test_u07_names_what_went_wrong(
        self, subject: Subject, samples: Samples, trouble: Trouble
    ) -> None:
        """MUST map 400, 401, 403, 404, 429 (+ Retry-After), 5xx, timeout, bad JSON/XML to the named errors."""
        # given
        expected = self.status_errors.get(trouble.status or 0, trouble.error)

        # when
        errors = await struck(subject, samples, trouble)

        # then
        assert {type(one) for one in errors} == {expected}
        assert {one.retry_after for one in errors if trouble.retry_after} <= {trouble.retry_after}

    @pytest.mark.parametrize("trouble", TROUBLES, ids=lambda one: one.name)
    async def test_u08_keeps_secrets_out_of_errors(
        self, subject: Subject, samples: Samples, trouble: Trouble
    ) -> None:
        """MUST NOT put a credential, header or upstream body in an error's text or repr."""
        # given
        errors = await struck(subject, samples, trouble)

        # when
        texts = [text for one in errors for text in (str(one), repr(one), *traceback.format_exception(one))]

        # then
        hidden = [CANARY, *self.secrets, *sent_credentials(subject.sandbox)]
        assert [text for text in texts if any(one in text for one in hidden)] == []

    # What it costs, and whom it trusts

    async def test_u09_stays_within_its_requests(self, subject: Subject, samples: Samples) -> None:
        """MUST NOT exceed the declared number of HTTP requests for 50 keys (a number per adapter)."""
        # given
        asked = samples.known[:MANY]

        # when
        entries = await fetched(subject, asked)

        # then
        assert [ref_of(one) for one in entries] == list(asked)
        assert len(set(asked)) == MANY, "the samples have fewer than 50 known references"
        assert len(subject.sandbox.requests) <= self.requests_for_50

    async def test_u10_shows_credentials_to_its_own_origin_only(
        self, subject: Subject, samples: Samples, foreign: SandboxUpstream | None
    ) -> None:
        """MUST send credentials to its own origin only, never to a signed or redirected foreign URL."""
        # given
        stranger = SandboxUpstream("stranger", PlainTextResponse("[]", media_type="application/json"))
        ref = samples.known[0]

        # when
        contents = await read(subject.adapter, ref)
        link = await signed(subject.adapter, ref)
        with in_thread(stranger) as origin:
            for status in (301, 302, 303, 307, 308):
                subject.sandbox.fault = Fault(status=status, headers={"location": f"{origin}/elsewhere"})
                await fetched(subject, [ref])
                await listed(subject, samples.parents[:1])
                await read(subject.adapter, ref)

        # then
        hidden = [*self.secrets, *sent_credentials(subject.sandbox)]
        seen = [*stranger.requests, *(foreign.requests if foreign else ())]
        assert any(sent_credentials(subject.sandbox)), "the source was never shown a credential"
        assert [one for one in seen if shows(one, hidden)] == []
        assert [one for one in hidden if one in link or one.encode() in contents] == []

    async def test_u11_can_do_what_it_has_methods_for(self, subject: Subject) -> None:
        """MUST have the capability if and only if the method exists; GraphQL shows the same set."""
        # given
        can = {one.operation: one for one in capabilities(subject.adapter)}

        # when
        methods = {one: implements(subject.adapter, one) for one in Operation}

        # then
        assert {one: can[one].supported for one in Operation} == methods
        assert [one for one in can.values() if not one.supported and not one.reason] == []

    # What comes unexpected

    async def test_u13_survives_later_versions(self, subject: Subject, samples: Samples) -> None:
        """MUST survive unknown extra fields; MUST raise BadResponse on a missing required one."""
        # given
        ref, parent = samples.known[0], samples.parents[0]
        before = entry((await fetched(subject, [ref]))[0])
        listed_before = children_of(listing((await listed(subject, [parent]))[0]))

        # when
        subject.wire.edit = add_unknown_fields
        after = entry((await fetched(subject, [ref]))[0])
        listed_after = children_of(listing((await listed(subject, [parent]))[0]))
        without = await self._without_required_fields(subject, samples)

        # then
        assert differences(before, after, self.varying) == []
        assert [one.ref for one in listed_after] == [one.ref for one in listed_before]
        assert without
        assert {name: type(one) for name, one in without.items()} == dict.fromkeys(without, BadResponse)

    async def _without_required_fields(self, subject: Subject, samples: Samples) -> dict[str, object]:
        """Take each required field away in turn; gives what came of it, by what was asked for and the field."""
        outcomes: dict[str, object] = {}
        for name in self.required_fields:
            subject.wire.edit = without_field(name)
            (outcomes[f"fetch without {name}"],) = await fetched(subject, samples.known[:1])
        in_listings = self.required_fields if self.required_in_listings is None else self.required_in_listings
        for name in in_listings:
            subject.wire.edit = without_field(name)
            (outcomes[f"list without {name}"],) = await listed(subject, samples.parents[:1])
        return outcomes

    async def test_u14_leaves_nothing_running(self, subject: Subject, samples: Samples) -> None:
        """SHOULD leave no request running after the caller is cancelled."""
        # given
        before = asyncio.all_tasks()
        release = threading.Event()
        subject.sandbox.fault = Fault(hold=release)
        fetch = subject.adapter.fetch(samples.known[:3], Call.lasting(LONG))
        children = subject.adapter.children(samples.parents[:1], Call.lasting(LONG))
        callers = [asyncio.ensure_future(fetch), asyncio.ensure_future(children)]

        # when
        reached = await eventually(lambda: subject.sandbox.running > 0)
        for caller in callers:
            caller.cancel()
        await asyncio.wait(callers)

        quiet = await eventually(
            lambda: subject.sandbox.running == 0 and asyncio.all_tasks() <= before, QUIET_AFTER
        )
        release.set()

        # then
        assert reached, "no request reached the source"
        assert quiet, "a request or a task is left"

    async def test_u15_detects_cycles_and_orphans(
        self, subject: Subject, samples: Samples, place: Place, damaged: Damaged | None
    ) -> None:
        """MUST detect a folder cycle or orphan instead of recursing."""
        # given
        has_folders = subject.adapter.record_kind is None
        assert has_folders == (damaged is not None), (
            "an adapter with folders, and no other, needs a damaged library"
        )
        listings = [listing(one) for one in await listed(subject, samples.parents)]

        # when
        faults: list[str] = []
        if damaged is not None:
            async with opened(place, damaged.app, self.open_adapter) as broken:
                (tree,) = await listed(broken, [damaged.library])
                faults = list(misplacements(tree, damaged)) if isinstance(tree, Tree) else [repr(tree)]

        # then
        assert {type(one) for one in listings} == {Tree if has_folders else AttachmentListing}
        assert faults == []
