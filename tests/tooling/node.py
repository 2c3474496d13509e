"""Runs the checks that are written for Node.js, each in its own folder with its own lock file.

Where Node.js, npm or the packages cannot be had, the test is skipped with the reason, so that `make test` works on a
machine that has Python alone. With `REQUIRE_TOOLS=1`, which `.ci/run` sets, the same is a failure.
"""

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
INSTALL_S = 300
RUN_S = 180


def missing(reason: str) -> None:
    """Skip the test for `reason`, or fail it where the tools must be there."""
    if os.environ.get("REQUIRE_TOOLS") == "1":
        pytest.fail(f"{reason}, and REQUIRE_TOOLS=1 forbids to skip")
    pytest.skip(reason)


def chromium() -> str:
    """Find the browser: the program that `CHROMIUM` names, or Debian's."""
    program = os.environ.get("CHROMIUM", "/usr/bin/chromium")
    if shutil.which(program) is None:
        missing(f"no browser: {program} is not there (set CHROMIUM, or apt-get install chromium)")
    return program


def installed(folder: Path) -> Path:
    """Install what the folder's `package-lock.json` says, unless it is there; no install scripts are run."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            missing(f"{program} is not installed")
    with _alone(folder):
        if not _is_fresh(folder):
            command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"]
            outcome = _run(command, folder, INSTALL_S)
            if outcome.returncode != 0:
                missing(f"npm ci failed in {folder.name}: {outcome.stderr.strip()[-300:]}")
    return folder


def _is_fresh(folder: Path) -> bool:
    mark = folder / "node_modules" / ".package-lock.json"
    return mark.exists() and mark.stat().st_mtime >= (folder / "package-lock.json").stat().st_mtime


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep two test processes from installing into one folder at once."""
    with (folder / "package.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def node(
    folder: Path, script: str, *arguments: str | Path, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a script of a folder, after installing its packages; gives its exit code, output and errors."""
    command = ["node", str(installed(folder) / script), *map(str, arguments)]
    return _run(command, folder, RUN_S, environment)


def _run(
    command: list[str], folder: Path, seconds: int, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - our own command lines
        command,
        capture_output=True,
        check=False,
        cwd=folder,
        env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
        text=True,
        timeout=seconds,
    )
