"""Runs tools that are written in Python, each in an environment of its own with its own lock file."""

import fcntl
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.tooling.node import INSTALL_S, missing


def tool(folder: Path, name: str) -> Path:
    """Install what the folder's `requirements.txt` says, unless it is there, and give the path of a program of it."""
    mark, lock = folder / ".venv" / ".installed", folder / "requirements.txt"
    with lock.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        if not mark.exists() or mark.stat().st_mtime < lock.stat().st_mtime:
            _install(folder, lock)
            mark.touch()
    return folder / ".venv" / "bin" / name


def _install(folder: Path, lock: Path) -> None:
    python = folder / ".venv" / "bin" / "python"
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    commands = [
        [sys.executable, "-m", "venv", "--clear", str(folder / ".venv")],
        [*pip, "--require-hashes", "--no-deps", "--requirement", str(lock)],
    ]
    for command in commands:
        outcome = run(command, INSTALL_S)
        if outcome.returncode != 0:
            missing(f"{folder.name} cannot be installed: {outcome.stderr.strip()[-300:]}")


def run(
    command: list[str], seconds: int, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; gives its exit code, output and errors."""
    return subprocess.run(  # noqa: S603 - our own command lines
        command,
        capture_output=True,
        check=False,
        env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
        text=True,
        timeout=seconds,
    )
