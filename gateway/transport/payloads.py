"""Decodes what upstreams send: JSON into typed structs, XML without its dangers, times with their zones."""

import re
from datetime import UTC, datetime, tzinfo
from typing import Any, TypeVar
from xml.etree.ElementTree import Element, ParseError

import msgspec
from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from gateway.domain.errors import BadResponse

T = TypeVar("T")

LARGEST_XML = 5 * 1024 * 1024
PROLOGS = re.compile(rb"^\s*(<\?xml[^>]*\?>\s*)+")
"""White space and any number of prologs; the group holds the last one, which names the encoding."""


def decode_json(body: bytes, shape: type[T], source: str) -> T:
    """Read JSON as the given shape; unknown keys are ignored.

    Raises BadResponse, which names the place in the body but shows nothing of it.
    """
    try:
        return msgspec.json.decode(body, type=shape, strict=False)
    except msgspec.ValidationError as exc:
        raise BadResponse(f"The source sent an unexpected shape{_place(exc)}.", source=source) from exc
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise BadResponse("The source sent something that is not JSON.", source=source) from exc


def _place(exc: msgspec.ValidationError) -> str:
    found = re.search(r" - at `(\$[^`]*)`$", str(exc))
    return f" at `{found[1]}`" if found else ""


def decode_xml(body: bytes, source: str) -> Element:
    """Parse XML without DTD, entities or anything external; 5 MiB at most. Raises BadResponse.

    A repeated prolog, as in Decisiv's error bodies (`upstreams.md` 3.6), loses all but one.
    """
    if len(body) > LARGEST_XML:
        raise BadResponse("The source sent more than 5 MiB of XML.", source=source)
    try:
        root: Element = fromstring(PROLOGS.sub(rb"\1", body, count=1), forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError) as exc:
        raise BadResponse("The source sent something that is not plain XML.", source=source) from exc
    return root


def parse_time(text: Any, source: str, zone: tzinfo = UTC) -> datetime | None:
    """Read a time in any of the sources' spellings as an aware time in UTC.

    ``zone`` is that of times that are written without one; None and an empty text give None.
    Raises BadResponse.
    """
    if text is None or text == "":
        return None
    try:
        moment = datetime.fromisoformat(text)
        local = moment if moment.tzinfo else moment.replace(tzinfo=zone)
        return local.astimezone(UTC)
    except (ValueError, TypeError, OverflowError) as exc:
        raise BadResponse("The source sent a time in an unknown spelling.", source=source) from exc


def text_or_none(text: str | None) -> str | None:
    """Give None for an empty text, which several sources send for "not known"."""
    return text or None
