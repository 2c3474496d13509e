"""Executes documents: by a compiled plan where there can be one, else by graphql-core. The answers are the same."""

import logging
from collections.abc import Sequence
from inspect import isawaitable
from typing import Any, NamedTuple, cast

from graphql import DocumentNode, GraphQLError, OperationDefinitionNode, OperationType, execute
from graphql.execution.values import VariableValues
from strawberry import Schema
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from gateway.context import RequestContext
from gateway.domain.errors import GatewayError, InsufficientScope, TooComplex
from gateway.domain.limits import Limits
from resolvers.execution.arguments import Converters
from resolvers.execution.cost import NOTHING, Cost, Estimate, over, size_of
from resolvers.execution.documents import Document, Remembered, Rules, check_document, mark_one_of
from resolvers.execution.fields import NotCompilable
from resolvers.execution.projection import Compiler, Project
from resolvers.execution.run import Run, located, placed
from resolvers.execution.shape import refusal
from resolvers.scopes import needs_of_fields

log = logging.getLogger(__name__)

MEBIBYTE = 1024 * 1024
MOST_DOCUMENTS = 64 * MEBIBYTE
"""Bytes of the documents that are remembered, each for all who send it."""
MOST_PLANS = 128 * MEBIBYTE
"""Bytes of plans with the documents that they hold: one for each operation and set of values of its conditions."""
PLAN = 25_000
"""Bytes that the smallest plan takes beside its document."""
MOST_COSTS = 64 * MEBIBYTE
"""The same of costs: an operation has one for each set of sizes and conditions."""

TOO_DEEP = "The operation is nested too deeply."

PlanKey = tuple[Document, str | None, tuple[Any, ...]]
CostKey = tuple[Document, str | None, tuple[Any, ...], tuple[Any, ...]]


class NotAllowed(Exception):
    """An operation of a kind that the request may not carry; ``kind`` says which."""

    def __init__(self, kind: OperationType) -> None:
        super().__init__(kind.value)
        self.kind = kind


class Answer(NamedTuple):
    """What an operation gave; ``executed`` is False for a request error, which has no data at all.

    ``data`` is for msgspec to write: objects in it are dicts, or structs where a plan had all their values at once.
    ``cost`` is what the operation might have cost, as far as that was found out.
    """

    data: Any
    errors: list[GraphQLError]
    executed: bool
    cost: Cost | None = None


class Checked(NamedTuple):
    """An operation that may be executed: its document, its node, its variables, and what it may cost."""

    document: Document
    operation: OperationDefinitionNode
    values: VariableValues
    cost: Cost


class Executor:
    """Executes documents of one schema; remembers a bounded number of documents and plans."""

    def __init__(self, schema: Schema, rules: Rules | None = None) -> None:
        self._rules = rules or Rules()
        self._schema = schema._schema  # noqa: SLF001 - strawberry has no other door to its types
        mark_one_of(self._schema)
        self._needs = needs_of_fields(self._schema)
        self._converters = Converters(schema.config, schema.schema_converter.scalar_registry)
        self._documents: Remembered[str, Document] = Remembered(
            MOST_DOCUMENTS, lambda _, document: document.size
        )
        self._plans: Remembered[PlanKey, Project | None] = Remembered(
            MOST_PLANS, lambda key, _: PLAN + 2 * key[0].size
        )
        self._costs: Remembered[CostKey, Cost | Answer] = Remembered(MOST_COSTS, lambda key, _: key[0].size)

    @property
    def limits(self) -> Limits:
        """What one operation may ask for."""
        return self._rules.limits

    def document(self, text: str) -> Document:
        """Give a document, parsed and checked against the schema and the limits, once. No upstream request."""
        return self._documents.get(text, lambda: check_document(self._schema, text, self._rules, self._needs))

    async def execute(
        self,
        document: Document,
        variables: dict[str, Any] | None,
        operation_name: str | None,
        context: RequestContext,
        *,
        read_only: bool,
    ) -> Answer:
        """Execute one operation of a document.

        Raises NotAllowed for a mutation where only reading is, and RateLimited.
        """
        operation = document.operation(operation_name)
        if operation is not None:
            _check_kind(operation, read_only=read_only)
        checked = self._checked(document, variables, operation_name, context.principal.scopes)
        if isinstance(checked, Answer):
            context.charge(*NOTHING)
            return checked
        context.charge(*checked.cost)
        project = self._plan(checked, operation_name)
        answer = await self._run(project, context, checked) if project else None
        return answer or await self._interpret(checked, operation_name, variables, context)

    def check(
        self, text: str, variables: dict[str, Any] | None, operation_name: str | None, scopes: frozenset[str]
    ) -> Checked | Answer:
        """Check an operation against the schema, the limits and somebody's scopes; or give what refuses it.

        No upstream request. The work is done once for each document, and once for each set of sizes of its variables.
        """
        return self._checked(self.document(text), variables, operation_name, scopes)

    def _checked(
        self,
        document: Document,
        variables: dict[str, Any] | None,
        operation_name: str | None,
        scopes: frozenset[str],
    ) -> Checked | Answer:
        if document.errors:
            return Answer(None, document.errors, executed=False)
        operation = document.operation(operation_name)
        if operation is None:
            return _refused("`operationName` must name one operation of the document.")
        if missing := document.lacking(operation, scopes):
            return _forbidden(missing, operation)
        values = document.read(operation, variables or {}, hide_suggestions=not self._rules.suggestions)
        if isinstance(values, list):
            return Answer(None, values, executed=False)
        return self._affordable(document, operation, operation_name, values)

    def _affordable(
        self,
        document: Document,
        operation: OperationDefinitionNode,
        operation_name: str | None,
        values: VariableValues,
    ) -> Checked | Answer:
        """Refuse an operation that may cost too much."""
        given = values.coerced
        conditions = document.chosen(given)
        sizes = tuple([size_of(given.get(name)) for name in document.sizes]) if document.sizes else ()
        found = self._costs.get(
            (document, operation_name, conditions, sizes),
            lambda: self._estimated(document, operation, values),
        )
        return found if isinstance(found, Answer) else Checked(document, operation, values, found)

    def _estimated(
        self, document: Document, operation: OperationDefinitionNode, values: VariableValues
    ) -> Cost | Answer:
        """Tell what an operation may cost, or refuse it."""
        try:
            cost = Estimate(self._schema, document.fragments, operation, values).cost()
        except TooComplex as exc:
            return Answer(None, [refusal(exc.message, operation)], executed=False)
        except RecursionError:
            return Answer(None, [refusal(TOO_DEEP, operation)], executed=False)
        except GraphQLError as exc:  # say a condition that is null: what it leaves out cannot be told
            return Answer(None, [exc.with_traceback(None)], executed=False)
        excess = over(cost, self._rules.limits)
        return cost if excess is None else Answer(None, [refusal(excess, operation)], executed=False, cost=cost)

    def faults(self, text: str) -> list[GraphQLError]:
        """Say why a document can never be executed, whatever its variables. No upstream request."""
        return self.document(text).errors

    def _plan(self, checked: Checked, operation_name: str | None) -> Project | None:
        """Give the compiled plan; None where graphql-core has to execute."""
        document, values = checked.document, checked.values
        conditions = document.chosen(values.coerced)
        return self._plans.get(
            (document, operation_name, conditions),
            lambda: self._compiled(document, checked.operation, values),
        )

    def _compiled(
        self, document: Document, operation: OperationDefinitionNode, values: VariableValues
    ) -> Project | None:
        if operation.operation is not OperationType.QUERY:
            return None
        try:
            return Compiler(self._schema, document.fragments, operation, values, self._converters).compile()
        except (NotCompilable, GraphQLError, RecursionError):
            return None  # an error that the document has on its way is graphql-core's to word

    async def _run(self, project: Project, context: RequestContext, checked: Checked) -> Answer | None:
        """Run a plan; None where a value did not fit and graphql-core has to find out why."""
        run = Run(context, checked.values)
        try:
            data = project(None, run)
            await run.settle()
        except Exception:
            log.debug("a compiled plan was given up", exc_info=True)
            return None
        finally:
            run.abandon()
        return Answer(data, located(run.failures, data), executed=True, cost=checked.cost)

    async def _interpret(
        self,
        checked: Checked,
        operation_name: str | None,
        variables: dict[str, Any] | None,
        context: RequestContext,
    ) -> Answer:
        """Execute by graphql-core. What a plan already loaded is in the loaders of the context."""
        context.partial.clear()
        outcome = execute(
            self._schema,
            cast("DocumentNode", checked.document.ast),
            context_value=context,
            variable_values=variables,
            operation_name=operation_name,
            executor_class=StrawberryGraphQLCoreExecutionContext,
            hide_suggestions=not self._rules.suggestions,
        )
        result = await outcome if isawaitable(outcome) else outcome
        errors = [_replaced(error) for error in result.errors or ()]
        executed = result.data is not None or any(error.path for error in errors)
        return Answer(result.data, errors, executed, checked.cost)


def _replaced(error: GraphQLError) -> GraphQLError:
    """Correct where graphql-core places an error of the gateway in the document."""
    original = error.original_error
    return placed(original, error.nodes, error.path) if isinstance(original, GatewayError) else error


def _refused(message: str) -> Answer:
    return Answer(None, [GraphQLError(message)], executed=False)


def _forbidden(missing: Sequence[str], operation: OperationDefinitionNode) -> Answer:
    error = InsufficientScope(f"The operation needs what you may not: {', '.join(missing)}.")
    return Answer(None, [GraphQLError(error.message, operation, original_error=error)], executed=False)


def _check_kind(operation: OperationDefinitionNode, *, read_only: bool) -> None:
    kind = operation.operation
    if kind is OperationType.SUBSCRIPTION or (read_only and kind is not OperationType.QUERY):
        raise NotAllowed(kind)
