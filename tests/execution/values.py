"""Values for the arguments of the schema: such as mean something, and such as are refused."""

from collections.abc import Sequence
from typing import Any

from graphql import GraphQLEnumType, GraphQLInputObjectType, GraphQLList, get_named_type, get_nullable_type

from tests.execution.documents import Draw
from tests.execution.world import World

COUNTS = (2, 1, 100, 101, 0, -1, 1000, 1001, None)
DEPTHS = (15, 1, 2, 0, 16)
LIVES = (300, 15, 14)
TIMES = ("2026-03-14T12:00:00Z", "2026-01-01T00:00:00+02:00", "2026-01-01", "2027-01-01T00:00:00Z")
SIZES = (1000, 0, "2000", 5_000_000_001, -1)
NAMES = ("maarch", "arrhes", "nowhere")


class WorldValues:
    """Draws values of arguments from a world and the cursors that its lists give."""

    def __init__(self, world: World, cursors: Sequence[str]) -> None:
        self._by_name: dict[str, Sequence[Any]] = {
            "after": ("nonsense", None, "", *cursors),
            "before": ("nonsense", None, *cursors),
            "first": COUNTS,
            "last": COUNTS,
            "depth": DEPTHS,
            "expiresIn": LIVES,
            "id": world.ids,
            "name": NAMES,
            "nameContains": ("FACTURE", "n° 1", ""),
        }
        self._by_type: dict[str, Sequence[Any]] = {
            "ByteCount": SIZES,
            "DateTime": TIMES,
            "String": ("application/pdf", "text/plain"),
            "RecordLookup": world.records,
            "LibraryLookup": world.libraries,
            "PlaceLookup": [
                *({"library": library} for library in world.libraries),
                *({"record": record} for record in world.records),
                *({"id": found} for found in world.ids),
            ],
            "ID": world.ids,
        }

    def __call__(self, name: str, of_type: Any, draw: Draw) -> Any:
        """Draw a value of an argument or input field."""
        nullable = get_nullable_type(of_type)
        if isinstance(nullable, GraphQLList):
            return self._list(name, nullable, draw)
        named = get_named_type(of_type)
        choices = self._by_name.get(name) or self._by_type.get(named.name)
        if choices:
            return choices[draw(len(choices))]
        if isinstance(named, GraphQLEnumType):
            return list(named.values)[draw(len(named.values))]
        assert isinstance(named, GraphQLInputObjectType), named
        return self._object(named, draw)

    def _list(self, name: str, of_type: GraphQLList[Any], draw: Draw) -> list[Any]:
        size = (2, 1, 3, 5, 0, 101)[min(draw(12), 5) if draw(4) == 3 else draw(4)]
        item = self(name, of_type.of_type, draw)
        if size > MOST_DRAWN:
            return [item] * size
        return [item, *(self(name, of_type.of_type, draw) for _ in range(size - 1))] if size else []

    def _object(self, of_type: GraphQLInputObjectType, draw: Draw) -> dict[str, Any]:
        chosen = {name: found for name, found in of_type.fields.items() if name == "field" or draw(4) == 3}
        return {name: self(name, found.type, draw) for name, found in chosen.items()}


MOST_DRAWN = 10
"""Longer lists repeat one value."""
