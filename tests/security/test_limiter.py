"""Token buckets: nobody asks for more in a time than he may, nor do all principals of a tenant together."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.errors import RateLimited
from gateway.domain.limits import Limits
from gateway.limiter import Buckets, Limiter, Quota, make_limiter, price_of

NOON = datetime(2026, 3, 14, 12, tzinfo=UTC)
EACH = Quota(rate=10, burst=100)


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.at


def limiter(each: Quota | None, everybody: Quota | None = None) -> tuple[Limiter, Clock]:
    """Make a limiter whose time stands still."""
    clock = Clock()
    return Limiter(each, everybody, clock, lambda: NOON), clock


def wait_of(limited: Limiter, subject: str, price: float) -> float:
    """Tell how long somebody has to wait who is refused."""
    with pytest.raises(RateLimited) as caught:
        limited.take(subject, price)
    assert caught.value.code == "RATE_LIMITED"
    assert caught.value.source is None
    assert caught.value.retry_after is not None
    return caught.value.retry_after


def test_a_bucket_empties_and_fills() -> None:
    """A client may spend what it saved up at once, and then as much as comes in."""
    # given
    limited, clock = limiter(EACH)

    # when all but a little is spent, more is asked for, and that time has gone by
    limited.take("jo", 95)
    first = limited.balance("jo")
    wait = wait_of(limited, "jo", 15)
    clock.at += wait
    limited.take("jo", 15)
    second = limited.balance("jo")

    # then the balance says what is left, and when all is back
    assert first is not None
    assert (first.remaining, first.resets_at) == (5, NOON + timedelta(seconds=9.5))
    assert wait == 1.0
    assert second is not None
    assert (second.remaining, second.resets_at) == (0, NOON + timedelta(seconds=10))


def test_a_refusal_takes_nothing() -> None:
    """Whoever knocks too early waits no longer for it."""
    # given
    limited, _ = limiter(EACH, Quota(rate=10, burst=1000))
    limited.take("jo", 100)

    # when
    waits = {wait_of(limited, "jo", 50) for _ in range(100)}
    limited.take("al", 100)
    other = limited.balance("al")

    # then neither his bucket nor that of all others has lost anything
    assert waits == {5.0}
    assert other is not None


def test_nobody_takes_from_another() -> None:
    """A busy user leaves the others alone."""
    # given
    limited, _ = limiter(EACH)
    limited.take("jo", 100)

    # when
    limited.take("al", 60)
    balance = limited.balance("al")

    # then
    assert balance is not None
    assert balance.remaining == 40


def test_all_of_a_tenant_share_one_bucket() -> None:
    """Many users of one tenant together stay within what it may."""
    # given
    limited, clock = limiter(EACH, Quota(rate=20, burst=150))
    limited.take("jo", 100)

    # when
    wait = wait_of(limited, "al", 100)
    clock.at += wait
    limited.take("al", 100)
    balance = limited.balance("al")

    # then
    assert wait == 2.5
    assert balance is not None
    assert balance.remaining == 0


def test_what_costs_more_than_a_bucket_holds_takes_a_full_one() -> None:
    """No operation within the limits is impossible for ever."""
    # given
    limited, clock = limiter(EACH)

    # when
    limited.take("jo", 1000)
    first = limited.balance("jo")
    wait = wait_of(limited, "jo", 1000)
    clock.at += wait
    limited.take("jo", 1000)
    second = limited.balance("jo")

    # then
    assert wait == 10.0
    assert first == second
    assert first is not None
    assert first.remaining == 0


def test_without_quotas_nothing_is_counted() -> None:
    """The demo has no rate, and its answers say none."""
    # given
    limited, _ = limiter(None)

    # then
    limited.take("jo", 1e9)
    assert limited.balance("jo") is None
    assert not limited.limits


@given(st.lists(st.tuples(st.floats(0, 5), st.floats(0.1, 200)), max_size=60))
def test_nobody_gets_more_than_comes_in(steps: list[tuple[float, float]]) -> None:
    """Whatever the order of requests and pauses, what was taken is never more than the first fill and the rate."""
    # given
    limited, clock = limiter(EACH)
    taken = 0.0

    # when
    for pause, price in steps:
        clock.at += pause
        try:
            limited.take("jo", price)
        except RateLimited:
            continue
        taken += min(price, EACH.burst)

    # then
    assert taken <= EACH.burst + EACH.rate * (clock.at - 1000.0) + 1e-3


def test_the_number_of_buckets_is_bounded() -> None:
    """Nobody fills the memory with names: full buckets are dropped, then those used longest ago."""
    # given
    buckets = Buckets(EACH, most=10)

    # when twenty ask at once, and one more when their buckets are full again
    for n in range(20):
        buckets.leave(f"user {n}", buckets.rest(f"user {n}", 50, at=0.0), at=0.0)
    held = len(buckets)
    latest = buckets.level("user 19", at=0.0)
    buckets.leave("late", buckets.rest("late", 1, at=60.0), at=60.0)

    # then
    assert held == 10
    assert latest == 50
    assert len(buckets) == 1


def test_a_price_counts_requests_and_nodes() -> None:
    """The dearest operation there may be takes as much for requests as for nodes, the cheapest something."""
    # then
    assert price_of(200, 0) == price_of(0, 10_000) == 200
    assert price_of(2, 100) == 4
    assert price_of(0, 0) == 1


@pytest.mark.parametrize(
    ("limits", "production", "counted"),
    [
        (Limits(), True, True),
        (Limits(), False, False),
        (Limits(rate=5), False, True),
        (Limits(tenant_rate=5), False, True),
        (Limits(rate=0, tenant_rate=0), True, False),
    ],
)
def test_production_has_a_rate_by_default(limits: Limits, production: bool, counted: bool) -> None:
    """A production gateway is limited unless its operator says otherwise; the demo is limited only where he does."""
    # then
    assert make_limiter(limits, production=production).limits is counted
