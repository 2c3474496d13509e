"""kill -9 at every step of a finalize: no file is made twice, none is lost, and none stays on its way."""

import json
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest

from gateway.sandbox.store import Store
from tests.faults.gateways import File, Gateway, a_file, a_gateway
from tests.faults.mortal import POINTS, SIDES
from tests.faults.systems import KINDS, Systems, running_systems

PER_LIFE = 32
"""Uploads that are finalized when the process dies; 32 lives make 1,024."""
ROUNDS = 2
DYING = 30.0
"""Seconds until a life whose process does not die fails the test; it takes one or two."""
RECOVERY = 30.0
"""Seconds after the last kill in which every upload must have come to its end: what is promised to operators."""
GIVEN_UP = 120.0
"""Seconds after which the test waits no longer, to tell how far it came."""
LARGE = 600_000
"""Bytes of every eighth file: the store gives them in several pieces."""


@dataclass(slots=True)
class Ledger:
    """All uploads of the test, by their identifiers, in the order they were announced."""

    journal: Path
    files: dict[str, File] = field(default_factory=dict)

    def states(self) -> Counter[str]:
        """Count the states of all tickets, as the journal has them."""
        with closing(sqlite3.connect(f"file:{self.journal}?mode=ro", uri=True)) as connection:
            return Counter(dict(connection.execute("SELECT state, count(*) FROM tickets GROUP BY state")))

    def left(self) -> list[str]:
        """Give the uploads that have not come to rest; their names tell them apart."""
        query = "SELECT name FROM tickets WHERE state NOT IN ('finalized', 'unknown')"
        with closing(sqlite3.connect(f"file:{self.journal}?mode=ro", uri=True)) as connection:
            names = {row[0] for row in connection.execute(query)}
        return [one for one, file in self.files.items() if file.name in names]

    def results(self) -> set[str]:
        """Give the objects that the tickets became."""
        with closing(sqlite3.connect(f"file:{self.journal}?mode=ro", uri=True)) as connection:
            return {row[0] for row in connection.execute("SELECT result FROM tickets WHERE result NOT NULL")}

    def noted(self) -> set[str]:
        """Give all that the adapters wrote down, the identifiers of what they made among it."""
        with closing(sqlite3.connect(f"file:{self.journal}?mode=ro", uri=True)) as connection:
            notes = [json.loads(row[0]) for row in connection.execute("SELECT notes FROM tickets")]
        return {str(value) for one in notes for value in one.values()}

    def made(self, systems: Systems) -> Counter[str]:
        """Count how often the systems have each file that was uploaded."""
        held = Counter(name for kind in KINDS for name in systems.names(kind))
        return Counter({file.name: held[file.name] for file in self.files.values()})


@pytest.fixture
def systems(store: Store) -> Iterator[Systems]:
    """Start the systems, which outlive every gateway."""
    with running_systems(store) as systems:
        yield systems


def live_and_die(systems: Systems, ledger: Ledger, life: int, point: str, chance: Random) -> None:
    """Start a gateway, give it uploads, and let it die while all of them are finalized.

    Every second life asks again for some that an earlier death left unanswered, as clients do.
    """
    hold = life % 2 == 0
    count = PER_LIFE if hold else chance.randint(1, PER_LIFE)
    with a_gateway(systems, f"sqlite:///{ledger.journal}", point=point, count=count, hold=hold) as gateway:
        files = [
            a_file(systems, KINDS[n % 4], f"vie {life} pièce {n}", life, LARGE if n % 8 == 7 - n // 8 else 3000)
            for n in range(PER_LIFE)
        ]
        ids = gateway.stage(files)
        before = list(ledger.files)[-2 * PER_LIFE :] if life % 2 else []
        ledger.files.update(zip(ids, files, strict=True))
        gateway.arm()
        with ThreadPoolExecutor(12) as threads:
            for some in [*parts(ids, 4), *parts(before, 16)]:
                threads.submit(unheard, gateway, some)
            assert gateway.died(DYING), f"the gateway did not come to {point}: {ledger.states()}"


def parts(ids: Sequence[str], size: int) -> list[Sequence[str]]:
    """Divide identifiers among requests."""
    return [ids[start : start + size] for start in range(0, len(ids), size)]


def unheard(gateway: Gateway, ids: Sequence[str]) -> None:
    """Finalize uploads; the answer may never come."""
    with suppress(httpx.TransportError):
        gateway.finalize(ids)


def recovered(gateway: Gateway, ledger: Ledger, killed: float) -> float:
    """Ask for everything, as its clients do, until all has come to rest; gives the seconds since the last kill.

    The journal tells when that is: an answer may wait longer for its slowest upload than that takes to be recovered.
    Clients ask again for what failed of something that passes, as they are told to.
    """
    with ThreadPoolExecutor(12) as threads:
        asked: list[Future[Any]] = []
        while (left := ledger.left()) and time.monotonic() < killed + GIVEN_UP:
            if all(one.done() for one in asked):
                asked = [threads.submit(unheard, gateway, some) for some in parts(left, 32)]
            time.sleep(0.1)
        return time.monotonic() - killed


def ends_of(gateway: Gateway, ledger: Ledger) -> dict[str, dict[str, Any]]:
    """Ask how everything ended, which is known by now."""
    with ThreadPoolExecutor(8) as threads:
        answers = threads.map(gateway.finalize, parts(list(ledger.files), 32))
        return {one["id"]: one for some in answers for one in some}


@pytest.mark.slow
def test_no_death_makes_a_file_twice_or_loses_it(systems: Systems, tmp_path: Path) -> None:
    """1,024 finalizes, killed on both sides of 8 points: each file is at its source once, or its fate is told."""
    # given lives that end at every side of every point, over one journal and one store
    ledger, chance = Ledger(tmp_path / "journal.db"), Random(2025)  # noqa: S311 - reproducible
    points = [f"{side} {point}" for _ in range(ROUNDS) for point in POINTS for side in SIDES]
    started, loose = time.monotonic(), systems.loose()

    # when each dies with 32 finalizes under way, and the last one is left to work
    for life, point in enumerate(points):
        live_and_die(systems, ledger, life, point, chance)
    killed = time.monotonic()
    with a_gateway(systems, f"sqlite:///{ledger.journal}") as gateway:
        seconds = recovered(gateway, ledger, killed)
        states = ledger.states()
        ends = ends_of(gateway, ledger)

    # then the systems hold every file once, and what cannot be known is called so
    made = ledger.made(systems)
    unknown = [one for one in ends.values() if one["state"] == "UNKNOWN"]
    finalized = [one for one in ends.values() if one["state"] == "FINALIZED"]
    sys.stdout.write(f"{len(points)} kills in {killed - started:.0f} s, {dict(states)} after {seconds:.1f} s\n")
    sys.stdout.write(f"made: {dict(Counter(made.values()))}, loose: {len(systems.loose() - loose)}\n")
    assert len(ledger.files) == PER_LIFE * len(points) >= 1000
    assert [name for name, count in made.items() if count > 1] == []
    assert {made[ledger.files[one["id"]].name] for one in finalized} == {1}
    assert len(ledger.results()) == len(finalized)
    assert {one["problem"]["code"] for one in unknown} <= {"OUTCOME_UNKNOWN"}
    assert set(states) <= {"finalized", "unknown"}, [one for one in ledger.files if one not in ends]
    assert len(finalized) + len(unknown) == len(ledger.files)
    assert seconds <= RECOVERY
    assert systems.half_made() == 0
    # An attachment whose identifier never reached the gateway cannot be found by its users: EspoCRM lists them to
    # administrators alone, and takes them away by itself. All others are linked or gone.
    assert (systems.loose() - loose) & ledger.noted() == set()
