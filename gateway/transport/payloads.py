"""Decodes what upstreams send: JSON into typed structs, XML without its dangers, times with their zones."""

import gc
import logging
import pyexpat
import re
from collections.abc import Hashable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, tzinfo
from functools import cache, lru_cache
from typing import Any, TypeVar
from xml.etree.ElementTree import Element, ParseError

import msgspec
from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from gateway.domain.errors import BadResponse

T = TypeVar("T")
log = logging.getLogger(__name__)

LARGEST_XML = 5 * 1024 * 1024
MOST_TAGS = 200_000
"""What real lists of that size stay far below; each costs memory many times its length."""
DEEPEST_XML = 50
OLDEST_EXPAT = (2, 6, 0)
"""Before that, a parser that is fed in pieces reads a long token again and again (CVE-2023-52425)."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MOST_DAYS = 8_192
"""Days whose offset is remembered: those of 22 years in one zone."""
PROLOGS = re.compile(rb"^\s*(<\?xml[^>]*\?>\s*)+")
"""White space and any number of prologs; the group holds the last one, which names the encoding."""


def decode_json(body: bytes, shape: type[T], source: str) -> T:
    """Read JSON as the given shape; unknown keys are ignored.

    Raises BadResponse, which names the place in the body but shows nothing of it.
    """
    try:
        found: T = _decoder(shape).decode(body)  # type: ignore[arg-type]
    except msgspec.ValidationError as exc:
        raise BadResponse(f"The source sent an unexpected shape{_place(exc)}.", source=source) from exc
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise BadResponse("The source sent something that is not JSON.", source=source) from exc
    return found


@cache
def _decoder(shape: Hashable) -> "msgspec.json.Decoder[Any]":
    """Make the decoder of a shape once; there are as many as the adapters have shapes."""
    return msgspec.json.Decoder(shape, strict=False)


@contextmanager
def uncollected() -> Iterator[None]:
    """Keep the garbage collector still while something large is made: it would only find that all of it lives."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _place(exc: msgspec.ValidationError) -> str:
    found = re.search(r" - at `(\$[^`]*)`$", str(exc))
    return f" at `{found[1]}`" if found else ""


def decode_xml(body: bytes, source: str) -> Element:
    """Parse XML without DTD, entities or anything external; 5 MiB and 50 levels at most. Raises BadResponse.

    A repeated prolog, as in Decisiv's error bodies (`upstreams.md` 3.6), loses all but one.
    """
    if len(body) > LARGEST_XML:
        raise BadResponse("The source sent more than 5 MiB of XML.", source=source)
    if body.count(b"<") > MOST_TAGS:
        raise BadResponse(f"The source sent XML of more than {MOST_TAGS:,} tags.", source=source)
    try:
        root: Element = fromstring(PROLOGS.sub(rb"\1", body, count=1), forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError) as exc:
        raise BadResponse("The source sent something that is not plain XML.", source=source) from exc
    if _is_deep([root]):
        raise BadResponse(f"The source sent XML of more than {DEEPEST_XML} levels.", source=source)
    return root


def _is_deep(level: Iterable[Element]) -> bool:
    for _ in range(DEEPEST_XML):
        level = [child for element in level for child in element]
        if not level:
            return False
    return True


@cache
def check_parser() -> None:
    """Warn in the log, once, of an XML parser older than it should be; whole bodies are safe with it all the same."""
    if pyexpat.version_info < OLDEST_EXPAT:
        wanted = ".".join(map(str, OLDEST_EXPAT))
        log.warning("this Python reads XML with %s; %s or newer is advised", pyexpat.EXPAT_VERSION, wanted)


def parse_time(text: str | None, source: str, zone: tzinfo = UTC) -> datetime | None:
    """Read a time in any of the sources' spellings as an aware time in UTC.

    ``zone`` is that of times that are written without one; None and an empty text give None. Raises BadResponse.
    """
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            return _in_utc(moment, zone)
        return moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    except (ValueError, TypeError, OverflowError) as exc:
        raise BadResponse("The source sent a time in an unknown spelling.", source=source) from exc


def _in_utc(moment: datetime, zone: tzinfo) -> datetime:
    """Bring a local time into UTC; one that the end of summer time repeats is taken as its first occurrence.

    Two sums take a third of the time of ``replace`` and ``astimezone``, and lists are full of times.
    """
    local_epoch = _local_epoch(moment.toordinal(), zone)
    if local_epoch is None:
        return moment.replace(tzinfo=zone).astimezone(UTC)
    return EPOCH + (moment - local_epoch)


@lru_cache(MOST_DAYS)
def _local_epoch(day: int, zone: tzinfo) -> datetime | None:
    """Tell what clocks with a day's offset showed at the epoch; None for a day in which the offset changes."""
    first = datetime.fromordinal(day).replace(tzinfo=zone)
    last = first.replace(hour=23, minute=59, second=59, microsecond=999_999)
    offset = first.utcoffset()
    return EPOCH.replace(tzinfo=None) + offset if offset is not None and offset == last.utcoffset() else None


def text_or_none(text: str | None) -> str | None:
    """Give None for an empty text, which several sources send for "not known"."""
    return text or None
