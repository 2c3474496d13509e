"""Compares what two answers of a source say about one thing."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import msgspec

from gateway.domain.model import Entry

UNKNOWN_FIELD = "fieldOfALaterVersion"
"""The name of what the suite adds to answers; a mapping that an adapter keeps as it came may hold it."""

LINKS = frozenset({"branch", "kept_in"})
"""What links objects that were loaded together."""
NOTHING: tuple[object, ...] = (None, "", (), {}, [])


def changed(one: Any, **changes: Any) -> Any:
    """Copy a domain object or a dataclass with other values."""
    make = msgspec.structs.replace if isinstance(one, msgspec.Struct) else replace
    return make(one, **changes)


def differences(listed: Entry, fetched: Entry, varying: frozenset[str] = frozenset()) -> list[str]:
    """Name the fields in which a fetched entry contradicts the listed one, as ``details.title``.

    A field that the list leaves out may be filled, and the name may gain an extension; ``varying`` names fields
    that differ from answer to answer, such as the end of a signed link. Links between loaded objects don't count.
    """
    if type(listed) is not type(fetched):
        return ["type"]
    before, after = dict(values_of(listed)), dict(values_of(fetched))
    return [
        path
        for path in before.keys() | after.keys()
        if path not in varying and not _compatible(path, before.get(path), after.get(path))
    ]


def values_of(entry: object, prefix: str = "") -> Iterator[tuple[str, object]]:
    """Walk through an entry's fields and those of the objects inside it, each with its dotted path.

    What takes no part in equality is left out; a missing object gives None under its own name alone.
    """
    for name in getattr(entry, "__struct_fields__", ()):
        value, path = getattr(entry, name), prefix + name
        if name in LINKS:
            continue
        if isinstance(value, msgspec.Struct):
            yield from values_of(value, f"{path}.")
        else:
            yield path, _known(value)


def _known(value: object) -> object:
    if isinstance(value, dict):
        return {key: one for key, one in value.items() if key != UNKNOWN_FIELD}
    return value


def _compatible(path: str, listed: object, fetched: object) -> bool:
    if listed == fetched or listed in NOTHING:
        return True
    if path == "name" and isinstance(listed, str) and isinstance(fetched, str):
        return fetched.startswith(f"{listed}.") and "." not in fetched[len(listed) + 1 :]
    return False
