"""What all mutations are made of: a write under its key, results in order, and the errors of those that have none."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Protocol

import strawberry

from gateway.context import RequestContext
from gateway.domain.errors import BadInput, GatewayError, StorageUnavailable
from gateway.uploads.service import UploadService
from gateway.writes import Outcome
from resolvers.query import Query
from resolvers.types.node import Info
from resolvers.user_errors import Problem, UserError

MOST_ITEMS = 50
ROOT = object()
"""The value of `query` in payloads: anything but null, since the root has no value of its own."""

KEY = (
    "1 to 255 characters of your choice: for 24 hours the same request with the same key is answered as the first "
    "time, with its user errors, and not done again. To try again what failed, make a new key."
)

Show = Callable[[Outcome], Awaitable[Any]]


@strawberry.interface(description="What every mutation answers.")
class MutationPayload:
    """The fields that all payloads have; their values are `Payload`."""

    user_errors: list[UserError] = strawberry.field(
        description="What kept items from being done; empty when all are done."
    )
    query: Query | None = strawberry.field(description="The root, to read on from here in the same request.")

    @classmethod
    def is_type_of(cls, obj: Any, _: Any) -> bool:
        """Tell whether a value is shown as a payload; which one is said by the field."""
        return isinstance(obj, Payload)


class Keyed(Protocol):
    """An input with an idempotency key."""

    idempotency_key: str


@dataclass(frozen=True, slots=True)
class Payload:
    """The values of a payload type: ``results`` has None where ``user_errors`` says why."""

    results: Sequence[Any]
    user_errors: Sequence[Problem]
    query: object = ROOT

    @property
    def result(self) -> Any:
        """Give the only result."""
        return self.results[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """One write of a mutation.

    ``field`` is what errors of the input are about: its list, and ``count`` its length, or what there is one of, and
    ``count`` is None. ``do`` does the work and ``show`` loads what came out of one item. A write that is not
    ``repeatable`` is never done twice, even where its process died half-way. One that does not ``keep_failures`` is
    done again for those who ask again after it failed, because doing it twice has no second effect anyway.
    """

    operation: str
    field: str
    count: int | None = None
    do: Callable[[], Awaitable[Sequence[Outcome]]]
    show: Show
    repeatable: bool = True
    keep_failures: bool = True


async def write(info: Info, arguments: Keyed, work: Write) -> Payload:
    """Do a write once per key and show its outcomes; a write that is refused as a whole has one user error."""
    context = info.context
    try:
        check_count(work.field, 1 if work.count is None else work.count)
        outcomes = await context.writer.write(
            work.operation,
            arguments.idempotency_key,
            _spelled(arguments),
            work.do,
            repeatable=work.repeatable,
            keep_failures=work.keep_failures,
        )
    except GatewayError as exc:
        return refusal(exc, context, 1 if work.count is None else work.count)
    context.forget()
    return await _payload(outcomes, work, context)


def _spelled(value: Any) -> Any:
    """Spell an input as it was given, without what was left out: a field that is new changes no request."""
    if is_dataclass(value):
        given = ((one.name, getattr(value, one.name)) for one in fields(value))
        return {name: _spelled(one) for name, one in given if one is not strawberry.UNSET}
    return [_spelled(one) for one in value] if isinstance(value, list) else value


def check_count(field: str, count: int) -> None:
    """Refuse an empty list and one that is too long; raises BadInput."""
    if not 1 <= count <= MOST_ITEMS:
        raise BadInput(f"`{field}` takes 1 to {MOST_ITEMS} items.")


def refusal(error: GatewayError, context: RequestContext, count: int = 1) -> Payload:
    """Answer that nothing was done, and why."""
    return Payload([None] * count, [problem_of(error, ["input"], context)])


async def _payload(outcomes: Sequence[Outcome], work: Write, context: RequestContext) -> Payload:
    """Show all outcomes at once, so that what has to be loaded is loaded together."""
    shown = await asyncio.gather(*(_shown(outcome, work.show) for outcome in outcomes))
    problems = [
        problem_of(error, _path(work, place), context)
        for place, (_, error) in enumerate(shown)
        if error is not None
    ]
    return Payload([result for result, _ in shown], problems)


def _path(work: Write, place: int) -> list[str]:
    return ["input", work.field] if work.count is None else ["input", work.field, str(place)]


async def _shown(outcome: Outcome, show: Show) -> tuple[Any, GatewayError | None]:
    if outcome.error is not None:
        return None, outcome.error
    try:
        return await show(outcome), None
    except GatewayError as exc:
        return None, exc


def problem_of(error: GatewayError, field: Sequence[str], context: RequestContext) -> Problem:
    """Make a user error, with the limit of the source where it is about one."""
    adapter = context.sources.get(error.source or "")
    return Problem(error, field, getattr(adapter, "max_bytes", None))


def uploads_of(info: Info) -> UploadService:
    """Give the upload service; raises StorageUnavailable where no store is configured."""
    if info.context.uploads is None:
        raise StorageUnavailable("This gateway has no object store, so it takes no uploads.")
    return info.context.uploads


def outcome_of(result: Any, identify: Callable[[Any], str]) -> Outcome:
    """Make the outcome of a result, or of the error that stands in its place."""
    return Outcome(error=result) if isinstance(result, GatewayError) else Outcome(identify(result))
