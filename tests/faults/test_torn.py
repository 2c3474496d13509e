"""Sources that take a file and break the connection before they say so: nothing is made twice."""

import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from gateway.sandbox.store import Store
from gateway.sandbox.upstream import Fault, SeenRequest
from gateway.upload_client import TRIES
from tests.faults.gateways import File, Gateway, a_file, a_gateway
from tests.faults.systems import KINDS, Systems, running_systems

CREATES = {"arrhes": "/files", "decisiv": "/attachments", "espocrm": "/Attachment", "maarch": "/attachments"}
"""How the addresses end that make a new file."""
WAVE = 200
"""Files that are finalized at once."""
PERSISTENT = 30
"""Finalizes after which somebody gives up who presses the button again and again."""


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


def insisted(gateway: Gateway, ids: list[str], tries: int = TRIES) -> list[dict[str, Any]]:
    """Finalize uploads, those again that failed of something that passes, as often as the command line does."""
    ends: dict[str, dict[str, Any]] = {}
    for _ in range(tries):
        left = [one for one in ids if ends.get(one, {}).get("state") not in ("FINALIZED", "UNKNOWN")]
        ends |= {str(one["id"]): one for one in gateway.finalize(left)} if left else {}
    return [ends[one] for one in ids]


def parts(ids: list[str]) -> list[list[str]]:
    """Divide uploads among requests, each of which asks for no more than an operation may."""
    return [ids[start : start + 25] for start in range(0, len(ids), 25)]


def at_sources(systems: Systems, files: list[File]) -> list[int]:
    """Count how often each file is at its source."""
    held = Counter(name for kind in KINDS for name in systems.names(kind))
    return [held[file.name] for file in files]


@pytest.mark.slow
def test_a_thousand_creates_half_of_them_torn(systems: Systems, tmp_path: Path) -> None:
    """Every file is at its source once, though half of the answers to the requests that made them never came."""
    # given systems that break off every second answer to a create
    torn, numbers = tear(systems), count()
    made: list[File] = []
    ends: list[dict[str, Any]] = []

    # when a thousand files are carried
    with a_gateway(systems, f"sqlite:///{tmp_path}/journal.db") as gateway, ThreadPoolExecutor(8) as threads:
        for wave in range(5):
            files = [a_file(systems, KINDS[n % 4], f"rompu {next(numbers)}", wave) for n in range(WAVE)]
            ids = [one for start in range(0, WAVE, 50) for one in gateway.stage(files[start : start + 50])]
            made += files
            some = parts(ids)
            ends += [one for part in threads.map(insisted, [gateway] * len(some), some) for one in part]
        counts = at_sources(systems, made)

        # and the few that met a torn answer each time are finalized again until they are there
        left = [end["id"] for end in ends if end["state"] != "FINALIZED"]
        late = [end for part in parts(left) for end in insisted(gateway, part, PERSISTENT)]

    # then what is called finalized is there once, what is called failed is not and may be tried again
    creates = {kind: one.seen for kind, one in torn.items()}
    sys.stdout.write(f"creates {creates}, after {TRIES} tries {Counter(end['state'] for end in ends)}\n")
    assert sum(creates.values()) >= len(made) == 1000
    assert {(end["state"], count) for end, count in zip(ends, counts, strict=True)} <= {
        ("FINALIZED", 1),
        ("FAILED", 0),
    }
    assert all(end["problem"]["retryable"] for end in ends if end["state"] == "FAILED")

    # and in the end all are there, none twice
    assert {end["state"] for end in late} <= {"FINALIZED"}
    assert Counter(at_sources(systems, made)) == {1: 1000}
    assert systems.half_made() == 0
