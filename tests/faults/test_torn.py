"""Sources that take a file and break the connection before they say so: nothing is made twice."""

import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import pytest

from gateway.sandbox.store import Store
from gateway.sandbox.upstream import Fault, SeenRequest
from tests.faults.gateways import File, Gateway, a_file, a_gateway
from tests.faults.systems import KINDS, Systems, running_systems

CREATES = {"arrhes": "/files", "decisiv": "/attachments", "espocrm": "/Attachment", "maarch": "/attachments"}
"""How the addresses end that make a new file."""
WAVE = 40
"""Files that are finalized at once."""
TRIES = 8
"""Finalizes of one file: each may meet another torn answer."""


@pytest.fixture
def systems(store: Store) -> Iterator[Systems]:
    """Start the systems."""
    with running_systems(store) as systems:
        yield systems


class EverySecond:
    """Chooses every second request that makes a file, and counts them."""

    def __init__(self, end: str) -> None:
        self.end = end
        self.seen = 0

    def __call__(self, request: SeenRequest) -> bool:
        """Count one more."""
        creates = request.method == "POST" and request.path.endswith(self.end)
        self.seen += creates
        return creates and self.seen % 2 == 0


def tear(systems: Systems) -> dict[str, EverySecond]:
    """Break off every second answer to a create, at all systems."""
    chosen = {kind: EverySecond(CREATES[kind]) for kind in KINDS}
    for kind in KINDS:
        systems.upstreams[kind].fault = Fault(torn=True, only=chosen[kind])
    return chosen


def insisted(gateway: Gateway, ids: list[str]) -> list[dict[str, object]]:
    """Finalize uploads, those again that failed of something that passes."""
    ends: dict[str, dict[str, object]] = {}
    for _ in range(TRIES):
        left = [one for one in ids if ends.get(one, {}).get("state") not in ("FINALIZED", "UNKNOWN")]
        ends |= {str(one["id"]): one for one in gateway.finalize(left)} if left else {}
    return [ends[one] for one in ids]


@pytest.mark.slow
def test_a_thousand_creates_half_of_them_torn(systems: Systems, tmp_path: Path) -> None:
    """Every file is at its source once, though half of the answers to the requests that made them never came."""
    # given systems that break off every second answer to a create
    torn, numbers = tear(systems), count()
    made: list[File] = []
    ends: list[dict[str, object]] = []

    # when a thousand files are carried
    with a_gateway(systems, f"sqlite:///{tmp_path}/journal.db") as gateway, ThreadPoolExecutor(4) as threads:
        for wave in range(25):
            files = [a_file(systems, KINDS[n % 4], f"rompu {next(numbers)}", wave) for n in range(WAVE)]
            ids = gateway.stage(files)
            made += files
            some = [ids[start : start + 10] for start in range(0, WAVE, 10)]
            ends += [one for part in threads.map(insisted, [gateway] * 4, some) for one in part]

    # then none is there twice, and none is missing
    held = Counter(name for kind in KINDS for name in systems.names(kind))
    creates = {kind: one.seen for kind, one in torn.items()}
    sys.stdout.write(f"creates {creates}, ends {Counter(str(one['state']) for one in ends)}\n")
    assert sum(creates.values()) >= len(made) == 1000
    assert Counter(held[file.name] for file in made) == {1: 1000}
    assert [one for one in ends if one["state"] != "FINALIZED"] == []
    assert systems.half_made() == 0
