"""Times that sources write in ways of their own: they never break more than they are about."""

from datetime import UTC, datetime

import pytest

from gateway.domain.changes import UploadItem
from gateway.domain.refs import Ref, RefType
from gateway.upstreams.base import signed_until
from gateway.upstreams.reconciling import made_by

FILE = Ref("arrhes", RefType.FILE, ("a" * 16,))
ITEM = UploadItem(
    target=Ref("arrhes", RefType.LIBRARY, ("o", "2025")),
    name="x.pdf",
    media_type="application/pdf",
    size=1,
    sha256="",
    options={},
    marker="",
    started_at=datetime(2026, 11, 23, tzinfo=UTC),
)


@pytest.mark.parametrize("seconds", ["99999999999999999", "9" * 400, "-99999999999999", "soon"])
def test_a_link_that_ends_at_no_time_we_know_is_still_a_link(seconds: str) -> None:
    """One odd link must not take the whole list with it."""
    # when / then
    assert signed_until(f"https://store.example/x?Expires={seconds}") is None


@pytest.mark.parametrize("text", [None, "", "infinity", "0001-12-30 00:01:00+00 BC", "yesterday"])
def test_an_object_without_a_readable_time_may_be_ours(text: str | None) -> None:
    """A worker that looks for what it made comes to an end, whatever the source writes."""
    # when / then
    assert made_by(ITEM, {FILE: text}, UTC) == FILE
