"""Runs a server of others as a child that never outlives us, with its own session, environment and log."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from gateway.sandbox import leash

LOG = "server.log"


def free_ports(count: int) -> list[int]:
    """Choose ports that are free now; all are held until the last is chosen, so that they differ."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        return [one.getsockname()[1] for one in held]
    finally:
        for one in held:
            one.close()


@contextmanager
def leashed(
    command: list[str], folder: Path, grace: float, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run the command on a leash, in a session of its own: Ctrl-C is for us, and we stop it in our order.

    It gets ``environment`` and nothing of ours, where ``AWS_ACCESS_KEY_ID`` would give a store one more identity.
    What it says is in the folder's log, `tail`. It gets ``grace`` seconds to end.
    """
    with (folder / LOG).open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - our own command line
            [sys.executable, "-I", "-S", leash.__file__, str(grace), *command],
            cwd=folder,
            env={"PATH": os.defpath, "HOME": str(folder), "TMPDIR": str(folder), **(environment or {})},
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        _stop(process, grace)


def _stop(process: subprocess.Popen[bytes], grace: float) -> None:
    """End the command by letting go of its leash, which needs a moment more than the grace itself."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        process.wait(grace + 5)
    except subprocess.TimeoutExpired:
        # The leash is stuck, so nothing less than the whole session will do.
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def tail(folder: Path, lines: int = 15) -> str:
    """Give the last lines of the log of what ran in a folder."""
    log = folder / LOG
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
