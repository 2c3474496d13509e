"""The command line: what each command prints, its exit status, and what it does not need."""

import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from gateway import cli
from gateway.sandbox.maarch import seed as maarch
from gateway.sandbox.maarch.app import create_app as create_maarch
from gateway.sandbox.server import in_thread
from resolvers.schema import print_schema
from tests.programs import ROOT, free_port, run, started

NOBODY = "http://127.0.0.1:9"
"""The discard port, where no sandbox listens."""


def settings(folder: Path, *origins: str, **keys: object) -> str:
    """Write settings with one Maarch source per origin, named m0, m1 and so on; gives the path."""
    top = "".join(f"{key} = {value!r}\n" for key, value in keys.items())
    top += f'journal = "sqlite:///{folder}/journal.db"\n'
    sources = "".join(
        f'[[sources]]\nname = "m{number}"\nkind = "maarch"\nurl = "{origin}/rest"\n'
        f'username = "{maarch.USER}"\npassword = "{maarch.PASSWORD}"\n'
        for number, origin in enumerate(origins)
    )
    path = folder / "gateway.toml"
    path.write_text(top + sources)
    return str(path)


def test_schema_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """What the command prints is the text that `schema.graphql` has to hold, to the byte."""
    # when
    status = cli.main(["schema"])

    # then
    assert status == 0
    assert capsys.readouterr().out == print_schema()


@pytest.mark.parametrize(
    ("command", "unwanted"),
    [
        ("schema", ["gateway.sandbox", "gateway.asgi", "uvicorn"]),
        ("sources", ["gateway.sandbox", "strawberry", "uvicorn"]),
    ],
)
def test_command_imports_what_it_needs(tmp_path: Path, command: str, unwanted: list[str]) -> None:
    """Commands start quickly, and the sandbox stays out of what runs in production."""
    # given
    arguments = [command] if command == "schema" else [command, "--config", settings(tmp_path, NOBODY)]
    script = (
        "import contextlib, io, sys\nfrom gateway.cli import main\n"
        f"with contextlib.redirect_stdout(io.StringIO()): main({arguments!r})\n"
        f"print([name for name in {unwanted!r} if name in sys.modules])"
    )

    # when
    outcome = subprocess.run(  # noqa: S603 - our own module
        [sys.executable, "-c", script], capture_output=True, check=True, cwd=ROOT, text=True
    )

    # then
    assert outcome.stdout.strip() == "[]"


def test_sources_tells_what_works(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One table shows every source: what it can do, or why it does not work; any failure is status 1."""
    # given
    with in_thread(create_maarch(maarch.seeded())) as origin:
        path = settings(tmp_path, origin, NOBODY)

        # when
        status = cli.main(["sources", "--config", path])

    # then
    header, works, fails = capsys.readouterr().out.splitlines()
    assert status == 1
    assert header.split() == ["NAME", "KIND", "HOST", "MS", "WORKS"]
    assert works.split()[:3] == ["m0", "maarch", origin.removeprefix("http://")]
    assert "  list, fetch, download" in works
    assert fails.split()[:3] == ["m1", "maarch", NOBODY.removeprefix("http://")]
    assert fails.endswith("no: UNAVAILABLE The source cannot be reached.")
    assert works.index("list") == fails.index("no:") == header.index("WORKS")


def test_sources_succeeds_when_all_work(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Status 0 means that every source answered, so that a script can rely on it."""
    # given
    with in_thread(create_maarch(maarch.seeded())) as origin:
        path = settings(tmp_path, origin)

        # when
        status = cli.main(["sources", "--config", path])

    # then
    assert status == 0
    assert len(capsys.readouterr().out.splitlines()) == 2


@pytest.mark.parametrize("command", ["serve", "sources"])
def test_mistake_in_the_settings_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    """A mistake of the operator's is told on standard error without a traceback; status 2 tells it from a failure."""
    # given
    path = settings(tmp_path, NOBODY, prot=1)

    # when
    status = cli.main([command, "--config", path])

    # then
    out, error = capsys.readouterr()
    assert (status, out) == (2, "")
    assert error == f"attachment-gateway: {path}:1: unknown key 'prot': did you mean 'port'?\n"


@pytest.mark.parametrize("port", ["0", "65536", "-1", "http", "\uff18"])
def test_port_that_is_none_is_refused(capsys: pytest.CaptureFixture[str], port: str) -> None:
    """A port that cannot be is a mistake of the command line."""
    # when
    with pytest.raises(SystemExit) as caught:
        cli.main(["demo", f"--port={port}"])

    # then
    assert caught.value.code == 2
    assert f"{port!r} is no port: 1 to 65535" in capsys.readouterr().err


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])  # noqa: S104 - what has to be refused
def test_serve_stays_on_loopback(tmp_path: Path, host: str) -> None:
    """As long as nobody has to log in, nobody from outside gets in."""
    # when
    outcome = run("serve", "--config", settings(tmp_path, NOBODY), "--host", host)

    # then
    assert outcome.returncode == 2
    assert outcome.stderr.startswith(f"attachment-gateway: serve refuses to listen on {host}: ")
    assert outcome.stderr.count("\n") == 1


def test_serve_tells_a_taken_port(tmp_path: Path) -> None:
    """The line names the port and the way out."""
    # given
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])

        # when
        outcome = run("serve", "--config", settings(tmp_path, NOBODY), "--port", port)

    # then
    assert (outcome.returncode, outcome.stdout) == (2, "")
    assert outcome.stderr == (
        f"attachment-gateway: cannot listen on 127.0.0.1:{port}: it is taken; choose another with --port\n"
    )


@pytest.mark.parametrize(
    "journal", ["postgresql://nobody@127.0.0.1:9/journal", "sqlite:////proc/nowhere/journal.db"]
)
def test_serve_does_not_start_over_a_journal_that_is_not_there(tmp_path: Path, journal: str) -> None:
    """One line that says what is wrong, before anything listens; an operator reads no traceback."""
    # given
    path = Path(settings(tmp_path, NOBODY))
    path.write_text(path.read_text().replace(f"sqlite:///{tmp_path}/journal.db", journal))

    # when
    done = run("serve", "--config", str(path), "--port", str(free_port()))

    # then
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("attachment-gateway: `journal` cannot be used: The journal")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serve_answers_until_it_is_stopped(tmp_path: Path, number: signal.Signals) -> None:
    """The flag beats the file, queries are answered by real sources, and a signal ends it as a success."""
    # given
    port = free_port()
    with in_thread(create_maarch(maarch.seeded())) as origin:
        path = settings(tmp_path, origin, port=1)
        query = '{ record(by: { mail: { source: "m0", resId: 100 } }) { attachments { totalCount } } }'
        with started("serve", "--config", path, "--port", str(port), until="serving ") as running:
            # when
            answer = httpx.post(f"http://127.0.0.1:{port}/graphql", json={"query": query}, timeout=30)
            status = running.stop(number)

            # then
            assert running.lines == [f"serving m0 at http://127.0.0.1:{port}/graphql; Ctrl-C stops"]
            assert answer.json() == {"data": {"record": {"attachments": {"totalCount": 10}}}}
            assert status == 0
            assert running.left_behind() == []


def test_module_is_the_same_command() -> None:
    """`python -m gateway` works where the console script is not on the path."""
    # when
    outcome = run("--help")

    # then
    assert outcome.returncode == 0
    assert outcome.stdout.startswith("usage: attachment-gateway ")
