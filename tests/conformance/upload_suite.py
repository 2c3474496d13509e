"""What every adapter that uploads does: U12, and the writing halves of U05, U07, U08, U10 and U11.

A kind's test is a subclass with a sandbox, an opener and a target::

    class TestUploads(UploadSuite):
        limit = 10_000
        secrets = (seed.API_KEY,)

        @pytest.fixture
        def app(self, state: State) -> ASGIApp: ...

        @pytest.fixture
        def target(self, state: State) -> Ref: ...

        @pytest.fixture
        def stored(self, state: State) -> Callable[[], int]: ...

        def open_adapter(self, origin: str) -> Adapter: ...

Whatever an upload comes to, the suite goes on as the gateway would: it takes a definite error for "nothing was made",
reconciles after any other, and sends the file again only when that finds nothing. Then the file must be there once.
"""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, ClassVar

import pytest
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp

from gateway.domain.capabilities import Operation
from gateway.domain.changes import UploadItem
from gateway.domain.errors import BadInput, GatewayError, TooLarge
from gateway.domain.model import Entry
from gateway.domain.refs import Ref
from gateway.sandbox.server import in_thread
from gateway.sandbox.upstream import Fault, SandboxUpstream
from gateway.upstreams.base import Adapter, capabilities
from tests.conformance.answers import children_of, entry, listing
from tests.conformance.comparison import changed
from tests.conformance.subject import (
    Place,
    Subject,
    Switch,
    fetched,
    listed,
    opened,
    sent_credentials,
    shows,
)
from tests.conformance.troubles import CANARY, Trouble
from tests.conformance.uploading import (
    HOSTILE_NAMES,
    WRITE_TROUBLES,
    Nth,
    attempt,
    carried,
    download,
    reconciled,
    refusal,
    some_bytes,
    uploaded,
)

MOST_STEPS = 50
"""Requests of one upload, at which the suite takes it to be endless."""

REDIRECTS = (301, 302, 303, 307, 308)


class UploadSuite:
    """The checks; a subclass gives what stands before the first of them."""

    limit: ClassVar[int]
    """Bytes of the largest file, as ``open_adapter`` configures it; some thousands, and more than one chunk."""

    secrets: ClassVar[tuple[str, ...]]
    """Texts that no error and no other server may be shown."""

    extension: ClassVar[str] = ".txt"
    media_type: ClassVar[str] = "text/plain"
    options: ClassVar[Mapping[str, Any]] = {}
    """What this kind needs to know besides."""

    takes_nothing: ClassVar[bool] = True
    """Whether a file of 0 bytes may be uploaded; where not, ``check`` refuses it."""

    errors: ClassVar[Mapping[str, type[GatewayError]]] = {}
    """What a trouble (by its name) means for an upload to this kind, where that isn't what it means elsewhere."""

    @pytest.fixture
    def app(self) -> ASGIApp:
        """Make the sandbox application; a subclass gives it."""
        raise NotImplementedError

    @pytest.fixture
    def target(self) -> Ref:
        """Choose where to upload to; a subclass does."""
        raise NotImplementedError

    @pytest.fixture
    def stored(self) -> Callable[[], int]:
        """Count what the source keeps, half-made objects included; a subclass does, from the sandbox's state."""
        raise NotImplementedError

    @pytest.fixture
    def parent(self, target: Ref) -> Ref:
        """Tell what is listed to see the upload, where that isn't the target itself."""
        return target

    @pytest.fixture
    def foreign(self) -> SandboxUpstream | None:
        """Give the server on another origin that the bytes go to, where there is one."""
        return None

    def open_adapter(self, origin: str) -> Adapter:
        """Make the adapter of a sandbox at ``http://127.0.0.1:port``; a subclass does."""
        raise NotImplementedError

    def contents(self, size: int) -> bytes:
        """Make a file of so many bytes that the source takes and keeps as it is; other ones where it has no twins."""
        return some_bytes(size)

    def now(self) -> datetime:
        """Tell the time of the sandbox's clock."""
        return datetime.now(UTC)

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

    # Carrying

    @pytest.mark.parametrize("size", ["none", "one", "limit"])
    async def test_u12_uploads_what_downloads_equal(
        self, subject: Subject, target: Ref, parent: Ref, size: str
    ) -> None:
        """MUST upload bytes that download equal at 0, 1 and limit bytes."""
        # given
        contents = self.contents({"none": 0, "one": 1, "limit": self.limit}[size])
        item = self.item(target, contents)
        if size == "none" and not self.takes_nothing:
            assert type(refusal(subject, item)) is BadInput, "a file of no bytes is neither taken nor refused"
            return

        # when
        ref = await uploaded(subject, item, contents)

        # then
        (found,) = await fetched(subject, [ref])
        assert self.name_of(entry(found)) == item.name
        assert await download(subject, ref) == contents
        assert [one.ref for one in await self.held(subject, parent)].count(ref) == 1

    async def test_u12_refuses_one_byte_more(self, subject: Subject, target: Ref) -> None:
        """MUST raise TooLarge at limit + 1, without a request."""
        # given
        contents = self.contents(self.limit + 1)
        item = self.item(target, contents)

        # when
        refused = refusal(subject, item)
        outcome = await attempt(subject, item, contents)

        # then
        assert (type(refused), type(outcome)) == (TooLarge, TooLarge)
        assert list(subject.sandbox.requests) == []

    @pytest.mark.parametrize("name", HOSTILE_NAMES.values(), ids=HOSTILE_NAMES.keys())
    async def test_u05_keeps_or_refuses_hostile_names(self, subject: Subject, target: Ref, name: str) -> None:
        """MUST keep non-ASCII, quote and slash in the names of uploads, or refuse them before sending."""
        # given
        contents = self.contents(self.limit)
        item = changed(self.item(target, contents), name=name and name + self.extension)

        # when
        refused = refusal(subject, item)
        outcome = await attempt(subject, item, contents)

        # then
        if refused is not None:
            assert (type(refused), type(outcome)) == (BadInput, BadInput)
            assert list(subject.sandbox.requests) == []
            return
        assert isinstance(outcome, Ref), f"neither kept nor refused before: {outcome!r}"
        (found,) = await fetched(subject, [outcome])
        assert self.name_of(entry(found)) == item.name
        assert await download(subject, outcome) == contents

    # Failing

    @pytest.mark.parametrize("trouble", WRITE_TROUBLES, ids=lambda one: one.name)
    async def test_u07_names_what_went_wrong(self, subject: Subject, target: Ref, trouble: Trouble) -> None:
        """MUST map the source's answers to an upload to the named errors, Retry-After included."""
        # given
        expected = self.errors.get(trouble.name, trouble.error)

        # when
        error = await self.struck(subject, target, trouble)

        # then
        assert type(error) is expected
        if trouble.retry_after is not None:
            assert error.retry_after == trouble.retry_after

    @pytest.mark.parametrize("trouble", WRITE_TROUBLES, ids=lambda one: one.name)
    async def test_u08_keeps_secrets_out_of_errors(
        self, subject: Subject, target: Ref, trouble: Trouble
    ) -> None:
        """MUST NOT put a credential, header or upstream body in an error of an upload."""
        # given
        error = await self.struck(subject, target, trouble)

        # when
        texts = [str(error), repr(error), repr(error.__cause__)]

        # then
        hidden = [CANARY, *self.secrets, *sent_credentials(subject.sandbox)]
        assert [text for text in texts if any(one in text for one in hidden)] == []

    @pytest.mark.parametrize("status", [400, 403, 404, 409, 429])
    async def test_u07_leaves_nothing_half_made(
        self, subject: Subject, target: Ref, parent: Ref, stored: Callable[[], int], status: int
    ) -> None:
        """MUST leave nothing behind when any one request of an upload is refused."""
        # given
        fault = Fault(status=status, body=b"{}", headers={"content-type": "application/json"})

        # when
        flaws = await self.flaws_at_each_step(subject, target, parent, stored, fault)

        # then
        assert flaws == []

    # Whom it trusts, and what it promises

    async def test_u10_shows_credentials_to_its_own_origin_only(
        self, subject: Subject, target: Ref, foreign: SandboxUpstream | None
    ) -> None:
        """MUST NOT send credentials, or the file, where an answer to an upload redirects to."""
        # given
        stranger = SandboxUpstream("stranger", PlainTextResponse("[]", media_type="application/json"))
        contents = self.contents(self.limit)
        item = self.item(target, contents)

        # when
        await uploaded(subject, item, contents)
        with in_thread(stranger) as origin:
            for status in REDIRECTS:
                subject.sandbox.fault = Fault(status=status, headers={"location": f"{origin}/elsewhere"})
                await attempt(subject, item, contents)

        # then
        hidden = [*self.secrets, *sent_credentials(subject.sandbox)]
        assert any(sent_credentials(subject.sandbox)), "the source was never shown a credential"
        assert list(stranger.requests) == []
        assert [one for one in (foreign.requests if foreign else ()) if shows(one, hidden)] == []

    async def test_u11_says_that_it_uploads(self, subject: Subject) -> None:
        """MUST have the capability to upload, with the limit that it keeps to."""
        # given
        can = {one.operation: one for one in capabilities(subject.adapter)}

        # when
        upload = can[Operation.UPLOAD]

        # then
        assert (upload.supported, upload.max_bytes) == (True, self.limit)

    # Exactly once

    async def test_u12_finds_an_upload_whose_answer_was_lost(
        self, subject: Subject, target: Ref, parent: Ref, stored: Callable[[], int]
    ) -> None:
        """MUST NOT make a duplicate when the source acts and its answer is lost, at whichever step."""
        # given
        fault = Fault(torn=True)

        # when
        flaws = await self.flaws_at_each_step(subject, target, parent, stored, fault)

        # then
        assert flaws == []

    @pytest.mark.parametrize("status", [500, 503])
    async def test_u12_goes_on_after_a_fault_of_the_source(
        self, subject: Subject, target: Ref, parent: Ref, stored: Callable[[], int], status: int
    ) -> None:
        """MUST find out that nothing happened when the source has a fault, at whichever step."""
        # given
        fault = Fault(status=status)

        # when
        flaws = await self.flaws_at_each_step(subject, target, parent, stored, fault)

        # then
        assert flaws == []

    async def test_u12_proves_that_nothing_was_sent(
        self, subject: Subject, target: Ref, stored: Callable[[], int]
    ) -> None:
        """MUST answer None for an attempt that never reached the source, also beside a twin of another ticket."""
        # given
        contents = self.contents(self.limit)
        item = self.item(target, contents)

        # when
        before = await reconciled(subject, item)
        twin = await uploaded(subject, item, contents)
        held = stored()
        beside = await reconciled(subject, changed(item, marker="another", claimed=frozenset({twin})))

        # then
        assert (before, beside) == (None, None)
        assert stored() == held

    # What a check is made of

    def item(self, target: Ref, contents: bytes, name: str = "Devis n° 1") -> UploadItem:
        """Write down an upload."""
        return UploadItem(
            target=target,
            name=name + self.extension,
            media_type=self.media_type,
            size=len(contents),
            sha256=sha256(contents).hexdigest(),
            options=self.options,
            marker="ticket",
            started_at=self.now(),
        )

    def name_of(self, found: Entry) -> str:
        """Tell the name that a file was uploaded under."""
        return found.name

    async def held(self, subject: Subject, parent: Ref) -> list[Entry]:
        """List what hangs on, or lies in, the parent."""
        (found,) = await listed(subject, [parent])
        return children_of(listing(found))

    async def struck(self, subject: Subject, target: Ref, trouble: Trouble) -> GatewayError:
        """Upload while the source is in trouble; gives the error."""
        contents = self.contents(self.limit)
        item = self.item(target, contents)
        fault = subject.sandbox.fault = trouble.fault()
        try:
            outcome = await attempt(subject, item, contents, seconds=trouble.seconds)
        finally:
            if fault.hold is not None:
                fault.hold.set()
        assert isinstance(outcome, GatewayError), f"uploaded in spite of the trouble: {outcome!r}"
        return outcome

    async def flaws_at_each_step(
        self, subject: Subject, target: Ref, parent: Ref, stored: Callable[[], int], fault: Fault
    ) -> list[str]:
        """Strike each request of an upload in turn, go on as the gateway would, and name what is then wrong."""
        claimed: set[Ref] = set()
        flaws: list[str] = []
        for step in range(1, MOST_STEPS):
            contents = self.contents(self.limit)
            chosen = Nth(step)
            subject.sandbox.fault = changed(fault, only=chosen)
            item = changed(self.item(target, contents), marker=f"ticket {step}", claimed=frozenset(claimed))
            before = stored()
            outcome = await carried(subject, item, contents)
            struck, subject.sandbox.fault = chosen.struck, None
            held = [one.ref for one in await self.held(subject, parent)]
            if not isinstance(outcome, Ref) or outcome in claimed or held.count(outcome) != 1:
                flaws.append(f"step {step}: {outcome!r} is not the one that was uploaded")
            elif stored() != before + 1 or await download(subject, outcome) != contents:
                flaws.append(f"step {step}: {stored() - before} new ones, or other bytes")
            if not struck:
                assert step > 1, "an upload without a request"
                return flaws
            claimed |= {outcome} if isinstance(outcome, Ref) else set()
        raise AssertionError(f"an upload of more than {MOST_STEPS} requests")
