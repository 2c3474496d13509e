"""Lists that stay as they are: what was made of them is kept for those who ask again, within bounds."""

import msgspec

from gateway.domain.snapshot import MARK, Snapshot

FORM = msgspec.Raw(b"[1,2]")
ROOM = 3 * (MARK + 5)


def test_a_snapshot_is_a_tuple_of_its_items() -> None:
    """Whoever reads it need not know that it remembers anything."""
    # when
    snapshot = Snapshot.of([1, 2], ROOM)

    # then
    assert snapshot == (1, 2)
    assert isinstance(snapshot, tuple)


def test_a_form_is_wanted_again_the_second_time() -> None:
    """Most lists are read once, and are not worth the memory."""
    # given
    snapshot = Snapshot.of([1, 2], ROOM)

    # when
    wanted = [snapshot.is_wanted_again("a"), snapshot.is_wanted_again("b"), snapshot.is_wanted_again("a")]

    # then
    assert wanted == [False, False, True]
    assert snapshot.form("a") is None


def test_a_form_is_given_by_its_name() -> None:
    """What was written for one document is not given to another."""
    # given
    snapshot = Snapshot.of([1, 2], ROOM)

    # when
    snapshot.keep("a", FORM)

    # then
    assert snapshot.form("a") is FORM
    assert snapshot.form("b") is None


def test_what_was_asked_for_longest_ago_goes_first() -> None:
    """However many documents ask for a list, what it keeps has a bound."""
    # given
    snapshot = Snapshot.of([1, 2], ROOM)
    for name in ("a", "b", "c"):
        snapshot.keep(name, FORM)

    # when
    snapshot.form("a")
    snapshot.keep("d", FORM)

    # then
    assert [name for name in "abcd" if snapshot.form(name) is not None] == ["a", "c", "d"]


def test_what_is_larger_than_all_may_be_is_not_kept() -> None:
    """Nor does it drive the others out."""
    # given
    snapshot = Snapshot.of([1, 2], ROOM)
    snapshot.keep("a", FORM)

    # when
    snapshot.keep("b", msgspec.Raw(b"1" * ROOM))

    # then
    assert snapshot.form("a") is FORM
    assert snapshot.form("b") is None


def test_a_snapshot_without_room_keeps_nothing() -> None:
    """An empty list is made again each time, which takes nothing."""
    # given
    snapshot = Snapshot.of((), 0)

    # when
    wanted = [snapshot.is_wanted_again("a"), snapshot.is_wanted_again("a")]

    # then
    assert wanted == [False, False]
