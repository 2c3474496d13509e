"""What fields need of those who ask: the directive that says so in the schema, and what documents need by it."""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeAlias

import strawberry
from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLSchema,
    OperationDefinitionNode,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    is_interface_type,
    is_object_type,
    visit,
)
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.schema_directive import Location

from gateway.identity.principals import ScopeName

Alternatives: TypeAlias = tuple[frozenset[str], ...]
"""Sets of scopes, of which one has to be held whole."""
Needs: TypeAlias = frozenset[Alternatives]
"""All of these have to be met."""
NOTHING: Needs = frozenset()
INTROSPECTION: Needs = frozenset({(frozenset({ScopeName.DEBUG.value}),)})
INTROSPECTIVE = frozenset({"__schema", "__type"})


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION],
    name="requiresScopes",
    description="Who asks for the field needs all scopes of one of these lists; without them nothing is executed.",
)
class RequiresScopes:
    """The directive, as Apollo's federation writes it."""

    scopes: list[list[str]] = strawberry.directive_field(name="scopes")


def reading(
    resolver: Callable[..., Any], description: str, *, loaded: str | None = None, lasting: bool = False
) -> Any:
    """Make a field that reads files, or leads to others than those that somebody holds already.

    ``loaded`` names the attribute that holds what the resolver would give, wherever that is not None. A field is
    ``lasting`` if what it gives at once is the same for everybody who may see its object.
    """
    return _needing(ScopeName.READ, resolver, description, {"loaded": loaded, "lasting": lasting})


def writing(resolver: Callable[..., Any], description: str) -> Any:
    """Make a mutation that makes or changes something."""
    return _needing(ScopeName.WRITE, resolver, description)


def deleting(resolver: Callable[..., Any], description: str) -> Any:
    """Make a mutation that deletes something."""
    return _needing(ScopeName.DELETE, resolver, description)


def required(scope: ScopeName) -> RequiresScopes:
    """Make the directive of one scope."""
    return RequiresScopes(scopes=[[scope.value]])


def _needing(
    scope: ScopeName,
    resolver: Callable[..., Any],
    description: str,
    metadata: Mapping[Any, Any] | None = None,
) -> Any:
    return strawberry.field(
        resolver=resolver, description=description, directives=[required(scope)], metadata=metadata
    )


def needs_of_fields(schema: GraphQLSchema) -> Mapping[tuple[str, str], Alternatives]:
    """Read the directives of all fields, by the names of the type and the field."""
    found: dict[tuple[str, str], Alternatives] = {}
    for name, kind in schema.type_map.items():
        if not (is_object_type(kind) or is_interface_type(kind)):
            continue
        for field_name, field in kind.fields.items():
            definition = field.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
            for directive in getattr(definition, "directives", ()):
                if isinstance(directive, RequiresScopes):
                    found[name, field_name] = tuple(frozenset(one) for one in directive.scopes)
    return found


def needs_of_operations(
    schema: GraphQLSchema, fields: Mapping[tuple[str, str], Alternatives], ast: DocumentNode
) -> dict[str, Needs]:
    """Tell what each operation of a valid document needs, by its name: all that any of its fields does.

    What `@skip` leaves out counts, so that the answer is one of the document alone.
    """
    needs: dict[str, Needs] = {}
    fragments = {one.name.value: one for one in ast.definitions if isinstance(one, FragmentDefinitionNode)}
    for operation in ast.definitions:
        if isinstance(operation, OperationDefinitionNode):
            name = operation.name.value if operation.name else ""
            needs[name] = _needs(schema, fields, fragments, operation)
    return needs


@lru_cache(1024)
def lacking(needs: Needs, scopes: frozenset[str]) -> Sequence[str]:
    """Name what a principal would have to hold besides; nothing where he may. The first alternative is named."""
    unmet = [one for one in needs if not any(alternative <= scopes for alternative in one)]
    return tuple(sorted({scope for one in unmet for scope in one[0] - scopes}))


def _needs(
    schema: GraphQLSchema,
    fields: Mapping[tuple[str, str], Alternatives],
    fragments: Mapping[str, FragmentDefinitionNode],
    operation: OperationDefinitionNode,
) -> Needs:
    found: set[Alternatives] = set()
    seen: set[str] = set()
    pending: list[OperationDefinitionNode | FragmentDefinitionNode] = [operation]
    while pending:
        collected = _Fields(schema, fields)
        visit(pending.pop(), TypeInfoVisitor(collected.types, collected))
        found |= collected.needs
        pending += [fragments[name] for name in collected.spread - seen]
        seen |= collected.spread
    return frozenset(found)


class _Fields(Visitor):
    """Collects what the fields of one definition need, and the fragments that it spreads."""

    def __init__(self, schema: GraphQLSchema, fields: Mapping[tuple[str, str], Alternatives]) -> None:
        super().__init__()
        self.types = TypeInfo(schema)
        self.needs: set[Alternatives] = set()
        self.spread: set[str] = set()
        self._fields = fields

    def enter_field(self, node: FieldNode, *_: object) -> None:
        """Look at one field."""
        parent = self.types.get_parent_type()
        if node.name.value in INTROSPECTIVE:
            self.needs |= INTROSPECTION
        elif parent is not None and (found := self._fields.get((parent.name, node.name.value))):
            self.needs.add(found)

    def enter_fragment_spread(self, node: FragmentSpreadNode, *_: object) -> None:
        """Remember a fragment."""
        self.spread.add(node.name.value)
