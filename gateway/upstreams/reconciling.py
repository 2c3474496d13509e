"""Tells which object of a listing an attempt without an answer made (`design.md` 5)."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

from gateway.domain.changes import UploadItem
from gateway.domain.errors import OutcomeUnknown
from gateway.domain.refs import Ref

SKEW = timedelta(seconds=2)
"""How far the source's clock may be behind the gateway's, the digits that it cuts off included."""
DOUBT = timedelta(minutes=1)
"""How much earlier an equal object may have been made that leaves doubts: a clock may be wrong by more."""


@dataclass(frozen=True, slots=True)
class Twin:
    """An object that equals what was to be made; ``created_at_text`` is its time as the source wrote it."""

    ref: Ref
    created_at_text: str | None


def made_by(item: UploadItem, twins: Iterable[Twin], zone: tzinfo) -> Ref | None:
    """Choose the object that the attempt made: the one that was made since it began and is nobody else's.

    ``zone`` is that of the source's times. There is no later bound, as a listing holds nothing of the future. None
    says that there is no such object; that proves the attempt's failure only when the source works on it no more.
    Raises OutcomeUnknown for several, and for an object from just before, which another clock may have dated.
    """
    free = [twin for twin in twins if twin.ref not in item.claimed]
    since = [twin.ref for twin in free if _is_since(twin, item.started_at - SKEW, zone)]
    if len(since) == 1:
        return since[0]
    if since or any(_is_since(twin, item.started_at - DOUBT, zone) for twin in free):
        message = "The source has an equal file that may or may not be this one."
        raise OutcomeUnknown(message, source=item.target.source)
    return None


def _is_since(twin: Twin, start: datetime, zone: tzinfo) -> bool:
    """Tell whether an object may be that young; one without a time may.

    A local time that the end of summer time repeats stands for two moments, and either counts.
    """
    if twin.created_at_text is None:
        return True
    moment = datetime.fromisoformat(twin.created_at_text)
    if moment.tzinfo is None:
        return any(moment.replace(tzinfo=zone, fold=fold).astimezone(UTC) >= start for fold in (0, 1))
    return moment >= start
