"""Lists: search parameters, ``where``, order and pages (upstreams.md 5.6)."""

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from gateway.sandbox.espocrm.access import may_read
from gateway.sandbox.espocrm.entities import TYPES, EntityType
from gateway.sandbox.espocrm.errors import Refusal, broken
from gateway.sandbox.espocrm.incoming import items_of, nested
from gateway.sandbox.espocrm.output import value_of
from gateway.sandbox.espocrm.state import Login, Record, State

MORE, NO_MORE = -1, -2
"""What stands for the total where the client asked not to count."""

Test = Callable[[Record], bool]


@dataclass(frozen=True, slots=True)
class Search:
    """What a list was asked for; ``select`` None stands for everything."""

    max_size: int
    offset: int = 0
    order_by: str = "createdAt"
    descending: bool = True
    where: tuple[Any, ...] = ()
    select: tuple[str, ...] | None = None
    text: str = ""
    orphans: bool = False
    counted: bool = True


def parse(state: State, query: str, headers: Mapping[str, str]) -> Search:
    """Read the parameters of a list, singly or as one JSON in ``searchParams``.

    Raises Refusal 403 above the largest page, 400 for a bad order or JSON, and the empty 500 for negative numbers.
    """
    pairs = nested(parse_qsl(query, keep_blank_values=True))
    raw = _from_json(pairs["searchParams"]) if "searchParams" in pairs else _from_pairs(pairs)
    limit = state.settings["recordListMaxSizeLimit"]
    max_size = limit if raw.get("maxSize") is None else raw["maxSize"]
    if max_size > limit:
        raise Refusal(403, f"Max size should not exceed {limit}. Use offset and limit.")
    order = str(raw.get("order") or "").upper()
    if order not in ("", "ASC", "DESC"):
        raise Refusal(400, "order value is bad.")
    offset = raw.get("offset") or 0
    if max_size < 0 or offset < 0:
        raise broken()
    order_by = raw.get("orderBy")
    return Search(
        max_size=max_size,
        offset=offset,
        order_by=order_by or "createdAt",
        descending=order == "DESC" or (not order and not order_by),
        where=tuple(items_of(raw.get("where")) or ()),
        select=None if raw.get("select") is None else tuple(raw["select"]),
        text=str(raw.get("textFilter") or raw.get("q") or "").strip(),
        orphans=raw.get("primaryFilter") == "orphan",
        counted=headers.get("x-no-total", "").lower() != "true",
    )


def find(state: State, login: Login, kind: EntityType, search: Search) -> tuple[int, list[Record]]:
    """Find the total and one page of the records that a user may read."""
    if search.order_by not in kind.attributes:
        raise Refusal(400, f"Order by non-existing field '{search.order_by}'.")
    tests = [_test(state, kind, item) for item in search.where]
    found = [
        record
        for record in state.alive(kind.name)
        if all(test(record) for test in tests)
        and (not search.text or _has_text(kind, record, search.text))
        and (not search.orphans or _is_orphan(record))
        and may_read(state, login, record)
    ]
    found.sort(key=lambda record: _sort_key(state, record, search.order_by), reverse=search.descending)
    return _page(found, search)


def _page(found: list[Record], search: Search) -> tuple[int, list[Record]]:
    end = search.offset + search.max_size
    total = len(found)
    if not search.counted:
        total = MORE if total > end else NO_MORE
    return total, found[search.offset : end]


def _from_json(text: Any) -> dict[str, Any]:
    try:
        raw = msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.DecodeError, TypeError):
        raise Refusal(400, "Invalid search params JSON.") from None
    for name, wanted in (("maxSize", int), ("offset", int), ("select", list), ("where", list)):
        if not isinstance(raw.get(name), wanted | None):
            raise Refusal(400, f"{name} should be {'int' if wanted is int else 'array'}.")
    return raw


def _from_pairs(pairs: dict[str, Any]) -> dict[str, Any]:
    select = pairs.get("attributeSelect") or pairs.get("select")
    numbers = {name: _int(pairs[name]) for name in ("maxSize", "offset") if pairs.get(name)}
    return {
        **pairs,
        "maxSize": None,
        "offset": None,
        **numbers,
        "where": pairs.get("whereGroup", pairs.get("where")),
        "select": select.split(",") if isinstance(select, str) else None,
    }


def _int(text: Any) -> int:
    """Read a number as PHP's ``intval``: what doesn't begin with one is 0."""
    found = re.match(r"\s*[+-]?\d+", str(text))
    return int(found[0]) if found else 0


def _sort_key(state: State, record: Record, name: str) -> tuple[bool, Any, str]:
    """Sort None first as the database does, and settle ties by id."""
    value = value_of(state, record, name)
    text = value.casefold() if isinstance(value, str) else value
    return (value is not None, text if isinstance(text, str | int) else str(text), record.id)


def _has_text(kind: EntityType, record: Record, text: str) -> bool:
    """Whether one of the text attributes begins with the text; ``*`` stands for anything."""
    pattern = re.escape(text.casefold()).replace(r"\*", ".*")
    return any(re.match(pattern, str(record.values.get(name) or "").casefold()) for name in kind.text)


def _is_orphan(record: Record) -> bool:
    values = record.values
    return values.get("role") == "Attachment" and not (values.get("parentId") or values.get("relatedId"))


def _same(one: Any, other: Any) -> bool:
    """Compare as MySQL does: text without case, numbers also when they come as text."""
    if one is None or other is None:
        return False
    if isinstance(one, bool):
        return one == (str(other).lower() in ("1", "true"))
    return str(one).casefold() == str(other).casefold()


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def test(one: Any, other: Any) -> bool:
        if one is None or other is None:
            return False
        if isinstance(one, int):
            return compare(one, _int(other))
        return compare(str(one), str(other))

    return test


def _like(pattern: str) -> Callable[[Any, Any], bool]:
    """Make a test from a pattern in which ``{}`` stands for the value; ``%`` in a value stands for anything."""

    def test(one: Any, other: Any) -> bool:
        escaped = re.escape(pattern.format(other).casefold()).replace("%", ".*")
        return one is not None and re.fullmatch(escaped, str(one).casefold(), re.DOTALL) is not None

    return test


COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "equals": _same,
    "notEquals": lambda one, other: not _same(one, other),
    "like": _like("{}"),
    "contains": _like("%{}%"),
    "notContains": lambda one, other: not _like("%{}%")(one, other),
    "startsWith": _like("{}%"),
    "endsWith": _like("%{}"),
    "isNull": lambda one, _: one is None,
    "isNotNull": lambda one, _: one is not None,
    "isTrue": lambda one, _: one is True,
    "isFalse": lambda one, _: one is False,
    "greaterThan": _ordered(operator.gt),
    "lessThan": _ordered(operator.lt),
    "greaterThanOrEquals": _ordered(operator.ge),
    "lessThanOrEquals": _ordered(operator.le),
    "after": _ordered(operator.gt),
    "before": _ordered(operator.lt),
}


def _test(state: State, kind: EntityType, item: Any) -> Test:
    """Make a test of one where item; raises Refusal 400 as the real converter does."""
    if not isinstance(item, dict):
        raise Refusal(400, "Bad where item value.")
    operation, value = str(item.get("type") or ""), item.get("value")
    if not operation:
        raise Refusal(400, "Bad where item. No 'type'.")
    if operation in ("and", "or"):
        tests = [_test(state, kind, each) for each in items_of(value) or ()]
        combine = all if operation == "and" else any
        return lambda record: combine(test(record) for test in tests)
    name = item.get("attribute") or item.get("field")
    if not name:
        raise Refusal(400, "Bad where item. No 'attribute'.")
    if name not in kind.attributes:
        raise Refusal(400, f"Not existing attribute '{name}' in where.")
    if operation in ("in", "notIn"):
        return _membership(state, operation, name, value)
    if operation == "between":
        return _between(state, name, value)
    if operation not in COMPARISONS:
        raise Refusal(400, "Bad where item.")
    compare = COMPARISONS[operation]
    return lambda record: compare(value_of(state, record, name), value)


def _membership(state: State, operation: str, name: str, value: Any) -> Test:
    items = items_of(value)
    if items is None:
        raise Refusal(400, f"Bad where item '{operation}'.")
    wanted = {str(each).casefold() for each in items}

    def test(record: Record) -> bool:
        found = value_of(state, record, name)
        return found is not None and (str(found).casefold() in wanted) == (operation == "in")

    return test


def _between(state: State, name: str, value: Any) -> Test:
    items = items_of(value)
    if items is None or len(items) < 2:
        raise Refusal(400, "Bad where item 'between'.")
    low, high = items[:2]

    def test(record: Record) -> bool:
        found = value_of(state, record, name)
        return _ordered(operator.ge)(found, low) and _ordered(operator.le)(found, high)

    return test


def of_stream(state: State, record: Record) -> list[Record]:
    """Find the attachments of the notes on a record, newest first."""
    notes = {
        each.id
        for each in state.alive("Note")
        if each.values.get("parentType") == record.type and each.values.get("parentId") == record.id
    }
    found = [
        each
        for each in state.alive("Attachment")
        if each.values.get("parentType") == "Note" and each.values.get("parentId") in notes
    ]
    return sorted(found, key=lambda each: (each.values["createdAt"], each.id), reverse=True)


def page_of_stream(state: State, record: Record, search: Search) -> tuple[int, list[Record]]:
    """Find the total and one page of the attachments in the stream of a record."""
    tests = [_test(state, TYPES["Attachment"], item) for item in search.where]
    return _page([each for each in of_stream(state, record) if all(test(each) for test in tests)], search)
