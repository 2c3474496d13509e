"""Puts the executor's checks before what strawberry executes: operations of WebSockets and event streams."""

from collections.abc import Iterator

from strawberry.extensions import SchemaExtension
from strawberry.types import ExecutionContext

from resolvers.execution.executor import Answer, Executor


class Checking(SchemaExtension):
    """Refuses what the executor refuses, before anything is executed."""

    def __init__(self, executor: Executor, *, execution_context: ExecutionContext | None = None) -> None:
        super().__init__(execution_context=execution_context)
        self._executor = executor

    def on_operation(self) -> Iterator[None]:
        """Bound what is parsed: strawberry parses for itself where the executor has not."""
        self.execution_context.parse_options["max_tokens"] = self._executor.limits.tokens
        yield

    def on_validate(self) -> Iterator[None]:
        """Check the operation in the place of strawberry's validation."""
        asked = self.execution_context
        checked = self._executor.check(asked.query or "", asked.variables, asked.operation_name)
        asked.pre_execution_errors = checked.errors if isinstance(checked, Answer) else []
        yield
