"""Executes one plan: calls its functions, waits for what has to be loaded, and collects the errors."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec
from graphql import FieldNode, GraphQLError, GraphQLField, GraphQLNonNull, Node
from graphql.execution.values import VariableValues, get_argument_values
from graphql.pyutils import Path

from gateway.context import RequestContext
from gateway.domain.errors import GatewayError
from gateway.domain.snapshot import Lasting
from resolvers.execution.arguments import Convert
from resolvers.execution.started import Started

Complete = Callable[[Any, "Run"], Any]
Container = dict[str, Any] | list[Any]
"""What may wait for values that are still to be loaded."""
CONTAINERS = (dict, list, msgspec.Struct)
"""What an answer is made of; values of scalars are none of these."""


class Misfit(Exception):
    """Something that a plan does not answer: graphql-core executes the document instead."""


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """One field of a plan whose resolver may load or fail: its nodes, and how its arguments are read.

    ``lasts`` says that what is made of its value depends on that and the tenant alone, unless something of it has to
    be loaded. ``variables`` are the arguments by their names, each with the variable that gives it, where all have
    one. Written forms know the field by its ``token``, for they may outlive the plan and must not keep it.
    """

    key: str
    nodes: list[FieldNode]
    field_def: GraphQLField
    keywords: Convert
    complete: Complete
    lasts: bool
    variables: Sequence[tuple[str, str]] | None
    token: object = field(default_factory=object)


class Information(NamedTuple):
    """What resolvers are given of the execution; they use no more of graphql-core's than this."""

    context: RequestContext
    path: Path | None
    """The field's place, at the root alone: no other resolver asks for it."""


class Failure(NamedTuple):
    """An error, and the place in the answer that it leaves null."""

    error: GatewayError
    nodes: list[FieldNode]
    container: Container
    key: str | int


Waiting = tuple[Call, Coroutine[Any, Any, Any] | Started, dict[str, Any]]
"""A value that has to be loaded, and the object of the answer that it belongs to."""


class Run:
    """One execution of a plan. Not shared: it holds the values and errors of one request."""

    __slots__ = ("_arguments", "_variables", "_waiting", "failures", "info")

    def __init__(self, context: RequestContext, variables: VariableValues) -> None:
        self.info = Information(context, None)
        self.failures: list[Failure] = []
        self._variables = variables
        self._waiting: list[Waiting] = []
        self._arguments: dict[Call, dict[str, Any]] = {}

    def root_info(self, key: str) -> Information:
        """Make the information of a field at the root."""
        return Information(self.info.context, Path(None, key, None))

    def arguments(self, call: Call) -> dict[str, Any]:
        """Give the arguments of a field, which are the same for every object that it is read from."""
        if call not in self._arguments:
            self._arguments[call] = call.keywords(self._values(call))
        return self._arguments[call]

    def _values(self, call: Call) -> dict[str, Any]:
        """Read the values of a field's arguments; those that are null or left out are graphql-core's to judge."""
        given = self._variables.coerced
        if call.variables is not None:
            values = {name: given.get(variable) for name, variable in call.variables}
            if None not in values.values():
                return values
        return get_argument_values(call.field_def, call.nodes[0], self._variables)

    def later(self, call: Call, value: Coroutine[Any, Any, Any], target: dict[str, Any]) -> None:
        """Leave a field's place empty until its value is loaded."""
        self._waiting.append((call, value, target))

    def fail(self, error: GatewayError, call: Call, target: dict[str, Any]) -> None:
        """Leave a field null and remember why; raises Misfit where it must not be null."""
        if isinstance(call.field_def.type, GraphQLNonNull):
            raise Misfit(call.key) from error
        self.failures.append(Failure(error, call.nodes, target, call.key))

    def fail_item(self, error: GatewayError, nodes: list[FieldNode], items: list[Any]) -> None:
        """Leave the next item of a list null and remember why."""
        self.failures.append(Failure(error, nodes, items, len(items)))
        items.append(None)

    async def settle(self) -> None:
        """Wait for everything that is still to be loaded, each as soon as it is known to be needed.

        What turns out to be there already costs no task: a resolver is started here, and only the first that has to
        wait makes the ones behind it tasks; the last of all needs none. They start within the same turn of the loop,
        before any loader sends its batch.
        """
        waiting = deque(self._taken())
        try:
            while waiting:
                first = waiting.popleft()
                started = self._start(*first) if waiting else first
                if started is not None and waiting:
                    await self._together(started, [waiting.popleft() for _ in range(len(waiting))])
                elif started is not None:
                    await self._finish(started)
                if self._waiting:
                    waiting.extend(self._taken())
        finally:
            _close(waiting)

    def _start(
        self, call: Call, value: Coroutine[Any, Any, Any] | Started, target: dict[str, Any]
    ) -> Waiting | None:
        """Put a value that is there already; give back one that has to wait."""
        try:
            pause = value.send(None)
        except StopIteration as done:
            self._put(call, done.value, target)
        except GatewayError as error:
            self.fail(error, call, target)
        else:
            return call, Started(value, pause), target
        return None

    async def _together(self, first: Waiting, others: list[Waiting]) -> None:
        """Wait for several; when one breaks the plan, the others are cancelled and have ended before this does."""
        try:
            async with asyncio.TaskGroup() as group:
                for other in others:
                    group.create_task(self._finish(other))
                await self._finish(first)
        finally:
            _close(others)

    async def _finish(self, waiting: Waiting) -> None:
        call, value, target = waiting
        try:
            loaded = await value
        except GatewayError as error:
            self.fail(error, call, target)
        else:
            self._put(call, loaded, target)
        if self._waiting:
            await self.settle()

    def _put(self, call: Call, value: Any, target: dict[str, Any]) -> None:
        if isinstance(value, GatewayError):
            self.fail(value, call, target)
        elif call.lasts and isinstance(value, Lasting):
            target[call.key] = self._form(call, value)
        else:
            target[call.key] = call.complete(value, self)

    def _form(self, call: Call, value: Lasting) -> Any:
        """Write what stays as it is when it is asked for again, and from then on give what was written."""
        forms = value.origin.forms
        name = (call.token, self.info.context.ids, value.origin.name)
        found = forms.get(name)
        if found is not None:
            return found
        before = len(self._waiting), len(self.failures)
        made = call.complete(value, self)
        if before != (len(self._waiting), len(self.failures)):
            return made
        if not forms.is_noted(name):
            forms.note(name)
            return made
        form = msgspec.Raw(msgspec.json.encode(made))
        forms.keep(name, form)
        return form

    def _taken(self) -> list[Waiting]:
        taken, self._waiting = self._waiting, []
        return taken

    def abandon(self) -> None:
        """Close what was never awaited, so that nothing complains about it."""
        _close(self._taken())


def _close(waiting: Sequence[Waiting] | deque[Waiting]) -> None:
    """Close resolvers that nobody awaits; those that have ended do not mind."""
    for _, value, _ in waiting:
        value.close()


def located(failures: Sequence[Failure], data: dict[str, Any]) -> list[GraphQLError]:
    """Make GraphQL errors with their paths, which are looked up in the answer only now that there are errors."""
    if not failures:
        return []
    paths = _paths(data, {id(failure.container) for failure in failures})
    return [
        placed(failure.error, failure.nodes, [*paths[id(failure.container)], failure.key])
        for failure in failures
    ]


def placed(error: GatewayError, nodes: Sequence[Node] | None, path: list[str | int] | None) -> GraphQLError:
    """Say where an error is, in the answer and in the document.

    graphql-core takes the ``source`` of an exception for a GraphQL source, and would count lines in its name.
    """
    return GraphQLError(error.message, nodes, path=path, original_error=error)


def _paths(data: dict[str, Any], wanted: set[int]) -> dict[int, list[str | int]]:
    """Find where the wanted objects and lists of an answer stand."""
    found: dict[int, list[str | int]] = {}
    stack: list[tuple[Any, list[str | int]]] = [(data, [])]
    while stack and len(found) < len(wanted):
        value, path = stack.pop()
        if id(value) in wanted:
            found[id(value)] = path
        stack.extend((item, [*path, key]) for key, item in _children(value) if isinstance(item, CONTAINERS))
    return found


def _children(value: Any) -> Iterable[tuple[str | int, Any]]:
    """Give what stands in an object or a list of an answer, with its key or number."""
    if isinstance(value, msgspec.Struct):
        return zip(
            value.__struct_encode_fields__, map(value.__getattribute__, value.__struct_fields__), strict=True
        )
    return value.items() if isinstance(value, dict) else enumerate(value)
