"""The product beside plain Strawberry and a hand-written ceiling, on one upstream; needs nothing else but nginx."""

import asyncio
import json
import statistics
import sys
import urllib.request
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.benchmark.load import Marker, Tally, load, written
from tests.benchmark.processes import (
    AUTHORIZATION,
    LOAD_CORE,
    Process,
    pinned,
    running,
    serve,
    settings,
)
from tests.benchmark.report import Table, figure
from tests.benchmark.static import ATTACHMENTS, FILES, MAILS, ORGANIZATIONS, PER_MAIL, YEARS, upstream
from tests.programs import free_port

QUERIES = Path(__file__).parent / "queries"
TITLES = {
    "Q1": "Q1: tree of six levels, 200 folders, 1,000 files, 8 fields each",
    "Q2": "Q2: one attachment by id, 8 fields",
    "Q3": "Q3: 50 mails with 10 attachments each, 8 fields",
    "Q4": "Q4: 1,000 files, 8 fields, each with the name of its folder",
}
SERVERS = ("gateway", "strawberry-httpx", "ceiling")
UNGUARDED = "unguarded"
AT_ONCE_MAILS = 50
MARKERS = {
    "Q1": Marker(b'"hash"', FILES),
    "Q2": Marker(b'"title"', 1),
    "Q3": Marker(b'"title"', AT_ONCE_MAILS * PER_MAIL),
    "Q4": Marker(b'"hash"', FILES),
}
WARM_UP = 2.0
"""Seconds of load before each measurement."""
Variables = Mapping[str, Any]


class WrongAnswerError(Exception):
    """A server answered something else than what the upstream holds; its figures would mean nothing."""


@dataclass(frozen=True, slots=True)
class Options:
    """What is measured, and how long: ``seconds`` of each load. ``anew`` is that the product remembers no lists."""

    queries: Sequence[str]
    servers: Sequence[str]
    concurrency: Sequence[int]
    repetitions: int
    seconds: float
    identical: bool = False
    anew: bool = False


@dataclass(frozen=True, slots=True)
class Server:
    """One who takes part: how he is started on a port, what he is sent, and in which words."""

    name: str
    command: Callable[[int], Sequence[str]]
    documents: Path
    headers: Mapping[str, str] = field(default_factory=dict)
    gateway: bool = False


@dataclass(slots=True)
class Row:
    """What was measured of a server with a query: tallies by the number of connections, and the peak in MB."""

    loads: dict[int, list[Tally]] = field(default_factory=lambda: defaultdict(list))
    peak: float = 0.0

    def middle(self, connections: int, value: Callable[[Tally], float]) -> float:
        """Give the median of the repetitions."""
        return statistics.median(map(value, self.loads[connections]))

    def times_the_cost(self, other: "Row", connections: int) -> float:
        """Give the median of the ratios of CPU times, each of two that were measured one after the other."""
        pairs = zip(self.loads[connections], other.loads[connections], strict=True)
        return statistics.median([own.cost / others.cost for own, others in pairs])


def measure(options: Options) -> str:
    """Measure all servers in turn; gives Markdown."""
    rows: dict[str, dict[str, Row]] = {query: {} for query in options.queries}
    with upstream(pinned(LOAD_CORE)) as origin:
        servers = [
            server for server in participants(origin, anew=options.anew) if server.name in options.servers
        ]
        for repetition in range(options.repetitions):
            for server in servers[:: -1 if repetition % 2 else 1]:
                sys.stderr.write(f"repetition {repetition + 1}: {server.name}\n")
                visit(server, origin, options, rows)
    return "\n\n".join(table(query, rows[query], options.concurrency) for query in options.queries) + "\n"


def participants(origin: str, *, anew: bool = False) -> list[Server]:
    """Name those who take part."""
    configuration = settings("gateway", origin, anew=anew)
    key = {"Authorization": AUTHORIZATION}
    return [
        Server("gateway", lambda port: serve(configuration, port), QUERIES, key, gateway=True),
        Server(UNGUARDED, lambda port: serve(configuration, port, UNGUARDED), QUERIES, key, gateway=True),
        Server("strawberry-httpx", lambda port: uvicorn("plain", port), QUERIES / "plain"),
        Server("ceiling", lambda port: uvicorn("ceiling", port), QUERIES / "plain"),
    ]


def uvicorn(module: str, port: int) -> list[str]:
    """Say how to start an application of this folder."""
    fast = ["--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"]
    return [sys.executable, "-m", "uvicorn", *fast, "--port", str(port), f"tests.benchmark.{module}:app"]


def visit(server: Server, origin: str, options: Options, rows: dict[str, dict[str, Row]]) -> None:
    """Start a server and send it all the queries."""
    port = free_port()
    with running(server.command(port), server.name, port, UPSTREAM=origin) as process:
        for query in options.queries:
            row = rows[query].setdefault(server.name, Row())
            under_load(server, process, query, options, row)


def under_load(server: Server, process: Process, query: str, options: Options, row: Row) -> None:
    """Check some answers in full, warm up, and measure each number of connections."""
    bodies = bodies_of(server, process, query)[: 1 if options.identical else None]
    requests = [written(process.port, body, server.headers) for body in bodies]
    process.forget_peak()
    for number in {0, len(bodies) // 2}:
        check(query, number, post(server, process, bodies[number]))
    asyncio.run(load(process.port, requests, MARKERS[query], 8, min(WARM_UP, options.seconds)))
    for connections in options.concurrency:
        before = process.cpu()
        tally = asyncio.run(load(process.port, requests, MARKERS[query], connections, options.seconds))
        tally.cpu = process.cpu() - before
        if tally.wrong:
            raise WrongAnswerError(f"{server.name}, {query}: {tally.wrong} of {len(tally.times)} answers")
        row.loads[connections].append(tally)
    row.peak = max(row.peak, process.peak())


# What is asked


def bodies_of(server: Server, process: Process, query: str) -> list[Variables]:
    """Make the bodies of all requests."""
    document = (server.documents / f"{query}.graphql").read_text("utf-8")
    asked = variables(server, process, query)
    return [{"query": document, "operationName": query, "variables": one} for one in asked]


def variables(server: Server, process: Process, query: str) -> list[Variables]:
    """List the variables of all requests; neighbours ask for different things."""
    if query == "Q2":
        return [{"id": one} for one in (sealed(server, process) if server.gateway else numbers(1, ATTACHMENTS))]
    if query == "Q3":
        sets = [numbers(first, AT_ONCE_MAILS) for first in range(1, MAILS + 1, AT_ONCE_MAILS)]
        return [{"by": lookups(mails)} if server.gateway else {"ids": mails} for mails in sets]
    places = [{"organization": one, "year": year} for year in YEARS for one in ORGANIZATIONS]
    return [{"by": {"source": place["organization"], **place}} if server.gateway else place for place in places]


def numbers(first: int, count: int) -> list[str]:
    """Count, in texts."""
    return [str(number) for number in range(first, first + count)]


def lookups(mails: Sequence[str]) -> list[Variables]:
    """Name mails as the product's schema does."""
    return [{"mail": {"source": "maarch", "resId": int(mail)}} for mail in mails]


def sealed(server: Server, process: Process) -> list[str]:
    """Ask the product for its identifiers of the attachments that can be asked for."""
    document = (server.documents / "ids.graphql").read_text("utf-8")
    asked = {"by": lookups(numbers(1, ATTACHMENTS // PER_MAIL))}
    found = post(server, process, {"query": document, "variables": asked})
    return [edge["node"]["id"] for record in found["records"] for edge in record["attachments"]["edges"]]


def post(server: Server, process: Process, body: Variables) -> Any:
    """Send one request, whose data must come without errors."""
    headers = {"Content-Type": "application/json", "Accept": "application/json", **server.headers}
    url = f"http://127.0.0.1:{process.port}/graphql"
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310
        answer = json.load(response)
    if answer.get("errors"):
        raise WrongAnswerError(f"{server.name}: {answer['errors'][0]}")
    return answer["data"]


# Whether it is right


def check(query: str, number: int, data: Any) -> None:
    """Compare an answer with what the upstream holds, by a value that is different in each item."""
    found = sorted(values(data, "title" if query in {"Q2", "Q3"} else "hash"))
    if found != sorted(expected(query, number)):
        raise WrongAnswerError(f"{query}: request {number + 1} is not answered with what the upstream holds")


def expected(query: str, number: int) -> list[str]:
    """Tell what an answer must hold."""
    from tests.benchmark.static import attachment, file  # noqa: PLC0415 - names of variables elsewhere here

    if query == "Q2":
        return [str(attachment(number + 1)["title"])]
    if query == "Q3":
        first = number * AT_ONCE_MAILS * PER_MAIL + 1
        return [str(attachment(one)["title"]) for one in range(first, first + AT_ONCE_MAILS * PER_MAIL)]
    organization = ORGANIZATIONS[number % len(ORGANIZATIONS)]
    return [str(file(one, organization)["hash"]) for one in range(FILES)]


def values(data: Any, key: str) -> list[str]:
    """Collect the values of a key on all levels; the product adds the format to titles that lack it."""
    if isinstance(data, list):
        return [value for one in data for value in values(one, key)]
    if not isinstance(data, dict):
        return []
    own = [data[key].removesuffix(".docx")] if key in data else []
    return own + [value for one in data.values() for value in values(one, key)]


# The table


def table(query: str, rows: Mapping[str, Row], levels: Sequence[int]) -> str:
    """Write what was found of a query; ratios are those at 16 connections, or else at the last number of them.

    *CPU* is the server's for an answer at that number, which neighbours and a slow load disturb less than rates.
    """
    reference = 16 if 16 in levels else levels[-1]
    rates = {name: row.middle(reference, lambda tally: tally.rate) for name, row in rows.items()}
    others = [name for name in ("strawberry-httpx", "ceiling") if name in rates]
    head = [
        "server",
        *(f"rps c={c}" for c in levels),
        *(f"p50 / p99 ms c={c}" for c in levels),
        "CPU µs",
        "peak RSS MB",
    ]
    bare = rows.get(UNGUARDED)
    made = Table([*head, *(f"x {name}" for name in others), *(["x CPU unguarded"] if bare else [])])
    for name, row in sorted(rows.items(), key=lambda item: -rates[item[0]]):
        made.add(
            name,
            *(figure(row.middle(c, lambda tally: tally.rate)) for c in levels),
            *(" / ".join(figure(row.middle(c, quantile(one))) for one in (50, 99)) for c in levels),
            f"{row.middle(reference, lambda tally: tally.cost):,.0f}",
            f"{row.peak:.0f}",
            *(f"{rates[name] / rates[other]:.2f}" for other in others),
            *([f"{row.times_the_cost(bare, reference):.3f}"] if bare else []),
        )
    return f"### {TITLES[query]}\n\n{made}"


def quantile(hundredth: int) -> Callable[[Tally], float]:
    """Make the function that looks a quantile up."""
    return lambda tally: tally.quantile(hundredth)
