"""Parses and validates documents once, and remembers a bounded number of them."""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from sys import getsizeof
from typing import Any, Generic, TypeVar

from graphql import (
    DirectiveNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLInputObjectType,
    GraphQLSchema,
    NamedTypeNode,
    OperationDefinitionNode,
    OperationType,
    VariableNode,
    Visitor,
    parse,
    validate,
    visit,
)
from graphql.execution.collect_fields import FragmentDetails
from graphql.execution.values import VariableValues
from graphql.validation import specified_rules
from strawberry.schema.schema_converter import GraphQLCoreConverter

from gateway.domain.limits import Limits
from resolvers.execution.cost import sizing_variables
from resolvers.execution.shape import check_shape, refusal
from resolvers.execution.tokens import count_tokens
from resolvers.execution.variables import Variables
from resolvers.scopes import INTROSPECTION, Alternatives, Needs, lacking, needs_of_operations

BASE = 8_000
TOKEN = 600
"""Bytes that a document takes for itself and for each of its tokens, measured, and rounded up."""
VOLATILE_FIELDS = frozenset({"download", "stagedUpload"})
VOLATILE_TYPES = frozenset({"StagedUpload"})
"""What is another thing a moment later: links that end, and uploads that go on. No memory of answers keeps them."""

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Remembered(Generic[K, V]):
    """A map that forgets what was not used for longest once its entries' sizes add up to more than ``most``.

    Sizes are in bytes; ``size_of`` tells that of an entry.
    """

    def __init__(self, most: int, size_of: Callable[[K, V], int]) -> None:
        self._size_of = size_of
        self._most = most
        self.held = 0
        """The bytes of all entries."""
        self._entries: OrderedDict[K, tuple[V, int]] = OrderedDict()

    def get(self, key: K, make: Callable[[], V]) -> V:
        """Give the value of a key, making it where it is not remembered."""
        found = self._entries.get(key)
        if found is not None:
            self._entries.move_to_end(key)
            return found[0]
        value = make()
        size = self._size_of(key, value)
        self._entries[key] = (value, size)
        self.held += size
        while self.held > self._most:
            self.held -= self._entries.popitem(last=False)[1][1]
        return value

    def __len__(self) -> int:
        """Tell how many entries are held."""
        return len(self._entries)


@dataclass(frozen=True, slots=True, eq=False)
class Document:
    """A document that was parsed and validated; ``errors`` say why it cannot be executed.

    ``size`` is about how many bytes it takes, which is far more than its text has.
    """

    size: int
    ast: DocumentNode | None
    errors: list[GraphQLError]
    operations: dict[str, OperationDefinitionNode] = field(default_factory=dict)
    variables: dict[str, Variables] = field(default_factory=dict)
    """Those of each operation."""
    fragments: dict[str, FragmentDetails] = field(default_factory=dict)
    conditions: list[str] = field(default_factory=list)
    """The variables that `@skip` and `@include` use: a plan holds for one set of their values."""
    sizes: list[str] = field(default_factory=list)
    """The variables that its cost depends on."""
    volatile: list[str] = field(default_factory=list)
    """The fields whose answers are only good for a while, links among them, or change by themselves."""
    needs: dict[str, Needs] = field(default_factory=dict)
    """The scopes that each operation takes."""

    def operation(self, name: str | None) -> OperationDefinitionNode | None:
        """Find the operation that is meant; None where the name is wrong or one is needed."""
        if name is not None:
            return self.operations.get(name) if name else None
        return next(iter(self.operations.values())) if len(self.operations) == 1 else None

    def kind(self, operation_name: str | None) -> OperationType | None:
        """Tell the kind of the operation that would be executed; None where there is none."""
        operation = self.operation(operation_name)
        return operation.operation if operation else None

    def chosen(self, given: Mapping[str, Any]) -> tuple[Any, ...]:
        """Give the values of the conditions."""
        return tuple([given.get(name) for name in self.conditions]) if self.conditions else ()

    def lacking(self, operation: OperationDefinitionNode, scopes: frozenset[str]) -> Sequence[str]:
        """Name the scopes that somebody lacks for an operation; nothing where he may."""
        return lacking(self.needs[_name(operation)], scopes)

    def read(
        self, operation: OperationDefinitionNode, given: dict[str, Any], *, hide_suggestions: bool
    ) -> VariableValues | list[GraphQLError]:
        """Read the variables of an operation; or say what is wrong with them."""
        return self.variables[_name(operation)].read(given, hide_suggestions=hide_suggestions)


def _name(operation: OperationDefinitionNode) -> str:
    return operation.name.value if operation.name else ""


def mark_one_of(schema: GraphQLSchema) -> None:
    """Tell graphql-core which inputs are `@oneOf`, so that its own rules and coercions hold for them.

    Strawberry keeps that to itself. Its rule for validation breaks on variables that the operation does not declare.
    """
    for found in schema.type_map.values():
        definition = found.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
        if isinstance(found, GraphQLInputObjectType) and getattr(definition, "is_one_of", False):
            found.is_one_of = True


@dataclass(frozen=True, slots=True)
class Rules:
    """What documents may be like; ``suggestions`` are the "did you mean" of errors, with all that they give away.

    Without ``introspection`` it takes the scope `debug`.
    """

    limits: Limits = field(default_factory=Limits)
    suggestions: bool = True
    introspection: bool = True


def check_document(
    schema: GraphQLSchema, text: str, rules: Rules, fields: Mapping[tuple[str, str], Alternatives]
) -> Document:
    """Parse, measure and validate a document. What is over a limit is not validated: that takes longest.

    ``fields`` says which scopes the fields of the schema take, see `resolvers.scopes`.
    """
    tokens = count_tokens(text, rules.limits.tokens + 1)
    size = BASE + TOKEN * tokens + getsizeof(text)
    if tokens > rules.limits.tokens:
        return Document(size, None, [_too_many_tokens(rules.limits)])
    try:
        ast = _parsed(text, rules.limits)
    except GraphQLError as error:
        return Document(size, None, [_syntax_error(error, rules.limits)])
    errors = check_shape(ast, rules.limits) or _validate(schema, ast, rules)
    if errors:
        return Document(size, ast, errors)
    document = Document(size, ast, [])
    for definition in ast.definitions:
        if isinstance(definition, OperationDefinitionNode):
            name = _name(definition)
            document.operations[name] = definition
            document.variables[name] = Variables(schema, definition)
        elif isinstance(definition, FragmentDefinitionNode):
            document.fragments[definition.name.value] = FragmentDetails(definition)
    visit(ast, _Conditions(document.conditions, document.volatile))
    document.sizes.extend(sizing_variables(ast))
    for operation, needs in needs_of_operations(schema, fields, ast).items():
        document.needs[operation] = needs - INTROSPECTION if rules.introspection else needs
    return document


def _parsed(text: str, limits: Limits) -> DocumentNode:
    """Parse a document, and part its tokens: linked both ways they would wait for the garbage collector."""
    ast = parse(text, max_tokens=limits.tokens)
    token = ast.loc.start_token if ast.loc else None
    while token is not None:
        token.prev, token.next, token = None, None, token.next
    return ast


def _syntax_error(error: GraphQLError, limits: Limits) -> GraphQLError:
    """Tell a document that is too long from one that is wrong; graphql-core has one error for both."""
    too_long = f"more than {limits.tokens} tokens" in error.message
    return _too_many_tokens(limits) if too_long else error.with_traceback(None)


def _too_many_tokens(limits: Limits) -> GraphQLError:
    return refusal(f"The document has more than {limits.tokens:,} tokens, which is the limit.")


def _validate(schema: GraphQLSchema, ast: DocumentNode, rules: Rules) -> list[GraphQLError]:
    return validate(schema, ast, specified_rules, hide_suggestions=not rules.suggestions)


class _Conditions(Visitor):
    """Collects the variables in the arguments of directives, and the fields and types that are volatile."""

    def __init__(self, names: list[str], volatile: list[str]) -> None:
        super().__init__()
        self._names = names
        self._volatile = volatile

    def enter_field(self, node: FieldNode, *_: object) -> None:
        """Look at one field."""
        if node.name.value in VOLATILE_FIELDS:
            self._volatile.append(node.name.value)

    def enter_named_type(self, node: NamedTypeNode, *_: object) -> None:
        """Look at the type of a fragment."""
        if node.name.value in VOLATILE_TYPES:
            self._volatile.append(node.name.value)

    def enter_directive(self, node: DirectiveNode, *_: object) -> None:
        """Look at one directive."""
        values = (argument.value for argument in node.arguments or ())
        found = (value.name.value for value in values if isinstance(value, VariableNode))
        self._names.extend(name for name in found if name not in self._names)
