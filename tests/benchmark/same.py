"""Identical requests beside distinct ones, under a load that looks at how much it gets and not at what.

Whoever searches answers of 324 KB for what they should hold gets at most 1,900 of them a second, even from a server
that sends the same bytes again and again: a load that reads shows its own limit here. wrk alone takes ten times as
many. It counts statuses and bytes; what the answers hold is checked before and after.
"""

import json
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.benchmark.beside import (
    TITLES,
    WARM_UP,
    Server,
    WrongAnswerError,
    bodies_of,
    check,
    participants,
    post,
)
from tests.benchmark.processes import LOAD_CORE, Process, built, pinned, running
from tests.benchmark.report import Table, figure
from tests.benchmark.static import upstream
from tests.programs import free_port

CONNECTIONS = 16
PAUSE = 0.5
"""Seconds until the server is done with what wrk leaves behind."""
SAMPLES = 8
HEAD = 1024
"""Bytes that the head of an answer has at most."""
SCRIPT = """
local requests, turn = {}, 0
function init()
  local headers = {["Content-Type"] = "application/json", ["Accept"] = "application/json", %(headers)s}
  for body in io.lines("%(bodies)s") do
    requests[#requests + 1] = wrk.format("POST", "/graphql", headers, body)
  end
end
function request()
  turn = turn %% #requests + 1
  return requests[turn]
end
function done(summary)
  local errors = summary.errors
  io.write(string.format("FOUND %%d %%d %%d %%d\\n", summary.requests, summary.duration, summary.bytes,
    errors.connect + errors.read + errors.write + errors.timeout + errors.status))
end
"""


@dataclass(slots=True)
class Series:
    """What the repetitions found: answers a second, and microseconds that the server took for each."""

    rates: list[float] = field(default_factory=list)
    costs: list[float] = field(default_factory=list)

    def add(self, rate: float, cost: float) -> None:
        """Add one repetition."""
        self.rates.append(rate)
        self.costs.append(cost)


def measure(queries: Sequence[str], repetitions: int, seconds: float) -> str:
    """Measure the product with distinct and identical requests in turn; gives Markdown."""
    found = {query: {"distinct": Series(), "identical": Series()} for query in queries}
    with upstream(pinned(LOAD_CORE)) as origin:
        server = next(one for one in participants(origin) if one.gateway)
        for repetition in range(repetitions):
            sys.stderr.write(f"same, repetition {repetition + 1}\n")
            port = free_port()
            with running(server.command(port), server.name, port) as process:
                for query, series in found.items():
                    visit(server, process, query, series, seconds)
    return "\n\n".join(table(query, series) for query, series in found.items()) + "\n"


def visit(server: Server, process: Process, query: str, series: dict[str, Series], seconds: float) -> None:
    """Measure one query of a server that runs."""
    bodies = bodies_of(server, process, query)
    length = statistics.mean(len(compact(post(server, process, body))) for body in bodies[:SAMPLES])
    texts = [json.dumps(body) for body in bodies]
    for name, sent in (("distinct", texts), ("identical", texts[:1])):
        check(query, 0, post(server, process, bodies[0]))
        load(server, process, sent, length, min(WARM_UP, seconds))
        series[name].add(*load(server, process, sent, length, seconds))
        check(query, 0, post(server, process, bodies[0]))


def load(
    server: Server, process: Process, bodies: Sequence[str], length: float, seconds: float
) -> tuple[float, float]:
    """Let wrk send the bodies in turn; gives answers a second, and the server's microseconds for each.

    ``length`` is about what an answer has in bytes; wrk takes whole seconds. Raises WrongAnswerError where one was
    refused or cut.
    """
    script = write_script(server, bodies)
    lasting = f"-d{max(1, round(seconds))}s"
    command = [*pinned(LOAD_CORE), wrk(), "-t1", f"-c{CONNECTIONS}", lasting, "-s", str(script)]
    before = process.cpu()
    found = subprocess.run(  # noqa: S603 - a command of ours
        [*command, f"http://127.0.0.1:{process.port}"], capture_output=True, text=True, check=True
    )
    time.sleep(PAUSE)
    cost = process.cpu() - before
    answers, duration, size, wrong = map(int, re.findall(r"\d+", found.stdout.rpartition("FOUND")[2]))
    if wrong or not 0.98 * length < size / answers < 1.02 * length + HEAD:
        raise WrongAnswerError(f"{wrong} of {answers} answers refused; {size / answers:,.0f} bytes each")
    return answers / duration * 1e6, cost / (answers + CONNECTIONS) * 1e6


def compact(data: object) -> bytes:
    """Write data as the product does."""
    return json.dumps(data, separators=(",", ":"), ensure_ascii=False).encode()


def write_script(server: Server, bodies: Sequence[str]) -> Path:
    """Write what wrk sends."""
    texts, script = built() / "same.txt", built() / "same.lua"
    texts.write_text("".join(f"{body}\n" for body in bodies), "utf-8")
    headers = ", ".join(f'["{name}"] = "{value}"' for name, value in server.headers.items())
    script.write_text(SCRIPT % {"headers": headers, "bodies": texts}, "utf-8")
    return script


def wrk() -> str:
    """Find wrk, or end with how to get it."""
    return shutil.which("wrk") or sys.exit("wrk is missing: apt-get install wrk")


def table(query: str, series: dict[str, Series]) -> str:
    """Write what was found of a query: medians, and ratios of those."""
    made = Table(["requests", "rps c=16", "CPU µs", "x distinct", "x distinct CPU"])
    plain = series["distinct"]
    rate, cost = statistics.median(plain.rates), statistics.median(plain.costs)
    for name, one in series.items():
        own, took = statistics.median(one.rates), statistics.median(one.costs)
        made.add(name, figure(own), f"{took:,.0f}", f"{own / rate:.2f}", f"{took / cost:.3f}")
    return f"### {query} counted: {TITLES[query].partition(': ')[2]}\n\n{made}"
