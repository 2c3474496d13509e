"""Puts the executor's checks before what strawberry executes: operations of WebSockets and event streams."""

import time
from collections.abc import Iterator, Mapping

from graphql import GraphQLError
from strawberry.extensions import SchemaExtension
from strawberry.types import ExecutionContext
from strawberry.types.graphql import OperationType

from gateway.domain.errors import RateLimited
from resolvers.execution.cost import NOTHING
from resolvers.execution.executor import Answer, Executor

LIFE = 3600.0
"""Seconds that a subscription may last; clients subscribe again."""


class Checking(SchemaExtension):
    """Refuses what the executor of the tenant refuses, before anything is executed, and lets subscriptions last."""

    def __init__(
        self, executors: Mapping[str, Executor], *, execution_context: ExecutionContext | None = None
    ) -> None:
        super().__init__(execution_context=execution_context)
        self._executors = executors

    @property
    def _executor(self) -> Executor:
        """The executor of the tenant who asks."""
        return self._executors[self.execution_context.context.principal.tenant]

    def on_operation(self) -> Iterator[None]:
        """Bound what is parsed: strawberry parses for itself where the executor has not."""
        self.execution_context.parse_options["max_tokens"] = self._executor.limits.tokens
        yield

    def on_validate(self) -> Iterator[None]:
        """Check the operation in the place of strawberry's validation."""
        asked = self.execution_context
        scopes = asked.context.principal.scopes
        checked = self._executor.check(asked.query or "", asked.variables, asked.operation_name, scopes)
        asked.pre_execution_errors = checked.errors if isinstance(checked, Answer) else []
        try:
            asked.context.charge(*(NOTHING if isinstance(checked, Answer) else checked.cost))
        except RateLimited as exc:
            asked.pre_execution_errors = [GraphQLError(exc.message, original_error=exc)]
        if not asked.pre_execution_errors and asked.operation_type is OperationType.SUBSCRIPTION:
            asked.context.call.deadline = time.monotonic() + LIFE
        yield
