"""Compares two JSON values by keys and types alone, and says in words where they differ."""

from collections.abc import Iterator
from typing import Any

NAMES = {type(None): "null", bool: "boolean", int: "integer", float: "number", str: "string"}


def kind_of(value: Any) -> str:
    """Name the JSON type of a parsed value; an integer and a number with a fraction are two types."""
    return NAMES.get(type(value)) or ("object" if isinstance(value, dict) else "array")


def differences(expected: Any, given: Any, where: str = "$") -> Iterator[str]:
    """Say where ``given`` has other keys or types than ``expected``.

    Objects are compared key by key. Items of two lists are paired by their ``id``; lists that share no id are
    compared by the union of their items' keys and types.
    """
    if kind_of(expected) != kind_of(given):
        yield f"{where}: {kind_of(expected)} expected, {kind_of(given)} given"
    elif isinstance(expected, dict):
        yield from _objects(expected, given, where)
    elif isinstance(expected, list):
        yield from _lists(expected, given, where)


def _objects(expected: dict[str, Any], given: dict[str, Any], where: str) -> Iterator[str]:
    for key in sorted(expected.keys() - given.keys()):
        yield f"{where}.{key}: missing"
    for key in sorted(given.keys() - expected.keys()):
        yield f"{where}.{key}: too much"
    for key in sorted(expected.keys() & given.keys()):
        yield from differences(expected[key], given[key], f"{where}.{key}")


def _lists(expected: list[Any], given: list[Any], where: str) -> Iterator[str]:
    if bool(expected) != bool(given):
        yield f"{where}: {len(expected)} items expected, {len(given)} given"
        return
    by_id = {item["id"]: item for item in given if isinstance(item, dict) and "id" in item}
    pairs = [
        (item, by_id[item["id"]]) for item in expected if isinstance(item, dict) and item.get("id") in by_id
    ]
    for one, other in pairs:
        yield from differences(one, other, f"{where}[{one['id']}]")
    if not pairs:
        yield from _unions(expected, given, where)


def _unions(expected: list[Any], given: list[Any], where: str) -> Iterator[str]:
    """Compare lists that share no id: every key of one side must be on the other, with a type in common."""
    one, other = _types(expected, f"{where}[]"), _types(given, f"{where}[]")
    for path in sorted(one.keys() | other.keys()):
        wanted, found = one.get(path, {"nothing"}), other.get(path, {"nothing"})
        if not wanted & found:
            yield f"{path}: {sorted(wanted)} expected, {sorted(found)} given"


def _types(values: list[Any], where: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for value in values:
        found.setdefault(where, set()).add(kind_of(value))
        inner: list[tuple[str, Any]] = []
        if isinstance(value, dict):
            inner = [(f"{where}.{key}", item) for key, item in value.items()]
        elif isinstance(value, list):
            inner = [(f"{where}[]", item) for item in value]
        for path, item in inner:
            for deeper, types in _types([item], path).items():
                found.setdefault(deeper, set()).update(types)
    return found
