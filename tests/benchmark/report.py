"""The report: Markdown tables, those of `../shared/bench` read back, and what they should show."""

import platform
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from tests.benchmark.processes import built
from tests.programs import ROOT

PARTS = {
    "distinct": "Distinct requests",
    "identical": "Identical requests, and distinct ones to compare",
    "anew": "Lists that are read anew for each request",
    "slow": "20 ms more for every upstream request",
    "growth": "Growth",
    "guards": "What the guards cost",
}
"""What the report holds, in this order."""
LIBRARIES = ("strawberry-graphql", "graphql-core", "aiohttp", "httpx", "msgspec", "uvicorn", "uvloop")
NODE = ("apollo", "mercurius-jit", "yoga-jit")
TABLE = re.compile(r"^### ([^:\n]+)(.*?)(?=^### |\Z)", re.MULTILINE | re.DOTALL)
STRAWBERRY = ("strawberry-httpx", "strawberry-aiohttp")
TAILCALL = ("tailcall", "tailcall-nobatch")


@dataclass(slots=True)
class Table:
    """A table of Markdown."""

    head: Sequence[str]
    rows: list[Sequence[str]] = field(default_factory=list)

    def add(self, *cells: str) -> None:
        """Add a row."""
        self.rows.append(cells)

    def __str__(self) -> str:
        lines = [self.head, ["---"] * len(self.head), *self.rows]
        return "\n".join(f"| {' | '.join(line)} |".replace(" --- ", "---") for line in lines)


def figure(value: float) -> str:
    """Write three digits of a figure, or all that stand before the point."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


# The parts


def keep(part: str, text: str) -> None:
    """Keep a part until it is measured again, with when that was and of what."""
    stamp = f"Measured {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {commit()}."
    (built() / f"{part}.md").write_text(f"## {PARTS[part]}\n\n{stamp}\n\n{text}", "utf-8")


def write_report() -> Path:
    """Put together all parts that there are; gives the path of the report."""
    paths = [built() / f"{part}.md" for part in PARTS]
    texts = [path.read_text("utf-8").rstrip() for path in paths if path.exists()]
    path = built() / "report.md"
    path.write_text("\n\n".join(["# Benchmark", machine(), str(targets()), *texts]) + "\n", "utf-8")
    return path


def commit() -> str:
    """Name what is measured."""
    command = ["git", "describe", "--always", "--dirty"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 - fixed
    return f"commit {found.stdout.strip() or 'unknown'}"


def machine() -> str:
    """Tell what it was measured with."""
    libraries = ", ".join(f"{name} {installed(name)}" for name in LIBRARIES)
    return f"{platform.platform()}; Python {platform.python_version()}; {libraries}."


def installed(name: str) -> str:
    """Tell the version of a library."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"


# Reading tables back

Rows = Mapping[str, Mapping[str, str]]
"""The cells of a table by the first cell of the row and the head of the column."""


def tables(part: str) -> dict[str, Rows]:
    """Read the tables of a part by what their titles begin with, as ``Q1``; none where it was not measured."""
    path = built() / f"{part}.md"
    text = path.read_text("utf-8") if path.exists() else ""
    return {name: rows_of(below) for name, below in TABLE.findall(text)}


def rows_of(text: str) -> Rows:
    """Read one table; rows that say what went wrong have no figures."""
    lines = [
        [cell.strip() for cell in line.strip(" |").split(" | ")]
        for line in text.splitlines()
        if line[:2] == "| "
    ]
    return {line[0]: dict(zip(lines[0], line, strict=True)) for line in lines[1:] if len(line) == len(lines[0])}


def cell(rows: Rows, name: str, column: str) -> float | None:
    """Give the first figure of a cell."""
    found = re.match(r"[\d,.]+", rows.get(name, {}).get(column, ""))
    return float(found[0].replace(",", "")) if found else None


def best(rows: Rows, names: Sequence[str], column: str) -> float | None:
    """Give the largest figure that some of the rows have in a column."""
    found = [value for name in names if (value := cell(rows, name, column))]
    return max(found, default=None)


# What it should show


@dataclass(frozen=True, slots=True)
class Target:
    """One thing to show: what it is, what is enough and what would be fine, and how it is found."""

    title: str
    least: float
    aim: float
    find: Callable[[], float | None]
    below: bool = False


def over(query: str, names: Sequence[str]) -> Callable[[], float | None]:
    """Find the ratio of the product's rate to the best of others, in one query of distinct requests."""

    def find() -> float | None:
        rows = tables("distinct").get(query, {})
        own, other = cell(rows, "gateway", "rps c=16"), best(rows, names, "rps c=16")
        return own / other if own and other else None

    return find


def shared(query: str) -> Callable[[], float | None]:
    """Find the ratio of identical requests to the distinct ones that were sent just before."""

    def find() -> float | None:
        measured = tables("identical")
        same, own = (
            cell(measured.get(title, {}), "gateway", "rps c=16") for title in (f"{query} identical", query)
        )
        return same / own if same and own else None

    return find


def counted(query: str) -> Callable[[], float | None]:
    """Find the same ratio under a load that counts what it gets, and does not search it."""
    return lambda: cell(tables("identical").get(f"{query} counted", {}), "identical", "x distinct")


def slow() -> float | None:
    """Find the median of one client over the slow upstream, in ms."""
    return cell(tables("slow").get("Q1", {}), "gateway", "p50 / p99 ms c=1")


def guards() -> float | None:
    """Find how much more of its core the product takes for a small query than it would without any guard."""
    ratio = cell(tables("guards").get("Q2", {}), "gateway", "x CPU unguarded")
    return (ratio - 1) * 100 if ratio else None


def memory() -> float | None:
    """Find the most memory of the product in all queries of distinct requests, in MB."""
    return max(_memories(), default=None)


def _memories() -> Iterator[float]:
    for rows in tables("distinct").values():
        if found := cell(rows, "gateway", "peak RSS MB"):
            yield found


def growth(title: str) -> Callable[[], float | None]:
    """Find by how many per cent the dearest file is dearer than the cheapest, over all sizes of libraries."""

    def find() -> float | None:
        rows = tables("growth").get(title, {})
        times = [time for name in rows if (time := cell(rows, name, "µs per file"))]
        return (max(times) / min(times) - 1) * 100 if len(times) > 1 else None

    return find


TARGETS = (
    Target("Q1: times the best Node server", 1.2, 1.6, over("Q1", NODE)),
    Target("Q1: times plain Strawberry, the better of two", 12, 12, over("Q1", STRAWBERRY)),
    Target("Q2: times Mercurius with its jit", 0.6, 1.0, over("Q2", ("mercurius-jit",))),
    Target("Q2: times Strawberry and httpx", 10, 10, over("Q2", ("strawberry-httpx",))),
    Target("Q2: times Tailcall, the better of two", 0.25, 0.45, over("Q2", TAILCALL)),
    Target("Q3: times the best of Node and Tailcall", 1.0, 1.4, over("Q3", NODE + TAILCALL)),
    Target("Q4: times the best Node server", 2, 3, over("Q4", NODE)),
    Target("Q1: identical requests, times distinct ones", 5, 8, counted("Q1")),
    Target("Q3: identical requests, times distinct ones", 5, 8, counted("Q3")),
    Target("Q1: the same, by a load that searches each answer", 5, 8, shared("Q1")),
    Target("Q3: the same, by a load that searches each answer", 5, 8, shared("Q3")),
    Target("Q1: p50 of one client with 20 ms more upstream, ms", 35, 28, slow, below=True),
    Target("Q2: CPU time that all guards add, %", 15, 10, guards, below=True),
    Target("peak resident memory over all queries, MB", 250, 180, memory, below=True),
    Target("growth per file, 1,000 to 100,000 files, lists read anew, %", 25, 10, growth("Anew"), below=True),
    Target("growth per file, 1,000 to 100,000 files, lists remembered, %", 25, 10, growth("Again"), below=True),
)


def targets() -> Table:
    """Compare what was measured with what should be."""
    made = Table(["what", "wanted", "aim", "found", ""])
    for target in TARGETS:
        found = target.find()
        sign = "below" if target.below else "at least"
        made.add(target.title, f"{sign} {target.least:g}", f"{target.aim:g}", *verdict(target, found))
    return made


def verdict(target: Target, found: float | None) -> tuple[str, str]:
    """Write what was found, and whether it is enough."""
    if found is None:
        return "not measured", ""
    enough, fine = (found < limit if target.below else found >= limit for limit in (target.least, target.aim))
    return figure(found), "aim reached" if fine else "reached" if enough else "**missed**"
