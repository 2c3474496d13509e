"""Executes a document both ways, and tells whether the answers are the same."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from inspect import isawaitable
from typing import Any

import msgspec
from graphql import GraphQLError, execute, parse, validate
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from gateway.context import RequestContext
from gateway.domain.limits import Limits
from resolvers.errors import as_gateway_error
from resolvers.execution.documents import Rules
from resolvers.execution.executor import Answer, Executor
from resolvers.schema import make_schema
from tests.execution.documents import Written

SCHEMA = make_schema()
CORE = SCHEMA._schema
ENDLESS = 2**63
BOUNDLESS = Limits(**dict.fromkeys(Limits.__struct_fields__, ENDLESS))
"""No limits: what is compared here is how documents are executed, not which are."""

Place = tuple[str | int, ...]


async def by_core(written: Written, context: RequestContext, *, valid: bool) -> Answer:
    """Execute a document by graphql-core and strawberry alone; validating takes longest, so it can be left out."""
    document = parse(written.text)
    errors = [] if valid else validate(CORE, document)
    if errors:
        return Answer(None, errors, executed=False)
    outcome = execute(
        CORE,
        document,
        context_value=context,
        variable_values=written.variables,
        operation_name=written.operation_name,
        executor_class=StrawberryGraphQLCoreExecutionContext,
    )
    result = await outcome if isawaitable(outcome) else outcome
    errors = list(result.errors or ())
    return Answer(result.data, errors, result.data is not None or any(error.path for error in errors))


def plain(answer: Answer) -> Any:
    """Give the data of an answer as its client reads it."""
    return msgspec.json.decode(msgspec.json.encode(answer.data))


@dataclass
class Spied(Executor):
    """An executor that counts who executed: the plans, or graphql-core."""

    def __init__(self) -> None:
        super().__init__(SCHEMA, Rules(BOUNDLESS))
        self.compiled = 0
        self.interpreted = 0

    async def _run(self, *args: Any) -> Answer | None:
        answer = await super()._run(*args)
        self.compiled += answer is not None
        return answer

    async def _interpret(self, *args: Any) -> Answer:
        self.interpreted += 1
        return await super()._interpret(*args)

    async def ask(self, written: Written, context: RequestContext) -> Answer:
        """Execute a document."""
        document = self.document(written.text)
        return await self.execute(document, written.variables, written.operation_name, context, read_only=True)


@dataclass
class Shown:
    """An answer as it is compared: what a client would see of it."""

    data: bytes
    executed: bool
    certain: list[str] = field(default_factory=list)
    """The errors that left their own place null."""
    holes: set[Place] = field(default_factory=set)
    """The places that are null because something below them had to have a value."""


def shown(answer: Answer, context: RequestContext) -> Shown:
    """Bring an answer into the form that is compared.

    Where a field that must have a value has none, the nearest place above it that may be null is null. If several
    fields below that place fail, GraphQL wants one of their errors and allows any (specification, 6.4.4): which one
    is there depends on what was loaded first. So of such errors only the place they leave null is compared.
    """
    data = plain(answer)
    seen = Shown(msgspec.json.encode(answer.data), answer.executed)
    for error in answer.errors:
        place = tuple(error.path or ())
        hole = _hole(data, place)
        if hole == place:
            seen.certain.append(_text(error, place))
        else:
            seen.holes.add(hole)
    seen.certain += [_text(GraphQLError(str(exc), original_error=exc), path) for exc, path in context.partial]
    seen.certain.sort()
    return seen


def _hole(data: Any, place: Place) -> Place:
    """Find the first null on the way to a place."""
    value = data
    for depth, step in enumerate(place):
        if value is None:
            return place[:depth]
        value = value[step]
    return place


def _text(error: GraphQLError, place: Sequence[str | int]) -> str:
    locations = [node.loc.start for node in error.nodes or () if node.loc]
    return repr((list(place), error.message, as_gateway_error(error).code, locations))
