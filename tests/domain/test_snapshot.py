"""What stays as it is: what was written of it is kept for those who ask again, within bounds."""

import msgspec

from gateway.domain.snapshot import MARK, Forms, Snapshot

FORM = msgspec.Raw(b"[1,2]")
ROOM = 3 * (MARK + 5)


def test_a_snapshot_is_a_tuple_of_its_items() -> None:
    """Whoever reads it need not know that it remembers anything."""
    # when
    snapshot = Snapshot.of([1, 2], ROOM)

    # then
    assert snapshot == (1, 2)
    assert isinstance(snapshot, tuple)


def test_snapshots_do_not_share_forms() -> None:
    """What was written of one list is not given for another that is equal."""
    # given
    one, other = Snapshot.of([1, 2], ROOM), Snapshot.of([1, 2], ROOM)

    # when
    one.origin.forms.keep("a", FORM)

    # then
    assert other.origin.forms.get("a") is None


def test_what_was_noted_is_not_kept_yet() -> None:
    """Most lists are read once, and are not worth the memory."""
    # given
    forms = Forms(ROOM)

    # when
    forms.note("a")

    # then
    assert [forms.is_noted("a"), forms.is_noted("b")] == [True, False]
    assert forms.get("a") is None


def test_a_form_is_given_by_its_name() -> None:
    """What was written for one document is not given to another."""
    # given
    forms = Forms(ROOM)

    # when
    forms.keep("a", FORM)

    # then
    assert forms.get("a") is FORM
    assert forms.get("b") is None


def test_what_was_asked_for_longest_ago_goes_first() -> None:
    """However many documents ask for a list, what it keeps has a bound."""
    # given
    forms = Forms(ROOM)
    for name in ("a", "b", "c"):
        forms.keep(name, FORM)

    # when
    forms.get("a")
    forms.keep("d", FORM)

    # then
    assert [name for name in "abcd" if forms.get(name) is not None] == ["a", "c", "d"]


def test_what_is_larger_than_all_may_be_is_not_kept() -> None:
    """Nor does it drive the others out."""
    # given
    forms = Forms(ROOM)
    forms.keep("a", FORM)

    # when
    forms.keep("b", msgspec.Raw(b"1" * ROOM))

    # then
    assert forms.get("a") is FORM
    assert forms.get("b") is None


def test_forms_without_room_keep_nothing() -> None:
    """An empty list is made again each time, which takes nothing."""
    # given
    forms = Forms(0)

    # when
    forms.note("a")
    forms.keep("b", FORM)

    # then
    assert not forms.is_noted("a")
    assert forms.get("b") is None


def test_a_note_that_is_looked_at_stays() -> None:
    """What comes again and again is known to, however much else comes between."""
    # given
    forms = Forms(3 * MARK)
    forms.note("a")

    # when
    for number in range(10):
        forms.note(number)
        forms.is_noted("a")

    # then
    assert forms.is_noted("a")
    assert not forms.is_noted(0)
