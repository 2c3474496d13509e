"""Writes as clients send them: a list of items under an idempotency key, one outcome per item in order.

An outcome is kept as JSON, so that whoever sends the same request again gets the same answer: the identifier of what
came out, or the error.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec

from gateway.domain.errors import GatewayError, OutcomeUnknown, StorageUnavailable, error_classes
from gateway.domain.refs import Ref
from gateway.transport.call import Call
from gateway.uploads.idempotency import RequestKey
from gateway.uploads.journal import Journal
from gateway.uploads.once import once
from gateway.upstreams.base import Adapter

T = TypeVar("T")
R = TypeVar("R")

CLASSES: Mapping[str, type[GatewayError]] = {cls.code: cls for cls in error_classes()}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one item: an identifier with what is to be said of it, or an error."""

    id: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    error: GatewayError | None = None

    def to_json(self) -> dict[str, Any]:
        """Write it for the journal."""
        if self.error is None:
            return {"id": self.id, "facts": dict(self.facts)}
        error = self.error
        wait = error.retry_after
        return {"code": error.code, "message": error.message, "source": error.source, "retry_after": wait}

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> "Outcome":
        """Read it back."""
        if "code" not in kept:
            return cls(kept["id"], kept["facts"])
        error = CLASSES[kept["code"]](kept["message"], source=kept["source"], retry_after=kept["retry_after"])
        return cls(error=error)


Do = Callable[[], Awaitable[Sequence[Outcome]]]


class Writer(msgspec.Struct, frozen=True, kw_only=True):
    """Writes of one request. ``principal`` and ``tenant`` are whose they are.

    ``drop`` is called before and after each write: what is remembered of the tenant's answers may be wrong by then.
    """

    journal: Journal | None
    call: Call
    principal: str
    tenant: str
    drop: Callable[[], None]

    async def write(
        self,
        operation: str,
        key: str,
        body: object,
        do: Do,
        *,
        repeatable: bool = True,
        keep_failures: bool = True,
    ) -> list[Outcome]:
        """Do a write once per key and give its outcomes.

        A write that is not ``repeatable`` and whose process died half-way is not done again, however often it is
        asked for: OutcomeUnknown is raised. Without ``keep_failures`` one that failed is done again when it is asked
        for again. Raises StorageUnavailable without a journal, and what ``once`` raises.
        """
        if self.journal is None:
            raise StorageUnavailable("This gateway has no journal, so it takes no writes.")

        async def work(resumed: bool) -> dict[str, Any]:
            if resumed and not repeatable:
                return {"outcomes": None}  # an answer and no error, after which the key would be free again
            outcomes = await do()
            kept = keep_failures or all(outcome.error is None for outcome in outcomes)
            return {"outcomes": [outcome.to_json() for outcome in outcomes], "kept": kept}

        request = RequestKey(self.tenant, self.principal, operation, key)
        text = msgspec.json.encode(body, order="deterministic")
        self.drop()
        try:
            answer = await once(self.journal, request, text, work, self.call.remaining())
        finally:
            self.drop()
        if answer["outcomes"] is None:
            raise OutcomeUnknown("The gateway died while it did this; look at the source before trying again.")
        return [Outcome.from_json(kept) for kept in answer["outcomes"]]


async def by_source(
    items: Sequence[T],
    ref_of: Callable[[T], Ref],
    sources: Mapping[str, Adapter],
    do: Callable[[Adapter, list[T]], Awaitable[Sequence[R | GatewayError]]],
) -> list[R | GatewayError]:
    """Hand each source its items, all sources at once, and give the results in the order of the items."""
    places: dict[str, list[int]] = {}
    for place, item in enumerate(items):
        places.setdefault(ref_of(item).source, []).append(place)
    results: dict[int, R | GatewayError] = {}

    async def one(source: str, numbers: list[int]) -> None:
        done = await do(sources[source], [items[number] for number in numbers])
        results.update(zip(numbers, done, strict=True))

    await asyncio.gather(*(one(source, numbers) for source, numbers in places.items()))
    return [results[place] for place in range(len(items))]
