"""`make bench`: measures and writes `.bench/report.md`; see README.md for what the environment chooses."""

import os
import re
import subprocess
import sys
from collections.abc import Sequence

from tests.benchmark import beside, growth, same, shared
from tests.benchmark.processes import stay_aside
from tests.benchmark.report import PARTS, keep, write_report
from tests.benchmark.static import nginx
from tests.programs import ROOT

SUITE = "suite"
LOADS: dict[str, dict[str, str]] = {
    "distinct": {},
    "identical": {"SERVERS": "gateway", "QUERIES": "Q1,Q3", "CONCURRENCY": "16"},
    "anew": {"SERVERS": "gateway,yoga-jit", "QUERIES": "Q1,Q3,Q4", "CONCURRENCY": "16"},
    "slow": {"SERVERS": "gateway,yoga-jit,strawberry-httpx", "QUERIES": "Q1", "CONCURRENCY": "1"},
    "guards": {"SERVERS": f"gateway,{beside.UNGUARDED}", "QUERIES": "Q2", "CONCURRENCY": "16"},
}
"""What each part asks for, where the environment does not say anything else."""
NO_SLOW = "Not measured: the upstream of `../shared/bench` can wait, and that folder is not there.\n"


def main() -> None:
    """Measure the parts that are asked for, one after the other, and keep each as soon as it is there."""
    parts = chosen("PARTS", ",".join([SUITE, *PARTS]))
    if unknown := set(parts) - {SUITE, *PARTS}:
        sys.exit(f"there is no part {min(unknown)!r} in PARTS; there are {SUITE}, {', '.join(PARTS)}")
    if not shared.is_there() and set(parts) - {SUITE}:  # else its set-up installs both
        nginx()
        if "identical" in parts:
            same.wrk()
    if SUITE in parts:
        run_suite()
    for part in (part for part in PARTS if part in parts):
        sys.stderr.write(f"== {PARTS[part]}\n")
        keep(part, measured(part))
        path = write_report()
    if set(parts) != {SUITE}:
        sys.stdout.write(path.read_text("utf-8"))
        sys.stderr.write(f"written to {path.relative_to(ROOT)}\n")


def run_suite() -> None:
    """Run the suites of pytest-benchmark, which print their own tables; end with their status if it is not 0."""
    command = [sys.executable, "-m", "pytest", "tests/benchmark", "-m", "slow or not slow", "-q"]
    columns = "--benchmark-columns=min,median,iqr,rounds"
    status = subprocess.run([*command, columns], cwd=ROOT, check=False).returncode  # noqa: S603 - ourselves
    if status:
        sys.exit(status)


def measured(part: str) -> str:
    """Measure one part; gives Markdown."""
    if part == "growth":
        stay_aside()
        return growth.measure(int(os.environ.get("ROUNDS", growth.ROUNDS)))
    if part == "guards":
        stay_aside()
        return beside.measure(options(part, identical=False))
    if part == "slow" and not shared.is_there():
        return NO_SLOW
    if part == "identical":
        read = re.sub(r"^### Q\d", r"\g<0> identical", loaded(part, identical=True), flags=re.MULTILINE)
        return "\n".join([loaded(part), read, counted(part)])
    return loaded(part)


def loaded(part: str, *, identical: bool = False) -> str:
    """Put servers under load; gives Markdown."""
    if shared.is_there():
        repetitions = int(os.environ.get("REPS", "3"))
        found = arguments(part) + (["--identical"] if identical else [])
        return shared.measure(shared.prepare(), found, repetitions, slow=part == "slow", anew=part == "anew")
    stay_aside()
    return beside.measure(options(part, identical=identical))


def counted(part: str) -> str:
    """Measure identical requests beside distinct ones by what comes back, unread; gives Markdown."""
    stay_aside()
    wanted = options(part, identical=True)
    return same.measure(wanted.queries, wanted.repetitions, wanted.seconds)


def arguments(part: str) -> list[str]:
    """Choose what `../shared/bench` measures."""
    found = []
    for name in ("SERVERS", "QUERIES", "CONCURRENCY", "DURATION"):
        if value := os.environ.get(name) or LOADS[part].get(name):
            found += [f"--{'seconds' if name == 'DURATION' else name.lower()}", value]
    return found


def options(part: str, *, identical: bool) -> beside.Options:
    """Choose what is measured without it."""
    default = LOADS[part]
    return beside.Options(
        queries=chosen("QUERIES", default.get("QUERIES", ",".join(beside.TITLES))),
        servers=chosen("SERVERS", default.get("SERVERS", ",".join(beside.SERVERS))),
        concurrency=[int(one) for one in chosen("CONCURRENCY", default.get("CONCURRENCY", "1,16"))],
        repetitions=int(os.environ.get("REPS", "3")),
        seconds=float(os.environ.get("DURATION", "2")),
        identical=identical,
        anew=part == "anew",
    )


def chosen(name: str, default: str) -> Sequence[str]:
    """Read a list of names from the environment."""
    return (os.environ.get(name) or default).split(",")


if __name__ == "__main__":
    main()
