"""Tests of when something is tried again."""

from datetime import UTC, datetime

import pytest

from gateway.transport.retry import FIRST_PAUSE, LONGEST_ASKED, LONGEST_PAUSE, pause_before, retry_after

NOW = datetime(2025, 3, 14, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize("attempt", range(2, 12))
def test_the_whole_interval_of_a_pause_is_random(attempt: int) -> None:
    """Pauses fill the interval from zero to a bound that doubles up to 0.8 s: full jitter."""
    # given
    bound = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (attempt - 2))

    # when
    pauses = [pause_before(attempt) for _ in range(500)]

    # then
    assert all(0 <= pause <= bound for pause in pauses)
    assert min(pauses) < bound / 4
    assert max(pauses) > bound * 3 / 4


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("120", 120.0),
        (" 7 ", 7.0),
        ("Fri, 14 Mar 2025 12:00:30 GMT", 30.0),
        ("Friday, 14-Mar-25 12:00:30 GMT", 30.0),
        ("Fri, 14 Mar 2025 13:00:30 +0100", 30.0),
        ("Fri, 14 Mar 2025 12:00:30 -0000", 30.0),
        ("Fri, 14 Mar 2025 11:00:00 GMT", 0.0),
        ("Fri, 14 Mar 2125 12:00:00 GMT", LONGEST_ASKED),
        ("9" * 400, LONGEST_ASKED),
        (None, None),
        ("", None),
        ("5 minutes", None),
        ("-5", None),
        ("1.5", None),
        ("٣", None),
        ("soon", None),
        ("Fri, 14 Mar 99999 12:00:30 GMT", None),
        ("Fri, 99 Mar 2025 12:00:30 +9999", None),
    ],
)
def test_retry_after_is_a_number_or_a_date(value: str | None, seconds: float | None) -> None:
    """Both forms of RFC 9110 give seconds, a day at most; anything else is as if it were not there."""
    # given
    now = NOW

    # when
    found = retry_after(value, now)

    # then
    assert found == seconds


def test_a_date_is_measured_from_now() -> None:
    """Without a moment of the caller's own, the clock decides."""
    # given
    past = "Fri, 14 Mar 2025 12:00:30 GMT"

    # when
    found = retry_after(past)

    # then
    assert found == 0.0
