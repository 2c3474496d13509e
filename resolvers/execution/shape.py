"""Measures documents before they are validated: depth, aliases, directives and fields at the root.

Each selection set is measured once, however many fragments lead to it, so that the work grows with the document and
not with what it expands to.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
)

from gateway.domain.errors import TooComplex
from gateway.domain.limits import Limits

INTROSPECTION = frozenset({"__schema", "__type"})
"""Their depth is no concern here: graphql-core has a rule of its own for what may repeat below them."""
DEEPEST = 200
"""Levels that are looked at: deeper, no limit allows it and Python's stack would end."""
MOST_PAIRS = 2_000
"""Two fields are compared in some 10 µs."""


class Shape(NamedTuple):
    """What a selection set expands to; a fragment that one set of fields spreads twice is executed once."""

    depth: int
    aliases: int
    directives: int


EMPTY = Shape(0, 0, 0)


@dataclass(slots=True)
class Measure:
    """Measures selection sets of one document.

    ``steps`` counts the selections that were looked at, and ``pairs`` those that would have to be merged: validation
    compares each two fields of one name.
    """

    fragments: dict[str, FragmentDefinitionNode]
    steps: int = 0
    pairs: int = 0
    _known: dict[int, Shape] = field(default_factory=dict)

    def of(self, selections: SelectionSetNode, level: int = 1) -> Shape:
        """Measure a selection set; raises TooComplex where it has no end in sight."""
        if level > DEEPEST:
            raise TooComplex(f"The operation has more than {DEEPEST} levels of fields.")
        key = id(selections)
        if key not in self._known:
            self._known[key] = EMPTY  # a fragment inside itself ends here; validation refuses it
            self._known[key] = self._measured(selections, level)
        return self._known[key]

    def _measured(self, selections: SelectionSetNode, level: int) -> Shape:
        fields, directives = self.fields(selections)
        names = Counter(node.alias.value if node.alias else node.name.value for node in fields)
        self.pairs += sum(count * (count - 1) // 2 for count in names.values())
        depth = 0
        aliases = sum(node.alias is not None for node in fields)
        for node in fields:
            inner = self.of(node.selection_set, level + 1) if node.selection_set else EMPTY
            depth = max(depth, 1 + (0 if node.name.value in INTROSPECTION else inner.depth))
            aliases += inner.aliases
            directives += inner.directives
        return Shape(depth, aliases, directives)

    def fields(self, selections: SelectionSetNode) -> tuple[list[FieldNode], int]:
        """Give the fields of a selection set with those of its fragments, and count the directives on the way."""
        fields: list[FieldNode] = []
        directives = 0
        spread: set[str] = set()
        pending = [selections]
        while pending:
            for node in pending.pop().selections:
                self.steps += 1
                directives += len(node.directives or ())
                if isinstance(node, FieldNode):
                    fields.append(node)
                elif isinstance(node, InlineFragmentNode):
                    pending.append(node.selection_set)
                elif isinstance(node, FragmentSpreadNode) and node.name.value not in spread:
                    spread.add(node.name.value)
                    pending.extend(self._spread(node.name.value))
        return fields, directives

    def _spread(self, name: str) -> list[SelectionSetNode]:
        fragment = self.fragments.get(name)
        return [fragment.selection_set] if fragment else []


def check_shape(ast: DocumentNode, limits: Limits) -> list[GraphQLError]:
    """Tell which limits the operations of a document are over; fragments may still be missing or go in circles."""
    definitions = ast.definitions
    fragments = {item.name.value: item for item in definitions if isinstance(item, FragmentDefinitionNode)}
    measure = Measure(fragments)
    operations = [item for item in definitions if isinstance(item, OperationDefinitionNode)]
    return [error for operation in operations for error in _check_operation(operation, measure, limits)]


def refusal(message: str, operation: OperationDefinitionNode | None = None) -> GraphQLError:
    """Make the error of an operation that asks for too much."""
    return GraphQLError(message, operation, original_error=TooComplex(message))


def _check_operation(
    operation: OperationDefinitionNode, measure: Measure, limits: Limits
) -> list[GraphQLError]:
    try:
        shape = measure.of(operation.selection_set)
    except TooComplex as exc:
        return [refusal(exc.message, operation)]
    own = len(operation.directives or ())
    own += sum(len(variable.directives or ()) for variable in operation.variable_definitions or ())
    found = (
        (shape.depth, limits.depth, "levels of fields"),
        (shape.aliases, limits.aliases, "aliases, with fragments expanded"),
        (shape.directives + own, limits.directives, "directives, with fragments expanded"),
        (measure.pairs, MOST_PAIRS, "pairs of fields of one name to merge"),
        (len(measure.fields(operation.selection_set)[0]), limits.root_fields, "fields at its root"),
    )
    return [
        refusal(f"The operation has {count:,} {what}; the limit is {limit:,}.", operation)
        for count, limit, what in found
        if count > limit
    ]
