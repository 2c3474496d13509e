"""Executes documents: by a compiled plan where there can be one, else by graphql-core. The answers are the same."""

import logging
from dataclasses import dataclass
from inspect import isawaitable
from typing import Any, cast

from graphql import DocumentNode, GraphQLError, OperationDefinitionNode, OperationType, execute
from graphql.execution.values import VariableValues, get_variable_values
from strawberry import Schema
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from gateway.context import RequestContext
from gateway.domain.errors import GatewayError
from resolvers.execution.documents import Document, Remembered, check_document, mark_one_of
from resolvers.execution.fields import NotCompilable
from resolvers.execution.projection import Compiler, Project
from resolvers.execution.run import Run, located, placed

log = logging.getLogger(__name__)

MOST_DOCUMENTS = 1_000_000
"""Characters of the documents that are remembered; what is remembered of each takes some 50 times its text."""
MOST_PLANS = 2_000_000
"""The same of plans: a document has one for each operation and each set of values of its conditions."""

PlanKey = tuple[Document, str | None, tuple[Any, ...]]


class NotAllowed(Exception):
    """An operation of a kind that the request may not carry; ``kind`` says which."""

    def __init__(self, kind: OperationType) -> None:
        super().__init__(kind.value)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Answer:
    """What an operation gave; ``executed`` is False for a request error, which has no data at all."""

    data: Any
    errors: list[GraphQLError]
    executed: bool


class Executor:
    """Executes documents of one schema; remembers a bounded number of documents and plans."""

    def __init__(self, schema: Schema, *, suggestions: bool = True) -> None:
        self._suggestions = suggestions
        self._strawberry = schema
        self._schema = schema._schema  # noqa: SLF001 - strawberry has no other door to its types
        mark_one_of(self._schema)
        self._documents: Remembered[str, Document] = Remembered(MOST_DOCUMENTS)
        self._plans: Remembered[PlanKey, Project | None] = Remembered(MOST_PLANS)

    async def execute(
        self,
        text: str,
        variables: dict[str, Any] | None,
        operation_name: str | None,
        context: RequestContext,
        *,
        read_only: bool,
    ) -> Answer:
        """Execute one operation of a document. Raises NotAllowed for a mutation where only reading is."""
        document = self._document(text)
        if document.errors:
            return Answer(None, document.errors, executed=False)
        operation = document.operation(operation_name)
        if operation is None:
            return _refused("`operationName` must name one operation of the document.")
        _check_kind(operation, read_only=read_only)
        values = get_variable_values(
            self._schema,
            operation.variable_definitions or (),
            variables or {},
            hide_suggestions=not self._suggestions,
        )
        if isinstance(values, list):
            return Answer(None, values, executed=False)
        project = self._plan(document, operation, operation_name, values)
        answer = await self._run(project, context, values) if project else None
        return answer or await self._interpret(document, operation_name, variables, context)

    def kind(self, text: str, operation_name: str | None) -> OperationType | None:
        """Tell the kind of the operation that would be executed; None where there is none."""
        operation = self._document(text).operation(operation_name)
        return operation.operation if operation else None

    def _document(self, text: str) -> Document:
        return self._documents.get(
            text, lambda: check_document(self._schema, text, suggestions=self._suggestions), len(text)
        )

    def _plan(
        self,
        document: Document,
        operation: OperationDefinitionNode,
        operation_name: str | None,
        values: VariableValues,
    ) -> Project | None:
        """Give the compiled plan; None where graphql-core has to execute."""
        conditions = tuple(values.coerced.get(name) for name in document.conditions)
        return self._plans.get(
            (document, operation_name, conditions),
            lambda: self._compiled(document, operation, values),
            document.size,
        )

    def _compiled(
        self, document: Document, operation: OperationDefinitionNode, values: VariableValues
    ) -> Project | None:
        if operation.operation is not OperationType.QUERY:
            return None
        try:
            return Compiler(self._schema, document.fragments, operation, values).compile()
        except (NotCompilable, GraphQLError, RecursionError):
            return None  # an error that the document has on its way is graphql-core's to word

    async def _run(self, project: Project, context: RequestContext, values: VariableValues) -> Answer | None:
        """Run a plan; None where a value did not fit and graphql-core has to find out why."""
        run = Run(context, values, self._strawberry.config, self._strawberry.schema_converter.scalar_registry)
        try:
            data = project(None, run)
            await run.settle()
        except Exception:
            log.debug("a compiled plan was given up", exc_info=True)
            return None
        finally:
            run.abandon()
        return Answer(data, located(run.failures, data), executed=True)

    async def _interpret(
        self,
        document: Document,
        operation_name: str | None,
        variables: dict[str, Any] | None,
        context: RequestContext,
    ) -> Answer:
        """Execute by graphql-core. What a plan already loaded is in the loaders of the context."""
        context.partial.clear()
        outcome = execute(
            self._schema,
            cast("DocumentNode", document.ast),
            context_value=context,
            variable_values=variables,
            operation_name=operation_name,
            executor_class=StrawberryGraphQLCoreExecutionContext,
            hide_suggestions=not self._suggestions,
        )
        result = await outcome if isawaitable(outcome) else outcome
        errors = [_replaced(error) for error in result.errors or ()]
        executed = result.data is not None or any(error.path for error in errors)
        return Answer(result.data, errors, executed)


def _replaced(error: GraphQLError) -> GraphQLError:
    """Correct where graphql-core places an error of the gateway in the document."""
    original = error.original_error
    return placed(original, error.nodes, error.path) if isinstance(original, GatewayError) else error


def _refused(message: str) -> Answer:
    return Answer(None, [GraphQLError(message)], executed=False)


def _check_kind(operation: OperationDefinitionNode, *, read_only: bool) -> None:
    kind = operation.operation
    if kind is OperationType.SUBSCRIPTION or (read_only and kind is not OperationType.QUERY):
        raise NotAllowed(kind)
