"""The life of a ticket: the steps that there are, all those that there are not, and what each step brings along."""

from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest

from gateway.domain.errors import Conflict, GatewayError, error_classes
from gateway.uploads.tickets import (
    RESTING,
    TRANSITIONS,
    Ticket,
    TicketState,
    UploadMethod,
    may_step,
    new_ticket,
    step,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)
KEY = "staging/unguessable"
DRAWN = {
    "PENDING": "VERIFIED FAILED CANCELLED EXPIRED",
    "VERIFIED": "SENDING FAILED CANCELLED EXPIRED",
    "SENDING": "SENT VERIFIED UNKNOWN FAILED",
    "SENT": "FINALIZED",
    "UNKNOWN": "SENT VERIFIED FAILED",
    "FAILED": "VERIFIED",
    "FINALIZED": "",
    "CANCELLED": "",
    "EXPIRED": "",
}
FACTS: dict[TicketState, dict[str, Any]] = {
    TicketState.VERIFIED: {"etag": "e", "verified_size": 0},
    TicketState.SENT: {"result": "r"},
    TicketState.FAILED: {"error_code": "UNAVAILABLE"},
    TicketState.UNKNOWN: {"error_code": "UNAVAILABLE"},
}


def ticket(state: TicketState = TicketState.PENDING, **values: Any) -> Ticket:
    """Make a ticket in a state, with the facts that the state needs."""
    new = new_ticket(
        principal="ann",
        target="library-7",
        name="été.pdf",
        media_type="application/pdf",
        size=0,
        method=UploadMethod.PUT,
        object_key=KEY,
        now=NOW,
        lifetime=timedelta(hours=1),
    )
    held = {"state": state, "lease_owner": "w", "lease_until": LATER, **FACTS.get(state, {}), **values}
    return Ticket(**{**{name: getattr(new, name) for name in Ticket.__dataclass_fields__}, **held})


def test_the_steps_are_those_that_are_drawn() -> None:
    """The table is a promise: a step more or less shows up here as well as there."""
    # when
    table = {state.name: {to.name for to in TRANSITIONS[state]} for state in TicketState}

    # then
    assert table == {state: set(steps.split()) for state, steps in DRAWN.items()}


@pytest.mark.parametrize(("state", "to"), list(product(TicketState, TicketState)), ids=lambda state: state.name)
def test_every_step_is_taken_or_refused(state: TicketState, to: TicketState) -> None:
    """Of all 81 pairs the drawn ones work, and the others are refused and change nothing."""
    # given
    before = ticket(state)

    # when
    try:
        after = step(before, to, LATER, **FACTS.get(to, {}))
    except Conflict:
        after = before

    # then
    assert (after.state is to and after is not before) == (to.name in DRAWN[state.name].split())
    assert after.updated_at == (NOW if after is before else LATER)
    assert before.state is state


@pytest.mark.parametrize("cls", error_classes(), ids=lambda cls: cls.code)
def test_only_what_may_pass_is_tried_again(cls: type[GatewayError]) -> None:
    """A refusal is final; an outage is not."""
    # given
    failed = ticket(TicketState.FAILED, error_code=cls.code)

    # then
    assert failed.may_be_retried is cls.retryable
    assert may_step(failed, TicketState.VERIFIED) is cls.retryable


@pytest.mark.parametrize(("to", "facts"), FACTS.items(), ids=lambda each: getattr(each, "name", ""))
def test_a_state_needs_its_facts(to: TicketState, facts: dict[str, Any]) -> None:
    """Nothing is SENT without saying as what, and nothing has FAILED without saying why."""
    # given
    before = ticket(next(state for state in TicketState if to in TRANSITIONS[state] and state not in FACTS))

    # when
    refused = [name for name in facts if _lacks(before, to, {**facts, name: None})]

    # then
    assert refused == list(facts)
    assert step(before, to, LATER, **facts).state is to


def _lacks(before: Ticket, to: TicketState, facts: dict[str, Any]) -> bool:
    try:
        step(before, to, LATER, **facts)
    except ValueError:
        return True
    return False


def test_each_attempt_is_counted_before_it_begins() -> None:
    """The number and the time of an attempt are on record before the upstream can have seen any of it."""
    # given
    verified = ticket(TicketState.VERIFIED)

    # when
    first = step(verified, TicketState.SENDING, LATER)
    again = step(step(first, TicketState.VERIFIED, LATER), TicketState.SENDING, LATER + timedelta(minutes=1))

    # then
    assert (first.attempt, first.sending_since, first.bytes_carried) == (1, LATER, 0)
    assert (again.attempt, again.sending_since) == (2, LATER + timedelta(minutes=1))


def test_a_doubt_keeps_what_helps_to_resolve_it() -> None:
    """Who reconciles needs the time of the attempt; once that is over it says nothing any more."""
    # given
    sending = step(ticket(TicketState.VERIFIED), TicketState.SENDING, LATER)

    # when
    unknown = step(sending, TicketState.UNKNOWN, LATER, error_code="UNAVAILABLE", error_message="No answer.")
    absent = step(unknown, TicketState.VERIFIED, LATER)
    found = step(unknown, TicketState.SENT, LATER, result="r")

    # then
    assert (unknown.sending_since, unknown.error_code) == (LATER, "UNAVAILABLE")
    assert (absent.sending_since, absent.error_code, absent.error_message) == (None, None, None)
    assert (found.sending_since, found.error_code, found.error_message) == (LATER, None, None)


@pytest.mark.parametrize("to", [state for state in TicketState if state in RESTING], ids=lambda to: to.name)
def test_who_comes_to_rest_holds_no_lease(to: TicketState) -> None:
    """Nobody waits for the lease of an upload that nobody works on."""
    # given
    before = ticket(next(state for state in TicketState if to in TRANSITIONS[state]))

    # when
    after = step(before, to, LATER, **FACTS.get(to, {}))

    # then
    assert before.is_leased(NOW)
    assert (after.lease_owner, after.lease_until, after.is_leased(NOW)) == (None, None, False)


def test_a_lease_ends_on_time() -> None:
    """A lease is over at the very moment that it names."""
    # given
    held = ticket()

    # then
    assert [held.is_leased(LATER - timedelta(microseconds=1)), held.is_leased(LATER)] == [True, False]


def test_a_ticket_does_not_show_its_key() -> None:
    """A log line with a ticket in it leads nobody to the bytes."""
    # given
    shown = ticket(multipart_id="upload-id-of-the-store")

    # then
    assert KEY not in repr(shown)
    assert "upload-id-of-the-store" not in repr(shown)
