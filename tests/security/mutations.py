"""Changes what a source answers, in the ways in which sources change, break and lie."""

import copy
import json
import random
from collections.abc import Callable, Iterator
from typing import Any
from xml.etree.ElementTree import Element, ParseError, SubElement, tostring

from defusedxml.ElementTree import fromstring

Chance = random.Random
VALUES: tuple[Any, ...] = (
    *(
        None,
        True,
        False,
        0,
        -1,
        1,
        2**31,
        2**53 + 1,
        10**30,
        -(10**30),
        1.5,
        1e308,
        "",
        " ",
        "0",
        "12",
        "1.0",
        "null",
    ),
    *("true", "A_NEW", "é" * 300, "x" * 70_000, "\u0000", "\ud800", "\u202e", "../..", "javascript:alert(1)"),
    *(
        "https://[",
        "http://127.0.0.1:9/x",
        "2026-13-45",
        "2026-01-01",
        "0000-00-00 00:00:00",
        "9999-12-31T23:59:59Z",
    ),
    *("0001-01-01T00:00:00+14:00", "<b>&amp;</b>", [], [[]], {}, {"a": {}}, [None], [1, "a", {}], {"": ""}),
)
"""What a value may become."""
PAGE = b"<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head><body><h1>nginx</h1></body></html>"
STATUSES = (
    200,
    201,
    204,
    206,
    299,
    302,
    400,
    401,
    403,
    404,
    405,
    409,
    410,
    413,
    418,
    422,
    429,
    500,
    502,
    503,
    504,
    599,
)


def mutated(body: bytes, chance: Chance) -> bytes:
    """Change a body: its structure where it has one, or its bytes."""
    if chance.random() < 0.3:
        return chance.choice(RAW)(body, chance)
    change = _json if body.lstrip()[:1] in (b"{", b"[") else _xml
    try:
        return change(body, chance)
    except (ValueError, ParseError):
        return chance.choice(RAW)(body, chance)


def mutated_headers(headers: dict[str, str], chance: Chance) -> dict[str, str]:
    """Change one header, or lose it."""
    changed = dict(headers)
    name = chance.choice([*headers, "link", "x-total-count", "location", "content-type", "retry-after"])
    changed.pop(name, None)
    if chance.random() < 0.8:
        hostile = (
            "",
            "-1",
            "99999999999999999999",
            "text/html; charset=x",
            "<http://[>; rel=next",
            '</>; rel="next"',
        )
        changed[name] = chance.choice(hostile)
    return changed


# Bytes


def _cut(body: bytes, chance: Chance) -> bytes:
    return body[: chance.randrange(len(body) + 1)]


def _flip(body: bytes, chance: Chance) -> bytes:
    data = bytearray(body)
    for _ in range(chance.randrange(1, 9)):
        if data:
            data[chance.randrange(len(data))] = chance.randrange(256)
    return bytes(data)


def _recode(body: bytes, chance: Chance) -> bytes:
    encoding = chance.choice(["latin-1", "utf-16", "utf-16-le", "utf-32", "cp1252", "utf-8-sig", "utf-7"])
    return body.decode("utf-8", "replace").encode(encoding, "replace")


def _other(body: bytes, chance: Chance) -> bytes:
    wholes = (b"", b" ", b"null", b"[]", b"{}", b'""', b"0", b"NaN", b"[null]", b"{" * 2000, b"<a>" * 300, PAGE)
    return chance.choice(
        [*wholes, body + body, b"\xef\xbb\xbf" + body, b")]}',\n" + body, b"\x1f\x8b" + body[:40]]
    )


RAW: tuple[Callable[[bytes, Chance], bytes], ...] = (_cut, _flip, _recode, _other)


# JSON


def _json(body: bytes, chance: Chance) -> bytes:
    root = [json.loads(body)]
    for _ in range(chance.choice([1, 1, 1, 2, 5])):
        places = list(_places(root))
        if places:
            _change(*chance.choice(places), chance)
    return json.dumps(root[0] if root else None).encode("utf-8", "surrogatepass")


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    items = list(value.items()) if isinstance(value, dict) else list(enumerate(value))
    for key, inner in items:
        yield value, key
        if isinstance(inner, dict | list):
            yield from _places(inner)


def _change(holder: Any, key: Any, chance: Chance) -> None:
    kind = chance.randrange(6)
    value = holder[key]
    if kind == 0:
        del holder[key]
    elif kind == 1 and isinstance(holder, dict):
        holder[chance.choice(["new", "Name", "__typename", str(key).upper(), ""])] = holder.pop(key)
    elif kind == 2 and isinstance(value, int | float):
        holder[key] = str(value)
    elif kind == 3 and isinstance(value, list):
        holder[key] = value * 2
    elif kind == 4:
        holder[key] = [value]
    else:
        holder[key] = copy.deepcopy(chance.choice(VALUES))


# XML


def _xml(body: bytes, chance: Chance) -> bytes:
    root: Element = fromstring(body)
    for _ in range(chance.choice([1, 1, 1, 2, 5])):
        element = chance.choice(list(root.iter()))
        _change_element(element, chance)
    return b"<?xml version='1.0' encoding='UTF-8'?>\n" + tostring(root, encoding="us-ascii")


def _change_element(element: Element, chance: Chance) -> None:
    kind = chance.randrange(6)
    if kind == 0 and len(element):
        element.remove(chance.choice(list(element)))
    elif kind == 1:
        element.tag = chance.choice(
            ["new", "{urn:x}" + element.tag.rpartition("}")[2], element.tag.upper().rpartition("}")[2]]
        )
    elif kind == 2 and len(element):
        element.append(chance.choice(list(element)))
    elif kind == 3:
        SubElement(element, "new").text = "x"
    elif kind == 4:
        element.clear()
    else:
        texts = [value for value in VALUES if isinstance(value, str) and value.isprintable()]
        element.text = chance.choice([*texts, "-5", "1e3", " 12 ", "maybe"])
