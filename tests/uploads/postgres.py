"""PostgreSQL for tests: the server that `POSTGRES_TEST_URL` names, or one of our own from Debian's package.

Where neither can be had, the test is skipped with the reason; with `REQUIRE_TOOLS=1`, which `.ci/run` sets, the same
is a failure. Of a server that the environment names, the user must be allowed to create databases.
"""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import psycopg
from sqlalchemy import URL, make_url

from tests.tooling.node import missing

HOST = "127.0.0.1"
USER = "gateway"
SYSTEM_USER = "postgres"
"""Who runs the server where the tests run as root, which PostgreSQL refuses to."""


@dataclass(frozen=True, slots=True)
class Postgres:
    """A running server; ``folder`` is None for one that is not ours to stop."""

    url: URL
    folder: Path | None = None

    @contextmanager
    def database(self) -> Iterator[str]:
        """Make a database that no other test knows, and give its URL."""
        name = f"test_{uuid4().hex}"
        self.run(f"CREATE DATABASE {name}")
        try:
            yield self.url.set(database=name).render_as_string(hide_password=False)
        finally:
            self.run(f"DROP DATABASE {name} WITH (FORCE)")

    def run(self, statement: str) -> None:
        """Run a statement as the owner of the server."""
        with psycopg.connect(self.url.render_as_string(hide_password=False), autocommit=True) as connection:
            connection.execute(statement.encode())

    def stop(self) -> None:
        """Stop our server at once, as a crash does."""
        _run(["pg_ctl", "-D", str(self.folder), "-m", "immediate", "-w", "stop"])

    def start(self) -> None:
        """Start our server and wait until it answers."""
        assert self.folder is not None
        listening = f"-p {self.url.port} -c listen_addresses={HOST} -c unix_socket_directories=''"
        options = f"{listening} -c fsync=off -c max_connections=60"
        _run(["pg_ctl", "-D", str(self.folder), "-l", str(self.folder / "log"), "-w", "-o", options, "start"])


@contextmanager
def running() -> Iterator[Postgres]:
    """Give a server; a test that gets none is skipped, or fails where the tools must be there."""
    if given := os.environ.get("POSTGRES_TEST_URL"):
        yield Postgres(make_url(given))
        return
    with own() as server:
        yield server


@contextmanager
def own() -> Iterator[Postgres]:
    """Run a server of our own on a free port, with its data in a temporary folder."""
    if _program("initdb") is None:
        missing("no PostgreSQL: set POSTGRES_TEST_URL, or apt-get install postgresql")
    if _is_root() and shutil.which("runuser") is None:
        missing("PostgreSQL does not run as root, and there is no runuser to change that")
    folder = Path(tempfile.mkdtemp(prefix="journal-test-"))
    try:
        if _is_root():
            shutil.chown(folder, SYSTEM_USER)
        data = folder / "data"
        _run(["initdb", "-D", str(data), "-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C", "-N"])
        server = Postgres(
            URL.create("postgresql", USER, host=HOST, port=_free_port(), database="postgres"), data
        )
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)


def _is_root() -> bool:
    return os.geteuid() == 0


def _program(name: str) -> str | None:
    """Find a program of the server: on the PATH, or where Debian puts the newest of them."""
    versions = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda it: float(it.parts[4]))
    return shutil.which(name) or (str(versions[-1]) if versions else None)


def _run(command: list[str]) -> None:
    program = _program(command[0])
    assert program is not None
    before = ["runuser", "-u", SYSTEM_USER, "--"] if _is_root() else []
    subprocess.run(  # noqa: S603 -- our own command lines
        [*before, program, *command[1:]],
        check=True,
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=60,
    )


def _free_port() -> int:
    with socket.create_server((HOST, 0)) as listener:
        port: int = listener.getsockname()[1]
    return port
