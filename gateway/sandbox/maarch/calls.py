"""One call of a route: who asks for what, and the forms that answers have."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from gateway.sandbox.maarch import php
from gateway.sandbox.maarch.records import Attachment, Refused, User
from gateway.sandbox.maarch.state import State

EMPTY_TYPE = "text/html; charset=UTF-8"
"""What PHP says of a body that there isn't."""


@dataclass(frozen=True, slots=True)
class Call:
    """A request that was let through. ``user`` is missing only on the routes that need no login.

    ``body`` is what PHP parsed: of JSON an object or a list, of a form an object, else None.
    """

    state: State
    caller: User | None
    path: Mapping[str, str]
    query: Mapping[str, str]
    body: Any = None

    @property
    def user(self) -> User:
        """The user who asks; refuses where nobody is logged in."""
        if self.caller is None:
            raise Refused(401, "Authentication Failed")
        return self.caller

    def attachment(self) -> Attachment | None:
        """Find the attachment that the path names, whatever its status."""
        return self.state.find(self.path["id"])

    def sees(self, row: Attachment) -> bool:
        """Whether the attachment's mail is in the user's perimeter."""
        return self.state.sees(self.user, row.res_id_master)


def answered(value: object, status: int = 200) -> Response:
    """Answer JSON as PHP writes it; the content type has no charset."""
    return Response(php.encoded(value), status, {"Content-Type": "application/json"})


def nothing(headers: Mapping[str, str] | None = None) -> Response:
    """Answer 204."""
    return Response(None, 204, {**(headers or {}), "Content-Type": EMPTY_TYPE})


async def parsed(request: Request) -> Any:
    """Read a body as PHP does: by its content type, and None for one that can't be parsed.

    The bytes are gathered in one buffer and dropped once parsed, so that a large upload is held once as text.
    """
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    gathered = bytearray()
    async for piece in request.stream():
        gathered += piece
    if media == "application/x-www-form-urlencoded":
        return dict(parse_qsl(gathered.decode(errors="replace"), keep_blank_values=True))
    return _json(gathered) if media.endswith(("/json", "+json")) else None


def _json(text: bytearray) -> Any:
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return value if isinstance(value, dict | list) else None
