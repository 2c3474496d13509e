"""Executes one plan: calls its functions, waits for what has to be loaded, and collects the errors."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from graphql import FieldNode, GraphQLError, GraphQLField, GraphQLNonNull
from graphql.execution.values import VariableValues, get_argument_values
from graphql.pyutils import Path
from strawberry.schema.config import StrawberryConfig
from strawberry.types.arguments import convert_arguments
from strawberry.types.field import StrawberryField

from gateway.context import RequestContext
from gateway.domain.errors import GatewayError

Complete = Callable[[Any, "Run"], Any]


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """One field of a plan that takes arguments or may fail: its nodes, and how its arguments are read."""

    key: str
    nodes: list[FieldNode]
    field_def: GraphQLField
    definition: StrawberryField
    complete: Complete


@dataclass(frozen=True, slots=True)
class Information:
    """What resolvers are given of the execution; they use no more of graphql-core's than this."""

    context: RequestContext
    path: Path


@dataclass(frozen=True, slots=True)
class Failure:
    """An error, and the place in the answer that it leaves null."""

    error: GatewayError
    nodes: list[FieldNode]
    container: dict[str, Any] | list[Any]
    key: str | int


@dataclass(slots=True)
class _Pending:
    call: Call
    awaitable: Awaitable[Any]
    target: dict[str, Any]


@dataclass(slots=True)
class Run:
    """One execution of a plan. Not shared: it holds the values and errors of one request."""

    context: RequestContext
    variables: VariableValues
    config: StrawberryConfig
    scalars: Any
    failures: list[Failure] = field(default_factory=list)
    _pending: list[_Pending] = field(default_factory=list)
    _arguments: dict[Call, dict[str, Any]] = field(default_factory=dict)

    def info(self, call: Call) -> Information:
        """Make the information of a field. Its path has the field alone: resolvers name only root fields by it."""
        return Information(self.context, Path(None, call.key, None))

    def arguments(self, call: Call) -> dict[str, Any]:
        """Give the arguments of a field, which are the same for every object that it is read from."""
        if call not in self._arguments:
            values = get_argument_values(call.field_def, call.nodes[0], self.variables)
            self._arguments[call] = convert_arguments(
                values, call.definition.arguments, self.scalars, self.config
            )
        return self._arguments[call]

    def later(self, call: Call, awaitable: Awaitable[Any], target: dict[str, Any]) -> None:
        """Leave a field's place empty until its value is loaded.

        Where the field must have a value and loading fails, so does the whole run.
        """
        target[call.key] = None
        self._pending.append(_Pending(call, awaitable, target))

    def fail(
        self, error: GatewayError, nodes: list[FieldNode], container: dict[str, Any] | list[Any], key: str | int
    ) -> None:
        """Leave a place null and remember why."""
        self.failures.append(Failure(error, nodes, container, key))

    async def settle(self) -> None:
        """Wait for everything that is still to be loaded, each as soon as it is known to be needed."""
        pending, self._pending = self._pending, []
        if len(pending) == 1:
            await self._settle(pending[0])
        elif pending:
            await _all(self._settle(one) for one in pending)

    async def _settle(self, pending: _Pending) -> None:
        call = pending.call
        try:
            value = await pending.awaitable
        except GatewayError as exc:
            if isinstance(call.field_def.type, GraphQLNonNull):
                raise
            self.fail(exc, call.nodes, pending.target, call.key)
            return
        pending.target[call.key] = call.complete(value, self)
        if self._pending:
            await self.settle()

    def abandon(self) -> None:
        """Close what was never awaited, so that nothing complains about it."""
        for pending in self._pending:
            close = getattr(pending.awaitable, "close", None)
            if close is not None:
                close()


async def _all(coroutines: Any) -> None:
    """Wait for all; when one breaks, the others are cancelled first."""
    tasks = [asyncio.ensure_future(coroutine) for coroutine in coroutines]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()


def located(failures: Sequence[Failure], data: dict[str, Any]) -> list[GraphQLError]:
    """Make GraphQL errors with their paths, which are looked up in the answer only now that there are errors."""
    if not failures:
        return []
    paths = _paths(data, {id(failure.container) for failure in failures})
    return [
        GraphQLError(
            failure.error.message,
            failure.nodes,
            path=[*paths[id(failure.container)], failure.key],
            original_error=failure.error,
        )
        for failure in failures
    ]


def _paths(data: dict[str, Any], wanted: set[int]) -> dict[int, list[str | int]]:
    found: dict[int, list[str | int]] = {}
    stack: list[tuple[Any, list[str | int]]] = [(data, [])]
    while stack:
        value, path = stack.pop()
        if id(value) in wanted:
            found[id(value)] = path
        if isinstance(value, dict):
            stack.extend((item, [*path, key]) for key, item in value.items() if isinstance(item, dict | list))
        else:
            stack.extend((item, [*path, n]) for n, item in enumerate(value) if isinstance(item, dict | list))
    return found
