"""Checks what a client sends as the server's validator does: field by field, and only the first issue is told."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request

from gateway.sandbox.arrhes.state import Refused

LONGEST_TEXT = 256


@dataclass(frozen=True, slots=True)
class Field:
    """One key that an operation reads.

    ``needed`` keys have to be there, though perhaps as null where ``nullable``. ``whole`` numbers are integers;
    everything else is a text of up to 256 characters, and one that is not ``blank`` has at least one.
    """

    name: str
    needed: bool = True
    nullable: bool = False
    whole: bool = False
    blank: bool = True

    def issue(self, sent: dict[str, Any]) -> str | None:
        """Say what is wrong with this key, if anything."""
        if self.name not in sent:
            return f'Invalid key: Expected "{self.name}" but received undefined' if self.needed else None
        value = sent[self.name]
        if value is None:
            return None if self.nullable else "Ce champ est requis"
        return self._not_whole(value) if self.whole else self._not_text(value)

    def _not_text(self, value: Any) -> str | None:
        if not isinstance(value, str):
            return "Doit être une chaîne de caractères"
        if len(value) > LONGEST_TEXT:
            return f"Doit contenir au maximum {LONGEST_TEXT} caractères"
        return None if value or self.blank else "Ce champ est requis"

    def _not_whole(self, value: Any) -> str | None:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return "Doit être un nombre"
        return None if isinstance(value, int) or value.is_integer() else "Doit être un nombre entier"


async def sent_values(request: Request, fields: Iterable[Field]) -> dict[str, Any]:
    """Read and check the fields of an operation; raises `Refused`.

    The query counts on GET and the JSON body otherwise, and malformed JSON as an empty object. The path fills gaps
    only: an id in the body beats the one in the path. Keys that no field names are dropped.
    """
    sent = _query(request) if request.method in {"GET", "HEAD"} else await _body(request)
    if not isinstance(sent, dict):
        raise Refused(400, "Invalid request", "undefined")
    sent = {**request.path_params, **sent}
    wanted = list(fields)
    for one in wanted:
        issue = one.issue(sent)
        if issue is not None:
            nested = json.dumps({"nested": {one.name: [issue]}}, ensure_ascii=False, separators=(",", ":"))
            raise Refused(400, "Invalid request", nested)
    return {one.name: sent[one.name] for one in wanted if one.name in sent}


def _query(request: Request) -> dict[str, Any]:
    """Read the query; a name that is repeated becomes a list."""
    names = request.query_params.keys()
    lists = {name: request.query_params.getlist(name) for name in names}
    return {name: values if len(values) > 1 else values[0] for name, values in lists.items()}


async def _body(request: Request) -> Any:
    try:
        body = json.loads(await request.body())
    except ValueError:
        return {}
    return {} if isinstance(body, list) else body
