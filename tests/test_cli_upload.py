"""Uploading from the command line: through the public API, in parts where files are large, and never twice."""

import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.cli import main
from gateway.sandbox.arrhes import seed as arrhes
from gateway.sandbox.espocrm import seed as espocrm
from gateway.sandbox.specimens import specimen
from gateway.sandbox.store import Store
from gateway.upload_client import LARGEST_PUT, UploadClient, UploadError
from gateway.upload_command import KINDS, choose_source, parse_target
from tests.programs import PATIENCE, ROOT, run
from tests.world import World, running_world

NOTE = next(record.id for record in espocrm.seeded().records["Note"].values())
FOLDERS = '{ library(by: { source: "arrhes", organization: "org1", year: "2025" }) { folders { id name } } }'
RESULT = """
query Result($id: ID!) {
  node(id: $id) { ... on StoredFile { name size download { url } } }
}
"""
DONE = re.compile(r"^(.+): uploaded, ([\d,]+) bytes, (\S+)$", re.MULTILINE)
MIB = 1024 * 1024
NOBODY = "http://127.0.0.1:9/graphql"
"""The discard port, where no gateway listens."""


@pytest.fixture(scope="module")
def world(store: Store) -> Iterator[World]:
    """Start the demo's systems, a store, and a gateway over them."""
    with running_world(store) as running:
        yield running


def upload(world: World, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the command against the gateway of a world."""
    return run("upload", *map(str, arguments), "--url", f"{world.gateway}/graphql")


def pdf(folder: Path, name: str, size: int = 5_000) -> Path:
    """Write a valid file."""
    path = folder / name
    path.write_bytes(specimen("pdf", name, size))
    return path


def content(world: World, identifier: str) -> tuple[str, bytes]:
    """Ask for an uploaded file as any client does; gives its name and its bytes."""
    node = world.data(RESULT, {"id": identifier})["node"]
    url = node["download"]["url"].replace("http://127.0.0.1:8000", world.gateway)
    answer = world.client.get(url)
    assert answer.status_code == 200
    return node["name"], answer.content


# The command


@pytest.mark.parametrize(
    "target",
    [
        ("mail:101",),
        ("case:CASE-1002", "--not-internal"),
        ("case:CASE-1003", "--internal", "--source", "decisiv"),
        (f"library:{arrhes.ORGANIZATION}/{arrhes.YEAR}",),
        (f"entity:Note/{NOTE}/attachments",),
    ],
    ids=" ".join,
)
def test_a_file_arrives_at_every_kind_of_target(world: World, tmp_path: Path, target: tuple[str, ...]) -> None:
    """One command puts a file there, tells what it became, and what comes back are the bytes that went in."""
    # given
    path = pdf(tmp_path, f"{abs(hash(target))}.pdf")

    # when
    outcome = upload(world, path, "--to", *target)

    # then
    assert (outcome.returncode, outcome.stderr) == (0, "")
    name, size, identifier = DONE.findall(outcome.stdout)[0]
    assert (name, size) == (path.name, "5,000")
    assert content(world, identifier)[1] == path.read_bytes()


def test_a_folder_says_its_source_itself(world: World, tmp_path: Path) -> None:
    """A folder is named by the identifier that a query gave, and several files go there in one run."""
    # given
    folder = world.data(FOLDERS)["library"]["folders"][0]["id"]
    paths = [pdf(tmp_path, f"folder-{number}.pdf") for number in range(2)]

    # when
    outcome = upload(world, *paths, "--to", f"folder:{folder}")

    # then
    assert outcome.returncode == 0, outcome.stderr
    assert [name for name, _, _ in DONE.findall(outcome.stdout)] == ["folder-0.pdf", "folder-1.pdf"]


def test_steps_are_lines_where_there_is_no_terminal(world: World, tmp_path: Path) -> None:
    """Logs and pipes get one line for each step, and no bar."""
    # given
    path = pdf(tmp_path, "steps.pdf")

    # when
    outcome = upload(world, path, "--to", "mail:102")

    # then
    lines = outcome.stdout.splitlines()
    assert lines[:2] == ["steps.pdf: 5,000 bytes to the store", "steps.pdf: 5,000 bytes to the source"]
    assert len(lines) == 3
    assert "\r" not in outcome.stdout + outcome.stderr


def test_a_terminal_gets_a_bar(world: World, tmp_path: Path) -> None:
    """People see how far it is; the bar is gone at the end, and standard output holds the result alone."""
    # given
    path = pdf(tmp_path, "bar.pdf")
    ours, theirs = pty.openpty()
    command = ["upload", str(path), "--to", "case:CASE-1004", "--internal", "--url", f"{world.gateway}/graphql"]

    # when
    outcome = subprocess.run(  # noqa: S603 - our own command line
        [sys.executable, "-m", "gateway", *command],
        stdout=subprocess.PIPE,
        stderr=theirs,
        check=False,
        cwd=ROOT,
        env={},
        text=True,
        timeout=PATIENCE,
    )
    os.close(theirs)
    shown = os.read(ours, 64 * 1024).decode()
    os.close(ours)

    # then
    assert "[########################] 100% of 5,000 bytes to the store" in shown
    assert shown.endswith("\r\x1b[K")
    assert DONE.fullmatch(outcome.stdout.rstrip("\n"))


def test_a_name_does_no_harm_to_a_terminal(world: World, tmp_path: Path) -> None:
    """Signs that move the cursor or clear the screen are not written out."""
    # given
    path = pdf(tmp_path, "clear\x1b[2J.pdf")

    # when
    outcome = upload(world, path, "--to", "mail:102")

    # then
    assert outcome.stderr.startswith("attachment-gateway: clear?[2J.pdf: BAD_INPUT ")
    assert "\x1b" not in outcome.stdout + outcome.stderr


def test_one_failure_does_not_keep_the_others(world: World, tmp_path: Path) -> None:
    """Each file that fails is one line with code and message; the rest is uploaded, and the status is 1."""
    # given
    good, missing = pdf(tmp_path, "good.pdf"), tmp_path / "missing.pdf"
    liar = tmp_path / "liar.pdf"
    liar.write_bytes(b"MZ this is a program")

    # when
    outcome = upload(world, missing, liar, good, "--to", "mail:103")

    # then
    assert outcome.returncode == 1
    assert outcome.stderr.splitlines() == [
        "attachment-gateway: missing.pdf: BAD_INPUT The file cannot be read: No such file or directory.",
        "attachment-gateway: liar.pdf: BAD_INPUT The uploaded bytes are not application/pdf.",
    ]
    assert [name for name, _, _ in DONE.findall(outcome.stdout)] == ["good.pdf"]


def test_a_gateway_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    """No traceback, but what could not be reached, and status 1."""
    # when
    outcome = run("upload", str(pdf(tmp_path, "a.pdf")), "--to", "mail:100", "--url", NOBODY)

    # then
    assert (outcome.returncode, outcome.stdout) == (1, "")
    assert outcome.stderr == (
        "attachment-gateway: sources: UNAVAILABLE The gateway cannot be reached (ConnectError).\n"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--to", "mail:abc"], "--to 'mail:abc' is no mail: mail:NUMBER"),
        (["--to", "mail:"], "--to 'mail:' is no target: mail:NUMBER, case:ID, "),
        (["--to", "post:1"], "--to 'post:1' is no target: mail:NUMBER, case:ID, "),
        (["--to", "library:org1"], "--to 'library:org1' is no target: "),
        (["--to", "entity:Note//file"], "--to 'entity:Note//file' is no target: "),
        (
            ["--to", "case:1"],
            "a case needs --internal or --not-internal: both parties see what is not internal",
        ),
        (["--to", "mail:1", "--internal"], "--internal and --not-internal are for cases"),
        (["--to", "folder:x", "--source", "y"], "a folder's identifier says its source: leave --source out"),
    ],
)
def test_a_mistake_is_told_before_anything_is_asked(tmp_path: Path, arguments: list[str], message: str) -> None:
    """A target that is none ends with status 2, in one line that says what to write."""
    # when
    outcome = run("upload", str(tmp_path / "a.pdf"), *arguments, "--url", NOBODY)

    # then
    assert (outcome.returncode, outcome.stdout) == (2, "")
    assert outcome.stderr.startswith(f"attachment-gateway: {message}")
    assert outcome.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        ([("crm", "ESPOCRM")], "the gateway has no source of the kind MAARCH, where a mail is"),
        ([("a", "MAARCH"), ("b", "MAARCH")], "several sources have a mail: choose one with --source: a, b"),
    ],
)
def test_a_source_is_not_guessed(sources: list[tuple[str, str]], message: str) -> None:
    """Where several sources could be meant, or none is there, the line names the choice."""
    # when
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        choose_source("mail", sources)

    # then
    assert str(caught.value) == message


def test_targets_are_read_as_the_schema_names_them() -> None:
    """A slash in a case's number stays in it, and every kind but folders leads to a kind of source."""
    # when
    case, entity = parse_target("case:A/1"), parse_target("entity:Note/n1/attachments")

    # then
    assert case == ("case", {"caseId": "A/1"})
    assert entity == ("entity", {"type": "Note", "recordId": "n1", "field": "attachments"})
    assert sorted(KINDS) == ["case", "entity", "library", "mail"]


def test_the_client_needs_nothing_of_the_gateway(tmp_path: Path) -> None:
    """It is a client like any other, which starts quickly and knows the public API alone."""
    # given
    script = (
        "import sys\nfrom gateway.cli import main\n"
        f"main(['upload', {str(tmp_path / 'a.pdf')!r}, '--to', 'folder:f', '--url', {NOBODY!r}])\n"
        "print(sorted(name for name in sys.modules if name.startswith('gateway.')))"
    )

    # when
    outcome = subprocess.run(  # noqa: S603 - our own module
        [sys.executable, "-c", script], capture_output=True, check=True, cwd=ROOT, text=True, timeout=PATIENCE
    )

    # then
    assert outcome.stdout.splitlines()[-1] == str(
        ["gateway.cli", "gateway.signals", "gateway.upload_client", "gateway.upload_command"]
    )


def test_an_interrupted_run_says_how_it_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C leaves no traceback, but the name under which nothing is uploaded twice."""

    # given
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(UploadClient, "upload", interrupt)

    # when
    status = main(["upload", str(tmp_path / "a.pdf"), "--to", "folder:f", "--run", "tuesday"])

    # then
    assert status == 130
    assert capsys.readouterr().err == (
        "attachment-gateway: interrupted; the same command with --run tuesday goes on from there\n"
    )


# The client


class Line(httpx.BaseTransport):
    """A connection that breaks where ``breaks`` says so, after the store has had the request; it counts PUTs."""

    def __init__(self, breaks: Callable[[str, int], int | bool] = lambda _, __: False) -> None:
        self.wire = httpx.HTTPTransport()
        self.breaks = breaks
        self.puts: dict[str, int] = {}

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Pass a request on, and maybe lose its answer, or put a status in its place."""
        if request.method != "PUT":
            return self.wire.handle_request(request)
        part = request.url.params.get("partNumber", "whole")
        self.puts[part] = self.puts.get(part, 0) + 1
        answer = self.wire.handle_request(request)
        trouble = self.breaks(part, self.puts[part])
        if trouble:
            answer.close()
        if trouble is True:
            raise httpx.ReadError(f"lost at {request.url}")
        return httpx.Response(trouble) if trouble else answer

    def close(self) -> None:
        """Close the connections."""
        self.wire.close()


def send(world: World, line: Line, path: Path, run_name: str = "run", **target: Any) -> tuple[int, str | None]:
    """Upload over a line, without waiting between tries."""
    with httpx.Client(transport=line, timeout=PATIENCE) as http:
        client = UploadClient(f"{world.gateway}/graphql", http, run_name, pause=lambda _: None)
        return client.upload(path, target, "FAIL", lambda *_: None)


def large(folder: Path, name: str) -> Path:
    """Write a file of three parts."""
    path = folder / name
    path.write_bytes(specimen("txt", name, LARGEST_PUT + 3 * MIB))
    return path


LIBRARY = {"source": "arrhes", "organization": arrhes.ORGANIZATION, "year": arrhes.YEAR}


def test_only_the_part_that_broke_is_sent_again(world: World, tmp_path: Path) -> None:
    """A broken connection costs one part of 8 MiB, not the file; what arrives is the file."""
    # given
    path = large(tmp_path, "parts.txt")
    line = Line(lambda part, times: part == "2" and times == 1)

    # when
    size, identifier = send(world, line, path, library=LIBRARY)

    # then
    assert size == LARGEST_PUT + 3 * MIB
    assert line.puts == {"1": 1, "2": 2, "3": 1}
    assert sha256(content(world, str(identifier))[1]).digest() == sha256(path.read_bytes()).digest()


def test_a_run_goes_on_where_it_was_interrupted(world: World, tmp_path: Path) -> None:
    """Begun again under its name, a run sends only the parts that the store does not have."""
    # given
    path = large(tmp_path, "resumed.txt")
    broken, whole = Line(lambda part, _: 503 if part == "2" else False), Line()
    with pytest.raises(UploadError, match=r"STORAGE_UNAVAILABLE The store answered HTTP 503\."):
        send(world, broken, path, "named", library=LIBRARY)

    # when
    send(world, whole, path, "named", library=LIBRARY)

    # then
    assert broken.puts == {"1": 1, "2": 4}
    assert whole.puts == {"3": 1}


def test_one_run_uploads_a_file_once(world: World, tmp_path: Path) -> None:
    """The key of a run, a file and a target makes a repetition give the first result; another run makes another."""
    # given
    path = pdf(tmp_path, "once.pdf")
    case = {"source": "decisiv", "caseId": "CASE-1006", "internal": True}
    first, line = send(world, Line(), path, "one", case=case), Line()

    # when
    again = send(world, line, path, "one", case=case)
    other = send(world, Line(), path, "two", mail={"source": "maarch", "resId": 104})

    # then
    assert again == first
    assert line.puts == {}
    assert other != first


def test_an_answer_that_was_lost_is_no_failure(world: World, tmp_path: Path) -> None:
    """A PUT whose answer was lost has arrived: the store refuses the second one, and that is fine."""
    # given
    line = Line(lambda _, times: times == 1)

    # when
    size, identifier = send(world, line, pdf(tmp_path, "lost.pdf"), mail={"source": "maarch", "resId": 105})

    # then
    assert (size, line.puts) == (5_000, {"whole": 2})
    assert identifier


@pytest.mark.parametrize(("trouble", "tries"), [(True, 4), (503, 4), (400, 1), (404, 1)])
def test_no_error_shows_a_signed_url(world: World, tmp_path: Path, trouble: int | bool, tries: int) -> None:
    """A store that fails is told under a code; the URL that may be used to upload stays out of it."""
    # given
    line = Line(lambda *_: trouble)

    # when
    with pytest.raises(UploadError) as caught:
        send(world, line, pdf(tmp_path, f"{trouble}.pdf"), mail={"source": "maarch", "resId": 106})

    # then
    assert caught.value.code == ("CONFLICT" if trouble == 400 else "STORAGE_UNAVAILABLE")
    assert "http://" not in str(caught.value)
    assert "Amz" not in repr(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    assert line.puts == {"whole": tries}


def test_a_file_that_changes_meanwhile_is_refused(world: World, tmp_path: Path) -> None:
    """What was announced is what is sent: a file that grew or was rewritten after it was hashed is refused."""
    # given
    path = pdf(tmp_path, "changing.pdf")
    changed = specimen("pdf", "something else", 5_000)

    def rewrite(step: str, done: int, total: int) -> None:
        if step == "hashing" and done == total:
            path.write_bytes(changed)

    # when
    client = UploadClient(f"{world.gateway}/graphql", world.client, "changed", pause=lambda _: None)
    with pytest.raises(UploadError) as caught:
        client.upload(path, {"mail": {"source": "maarch", "resId": 107}}, "FAIL", rewrite)

    # then
    assert caught.value.code == "CONFLICT"


def test_what_is_no_gateway_is_told() -> None:
    """A page in place of an answer is no traceback."""
    # given
    answers = httpx.MockTransport(lambda _: httpx.Response(404, text="<html>"))

    # when
    with httpx.Client(transport=answers) as http, pytest.raises(UploadError) as caught:
        UploadClient("http://127.0.0.1/", http, "run", pause=lambda _: None).sources()

    # then
    assert str(caught.value) == "BAD_RESPONSE No gateway answers there (HTTP 404)."
