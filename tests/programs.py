"""Runs the command line as users do, and tells what it leaves behind."""

import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parent.parent
PATIENCE = 60
"""Seconds that a program gets to start or stop before the test fails; it takes a few."""


def free_port() -> int:
    """Choose a loopback port that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def is_listening(port: int) -> bool:
    """Tell whether somebody takes connections at a loopback port."""
    with socket.socket() as visitor:
        return visitor.connect_ex(("127.0.0.1", port)) == 0


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command of ours to its end, with nothing of our environment but what is given."""
    return subprocess.run(  # noqa: S603 - our own command line
        [sys.executable, "-m", "gateway", *arguments],
        capture_output=True,
        check=False,
        cwd=ROOT,
        env=environment,
        text=True,
        timeout=PATIENCE,
    )


@dataclass(slots=True)
class Running:
    """A program that has said it is ready; ``ports`` are those that it and its children named."""

    process: subprocess.Popen[str]
    lines: list[str]
    ports: list[int]
    children: list[int] = field(default_factory=list)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and wait for the end; gives the exit status."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)

    def left_behind(self) -> list[str]:
        """Name the children that still run and the ports that still listen, after giving them some seconds."""
        deadline = time.monotonic() + PATIENCE / 4
        while (left := self._left()) and time.monotonic() < deadline:
            time.sleep(0.05)
        return left

    def _left(self) -> list[str]:
        alive = set(_parents())
        return [f"process {child}" for child in self.children if child in alive] + [
            f"port {port}" for port in self.ports if is_listening(port)
        ]


@contextmanager
def started(*arguments: str, until: str) -> Iterator[Running]:
    """Start a command and wait for the line that begins with ``until``; what still runs at the end is killed."""
    process = subprocess.Popen(  # noqa: S603 - our own command line
        [sys.executable, "-m", "gateway", *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    impatience = threading.Timer(PATIENCE, process.kill)
    impatience.start()
    try:
        lines = []
        for line in process.stdout:
            lines.append(line.rstrip("\n"))
            if line.startswith(until):
                break
        impatience.cancel()
        assert lines, "the command ended, or said nothing for too long"
        assert lines[-1].startswith(until), lines
        yield Running(process, lines, _ports(lines), _descendants(process.pid))
    finally:
        impatience.cancel()
        if process.poll() is None:
            process.kill()
        process.wait()
        process.stdout.close()


def _ports(lines: list[str]) -> list[int]:
    addresses = (word for line in lines for word in line.split() if word.startswith("http://127.0.0.1:"))
    return sorted({int(address.split(":")[2].partition("/")[0]) for address in addresses})


def _descendants(pid: int) -> list[int]:
    """List the children of a process, and theirs."""
    parents = _parents()
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found[1:]


def _parents() -> dict[int, int]:
    """Map every process of the system to its parent; a zombie is not one any more."""
    rows = _from_proc() if Path("/proc/self/stat").exists() else _from_ps()
    return {int(pid): int(parent) for pid, parent, state in rows if not state.startswith("Z")}


def _from_proc() -> Iterator[tuple[str, str, str]]:
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it ended while we looked
            # The name of the program stands in parentheses and may hold anything, parentheses included.
            state, parent = entry.read_text(errors="replace").rpartition(")")[2].split()[:2]
            yield entry.parent.name, parent, state


def _from_ps() -> Iterator[tuple[str, str, str]]:
    command = ["/bin/ps", "-A", "-o", "pid=,ppid=,stat="]
    listing = subprocess.run(command, capture_output=True, check=True, text=True)  # noqa: S603 - a fixed command
    for line in listing.stdout.splitlines():
        pid, parent, state = line.split()
        yield pid, parent, state
