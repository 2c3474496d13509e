"""The items of mutations: read one by one, handed to the sources they are of, and the objects that came out."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from gateway.context import RequestContext
from gateway.domain.capabilities import Operation
from gateway.domain.errors import BadIdentifier, GatewayError, Unsupported
from gateway.domain.model import Entry
from gateway.domain.refs import Ref, RefType
from gateway.upstreams.base import PROTOCOLS, Adapter
from gateway.writes import Outcome, by_source
from resolvers.types.node import Info

T = TypeVar("T")
R = TypeVar("R")

STORED_FILE = (RefType.ATTACHMENT, RefType.FILE)
FOLDER = (RefType.FOLDER,)
_NAMES = {
    RefType.ATTACHMENT: "an attachment",
    RefType.FILE: "a file",
    RefType.FOLDER: "a folder",
    RefType.RECORD: "a record",
}


def identified(text: str, types: Sequence[RefType], context: RequestContext) -> Ref:
    """Read the identifier of an object of some types; raises BadIdentifier."""
    ref = context.ids.open(text)
    if ref.type not in types:
        wanted = " or ".join(_NAMES[one] for one in types)
        raise BadIdentifier(f"This is not the identifier of {wanted}.")
    return ref


def able(source: str, operation: Operation, context: RequestContext) -> Adapter:
    """Find a source that does an operation; raises UnknownSource and Unsupported. No upstream request."""
    adapter = context.source(source)
    if not isinstance(adapter, PROTOCOLS[operation]):
        raise Unsupported("This source has no such operation.", source=source)
    return adapter


def read_each(items: Sequence[T], read: Callable[[T], R]) -> list[R | GatewayError]:
    """Read each item, with its error in the place of one that cannot be read."""
    return [_value(item, read) for item in items]


def _value(item: T, read: Callable[[T], R]) -> R | GatewayError:
    try:
        return read(item)
    except GatewayError as exc:
        return exc


async def hand_over(
    items: Sequence[T | GatewayError],
    ref_of: Callable[[T], Ref],
    operation: Operation,
    do: Callable[[Any, list[T]], Awaitable[Sequence[R | GatewayError]]],
    context: RequestContext,
) -> list[R | GatewayError]:
    """Hand each source the items it is to do an operation with, and give the results in the order of the items.

    What is an error already stays one, and so becomes what a source cannot do; neither keeps the others from being
    done.
    """

    def ready(item: T | GatewayError) -> T:
        if isinstance(item, GatewayError):
            raise item
        able(ref_of(item).source, operation, context)
        return item

    async def done(adapter: Adapter, some: list[T]) -> Sequence[R | GatewayError]:
        try:
            return await do(adapter, some)
        except GatewayError as exc:
            return [exc] * len(some)

    checked = read_each(items, ready)
    good = [item for item in checked if not isinstance(item, GatewayError)]
    results = iter(await by_source(good, ref_of, context.sources, done))
    return [item if isinstance(item, GatewayError) else next(results) for item in checked]


class Results:
    """The objects that a write gave, at hand for its answer; for whoever asks again they are loaded anew."""

    def __init__(self, info: Info) -> None:
        self._info = info
        self._at_hand: dict[str, Entry] = {}

    def keep(self, results: Sequence[Entry | GatewayError]) -> list[Outcome]:
        """Make the outcomes of results."""
        return [self._kept(result) for result in results]

    def _kept(self, result: Entry | GatewayError) -> Outcome:
        if isinstance(result, GatewayError):
            return Outcome(error=result)
        identifier = result.ref.to_text()
        self._at_hand[identifier] = result
        return Outcome(identifier)

    async def show(self, outcome: Outcome) -> Entry:
        """Give the object of an outcome; raises what keeps it from being loaded."""
        identifier = outcome.id or ""
        if identifier in self._at_hand:
            return self._at_hand[identifier]
        return await self._info.context.loaders.entries.load(Ref.from_text(identifier))
