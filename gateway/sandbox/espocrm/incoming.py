"""Reads requests as PHP and EspoCRM do: bodies by their content type, brackets in names as nested values."""

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from starlette.requests import Request

from gateway.sandbox.espocrm.errors import Refusal, broken


class TooLarge(Exception):
    """The body is larger than the web server lets through."""


async def body_of(request: Request, limit: int) -> bytearray:
    """Read a body into one buffer; raises TooLarge above ``limit`` bytes.

    The rest of a body that is too large is read as well, and dropped: a client that is still sending would not
    see the answer.
    """
    body, size = bytearray(), 0
    announced = int(request.headers.get("content-length", 0))
    async for piece in request.stream():
        size += len(piece)
        if max(size, announced) <= limit:
            body += piece
    if max(size, announced) > limit:
        raise TooLarge
    return body


def fields_of(media: str, body: bytearray) -> dict[str, Any]:
    """Parse a body; one of another content type than JSON or form counts as empty.

    The value of ``file`` stays raw JSON (``msgspec.Raw``, a view of the buffer), since it may have 50 MB.
    Raises Refusal 400 for JSON that is no object, and the empty 500 for what is no JSON.
    """
    kind = media.partition(";")[0].strip().lower()
    if kind == "application/x-www-form-urlencoded":
        return nested(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
    if kind != "application/json" or not body:
        return {}
    try:
        raw = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
        return {name: value if name == "file" else msgspec.json.decode(value) for name, value in raw.items()}
    except msgspec.ValidationError:
        raise Refusal(400, "Body is not a JSON object.") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise broken() from None


def nested(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Build what PHP makes of ``where[0][value][]=a``: dictionaries, with lists as dictionaries from 0 on."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        head, keys = name.partition("[")[0], re.findall(r"\[([^\]]*)\]", name)
        _put(found, [head, *keys], value)
    return found


def _put(where: dict[str, Any], keys: list[str], value: str) -> None:
    *path, last = keys
    for key in path:
        step = where.setdefault(key or str(len(where)), {})
        if not isinstance(step, dict):
            return
        where = step
    where[last or str(len(where))] = value


def items_of(value: Any) -> list[Any] | None:
    """Give the items of what PHP calls an array, whichever of the two ways it was written; else None."""
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else None
