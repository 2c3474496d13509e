"""The side-by-side benchmark of `../shared/bench` with the product in it.

It is copied first, into a folder that git ignores, for it writes beside itself; nothing is written to the original.
Its `setup.sh` installs Debian packages, so it needs root, and takes some minutes; it runs once.
"""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.benchmark.processes import AUTHORIZATION, TEMPLATE_ORIGIN, built, serve, settings
from tests.programs import ROOT, is_listening

SOURCE = ROOT.parent / "shared" / "bench"
PORTS = (9100, 9101)
"""Those of its upstream."""
SLOW_ORIGIN = "http://127.0.0.1:9101"
"""The upstream that takes 20 ms longer."""


def is_there() -> bool:
    """Tell whether the folder is there."""
    return (SOURCE / "run.py").is_file()


def prepare() -> Path:
    """Copy the benchmark, unless it is there unchanged, and set the copy up; gives its folder."""
    copy = built() / "shared"
    shutil.copytree(SOURCE, copy, copy_function=shutil.copyfile, dirs_exist_ok=True)
    for folder in [copy, *(path for path in copy.rglob("*") if path.is_dir() and not path.is_symlink())]:
        if ".work" not in folder.parts and "node_modules" not in folder.parts:
            folder.chmod(0o755)
    done = copy / ".work" / "set-up"
    if not done.exists():
        (copy / ".work").mkdir(exist_ok=True)
        environment = os.environ | {"PYTHON": sys.executable}
        subprocess.run(["/bin/sh", "setup.sh"], cwd=copy, check=True, stdout=sys.stderr, env=environment)
        done.touch()
    return copy


def measure(
    copy: Path, arguments: Sequence[str], repetitions: int, *, slow: bool = False, anew: bool = False
) -> str:
    """Run it with the product in it; gives its tables. ``arguments`` are its own."""
    refuse_strangers()
    configuration = settings("gateway", SLOW_ORIGIN if slow else TEMPLATE_ORIGIN, anew=anew)
    product = shlex.join(serve(configuration, "{port}")).replace("'{port}'", "{port}")
    command = [".work/venv/bin/python", "run.py", "--gateway", f"cd {shlex.quote(str(ROOT))} && exec {product}"]
    command += [
        "--gateway-header",
        f"Authorization: {AUTHORIZATION}",
        *arguments,
        *(["--slow"] if slow else []),
    ]
    found = subprocess.run(  # noqa: S603 - the benchmark's own script
        command,
        cwd=copy,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"REPS": str(repetitions)},
    )
    return found.stdout.strip() + "\n"


def refuse_strangers() -> None:
    """End if somebody listens where the upstream will: its nginx would share the port, and so the requests."""
    for port in PORTS:
        if is_listening(port):
            sys.exit(
                f"port {port} is taken: does another run of the benchmark go on, or has it left its nginx behind?"
            )
