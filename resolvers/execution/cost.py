"""Computes what an operation may cost, from its document, its variables and the table of `resolvers.costs`.

Fields are collected as graphql-core collects them: what several fragments ask for counts once, and `@skip` and
`@include` hold. The work has an end: an operation that takes too many steps is refused for that.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from graphql import (
    FieldNode,
    GraphQLError,
    GraphQLField,
    GraphQLObjectType,
    GraphQLSchema,
    OperationDefinitionNode,
    VariableNode,
    Visitor,
    get_named_type,
    get_nullable_type,
    is_abstract_type,
    is_composite_type,
    is_list_type,
    visit,
)
from graphql.execution.collect_fields import (
    FieldDetailsList,
    FragmentDetails,
    GroupedFieldSet,
    collect_fields,
    collect_subfields,
)
from graphql.execution.values import VariableValues, get_argument_values

from gateway.domain.errors import TooComplex
from gateway.domain.limits import Limits
from resolvers.costs import COSTS, FEW, FREE, MOST_OVERLAP, SIZING, FieldCost

MOST_STEPS = 5_000
"""Fields that are looked at: an honest document within the limits of its shape has far fewer."""
PLUMBING = "edges"
"""The lists of connections: their nodes count, they themselves do not."""


class Cost(NamedTuple):
    """What an operation may cost: upstream requests, and objects that have an identifier or stand in a list."""

    requests: int
    nodes: int


NOTHING = Cost(0, 0)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a selection stands: how many objects it is read from, and what was read on the way to them.

    ``views`` is how often the tree is looked at that the objects are of, ``items`` how many objects the lists
    directly below have in all where a field above has said so, and ``item_views`` the views of these.
    """

    objects: int = 1
    views: int = 1
    loaded: frozenset[str] = frozenset()
    items: int | None = None
    item_views: int = 1


def over(cost: Cost, limits: Limits) -> str | None:
    """Say which limit a cost is over; None where it is within all."""
    found = (
        (cost.requests, limits.upstream_requests, "take", "upstream requests"),
        (cost.nodes, limits.nodes, "answer", "nodes"),
    )
    for count, limit, verb, what in found:
        if count > limit:
            return f"The operation may {verb} {count:,} {what}; the limit is {limit:,}."
    return None


@dataclass(slots=True)
class Estimate:
    """Estimates one operation for one set of variables; ``steps`` counts the fields that were looked at."""

    schema: GraphQLSchema
    fragments: dict[str, FragmentDetails]
    operation: OperationDefinitionNode
    variables: VariableValues
    steps: int = 0
    _known: dict[Any, Cost] = field(default_factory=dict)

    def cost(self) -> Cost:
        """Give the cost of the operation; raises TooComplex where finding out would take too long."""
        root = self.schema.get_root_type(self.operation.operation)
        if root is None:
            return NOTHING
        collected = collect_fields(self.schema, self.fragments, self.variables, root, self.operation)
        return self._fields(root, collected.grouped_field_set, Place())

    def _selected(self, output_type: Any, details: FieldDetailsList, place: Place) -> Cost:
        """Give the cost of what is selected of a value: of the dearest type that it may have."""
        if not is_abstract_type(output_type):
            return self._object(output_type, details, place)
        costs = [self._object(one, details, place) for one in self.schema.get_possible_types(output_type)]
        return Cost(max(cost.requests for cost in costs), max(cost.nodes for cost in costs))

    def _object(self, object_type: GraphQLObjectType, details: FieldDetailsList, place: Place) -> Cost:
        key = (object_type.name, place, *(id(detail.node) for detail in details))
        if key not in self._known:
            collected = collect_subfields(
                self.schema, self.fragments, self.variables, self.operation, object_type, details
            )
            self._known[key] = self._fields(object_type, collected.grouped_field_set, place)
        return self._known[key]

    def _fields(self, object_type: GraphQLObjectType, grouped: GroupedFieldSet, place: Place) -> Cost:
        requests = nodes = 0
        loaded = place.loaded
        for details in grouped.values():
            definition = object_type.fields.get(details[0].node.name.value)
            if definition is None:
                continue  # introspection
            self._step()
            cost = COSTS.get(f"{object_type.name}.{details[0].node.name.value}", FREE)
            own, inner = self._field(cost, definition, details, replace(place, loaded=loaded))
            if not cost.anew:
                loaded |= cost.loads
            requests += own + inner.requests
            nodes += inner.nodes
        return Cost(requests, nodes)

    def _field(
        self, cost: FieldCost, definition: GraphQLField, details: FieldDetailsList, place: Place
    ) -> tuple[int, Cost]:
        """Give the requests of a field itself, and the cost of what is in it."""
        arguments = self._arguments(cost, definition, details[0].node)
        items = items_of(cost, arguments)
        known = not cost.anew and cost.loads and place.loaded.issuperset(cost.loads)
        requests = 0 if known else place.objects * (cost.requests + cost.per_item * items)
        output_type = get_named_type(definition.type)
        if not is_composite_type(output_type):
            return requests, NOTHING
        is_list = is_list_type(get_nullable_type(definition.type))
        inner = _inside(
            cost, place, page_of(cost, arguments, items), overlap_of(cost, arguments), is_list=is_list
        )
        counted = is_list or "id" in getattr(output_type, "fields", {"id"})
        own = inner.objects if counted and details[0].node.name.value != PLUMBING else 0
        found = self._selected(output_type, details, inner)
        return requests, Cost(found.requests, found.nodes + own)

    def _arguments(self, cost: FieldCost, definition: GraphQLField, node: FieldNode) -> dict[str, Any]:
        """Read the arguments; what is wrong with them is found and told by the execution."""
        if cost.items is None and cost.page is None:
            return {}
        try:
            return get_argument_values(definition, node, self.variables)
        except GraphQLError:
            return {}

    def _step(self) -> None:
        self.steps += 1
        if self.steps > MOST_STEPS:
            raise TooComplex(f"The operation expands to more than {MOST_STEPS:,} fields, which is the limit.")


def items_of(cost: FieldCost, arguments: Mapping[str, Any]) -> int:
    """Tell how many items a field has by its list of keys; 1 where it has none."""
    if not isinstance(cost.items, str):
        return 1 if cost.items is None else cost.items
    value: Any = arguments
    for name in cost.items.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return len(value) if isinstance(value, list) else 1


def page_of(cost: FieldCost, arguments: Mapping[str, Any], items: int) -> int | None:
    """Tell how many items the list of a field has; None where nothing says so. Over the largest page is refused."""
    if cost.page is not None:
        asked = arguments.get("first") or arguments.get("last") or cost.page
        return max(1, min(asked, cost.page))
    return None if cost.items is None else items


def overlap_of(cost: FieldCost, arguments: Mapping[str, Any]) -> int:
    """Tell how often one entry may be in the lists of a level."""
    return max(1, min(arguments.get("depth", MOST_OVERLAP), MOST_OVERLAP)) if cost.overlapping else 1


def _inside(cost: FieldCost, place: Place, page: int | None, overlap: int, *, is_list: bool) -> Place:
    """Go from the objects of a field's type to those of its value."""
    loaded = cost.loads if cost.anew else place.loaded | cost.loads
    views = place.objects if cost.above or cost.anew else place.views
    if page is not None:
        items = (views if cost.below else place.objects) * page
        item_views = views * overlap if cost.below else items
    elif is_list:
        items = place.objects * FEW if place.items is None else place.items
        item_views = items if place.items is None else place.item_views
    else:
        return Place(place.objects, views, loaded)
    if is_list:
        return Place(items, item_views, loaded)
    return Place(place.objects, views, loaded, items, item_views)


# Variables


class Sizes(Visitor):
    """Collects the variables that a cost may depend on."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []
        self._sizing = 0

    def enter_argument(self, node: Any, *_: object) -> None:
        """Look into one argument."""
        self._sizing += node.name.value in SIZING

    def leave_argument(self, node: Any, *_: object) -> None:
        """Leave it again."""
        self._sizing -= node.name.value in SIZING

    def enter_variable(self, node: VariableNode, *_: object) -> None:
        """Remember a variable of an argument that matters."""
        if self._sizing and node.name.value not in self.names:
            self.names.append(node.name.value)


def sizing_variables(ast: Any) -> list[str]:
    """List the variables of a document that its costs may depend on."""
    sizes = Sizes()
    visit(ast, sizes)
    return sizes.names


def size_of(value: Any) -> Any:
    """Tell of a variable's value only what a cost may depend on: a number, or how long lists are."""
    if isinstance(value, list):
        return len(value)
    if isinstance(value, dict):
        return tuple((name, len(item)) for name, item in value.items() if isinstance(item, list))
    return value if isinstance(value, int) else None
