"""Measures HTTP libraries behind the real adapters: ``python -m tests.benchmark.clients``; see README.md.

Every candidate is an Exchange that does the same: a total deadline, the connect and read timeouts of the library,
a bounded pool, no redirects, cookies or proxies, a bounded body. nginx on loopback answers from files, on the other
core where there are two; every candidate runs in a process of its own, all of them in turn, several times. Libraries
that are not installed are left out and named.
"""

import argparse
import asyncio
import hashlib
import importlib.util
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx
import uvloop

from gateway.domain.errors import BadResponse, GatewayError
from gateway.domain.refs import Ref, RefType
from gateway.domain.secret import Secret
from gateway.sandbox.server import listen
from gateway.transport.call import Call
from gateway.transport.exchange import USER_AGENT, Exchange, Limits, Request, Response
from gateway.upstreams import base
from gateway.upstreams.arrhes import ArrhesAdapter, ArrhesSettings
from gateway.upstreams.maarch import MaarchAdapter, MaarchSettings

ATTACHMENTS = 500
MAILS = 3200
PER_MAIL = 10
FILES = 1000
FOLDERS = 200
AT_ONCE = 16
LIMITS: dict[str, Any] = {"connect_timeout": 2, "try_timeout": 30, "concurrency": 100}
"""Of all candidates: the pool of the other benchmarks, and timeouts that a busy machine does not reach."""

NGINX = """
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log warn;
{user}
events {{ worker_connections 4096; multi_accept on; }}
http {{
  access_log off;
  sendfile on;
  tcp_nodelay on;
  keepalive_timeout 300s;
  keepalive_requests 1000000000;
  default_type application/json;
  open_file_cache max=8000 inactive=600s;
  server {{ listen 127.0.0.1:{port}; root {folder}/www; location / {{ try_files $uri.json =404; }} }}
}}
"""


# The upstream


def attachment(number: int, **more: object) -> dict[str, object]:
    """Write an attachment with the keys that Maarch Courrier gives it."""
    return {
        "resId": number,
        "resIdMaster": (number - 1) // PER_MAIL + 1,
        "chrono": f"MAARCH/2025D/{number}",
        "title": f"Réponse à la demande n° {number}",
        "typist": number % 40 + 1,
        "modifiedBy": "",
        "creationDate": f"2025-{number % 12 + 1:02d}-{number % 28 + 1:02d} 14:25:{number % 60:02d}.{number:06d}",
        "modificationDate": None if number % 3 else f"2026-01-{number % 28 + 1:02d} 09:00:00.{number:06d}",
        "relation": number % 3 + 1,
        "status": "A_TRA",
        "type": "response_project",
        "inSignatureBook": True,
        "inSendAttach": False,
        "external_state": [],
        "typistLabel": "Charlotte CHARLES",
        "typeLabel": "Projet de réponse",
        "canUpdate": True,
        "canDelete": number % 5 != 0,
        **more,
    }


def identifier(*parts: object) -> str:
    """Make up an id of Arrhes' length."""
    return hashlib.sha256("/".join(map(str, parts)).encode()).hexdigest()[:16]


def folder(number: int) -> dict[str, object]:
    """Write a folder of Arrhes; each but the first four hangs on one before it."""
    return {
        "id": identifier("folder", number),
        "idOrganization": "org1",
        "idFolderParent": identifier("folder", number // 4) if number >= 4 else None,
        "name": f"Dossier {number}",
        "createdAt": "2025-01-02 03:04:05+00",
        "lastUpdatedAt": None,
        "createdBy": "user000000000001",
        "lastUpdatedBy": None,
    }


def file(number: int) -> dict[str, object]:
    """Write a file of Arrhes; a thousand of them are half a megabyte."""
    own = identifier("file", number)
    return {
        "id": own,
        "idOrganization": "org1",
        "idFolder": identifier("folder", number % FOLDERS),
        "idFileParent": None,
        "reference": f"REF-2025-{number:05d}" if number % 4 else None,
        "name": f"Pièce numéro {number} de org1.pdf",
        "storageKey": f"organizations/org1/storage/{own}",
        "type": "application/pdf",
        "size": 1000 + number * 37,
        "createdAt": f"2025-{number % 12 + 1:02d}-{number % 28 + 1:02d} 10:{number % 60:02d}:00+00",
        "lastUpdatedAt": f"2026-{number % 12 + 1:02d}-{number % 28 + 1:02d} 11:{number % 60:02d}:00+00",
        "hash": hashlib.sha256(own.encode()).hexdigest(),
        "date": f"2025-{number % 12 + 1:02d}-{number % 28 + 1:02d} 00:00:00+00" if number % 5 else None,
        "createdBy": "user000000000001",
        "lastUpdatedBy": "user000000000001",
    }


def write_bodies(root: Path) -> None:
    """Write what nginx serves."""
    for number in range(1, ATTACHMENTS + 1):
        write(root / f"rest/attachments/{number}.json", attachment(number, format="docx", versions=[]))
    for mail in range(1, MAILS + 1):
        first = (mail - 1) * PER_MAIL + 1
        listed = [attachment(number, canConvert=True) for number in range(first, first + PER_MAIL)]
        write(root / f"rest/resources/{mail}/attachments.json", {"attachments": listed, "mailevaEnabled": True})
    library = root / "v1/organizations/org1/years/2025"
    write(library / "folders.json", [folder(number) for number in range(FOLDERS)])
    write(library / "files.json", [file(number) for number in range(FILES)])


def write(path: Path, body: object) -> None:
    """Write one body."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(body, separators=(",", ":"), ensure_ascii=False), "utf-8")


@contextmanager
def upstream(core: Sequence[str]) -> Iterator[str]:
    """Serve the bodies with nginx until the end of the block."""
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    with tempfile.TemporaryDirectory() as name:
        write_bodies(Path(name) / "www")
        with listen() as free:
            port = free.getsockname()[1]
        user = "user root;" if os.getuid() == 0 else ""
        settings = Path(name) / "nginx.conf"
        settings.write_text(NGINX.format(folder=name, port=port, user=user), "utf-8")
        running = subprocess.Popen([*core, program, "-c", str(settings)])  # noqa: S603 - nginx
        try:
            origin = f"http://127.0.0.1:{port}"
            wait_for(f"{origin}/rest/attachments/1")
            yield origin
        finally:
            running.terminate()
            running.wait()


def wait_for(url: str) -> None:
    """Wait until somebody answers."""
    for _ in range(100):
        try:
            httpx.get(url, trust_env=False).raise_for_status()
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return
    sys.exit("nginx does not start")


# The candidates


class Httpx(Exchange):
    """httpx, over the transport of a library."""

    def __init__(self, source: str, limits: Limits) -> None:
        super().__init__(source, limits)
        self._http = httpx.AsyncClient(
            transport=self.transport(),
            timeout=httpx.Timeout(limits.try_timeout, connect=limits.connect_timeout, pool=None),
            trust_env=False,
            headers={"User-Agent": USER_AGENT},
        )

    def transport(self) -> httpx.AsyncBaseTransport:
        """Open httpx's own."""
        most = self.limits.concurrency
        return httpx.AsyncHTTPTransport(
            trust_env=False, limits=httpx.Limits(max_connections=most, max_keepalive_connections=most)
        )

    async def send(self, request: Request, seconds: float) -> Response:
        """Send a request and read the answer."""
        outgoing = self._http.build_request(request.method, request.url, headers=dict(request.headers))
        async with asyncio.timeout(seconds):
            incoming = await self._http.send(outgoing, stream=True)
            try:
                body = await bounded(incoming.aiter_bytes(64 * 1024), self.limits.max_body)
            finally:
                await incoming.aclose()
        return Response(incoming.status_code, incoming.headers, body)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()


class HttpxAiohttp(Httpx):
    """httpx over aiohttp."""

    def transport(self) -> httpx.AsyncBaseTransport:
        """Open that of httpx-aiohttp."""
        from httpx_aiohttp import AiohttpTransport  # noqa: PLC0415 - may be missing

        return AiohttpTransport(limits=httpx.Limits(max_connections=self.limits.concurrency))


class HttpxPyreqwest(Httpx):
    """httpx over pyreqwest, whose timeouts are those of its own client."""

    def transport(self) -> httpx.AsyncBaseTransport:
        """Open that of pyreqwest."""
        from pyreqwest.compatibility.httpx import HttpxTransport  # noqa: PLC0415 - may be missing

        return HttpxTransport(pyreqwest_client(self.limits))


class Pyreqwest(Exchange):
    """pyreqwest's own API."""

    def __init__(self, source: str, limits: Limits) -> None:
        super().__init__(source, limits)
        self._http = pyreqwest_client(limits)

    async def send(self, request: Request, seconds: float) -> Response:
        """Send a request and read the answer."""
        outgoing = self._http.request(request.method, request.url).headers(dict(request.headers))
        async with asyncio.timeout(seconds), outgoing.build_streamed() as incoming:
            body = await bounded(pieces(incoming.body_reader), self.limits.max_body)
        return Response(incoming.status, dict(incoming.headers.items()), body)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.close()


class Pyqwest(Exchange):
    """pyqwest's own API."""

    def __init__(self, source: str, limits: Limits) -> None:
        from pyqwest import Client, HTTPTransport, HTTPVersion, Proxy  # noqa: PLC0415 - may be missing

        super().__init__(source, limits)
        self._transport = HTTPTransport(
            connect_timeout=limits.connect_timeout,
            read_timeout=limits.try_timeout,
            pool_max_idle_per_host=limits.concurrency,
            max_connections_per_address=limits.concurrency,
            proxy=Proxy("http://nowhere.invalid", no_proxy="0.0.0.0/0,::/0,*"),
            http_version=HTTPVersion.HTTP1,
            tls_include_system_certs=True,
            use_system_dns=True,
            follow_redirects=False,
            enable_otel=False,
        )
        self._http = Client(self._transport)

    async def send(self, request: Request, seconds: float) -> Response:
        """Send a request and read the answer."""
        outgoing = self._http.stream(request.method, request.url, headers=dict(request.headers))
        async with asyncio.timeout(seconds), outgoing as incoming:
            body = await bounded(incoming.content, self.limits.max_body)
        return Response(incoming.status, dict(incoming.headers.items()), body)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._transport.aclose()


def pyreqwest_client(limits: Limits) -> Any:
    """Open a client of pyreqwest."""
    from pyreqwest.client import ClientBuilder  # noqa: PLC0415 - may be missing

    return (
        ClientBuilder()
        .user_agent(USER_AGENT)
        .no_proxy()
        .referer(False)
        .follow_redirects(False)
        .max_connections(limits.concurrency)
        .pool_max_idle_per_host(limits.concurrency)
        .connect_timeout(timedelta(seconds=limits.connect_timeout))
        .read_timeout(timedelta(seconds=limits.try_timeout))
        .build()
    )


async def pieces(reader: Any) -> AsyncIterator[Any]:
    """Read a body of pyreqwest."""
    while (piece := await reader.read_chunk()) is not None:
        yield piece


async def bounded(chunks: AsyncIterator[Any], most: int) -> bytes:
    """Read a body that may have so many bytes."""
    found, size = [], 0
    async for chunk in chunks:
        found.append(chunk)
        size += len(chunk)
        if size > most:
            raise BadResponse("too long")
    return b"".join(found)


CANDIDATES: dict[str, tuple[type[Exchange], str]] = {
    "httpx": (Httpx, "httpx"),
    "httpx over aiohttp": (HttpxAiohttp, "httpx_aiohttp"),
    "httpx over pyreqwest": (HttpxPyreqwest, "pyreqwest"),
    "pyreqwest": (Pyreqwest, "pyreqwest"),
    "pyqwest": (Pyqwest, "pyqwest"),
    "the gateway's (aiohttp)": (Exchange, "aiohttp"),
}


# The loads


def maarch(origin: str) -> MaarchAdapter:
    """Make the adapter of the mails."""
    url = f"{origin}/rest"
    return MaarchAdapter(
        MaarchSettings(name="mails", kind="maarch", url=url, username="a", password=Secret("b"), **LIMITS)
    )


def arrhes(origin: str) -> ArrhesAdapter:
    """Make the adapter of the library."""
    url = f"{origin}/v1"
    return ArrhesAdapter(
        ArrhesSettings(name="library", kind="arrhes", url=url, organization="org1", key=Secret("k"), **LIMITS)
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
    own, other = pinned(0), pinned(1)
    results: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    with upstream(other) as origin:
        for repetition in range(repetitions):
            for name in names:
                command = [sys.executable, "-m", "tests.benchmark.clients", "--candidate", name]
                command += ["--origin", origin, "--seconds", str(seconds)]
                done = subprocess.run([*own, *command], check=True, capture_output=True, text=True)  # noqa: S603 - ourselves
                results[name].append(json.loads(done.stdout))
                sys.stderr.write(f"{repetition + 1}/{repetitions} {name}\n")
    return results


def pinned(core: int) -> list[str]:
    """Say how to run something on one core; on no particular one where that can't be said."""
    there = shutil.which("taskset") and (os.cpu_count() or 1) > 1
    return ["taskset", "-c", str(core)] if there else []


def table(results: dict[str, list[dict[str, Any]]]) -> str:
    """Write medians: per load operations a second, p50 of a lone one, CPU of one; ratios are to the first row."""
    lines = []
    base = next(iter(results))
    for load in ("one attachment", "50 mails", "tree of 505 KB"):
        lines += [
            f"| {load} | per second | ratio | lone p50 ms | CPU ms | ratio |",
            "|---|---|---|---|---|---|",
        ]
        for name, runs in results.items():
            rps, p50, cpu = (statistics.median(run[load][key] for run in runs) for key in ("rps", "p50", "cpu"))
            # Ratios are taken inside a repetition: the machine is as busy for both.
            faster = statistics.median(
                run[load]["rps"] / first[load]["rps"] for run, first in zip(runs, results[base], strict=True)
            )
            cheaper = statistics.median(
                run[load]["cpu"] / first[load]["cpu"] for run, first in zip(runs, results[base], strict=True)
            )
            lines.append(f"| {name} | {rps:,.0f} | {faster:.2f} | {p50:.2f} | {cpu:.3f} | {cheaper:.2f} |")
        lines.append("")
    lines += ["| candidate | peak memory MB |", "|---|---|"]
    for name, runs in results.items():
        lines.append(f"| {name} | {statistics.median(run['memory'] for run in runs):.0f} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
