"""The demo: the sandbox in a process of its own, and the gateway over it in this one."""

import json
import select
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from tempfile import TemporaryDirectory

import httpx
import uvicorn

from gateway.serving import listen, make_server, serve
from gateway.signals import ignore_signals, is_asked_to_stop, note_signals

HOST = "127.0.0.1"
DRAIN = 2
"""Seconds that running requests get when the demo stops."""
GRACE = 15
"""Seconds that the sandbox gets to stop its servers and remove its files; it needs about three."""
START = 30
"""Seconds after which a gateway that does not answer is given up."""
POLL = 0.02


def run_demo(port: int) -> int:
    """Run the demo until a signal comes, and give the exit status: 0, or 1 where something fails.

    Its last line is ``ready http://127.0.0.1:{port}/graphql``, printed when the gateway has answered a query. Raises
    CannotListenError, before anything is started, where the port is taken.
    """
    note_signals()
    with (
        listen(HOST, port) as listener,
        TemporaryDirectory(prefix="attachments-demo-") as folder,
        _sandbox() as process,
    ):
        # The gateway's own modules take as long to import as the sandbox takes to start, so both happen at once.
        from gateway.asgi import create_app  # noqa: PLC0415
        from gateway.domain.secret import Secret  # noqa: PLC0415
        from gateway.sandbox.world import STORE, make_sources, make_store  # noqa: PLC0415
        from gateway.settings import Settings  # noqa: PLC0415

        origins = _read_origins(process)
        if origins is None:
            return 0 if is_asked_to_stop() else 1
        settings = Settings(
            profile="demo",
            host=HOST,
            port=port,
            sources=make_sources(origins),
            store=make_store(origins[STORE], f"http://{HOST}:{port}"),
            journal=Secret(f"sqlite:///{folder}/journal.db"),
        )
        server = make_server(create_app(settings), DRAIN)
        watch = _Watch(server, process)
        threading.Thread(target=watch.run, args=(settings.public_url, origins), daemon=True).start()
        started = serve(server, listener)
        return 0 if started and not watch.failed else 1


# The sandbox


@contextmanager
def _sandbox() -> Iterator[subprocess.Popen[bytes]]:
    """Run the sandbox in a session of its own, where no Ctrl-C reaches it: it ends when its input does."""
    command = [sys.executable, "-m", "gateway.sandbox"]
    process = subprocess.Popen(  # noqa: S603 - our own module
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    )
    try:
        yield process
    finally:
        _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the sandbox by closing its input; an impatient second Ctrl-C does not keep it from cleaning up."""
    ignore_signals()
    if process.stdin is not None:
        process.stdin.close()
    try:
        process.wait(GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _read_origins(process: subprocess.Popen[bytes]) -> Mapping[str, str] | None:
    """Wait for the line that says where the servers are.

    None if the sandbox ended, which has said why itself, or if the demo shall stop already.
    """
    while process.stdout and not select.select([process.stdout], [], [], POLL)[0]:
        if is_asked_to_stop():
            return None
    line = process.stdout.readline() if process.stdout else b""
    origins: dict[str, str] | None = json.loads(line) if line else None
    return origins


# The gateway


@dataclass(slots=True)
class _Watch:
    """Announces the gateway, then watches over the sandbox; runs in a thread, because the main one serves."""

    server: uvicorn.Server
    process: subprocess.Popen[bytes]
    failed: bool = False

    def run(self, url: str, origins: Mapping[str, str]) -> None:
        """Print where everything is once a query is answered, and stop the gateway when the sandbox ends."""
        try:
            self._first_query(url)
            _welcome(url, origins)
            if self.process.stdout:
                self.process.stdout.read()  # which ends with the process
            problem = "the sandbox has ended"
        except httpx.HTTPError as exc:
            problem = f"the gateway did not answer its first query: {str(exc).splitlines()[0]}"
        if not self.server.should_exit:
            print(f"attachment-gateway: {problem}", file=sys.stderr)
            self.failed = self.server.should_exit = True

    def _first_query(self, url: str) -> None:
        """Ask what a visitor's first tab asks, once the gateway takes requests."""
        from gateway.web.graphiql import load_examples  # noqa: PLC0415 - see run_demo

        example = load_examples()[0]
        with httpx.Client(base_url=url, timeout=START, trust_env=False) as client:
            deadline = time.monotonic() + START
            while client.get("/readyz").is_error and time.monotonic() < deadline:
                time.sleep(POLL)
            body = {"query": example.query, "variables": example.variables}
            answer = client.post("/graphql", json=body).raise_for_status().json()
        if "errors" in answer:
            raise httpx.HTTPError(answer["errors"][0]["message"])


def _welcome(url: str, origins: Mapping[str, str]) -> None:
    """Say what runs where; the last line is for programs that wait for it."""
    width = max(map(len, origins)) + 2
    print("The attachment gateway with a sandbox of five systems; the data are made up and gone at the end.")
    for name, origin in origins.items():
        print(f"  {name:{width}}{origin}")
    print(f"Open {url}/graphql in a browser: each tab is a query to run. Ctrl-C stops everything.")
    print(f"Open {url}/upload to drop files on a page and see them arrive in a system of your choice.")
    print(f"ready {url}/graphql", flush=True)
