"""When to try again: full jitter, and what `Retry-After` says.

See `upstreams.md` 6.1 and https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/ for why the
whole interval is random.
"""

import random
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

TRIES = 3
FIRST_PAUSE = 0.05
LONGEST_PAUSE = 0.8
LONGEST_ASKED = 86_400.0
"""Seconds; a source that asks for more than a day is taken to mean a day."""
RETRIED_STATUSES = frozenset({429, 502, 503, 504})

_random = random.SystemRandom()


def pause_before(attempt: int) -> float:
    """Choose the seconds to wait before the given attempt, the first retry being attempt 2."""
    return _random.uniform(0, min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (attempt - 2)))


def retry_after(value: str | None, now: datetime | None = None) -> float | None:
    """Read `Retry-After` as seconds from now (RFC 9110, 10.2.3): a number or a date, None for anything else.

    Maarch answers "5 minutes" during a migration, which is neither (`upstreams.md` 1.1), so it is ignored.
    """
    if value is None:
        return None
    if value.strip().isascii() and value.strip().isdigit():
        return min(LONGEST_ASKED, float(value))
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(LONGEST_ASKED, max(0.0, (moment - (now or datetime.now(UTC))).total_seconds()))
