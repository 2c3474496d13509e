"""A server that is measured: one process on a core of its own, and what it takes."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.programs import ROOT

BUILT = ROOT / ".bench"
"""Where everything goes that is made; git ignores it by a file of its own."""
SERVER_CORE, LOAD_CORE = 0, 1
PATIENCE = 30.0
"""Seconds that a server gets to start or to stop."""
KEY = "agk_benchmark_this-one-is-public-and-opens-nothing-but-a-benchmark"
"""The API key of the settings here. It stands in the repository, so nobody may ever let it in anywhere else."""
AUTHORIZATION = f"Bearer {KEY}"
TEMPLATE_ORIGIN = "http://127.0.0.1:9100"
"""What the settings in this folder call the upstream."""
KIND = re.compile(r'kind = "(arrhes|maarch)"\n')
"""The lines of the settings behind which those stand that are of kinds that remember lists."""


@dataclass(frozen=True, slots=True)
class Process:
    """A running server."""

    pid: int
    port: int

    def peak(self) -> float:
        """Tell the most memory that was resident, in MB, as Linux counts it."""
        lines = Path(f"/proc/{self.pid}/status").read_text("utf-8").splitlines()
        return sum(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024

    def forget_peak(self) -> None:
        """Begin a new peak."""
        with suppress(OSError):  # some containers forbid it; then the peak is that of the whole life
            Path(f"/proc/{self.pid}/clear_refs").write_text("5", "utf-8")

    def cpu(self) -> float:
        """Tell the seconds that the threads have run."""
        threads = Path(f"/proc/{self.pid}/task").iterdir()
        return sum(int((thread / "schedstat").read_text("utf-8").split()[0]) for thread in threads) / 1e9


@contextmanager
def running(command: Sequence[str], name: str, port: int, **environment: str) -> Iterator[Process]:
    """Run a server until the end of the block, once it listens; what it says goes to `.bench/<name>.log`."""
    log = built() / f"{name}.log"
    with log.open("w") as output:
        process = subprocess.Popen(  # noqa: S603 - a command of ours
            [*pinned(SERVER_CORE), *command],
            cwd=ROOT,
            env=os.environ | environment,
            stdout=output,
            stderr=output,
        )
    try:
        _wait_for(process, port, log)
        yield Process(process.pid, port)
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    end = time.monotonic() + PATIENCE
    while True:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        if process.poll() is not None or time.monotonic() > end:
            sys.exit(f"a server does not start:\n{log.read_text('utf-8')}")
        time.sleep(0.05)


def built() -> Path:
    """Make the folder for what is made."""
    BUILT.mkdir(exist_ok=True)
    (BUILT / ".gitignore").write_text("*\n", "utf-8")
    return BUILT


def settings(name: str, origin: str, *, anew: bool = False) -> Path:
    """Write the settings of this folder for another upstream; gives the path of the new file.

    ``anew`` is for a product that remembers no lists.
    """
    text = (Path(__file__).parent / f"{name}.toml").read_text("utf-8").replace(TEMPLATE_ORIGIN, origin)
    path = built() / f"{name}-{origin.rpartition(':')[2]}{'-anew' if anew else ''}.toml"
    path.write_text(KIND.sub(r"\g<0>kept_answers = 0\n", text) if anew else text, "utf-8")
    return path


def serve(configuration: Path, port: int | str, variant: str = "") -> list[str]:
    """Say how to start the product, or a variant of it in this folder."""
    module = f"tests.benchmark.{variant}" if variant else "gateway"
    return [sys.executable, "-m", module, "serve", "--port", str(port), "--config", str(configuration)]


def pinned(core: int) -> list[str]:
    """Say how to run something on one core; on no particular one where that can't be said."""
    there = shutil.which("taskset") and (os.cpu_count() or 1) > 1
    return ["taskset", "-c", str(core)] if there else []


def stay_aside() -> None:
    """Keep this process off the core of the servers."""
    if pinned(LOAD_CORE):
        os.sched_setaffinity(0, {LOAD_CORE})
