"""The scalars: how values are written to clients and read from them."""

import re
from datetime import UTC, datetime
from typing import Any, NewType

import strawberry
from strawberry.types.scalar import ScalarDefinition

from gateway.domain.errors import BadInput

LARGEST_INTEGER = 2**53 - 1
"""The largest integer that JSON carries to a JavaScript client unharmed."""

DIGITS = re.compile(r"[0-9]{1,16}")

ByteCount = NewType("ByteCount", int)
URL = NewType("URL", str)
JSONObject = NewType("JSONObject", object)


def write_time(moment: datetime) -> datetime:
    """Give an aware time in UTC: answers are encoded by msgspec, which writes it by RFC 3339, with `Z`."""
    return moment.astimezone(UTC)


def read_time(text: Any) -> datetime:
    """Read a time by RFC 3339; one without an offset is refused, for nobody can know what it means."""
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise BadInput("A DateTime needs an offset, such as the Z of 2026-03-14T16:38:06Z.")
        moment.astimezone(UTC)
    except (TypeError, ValueError) as exc:
        raise BadInput("A DateTime is text such as 2026-03-14T16:38:06Z.") from exc
    except OverflowError as exc:
        raise BadInput("A DateTime is a moment of the years 1 to 9999 in UTC.") from exc
    return moment


def read_byte_count(value: Any) -> int:
    """Read a size: a whole number, or its digits as text."""
    if isinstance(value, str) and DIGITS.fullmatch(value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= LARGEST_INTEGER:
        raise BadInput("A ByteCount is a whole number from 0 to 9007199254740991.")
    return value


SCALARS: dict[object, ScalarDefinition] = {
    datetime: strawberry.scalar(
        name="DateTime",
        description="A moment by RFC 3339, always in UTC in answers: `2026-03-14T16:38:06Z`.",
        specified_by_url="https://scalars.graphql.org/andimarek/date-time",
        serialize=write_time,
        parse_value=read_time,
    ),
    ByteCount: strawberry.scalar(
        name="ByteCount",
        description="A number of bytes, 0 to 2^53 - 1: files outgrow `Int`, which ends at 2^31. Text is taken too.",
        specified_by_url="https://www.rfc-editor.org/rfc/rfc8259#section-6",
        serialize=int,
        parse_value=read_byte_count,
    ),
    URL: strawberry.scalar(
        name="URL",
        description="An absolute address by RFC 3986. What is signed in it is a secret of whoever asked.",
        specified_by_url="https://www.rfc-editor.org/rfc/rfc3986",
        serialize=str,
        parse_value=str,
    ),
    JSONObject: strawberry.scalar(
        name="JSONObject",
        description="An object of a source's own making, as it is.",
        specified_by_url="https://www.rfc-editor.org/rfc/rfc8259#section-4",
        serialize=lambda value: value,
        parse_value=lambda value: value,
    ),
}
