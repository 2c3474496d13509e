"""Measures HTTP libraries behind the real adapters: ``python -m tests.benchmark.clients``; see README.md.

nginx answers from files, on another core where there are two. Every candidate runs in a process of its own, all of
them in turn and each time in another order. Libraries that are not installed are left out and named.
"""

import argparse
import asyncio
import importlib.util
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from unittest.mock import patch

import uvloop

from gateway.domain.errors import GatewayError
from gateway.domain.refs import Ref, RefType
from gateway.domain.secret import Secret
from gateway.transport.call import Call
from gateway.transport.exchange import Exchange
from gateway.upstreams import base
from gateway.upstreams.arrhes import ArrhesAdapter, ArrhesSettings
from gateway.upstreams.maarch import MaarchAdapter, MaarchSettings
from tests.benchmark.candidates import CANDIDATES
from tests.benchmark.processes import LOAD_CORE, SERVER_CORE, pinned
from tests.benchmark.static import ATTACHMENTS, MAILS, upstream

AT_ONCE = 16
LIMITS: dict[str, Any] = {"connect_timeout": 2, "try_timeout": 30, "concurrency": 100}
"""Of all candidates: the pool of the other benchmarks, timeouts that a busy machine does not reach."""


# The loads


def maarch(origin: str) -> MaarchAdapter:
    """Make the adapter of the mails."""
    url = f"{origin}/rest"
    return MaarchAdapter(
        MaarchSettings(
            name="mails",
            kind="maarch",
            url=url,
            username="a",
            password=Secret("b"),
            kept_answers=0,  # each list is read, or there would be less to measure
            **LIMITS,
        )
    )


def arrhes(origin: str) -> ArrhesAdapter:
    """Make the adapter of the library."""
    url = f"{origin}/v1"
    return ArrhesAdapter(
        ArrhesSettings(
            name="library",
            kind="arrhes",
            url=url,
            organization="org1",
            key=Secret("k"),
            kept_answers=0,  # and each tree
            **LIMITS,
        )
    )


def loads(origin: str, kind: type[Exchange]) -> tuple[dict[str, Callable[[int], Awaitable[int]]], list[Any]]:
    """Give the operations by name, which tell how many entries they got, and what to close."""
    with patch.object(base, "Exchange", kind):
        mails, library = maarch(origin), arrhes(origin)
    tree = Ref("library", RefType.LIBRARY, ("org1", "2025"))

    async def one(turn: int) -> int:
        ref = Ref("mails", RefType.ATTACHMENT, (str(turn % ATTACHMENTS + 1),))
        return checked(await mails.fetch([ref], Call.lasting(60)))

    async def fifty(turn: int) -> int:
        first = turn % (MAILS // 50) * 50
        refs = [Ref("mails", RefType.RECORD, (str(first + number),)) for number in range(1, 51)]
        return checked(await mails.children(refs, Call.lasting(60)))

    async def whole(turn: int) -> int:  # noqa: ARG001 - always the same
        return checked(await library.children([tree], Call.lasting(60)))

    return {"one attachment": one, "50 mails": fifty, "tree of 505 KB": whole}, [mails, library]


def checked(found: Sequence[Any]) -> int:
    """See to it that nothing failed."""
    for entry in found:
        if isinstance(entry, GatewayError):
            raise entry
    return len(found)


async def measure(operation: Callable[[int], Awaitable[int]], seconds: float, at_once: int) -> dict[str, float]:
    """Run an operation for some seconds."""
    turns = iter(range(10**9))
    times: list[float] = []
    end = time.perf_counter() + seconds

    async def work() -> None:
        while (started := time.perf_counter()) < end:
            await operation(next(turns))
            times.append(time.perf_counter() - started)

    cpu, started = time.process_time(), time.perf_counter()
    await asyncio.gather(*(work() for _ in range(at_once)))
    took = time.perf_counter() - started
    return {
        "rps": len(times) / took,
        "p50": statistics.median(times) * 1000,
        "cpu": (time.process_time() - cpu) / len(times) * 1000,
    }


async def run_one(name: str, origin: str, seconds: float) -> dict[str, Any]:
    """Measure one candidate: every load alone and under pressure, and the memory in the end."""
    operations, adapters = loads(origin, CANDIDATES[name][0])
    found: dict[str, Any] = {}
    for load, operation in operations.items():
        await measure(operation, seconds / 4, AT_ONCE)
        lone = await measure(operation, seconds / 2, 1)
        # The tree is one thing that all ask for at once, which the client would share: its pressure is its own.
        pressed = await measure(operation, seconds, AT_ONCE) if load != "tree of 505 KB" else lone
        found[load] = {"rps": pressed["rps"], "p50": lone["p50"], "cpu": pressed["cpu"]}
    for adapter in adapters:
        await adapter.aclose()
    found["memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return found


# The table


def main() -> None:
    """Measure all in turn, or as a child one of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each load")
    parser.add_argument("--only", nargs="*", choices=CANDIDATES, default=list(CANDIDATES))
    parser.add_argument("--candidate", help=argparse.SUPPRESS)
    parser.add_argument("--origin", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.candidate:
        found = uvloop.run(run_one(options.candidate, options.origin, options.seconds))
        sys.stdout.write(json.dumps(found))
        return
    installed = [name for name in options.only if importlib.util.find_spec(CANDIDATES[name][1])]
    for name in set(options.only) - set(installed):
        sys.stderr.write(f"left out, not installed: {name} ({CANDIDATES[name][1]})\n")
    sys.stdout.write(table(repeat(installed, options.repetitions, options.seconds)))


def repeat(names: Sequence[str], repetitions: int, seconds: float) -> dict[str, list[dict[str, Any]]]:
    """Run each candidate once per repetition, one after the other."""
    own, other = pinned(SERVER_CORE), pinned(LOAD_CORE)
    results: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    with upstream(other) as origin:
        for repetition in range(repetitions):
            turn = repetition % len(names)
            for name in [*names[turn:], *names[:turn]]:
                command = [sys.executable, "-m", "tests.benchmark.clients", "--candidate", name]
                command += ["--origin", origin, "--seconds", str(seconds)]
                done = subprocess.run([*own, *command], check=True, capture_output=True, text=True)  # noqa: S603 - ourselves
                results[name].append(json.loads(done.stdout))
                sys.stderr.write(f"{repetition + 1}/{repetitions} {name}\n")
    return results


def table(results: dict[str, list[dict[str, Any]]]) -> str:
    """Write the best of the repetitions, which others disturbed least; ratios are to the first row."""
    lines = []
    first = next(iter(results))
    for load in ("one attachment", "50 mails", "tree of 505 KB"):
        best = {
            name: (
                max(run[load]["rps"] for run in runs),
                min(run[load]["p50"] for run in runs),
                min(run[load]["cpu"] for run in runs),
            )
            for name, runs in results.items()
        }
        lines += [
            f"| {load} | per second | ratio | lone p50 ms | CPU ms | ratio |",
            "|---|---|---|---|---|---|",
        ]
        for name, (rps, p50, cpu) in best.items():
            faster, cheaper = rps / best[first][0], cpu / best[first][2]
            lines.append(f"| {name} | {rps:,.0f} | {faster:.2f} | {p50:.2f} | {cpu:.3f} | {cheaper:.2f} |")
        lines.append("")
    lines += ["| candidate | peak memory MB |", "|---|---|"]
    for name, runs in results.items():
        lines.append(f"| {name} | {statistics.median(run['memory'] for run in runs):.0f} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
