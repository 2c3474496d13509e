"""Tests of what the suite calls equal."""

from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.domain.details import DecisivDetails, Sender
from gateway.domain.model import Attachment, Record, RecordKind
from gateway.domain.refs import Ref, RefType
from tests.conformance.comparison import UNKNOWN_FIELD, changed, differences

DETAILS = DecisivDetails("7", None, None, "Freins", None, None, None, None, None, None)
LISTED = Attachment(
    ref=Ref("garage", RefType.ATTACHMENT, ("c", "7")),
    name="Facture",
    size=None,
    media_type=None,
    created_at=datetime(2025, 1, 1, tzinfo=UTC),
    updated_at=None,
    record=Record(Ref("garage", RefType.RECORD, ("c",)), RecordKind.CASE),
    details=DETAILS,
    can_update=False,
    can_delete=False,
)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({}, []),
        ({"size": 0, "media_type": "text/plain"}, []),
        ({"name": "Facture.pdf"}, []),
        ({"name": "Facture.d'août.pdf"}, ["name"]),
        ({"name": "Avoir.pdf"}, ["name"]),
        ({"name": ""}, ["name"]),
        ({"record": None}, ["record.kind", "record.ref.key", "record.ref.source", "record.ref.type"]),
        ({"created_at": None}, ["created_at"]),
        ({"can_update": True}, ["can_update"]),
        ({"details": changed(DETAILS, sender=Sender("1", "Léa", None, None))}, []),
        ({"details": changed(DETAILS, description=None)}, ["details.description"]),
    ],
)
def test_a_fetched_entry_may_only_say_more(change: dict[str, object], named: list[str]) -> None:
    """What the list leaves out may be filled and a name may gain an extension; all else has to be equal."""
    # given
    fetched = changed(LISTED, **change)  # type: ignore[arg-type]

    # when
    found = differences(LISTED, fetched)

    # then
    assert sorted(found) == named


def test_what_varies_by_nature_is_left_out() -> None:
    """A kind may name fields that no two answers agree on."""
    # given
    fetched = changed(LISTED, details=changed(DETAILS, description="Pneus"))

    # when
    found = differences(LISTED, fetched, frozenset({"details.description"}))

    # then
    assert found == []


def test_another_kind_of_entry_is_different() -> None:
    """A file is no attachment, whatever its fields say."""
    # given
    other = object()

    # when
    found = differences(LISTED, other)  # type: ignore[arg-type]

    # then
    assert found == ["type"]


def test_a_mapping_that_is_kept_as_it_came_may_hold_the_suites_own_field() -> None:
    """The suite adds a field everywhere, so also to JSON that an adapter passes on whole."""
    # given
    states: list[Any] = [{"a": 1}, {"a": 1, UNKNOWN_FIELD: [{}]}]
    before, after = (changed(LISTED, details=changed(DETAILS, description=one)) for one in states)

    # when
    found = differences(before, after)

    # then
    assert found == []
