"""Reads `docker/` and runs what the images would run, in folders of a test, where no container engine is.

The reader knows as much of the two formats as the two files use: instructions on one line each, and services whose
commands are JSON lists on one line.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parent.parent
DOCKER = ROOT / "docker"
INSTALL_S = 600
NOT_OURS = {"PIP_NO_CACHE_DIR"}
"""An image keeps no cache, but the machine that tests it may."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of the Dockerfile: the stage or image that it starts from, and its instructions."""

    name: str
    base: str
    steps: list[tuple[str, str]] = field(default_factory=list)

    def last(self, word: str) -> str:
        """Give what an instruction says that counts once."""
        return [rest for each, rest in self.steps if each == word][-1]


def stages() -> Mapping[str, Stage]:
    """Read the Dockerfile."""
    found: dict[str, Stage] = {}
    for line in (DOCKER / "Dockerfile").read_text("utf-8").splitlines():
        word, _, rest = line.strip().partition(" ")
        if word == "FROM":
            base, _, name = rest.partition(" AS ")
            found[name] = Stage(name, base)
        elif word and word != "#" and found:
            list(found.values())[-1].steps.append((word, rest))
    return found


def services() -> Mapping[str, str]:
    """Read the text of each service."""
    text = (DOCKER / "compose.yaml").read_text("utf-8")
    within = text.partition("\nservices:\n")[2].partition("\nvolumes:\n")[0]
    parts = re.split(r"^  (\w+):\n", within, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def command(service: str) -> list[str]:
    """Give the command of a service, or that of the image of this name."""
    found = re.search(r"^    command: (\[.*\])$", services()[service], re.MULTILINE)
    if found:
        return list(json.loads(found[1]))
    stage = stages()[service]
    return [*json.loads(stage.last("ENTRYPOINT")), *json.loads(stage.last("CMD"))]


@dataclass(frozen=True, slots=True)
class Builder:
    """Builds stages in a folder: absolute paths of the images lie below it."""

    folder: Path

    def place(self, text: str) -> str:
        """Put the paths of an image below the folder."""
        return re.sub(r"(?<![\w.])/(opt|src)\b", lambda found: f"{self.folder}/{found[1]}", text)

    def build(self, stage: Stage) -> None:
        """Follow the instructions of a stage; what it copies from other stages is there already."""
        work, environ = self.folder / "src", {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        work.mkdir(exist_ok=True)
        for word, rest in stage.steps:
            if word == "ENV":
                pairs = (pair.partition("=") for pair in shlex.split(rest))
                environ |= {name: value for name, _, value in pairs if name not in NOT_OURS}
            elif word == "COPY":
                _copy(shlex.split(rest), work)
            elif word == "RUN":
                self._run(rest, work, environ)

    def _run(self, line: str, work: Path, environ: Mapping[str, str]) -> None:
        done = subprocess.run(  # noqa: S603 - the lines of our own Dockerfile
            ["/bin/sh", "-c", self.place(line)],
            cwd=work,
            env={**os.environ, **environ},
            capture_output=True,
            check=False,
            text=True,
            timeout=INSTALL_S,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"


def _copy(arguments: Sequence[str], work: Path) -> None:
    *sources, target = arguments
    for source in sources:
        start, end = ROOT / source, work / target
        if start.is_dir():
            shutil.copytree(start, end, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
        else:
            destination = end / start.name if target.endswith("/") else end
            destination.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(start, destination)
