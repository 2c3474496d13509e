"""Large files pass through: the gateway never holds one."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.sandbox.store import Store
from tests.faults.gateways import a_file, a_gateway
from tests.faults.systems import KINDS, Systems, running_systems

pytestmark = pytest.mark.slow

SIZE = 50_000_000
GROWTH = 32 * 1024 * 1024
LIMITS = {"decisiv": {"max_upload": SIZE}}
"""What an operator sets for a system that takes such files."""


@pytest.fixture
def systems(store: Store) -> Iterator[Systems]:
    """Start the systems."""
    with running_systems(store) as systems:
        yield systems


def resident(pid: int, field: str) -> int:
    """Read a process's memory, in bytes: ``VmRSS`` is that of now, ``VmHWM`` the most since it was reset."""
    found = re.search(rf"{field}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) * 1024


@pytest.mark.parametrize("kind", KINDS)
def test_fifty_megabytes_cost_no_memory(systems: Systems, tmp_path: Path, kind: str) -> None:
    """The most that the process holds while it carries a file of 50 MB is 32 MiB above what it held before."""
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("only Linux tells how much memory a process had at most")
    with a_gateway(systems, f"sqlite:///{tmp_path}/journal.db", sources=LIMITS, deadline=120.0) as gateway:
        # given a gateway that has carried a small file already, so that all its parts are loaded
        pid = gateway.process.pid
        warm, large = a_file(systems, kind, "tiède", 1, 3_000_000), a_file(systems, kind, "gros", 1, SIZE)
        first, second = gateway.stage([warm, large])
        assert gateway.finalize([first])[0]["state"] == "FINALIZED"
        Path(f"/proc/{pid}/clear_refs").write_text("5")
        before = resident(pid, "VmRSS")

        # when
        (end,) = gateway.finalize([second])
        most = resident(pid, "VmHWM")

    # then
    assert (end["state"], end["bytesCarried"]) == ("FINALIZED", SIZE)
    assert systems.names(kind).count(large.name) == 1
    assert most - before < GROWTH, f"{(most - before) / 2**20:.1f} MiB"
