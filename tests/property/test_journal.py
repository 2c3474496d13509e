"""The journal against a model: whatever workers do, and whenever they wake up, the model and the database agree."""

import asyncio
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from hypothesis import Phase, settings, strategies
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule

from gateway.domain.errors import Conflict
from gateway.uploads.journal import Journal
from gateway.uploads.tickets import TRANSITIONS, LeaseHeld, StaleFence, Ticket, TicketState, step
from tests.conformance.journal_suite import Clock, pending

FACTS: dict[TicketState, dict[str, Any]] = {
    TicketState.VERIFIED: {"etag": "e", "verified_size": 3},
    TicketState.SENT: {"result": "r"},
    TicketState.FAILED: {"error_code": "UNAVAILABLE"},
    TicketState.UNKNOWN: {"error_code": "UNAVAILABLE"},
}
seconds = strategies.integers(1, 40)


class Workers(RuleBasedStateMachine):
    """Workers that hold copies of one ticket, fresh and stale ones, on two journals over one file."""

    copies = Bundle("copies")

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory()
        self.clock = Clock()
        url = f"sqlite:///{Path(self.folder.name) / 'journal.db'}"
        self.journals = [self.runner.run(Journal.open(url, self.clock)) for _ in range(2)]
        self.model = pending(self.clock)
        self.path = [self.model.state]

    def teardown(self) -> None:
        """Close everything."""
        for journal in self.journals:
            self.runner.run(journal.aclose())
        self.runner.close()
        self.folder.cleanup()

    @initialize(target=copies)
    def create(self) -> Ticket:
        """Write the ticket."""
        self.runner.run(self.journals[0].create([self.model]))
        return self.model

    @rule(forward=seconds)
    def wait(self, forward: int) -> None:
        """Let time pass, so that leases end."""
        self.clock.forward(forward)

    @rule(target=copies, lease=seconds, number=strategies.integers(0, 1))
    def claim(self, lease: int, number: int) -> Any:
        """Take the ticket, if it is free."""
        free = not self.model.is_leased(self.clock())
        try:
            taken = self.runner.run(self.journals[number].claim(self.model.id, "w", lease))
        except LeaseHeld:
            assert not free
            return multiple()
        assert free
        assert taken.fence == self.model.fence + 1
        self.model = taken
        return taken

    @rule(target=copies, copy=copies, to=strategies.sampled_from(TicketState), number=strategies.integers(0, 1))
    def advance(self, copy: Ticket, to: TicketState, number: int) -> Any:
        """Take a step from any copy, to any state."""
        try:
            after = self.runner.run(self.journals[number].advance(copy, to, **FACTS.get(to, {})))
        except StaleFence:
            assert (copy.fence, copy.state) != (self.model.fence, self.model.state)
            return multiple()
        except Conflict:
            assert to not in TRANSITIONS[copy.state]
            return multiple()
        assert (copy.fence, copy.state) == (self.model.fence, self.model.state)
        self.model = step(self.model, to, self.clock(), **FACTS.get(to, {}))
        self.path.append(to)
        return after

    @rule(copy=copies, key=strategies.sampled_from("ab"), value=strategies.integers(), forward=seconds)
    def note(self, copy: Ticket, key: str, value: int, forward: int) -> None:
        """Write a note from any copy."""
        self.clock.forward(forward)
        try:
            self.runner.run(self.journals[0].note(copy, **{key: value}))
        except StaleFence:
            assert copy.fence != self.model.fence
        else:
            assert copy.fence == self.model.fence
            notes = {**self.model.notes, key: value}
            self.model = replace(self.model, notes=notes, updated_at=self.clock())

    @rule(copy=copies)
    def release(self, copy: Ticket) -> None:
        """Give the ticket back from any copy."""
        self.runner.run(self.journals[1].release(copy))
        if copy.fence == self.model.fence:
            self.model = replace(self.model, lease_owner=None, lease_until=None)

    @invariant()
    def journal_and_model_agree(self) -> None:
        """Both processes read what the model says, once the ticket is there."""
        for journal in self.journals:
            (stored,) = self.runner.run(journal.get_many([self.model.id], ""))
            assert stored == self.model

    @invariant()
    def the_path_is_drawn(self) -> None:
        """Each step that was taken is one of the table."""
        assert all(to in TRANSITIONS[state] for state, to in zip(self.path, self.path[1:], strict=False))


TestWorkers = Workers.TestCase
TestWorkers.settings = settings(
    max_examples=20,
    stateful_step_count=25,
    deadline=None,
    phases=(
        Phase.explicit,
        Phase.reuse,
        Phase.generate,
    ),  # shrinking a failure takes minutes of commits to disk
)
