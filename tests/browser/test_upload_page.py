"""The upload page as a visitor's browser sees it: real files to the running demo, by every method."""

import hashlib
import json
import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.web.upload_page import PLACES
from tests.tooling.node import chromium, node

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
MEGABYTE = 1_000_000
SIZES: Mapping[str, int] = {
    "put": MEGABYTE // 3,
    "post": MEGABYTE // 5,
    "broken": MEGABYTE,
    "killed": 20 * MEGABYTE,
    "paused": 20 * MEGABYTE,
}
"""The files by the order in which `upload.js` wants them; those in parts have three, the last one half as long."""
PLACE_OF: Mapping[str, int] = {"put": 0, "post": 1, "broken": 3, "killed": 2, "paused": 3}
FILES = """query Files($in: [PlaceLookup!]!, $where: StoredFileFilter) {
  storedFiles(in: $in, where: $where, first: 2) { edges { node { name download { url } } } }
}"""


@dataclass(frozen=True)
class Visit:
    """What happened on the page (see `upload.js`), and the files that were uploaded there."""

    report: dict[str, Any]
    files: Mapping[str, Path]

    def sent(self, name: str) -> list[str]:
        """List the requests to the store for one file, in the order in which they ended."""
        requests: list[str] = self.report["sent"][self.files[name].name]
        return requests


@pytest.fixture(scope="module")
def visit(server_url: str, tmp_path_factory: pytest.TempPathFactory) -> Visit:
    """Visit the page once and upload every file, as each visit costs a start of the browser."""
    folder = tmp_path_factory.mktemp("files")
    bytes_of = random.Random(8)  # noqa: S311 - contents, no secrets
    files = {name: folder / f"visit-{name}.pdf" for name in SIZES}
    for name, path in files.items():
        path.write_bytes(b"%PDF-1.7\n" + bytes_of.randbytes(SIZES[name]))
    outcome = node(HERE, "upload.js", server_url, *files.values(), environment={"CHROMIUM": chromium()})
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    return Visit(json.loads(outcome.stdout), files)


def test_page_needs_nobody_but_the_gateway_and_the_store(visit: Visit) -> None:
    """The policy holds without a violation, no script fails, everyone can use the page, and it is linked."""
    # given
    report = visit.report

    # when
    # SeaweedFS answers a form without a Location, which Uppy complains of and does without; the resets are ours.
    expected = Counter({"Could not read the Location header": 1, "net::ERR_CONNECTION_RESET": 2})
    known = Counter(text for line in report["failures"] for text in expected if text in line)

    # then
    assert report["foreign"] == []
    assert len(report["failures"]) == known.total()
    assert known <= expected
    assert report["violations"] == []
    assert report["links"] == ["/graphql", "/upload"]


def test_files_sent_in_one_request_arrive(visit: Visit) -> None:
    """PUT and POST take one request each, and the page shows each step from there to the place."""
    # given
    names = [visit.files[name].name for name in ("put", "post")]

    # when
    states = [visit.report["states"][name] for name in names]

    # then
    assert visit.sent("put") == ["PUT"]
    assert visit.sent("post") == ["POST"]
    assert states == [["preparing", "sending", "carrying", "arrived"]] * 2


def test_upload_that_broke_can_be_tried_again(visit: Visit) -> None:
    """A request that fails ends an upload without parts; a person's click announces and sends it anew."""
    # given
    name = visit.files["broken"].name

    # when
    states = visit.report["states"][name]

    # then
    assert visit.sent("broken") == ["PUT failed", "PUT"]
    assert "ended" in states
    assert states[-1] == "arrived"


def test_lost_part_alone_is_sent_again(visit: Visit) -> None:
    """A connection that breaks costs the part that was on its way, not the upload."""
    # given
    sent = visit.sent("killed")

    # when
    counts = Counter(sent)

    # then
    assert counts == {"PUT part 1": 1, "PUT part 2": 1, "PUT part 2 failed": 1, "PUT part 3": 1}
    assert sent.index("PUT part 2 failed") < sent.index("PUT part 2")


def test_paused_upload_goes_on_with_the_parts_that_are_missing(visit: Visit) -> None:
    """What arrived before a pause is asked of the store and not sent again."""
    # given
    sent = visit.sent("paused")

    # when
    arrived = [request for request in sent if not request.endswith("failed")]

    # then
    assert sent[0] == "PUT part 3"
    assert sorted(arrived) == ["PUT part 1", "PUT part 2", "PUT part 3"]
    assert "paused" in visit.report["states"][visit.files["paused"].name]


def test_place_that_takes_no_uploads_is_told(visit: Visit) -> None:
    """The page shows the gateway's own word, before any byte is sent."""
    # given
    row = visit.report["refused"]

    # when
    sent = visit.report["sent"][f"refused-{visit.files['put'].name}"]

    # then
    assert "takes no uploads." in row
    assert sent == []


@pytest.mark.parametrize("name", SIZES)
async def test_the_system_has_the_very_bytes(visit: Visit, server_url: str, name: str) -> None:
    """Each file is listed where it was sent to, and what can be downloaded from there is what was uploaded."""
    # given
    place = PLACES[PLACE_OF[name]]
    variables = {"in": [place.place], "where": {"nameContains": visit.files[name].stem}}
    async with httpx.AsyncClient(timeout=60) as client:
        answer = await client.post(f"{server_url}/graphql", json={"query": FILES, "variables": variables})
        found = [edge["node"] for edge in answer.json()["data"]["storedFiles"]["edges"]]

        # when
        content = await client.get(found[0]["download"]["url"])

    # then
    assert len(found) == 1
    assert visit.report["listed"][visit.files[name].name].startswith(place.title)
    assert content.status_code == 200
    assert _digest(content.content) == _digest(visit.files[name].read_bytes())


async def test_page_may_connect_to_the_store_alone(server_url: str) -> None:
    """Scripts come from the gateway only and stand in no page; requests go to the gateway and the store."""
    # given
    async with httpx.AsyncClient(base_url=server_url) as client:
        # when
        page = await client.get("/upload")

    # then
    policy = page.headers["content-security-policy"].split("; ")
    connect = [directive.split() for directive in policy if directive.startswith("connect-src ")]
    assert policy[0] == "default-src 'self'"
    assert len(connect) == 1
    assert connect[0][:2] == ["connect-src", "'self'"]
    assert len(connect[0]) == 3
    assert connect[0][2].startswith("http://127.0.0.1:")
    assert "unsafe" not in page.headers["content-security-policy"]


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
