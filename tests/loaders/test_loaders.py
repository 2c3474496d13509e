"""Loaders batch per source, keep failures to their keys, and leave nothing running."""

import asyncio
from collections.abc import Sequence
from typing import ClassVar

import pytest

from gateway.domain.errors import GatewayError, NotFound, Unavailable, UnknownSource
from gateway.domain.model import Entry, Record, RecordKind, SourceKind
from gateway.domain.refs import Ref, RefType
from gateway.loaders.children import AttachmentListingByRecordLoader, TreeByLibraryLoader
from gateway.loaders.entries import EntryByRefLoader
from gateway.transport.call import Call
from gateway.upstreams.base import Listing


class Scripted:
    """A source whose answers a test writes: a reference answers its record, one named `bad` an error."""

    kind: ClassVar = SourceKind.MAARCH
    record_kind: ClassVar = RecordKind.MAIL

    def __init__(self, name: str) -> None:
        self.name = name
        self.batches: list[list[Ref]] = []
        self.hold = asyncio.Event()
        self.hold.set()
        self.running = 0

    async def fetch(self, refs: Sequence[Ref], call: Call) -> Sequence[Entry | GatewayError]:  # noqa: ARG002
        """Answer each reference by itself."""
        self.batches.append(list(refs))
        self.running += 1
        try:
            await self.hold.wait()
            return [_answer(ref) for ref in refs]  # type: ignore[misc]
        finally:
            self.running -= 1

    async def children(self, parents: Sequence[Ref], call: Call) -> Sequence[Listing | GatewayError]:  # noqa: ARG002
        """Answer that nothing is there."""
        return [NotFound("no", source=self.name) for _ in parents]

    async def probe(self, call: Call) -> None:
        """Answer nothing."""

    async def aclose(self) -> None:
        """Close nothing."""


def _answer(ref: Ref) -> Record | GatewayError:
    return Unavailable("down", source=ref.source) if ref.key == ("bad",) else Record(ref, RecordKind.MAIL)


def ref(source: str, key: str) -> Ref:
    """Name an attachment."""
    return Ref(source, RefType.ATTACHMENT, (key,))


async def loaded(loader: EntryByRefLoader, refs: list[Ref]) -> list[object]:
    """Load several at once, each failure as a value in its place."""
    return await asyncio.gather(*(loader.load(one) for one in refs), return_exceptions=True)


async def test_one_batch_per_source() -> None:
    """What is asked for at once goes to each source in one sequence, every key once."""
    # given
    left, right = Scripted("left"), Scripted("right")
    loader = EntryByRefLoader({"left": left, "right": right}, Call.lasting(30))
    refs = [ref("left", "1"), ref("right", "1"), ref("left", "2"), ref("left", "1")]

    # when
    found = await loaded(loader, refs)

    # then
    assert [getattr(entry, "ref", entry) for entry in found] == refs
    assert left.batches == [[ref("left", "1"), ref("left", "2")]]
    assert right.batches == [[ref("right", "1")]]


async def test_a_bad_key_fails_alone() -> None:
    """One failure of a hundred is one failure, in its place, in one batch."""
    # given
    source = Scripted("left")
    loader = EntryByRefLoader({"left": source}, Call.lasting(30))
    refs = [ref("left", "bad" if number == 50 else str(number)) for number in range(100)]

    # when
    found = await loaded(loader, refs)

    # then
    assert [place for place, entry in enumerate(found) if isinstance(entry, GatewayError)] == [50]
    assert len(source.batches) == 1


async def test_a_failure_is_not_remembered() -> None:
    """Asking again for what failed asks the source again; what was loaded is remembered."""
    # given
    source = Scripted("left")
    loader = EntryByRefLoader({"left": source}, Call.lasting(30))
    await loaded(loader, [ref("left", "bad"), ref("left", "good")])

    # when
    await loaded(loader, [ref("left", "bad"), ref("left", "good")])

    # then
    assert source.batches[1:] == [[ref("left", "bad")]]


async def test_a_slow_source_holds_up_nobody() -> None:
    """The batch of one source is answered while another's is still waited for."""
    # given
    slow, quick = Scripted("slow"), Scripted("quick")
    slow.hold.clear()
    loader = EntryByRefLoader({"slow": slow, "quick": quick}, Call.lasting(30))
    waiting = asyncio.create_task(loader.load(ref("slow", "1")))

    # when
    found = await loader.load(ref("quick", "1"))

    # then
    assert found.ref == ref("quick", "1")
    assert not waiting.done()
    slow.hold.set()
    await waiting


async def test_closing_leaves_nothing_running() -> None:
    """When the request of the client ends, so do the batches that it started."""
    # given
    source = Scripted("left")
    source.hold.clear()
    loader = EntryByRefLoader({"left": source}, Call.lasting(30))
    waiting = asyncio.create_task(loader.load(ref("left", "1")))
    for _ in range(10):
        await asyncio.sleep(0)
    assert source.running == 1

    # when
    loader.close()
    for _ in range(10):
        await asyncio.sleep(0)
    waiting.cancel()

    # then
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert source.running == 0


async def test_a_source_that_is_not_configured() -> None:
    """A reference to nowhere is an error of its own key."""
    # given
    loader = EntryByRefLoader({}, Call.lasting(30))

    # then
    with pytest.raises(UnknownSource):
        await loader.load(ref("nowhere", "1"))


async def test_listings_and_trees_pass_failures_on() -> None:
    """What a source says of one parent is the answer of that parent."""
    # given
    sources = {"left": Scripted("left")}
    loaders = [
        AttachmentListingByRecordLoader(sources, Call.lasting(30)),
        TreeByLibraryLoader(sources, Call.lasting(30)),
    ]

    # then
    for loader in loaders:
        with pytest.raises(NotFound):
            await loader.load(ref("left", "1"))


@pytest.mark.parametrize("key", ["1", "bad"])
async def test_who_leaves_takes_nothing_from_those_who_stay(key: str) -> None:
    """Two fields wait for one value: one that is cancelled, before or just as it comes, leaves it to the other."""
    # given
    for moment in ("before", "as it comes"):
        source = Scripted("one")
        source.hold.clear()
        loader = EntryByRefLoader({"one": source}, Call.lasting(30))
        leaving, staying = (asyncio.create_task(loader.load(ref("one", key))) for _ in range(2))
        await asyncio.sleep(0.01)

        # when
        if moment == "before":
            leaving.cancel()
        else:
            loader._by_source["one"].load(ref("one", key)).add_done_callback(
                lambda _, one=leaving: one.cancel()
            )
        await asyncio.sleep(0)
        source.hold.set()
        await asyncio.wait([leaving, staying])

        # then
        assert leaving.cancelled()
        outcome = staying.exception() or staying.result()
        assert isinstance(outcome, Unavailable if key == "bad" else Record)
