"""How much may be asked in a time: token buckets for each principal of a tenant, and for all of them together.

A bucket holds up to ``burst`` tokens and gets ``rate`` of them a second. An operation takes as many as it may cost,
before anything of it is executed; where there are too few it is refused and takes none.
"""

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from gateway.domain.errors import RateLimited
from gateway.domain.limits import Limits

NODES_OF_A_TOKEN = 50
"""An upstream request is a token, and so are so many nodes: the limits of one operation have the same proportion."""
LEAST = 1.0
"""Tokens that any operation takes: reading its document is work too."""
MOST_BUCKETS = 10_000
"""Principals of a tenant that are remembered; who is forgotten begins with a full bucket."""
RATE, TENANT_RATE = 200.0, 2_000.0
"""Tokens per second in production, where nothing is configured."""
EVERYBODY = ""
TOLERANCE = 1e-6
"""Seconds that whoever waited as long as he was told may still lack: fractions are not exact."""


@dataclass(frozen=True, slots=True)
class Quota:
    """How fast a bucket fills, in tokens per second, and how many it holds."""

    rate: float
    burst: float


@dataclass(frozen=True, slots=True)
class Balance:
    """What is left: whole tokens, and when the buckets are full again if nothing more is asked."""

    remaining: int
    resets_at: datetime


class Buckets:
    """The buckets of one quota, by whose they are. One that is full again is as good as none, and dropped."""

    def __init__(self, quota: Quota, most: int = MOST_BUCKETS) -> None:
        self.quota = quota
        self._most = most
        self._held: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        """Tell how many buckets are held."""
        return len(self._held)

    def level(self, owner: str, at: float) -> float:
        """Tell how many tokens are in a bucket at a time, in seconds of the clock."""
        held, rate, burst = self._held.get(owner), self.quota.rate, self.quota.burst
        return burst if held is None else min(burst, held[0] + (at - held[1]) * rate)

    def rest(self, owner: str, price: float, at: float) -> float:
        """Tell what an operation would leave in a bucket; less than nothing where there is not enough.

        One that costs more than the bucket holds takes a full one.
        """
        return self.level(owner, at) - min(price, self.quota.burst)

    def leave(self, owner: str, rest: float, at: float) -> None:
        """Leave so many tokens in a bucket."""
        self._held[owner] = (rest, at)
        if len(self._held) > 1:
            self._held.move_to_end(owner)
            self._forget(at)

    def _forget(self, at: float) -> None:
        """Drop those that were used longest ago: full ones, and where there are too many any."""
        while len(self._held) > 1:
            oldest = next(iter(self._held))
            if len(self._held) <= self._most and self.level(oldest, at) < self.quota.burst:
                return
            del self._held[oldest]


class Limiter:
    """Counts what the principals of one tenant ask; ``each`` and ``everybody`` are the quotas of one and of all.

    ``clock`` gives seconds that never go back, ``now`` the time of day.
    """

    def __init__(
        self,
        each: Quota | None,
        everybody: Quota | None,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._each = Buckets(each) if each else None
        self._everybody = Buckets(everybody) if everybody else None
        self._clock = clock
        self._now = now

    @property
    def limits(self) -> bool:
        """Whether anything is counted."""
        return self._each is not None or self._everybody is not None

    def take(self, subject: str, price: float) -> None:
        """Take the tokens of an operation. No upstream request.

        Raises RateLimited, with the seconds after which there are enough, and takes nothing then.
        """
        at, each, everybody = self._clock(), self._each, self._everybody
        own = each.rest(subject, price, at) if each is not None else 0.0
        all_of_them = everybody.rest(EVERYBODY, price, at) if everybody is not None else 0.0
        if own < 0 or all_of_them < 0:
            self._check_wait(own, all_of_them)
        if each is not None:
            each.leave(subject, own, at)
        if everybody is not None:
            everybody.leave(EVERYBODY, all_of_them, at)

    def _check_wait(self, own: float, all_of_them: float) -> None:
        """Raise RateLimited for what is missing, unless it is but a fraction's fraction."""
        rests = ((self._each, own), (self._everybody, all_of_them))
        wait = max(-rest / buckets.quota.rate for buckets, rest in rests if buckets is not None)
        if wait > TOLERANCE:
            raise RateLimited(
                "Too much was asked for in a short time.", retry_after=math.ceil(wait * 1000) / 1000
            )

    def balance(self, subject: str) -> Balance | None:
        """Tell what somebody has left; None where nothing is counted."""
        at = self._clock()
        left = [(buckets.level(owner, at), buckets.quota) for buckets, owner in self._counted(subject)]
        if not left:
            return None
        seconds = max((quota.burst - level) / quota.rate for level, quota in left)
        return Balance(int(min(level for level, _ in left)), self._now() + timedelta(seconds=seconds))

    def _counted(self, subject: str) -> list[tuple[Buckets, str]]:
        found = ((self._each, subject), (self._everybody, EVERYBODY))
        return [(buckets, owner) for buckets, owner in found if buckets is not None]


def make_limiter(limits: Limits, *, production: bool) -> Limiter:
    """Make the limiter of a tenant; where no rate is configured, production alone has one."""
    each = _quota(limits.rate, RATE if production else 0.0, limits.burst)
    everybody = _quota(limits.tenant_rate, TENANT_RATE if production else 0.0, limits.tenant_burst)
    return Limiter(each, everybody)


def price_of(requests: int, nodes: int) -> float:
    """Tell how many tokens an operation takes, by its upstream requests and nodes at most."""
    return max(LEAST, requests + nodes / NODES_OF_A_TOKEN)


def _quota(configured: float | None, otherwise: float, burst: float) -> Quota | None:
    rate = otherwise if configured is None else configured
    return Quota(rate, burst) if rate else None
