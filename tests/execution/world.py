"""A world of five sources in memory, so that thousands of documents can be executed in a minute.

`Source` implements the contract of `gateway.upstreams.base.Adapter`. It answers after a random number of turns of
the event loop, so that answers come in every order, and it counts what it is asked. It is a double of the upstreams
alone: loaders, context, resolvers and schema are the product's own.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, ClassVar

from gateway.context import RequestContext
from gateway.domain.errors import NotFound
from gateway.domain.model import RecordKind, SignedLink, SourceKind
from gateway.domain.refs import Ref
from gateway.identity.principals import DEFAULT_TENANT, anonymous
from gateway.links import ContentLinks
from gateway.transport.call import Call
from gateway.upstreams.base import Content
from tests.identifiers import IDS

MOST_TURNS = 3
"""How many turns of the loop an answer takes at most."""


@dataclass
class Source:
    """One source: what it has, by reference, and what it was asked."""

    name: str
    kind: SourceKind
    record_kind: RecordKind | None
    entries: dict[Ref, Any] = field(default_factory=dict)
    """What `fetch` gives: objects, errors, or values that no source may give."""
    listings: dict[Ref, Any] = field(default_factory=dict)
    """What `children` gives."""
    random: Random = field(default_factory=Random)
    asked: Counter[str] = field(default_factory=Counter)

    async def fetch(self, refs: Sequence[Ref], _: Call) -> Sequence[Any]:
        """Give entries."""
        return await self._answer("fetch", refs, self.entries)

    async def children(self, parents: Sequence[Ref], _: Call) -> Sequence[Any]:
        """Give listings and trees."""
        return await self._answer("children", parents, self.listings)

    async def probe(self, _: Call) -> None:
        """Answer that all is well."""

    async def aclose(self) -> None:
        """Close nothing: there are no connections."""

    async def _answer(self, question: str, refs: Sequence[Ref], known: dict[Ref, Any]) -> Sequence[Any]:
        self.asked[question] += 1
        for _ in range(self.random.randrange(MOST_TURNS + 1)):
            await asyncio.sleep(0)
        missing = NotFound("There is no such object, or it may not be seen.", source=self.name)
        return [_fresh(known.get(ref, missing)) for ref in refs]


def _fresh(value: Any) -> Any:
    """Copy an error: one that is raised again and again keeps the traceback of each time."""
    return copy(value) if isinstance(value, Exception) else value


class SigningSource(Source):
    """A source that signs links itself; one file in it cannot be signed."""

    unsigned: ClassVar[str] = "m1-a2"

    async def sign(self, ref: Ref, _: Call) -> SignedLink:
        """Sign a link."""
        self.asked["sign"] += 1
        await asyncio.sleep(0)
        if ref.key[-1] == self.unsigned:
            raise NotFound("The bytes are gone.", source=self.name)
        return SignedLink(f"https://files.example/{ref.key[-1]}", None)


class ContentSource(Source):
    """A source whose bytes the gateway carries."""

    supports_range: ClassVar[bool] = False

    def open(self, ref: Ref, call: Call, byte_range: str | None = None) -> Any:
        """Open nothing: no query reads bytes."""
        raise AssertionError((ref, call, byte_range, Content))


class PlainLinks(ContentLinks):
    """Links that are the same each time they are made, as real ones are not."""

    def seal(self, ref: Ref, life: int) -> SignedLink:
        """Make a link."""
        ends = datetime(2026, 3, 1, tzinfo=UTC) + timedelta(seconds=life)
        return SignedLink(f"{self.base_url}/content/{ref.to_text()}", ends)


ANYBODY = anonymous(DEFAULT_TENANT)
LINKS = PlainLinks(bytes(32), "https://gateway.example")


@dataclass
class World:
    """The sources, and what clients may say about them."""

    sources: dict[str, Any] = field(default_factory=dict)
    ids: list[str] = field(default_factory=list)
    """Identifiers of what is there, and of what is not."""
    records: list[dict[str, Any]] = field(default_factory=list)
    """Values of `RecordLookup`."""
    libraries: list[dict[str, Any]] = field(default_factory=list)
    """Values of `LibraryLookup`."""

    def context(self, seed: int = 0) -> RequestContext:
        """Make the context of a request; the seed decides in which order the sources answer."""
        for index, source in enumerate(self.sources.values()):
            source.random = Random(seed + index)  # noqa: S311 - nothing here is a secret
            source.asked.clear()
        return RequestContext.make(ANYBODY, Call.lasting(60.0), self.sources, LINKS, IDS)

    def asked(self) -> Counter[str]:
        """Tell what was asked since the last context was made, of all sources together."""
        return sum((source.asked for source in self.sources.values()), Counter())
