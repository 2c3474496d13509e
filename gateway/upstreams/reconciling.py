"""Tells which object of a listing an attempt without an answer made (`design.md` 5)."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, tzinfo

from gateway.domain.changes import UploadItem
from gateway.domain.errors import NotFound, OutcomeUnknown
from gateway.domain.refs import Ref
from gateway.transport.call import Call
from gateway.upstreams.base import SupportsContent

SKEW = timedelta(seconds=2)
"""How far the source's clock may be behind the gateway's, the digits that it cuts off included."""
DOUBT = timedelta(minutes=1)
"""How much earlier an equal object may have been made that leaves doubts: a clock may be wrong by more."""


def made_by(item: UploadItem, twins: Mapping[Ref, str | None], zone: tzinfo) -> Ref | None:
    """Choose the object that the attempt made: the one that was made since it began and is nobody else's.

    ``twins`` are the objects that equal what was to be made, with their times of creation as the source wrote them;
    ``zone`` is that of times without one. There is no later bound, as a listing holds nothing of the future. None
    says that there is no such object, which proves that the attempt failed once the source works on it no more.
    Raises OutcomeUnknown for several, and for an object from just before, which another clock may have dated.
    """
    free = {ref: text for ref, text in twins.items() if ref not in item.claimed}
    since = [ref for ref, text in free.items() if _is_since(text, item.started_at - SKEW, zone)]
    if len(since) == 1:
        return since[0]
    if since or any(_is_since(text, item.started_at - DOUBT, zone) for text in free.values()):
        message = "The source has an equal file that may or may not be this one."
        raise OutcomeUnknown(message, source=item.target.source)
    return None


def _is_since(text: str | None, start: datetime, zone: tzinfo) -> bool:
    """Tell whether an object may be that young; one without a time, or with one in no known form, may.

    A local time that the end of summer time repeats stands for two moments, and either counts.
    """
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return True
    if moment.tzinfo is None:
        return any(moment.replace(tzinfo=zone, fold=fold).astimezone(UTC) >= start for fold in (0, 1))
    return moment >= start


async def check_bytes(source: SupportsContent, ref: Ref, item: UploadItem, call: Call) -> None:
    """Make sure that a found object holds the staged bytes; raises OutcomeUnknown otherwise. 1 request.

    For sources whose lists do not tell sizes: two uploads of one title at once would else be taken for each other.
    """
    digest = hashlib.sha256()
    try:
        async with source.open(ref, call) as content:
            async for chunk in content.chunks:
                digest.update(chunk)
    except NotFound as exc:
        raise OutcomeUnknown("The source has such a file, but not its bytes.", source=ref.source) from exc
    if digest.hexdigest() != item.sha256.lower():
        raise OutcomeUnknown("The source has a file of that title with other bytes.", source=ref.source)
