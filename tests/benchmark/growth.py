"""How the time of the tree query grows with the library: 1,000, 10,000 and 100,000 files through the whole product.

One process for each size, which take turns; one request at a time. There is a folder for every five
files; times, names and checksums are different in all of them. Time is from the first byte sent
to the last received. Once each list is read anew for each request, and once all of them are remembered, as those are
that a client asks for again; what is more than the setting `kept_answers` is always read anew.
"""

import http.client
import json
import statistics
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from tests.benchmark.processes import (
    AUTHORIZATION,
    LOAD_CORE,
    Process,
    built,
    pinned,
    running,
    serve,
    settings,
)
from tests.benchmark.report import Table, figure
from tests.benchmark.static import upstream, write_library
from tests.programs import free_port

REQUESTS = {1_000: 20, 10_000: 4, 100_000: 1}
"""How many requests a round has for each size."""
ROUNDS = 5
KEPT = {"Anew": 0, "Again": 100_000_000}
"""By how the lists are read, the bytes of them that the product may remember."""
QUERY = (Path(__file__).parent / "queries/Q1.graphql").read_text("utf-8")


@dataclass(slots=True)
class Library:
    """A library of one size, its server, and the seconds of each request.

    ``cpu`` is all that the server took of them, ``answer`` the bytes of one answer, ``peak`` the most memory in MB.
    """

    size: int
    process: Process
    connection: http.client.HTTPConnection
    times: list[float] = field(default_factory=list)
    cpu: float = 0.0
    answer: int = 0
    peak: float = 0.0

    def ask(self, times: int) -> None:
        """Ask for the whole tree so many times."""
        before = self.process.cpu()
        for _ in range(times):
            started = time.perf_counter()
            body = self._get()
            self.times.append(time.perf_counter() - started)
            self.answer = len(body)
            if body.count(b'"hash"') != self.size or b'"errors"' in body:
                sys.exit(f"the library of {self.size:,} files is answered wrong: {body[:300]!r}")
        self.cpu += self.process.cpu() - before

    def _get(self) -> bytes:
        place = {"source": f"lib{self.size}", "organization": f"lib{self.size}", "year": "2025"}
        asked = json.dumps({"query": QUERY, "variables": {"by": place}})
        self.connection.request("POST", "/graphql", asked, HEADERS)
        return self.connection.getresponse().read()

    def forget(self) -> None:
        """Begin anew, after warming up."""
        self.times.clear()
        self.cpu = 0.0

    def per_file(self) -> tuple[float, float]:
        """Tell the microseconds per file: the median of the time, and the mean of the server's."""
        return (
            statistics.median(self.times) / self.size * 1e6,
            self.cpu / len(self.times) / self.size * 1e6,
        )


HEADERS = {"Content-Type": "application/json", "Accept": "application/json", "Authorization": AUTHORIZATION}


def write_libraries(root: Path) -> None:
    """Write what nginx serves."""
    for size in REQUESTS:
        write_library(root, f"lib{size}", size)


def measure(rounds: int = ROUNDS, requests: Mapping[int, int] = REQUESTS) -> str:
    """Measure all sizes in turn, where lists are read each time and where they are remembered; gives Markdown."""
    with upstream(pinned(LOAD_CORE), write_libraries, "/v1/organizations/lib1000/years/2025/folders") as origin:
        return "\n".join(
            f"### {title}: microseconds per file of a tree query with all files\n\n"
            f"{table(compare(origin, kept, rounds, requests))}\n"
            for title, kept in KEPT.items()
        )


def compare(origin: str, kept: int, rounds: int, requests: Mapping[int, int]) -> list[Library]:
    """Measure all sizes in turn, after one round to warm up."""
    with ExitStack() as stack:
        libraries = [start(size, origin, kept, stack) for size in requests]
        for number in range(rounds + 1):
            for library in libraries:
                if number == 1:
                    library.forget()
                library.ask(requests[library.size])
            sys.stderr.write(f"growth: round {number} of {rounds}\n")
        for library in libraries:
            library.peak = library.process.peak()
        return libraries


def start(size: int, origin: str, kept: int, stack: ExitStack) -> Library:
    """Start the server of one size, which remembers so many bytes of answers."""
    port, configuration, name = free_port(), settings("growth", origin), f"growth-{size}"
    text = configuration.read_text("utf-8").replace("kept_answers = 0", f"kept_answers = {kept}")
    configuration.write_text(text, "utf-8")
    journal = {"ATTACHMENT_GATEWAY_JOURNAL": f"sqlite:///{built()}/{name}.db"}
    process = stack.enter_context(running(serve(configuration, port), name, port, **journal))
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
    stack.callback(connection.close)
    return Library(size, process, connection)


def table(libraries: list[Library]) -> Table:
    """Write what was found."""
    made = Table(
        [
            "files",
            "answer MB",
            "µs per file",
            "x the smallest",
            "CPU µs per file",
            "x the smallest CPU",
            "peak RSS MB",
        ]
    )
    first, first_cpu = libraries[0].per_file()
    for library in libraries:
        each, cpu = library.per_file()
        made.add(
            f"{library.size:,}",
            f"{library.answer / 1e6:.1f}",
            figure(each),
            f"{each / first:.2f}",
            figure(cpu),
            f"{cpu / first_cpu:.2f}",
            f"{library.peak:.0f}",
        )
    return made
