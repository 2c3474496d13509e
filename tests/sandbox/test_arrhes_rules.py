"""What the recordings of Arrhes show only in part: usage, order of rows, cascades, expiry, and recognized texts."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from gateway.sandbox.arrhes import seed
from gateway.sandbox.arrhes.app import create_app
from gateway.sandbox.arrhes.state import Organization, State
from gateway.sandbox.server import in_thread
from gateway.sandbox.store import Store

BASE = f"/v1/organizations/{seed.ORGANIZATION}/years/{seed.YEAR}"


class Arrhes:
    """A client of one sandbox with the demo's data."""

    def __init__(self, state: State, client: httpx.Client) -> None:
        self.state = state
        self.client = client

    @property
    def organization(self) -> Organization:
        """The customer that the key belongs to."""
        return self.state.accounts[seed.API_KEY].organization

    def call(self, method: str, path: str, body: dict[str, Any] | None = None, status: int = 200) -> Any:
        """Send a request, expect a status, and give the JSON."""
        answer = self.client.request(method, BASE + path, json=body)
        assert answer.status_code == status, answer.text
        return answer.json()

    def create(self, name: str, folder: str | None = None) -> str:
        """Create a file without contents and give its id."""
        sent = {"name": name, "reference": None, "hash": None, "idFolder": folder}
        return str(self.call("POST", "/files", sent)["id"])

    def upload(self, key: str, body: bytes) -> Any:
        """Upload contents and finalize the file."""
        url = self.call("POST", f"/files/{key}/upload-url", {"type": "text/plain", "size": len(body)})["url"]
        httpx.put(url, content=body, headers={"content-type": "text/plain"}, trust_env=False).raise_for_status()
        return self.call("POST", f"/files/{key}/finalize")


@pytest.fixture
def arrhes(store: Store) -> Iterator[Arrhes]:
    """Serve the demo's library; each test has records of its own, in one bucket that all of them share."""
    state = seed.seeded()
    headers = {"authorization": f"Bearer {seed.API_KEY}"}
    with (
        in_thread(create_app(state, store)) as origin,
        httpx.Client(base_url=origin, headers=headers, trust_env=False) as client,
    ):
        yield Arrhes(state, client)


def test_the_library_is_two_lists(arrhes: Arrhes) -> None:
    """Both lists are bare arrays of the whole organization, whatever the path says."""
    # given
    elsewhere = arrhes.client.get("/v1/organizations/nobody/years/1789/folders").json()

    # when
    folders, files = arrhes.call("GET", "/folders"), arrhes.call("GET", "/files")

    # then
    assert (len(folders), len(files)) == (seed.FOLDERS, seed.FILES + seed.PENDING_FILES)
    assert elsewhere == folders


def test_a_seeded_file_can_be_downloaded(arrhes: Arrhes) -> None:
    """Contents come into the store when the first link is asked for, as they were before a later change of name."""
    # given
    file = next(one for one in arrhes.state.files.values() if one.type == "application/pdf")
    expected = arrhes.state.contents[file.id]()
    arrhes.call("PATCH", f"/files/{file.id}", {"name": "autre.pdf"})

    # when
    url = arrhes.call("POST", f"/files/{file.id}/download-url")["url"]
    answer = httpx.get(url, trust_env=False)

    # then
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/pdf")
    assert answer.content == expected
    assert len(expected) == file.size


def test_finalizing_twice_counts_twice(arrhes: Arrhes) -> None:
    """The usage grows with each finalize, and one DELETE gives the size back once."""
    # given
    key = arrhes.create("deux fois.txt")
    before = arrhes.organization.storage_used

    # when
    arrhes.upload(key, b"hello")
    arrhes.call("POST", f"/files/{key}/finalize")
    twice = arrhes.organization.storage_used
    arrhes.call("DELETE", f"/files/{key}")

    # then
    assert (twice - before, arrhes.organization.storage_used - before) == (10, 5)


def test_a_link_outlives_its_file(arrhes: Arrhes) -> None:
    """DELETE removes the record alone: a download link that was handed out before still works."""
    # given
    key = arrhes.create("survivant.txt")
    arrhes.upload(key, b"hello")
    url = arrhes.call("POST", f"/files/{key}/download-url")["url"]

    # when
    arrhes.call("DELETE", f"/files/{key}")

    # then
    assert httpx.get(url, trust_env=False).content == b"hello"
    arrhes.call("GET", f"/files/{key}", status=500)


def test_a_link_for_an_upload_lives_for_a_minute(arrhes: Arrhes) -> None:
    """One that was made 61 seconds ago is refused by the store."""
    # given
    key = arrhes.create("trop tard.txt")
    arrhes.state.clock = lambda: datetime.now(UTC) - timedelta(seconds=61)

    # when
    url = arrhes.call("POST", f"/files/{key}/upload-url", {"type": "text/plain", "size": 5})["url"]
    answer = httpx.put(url, content=b"hello", trust_env=False)

    # then
    assert answer.status_code == 403
    assert "expired" in answer.text


def test_a_changed_row_moves_to_the_end(arrhes: Arrhes) -> None:
    """Lists are in physical order, so a client that relies on it is found out."""
    # given
    before = [one["id"] for one in arrhes.call("GET", "/files")]

    # when
    arrhes.call("PATCH", f"/files/{before[0]}", {})

    # then
    assert [one["id"] for one in arrhes.call("GET", "/files")] == [*before[1:], before[0]]


def test_deleting_a_folder_keeps_the_files_below_it(arrhes: Arrhes) -> None:
    """Folders below it go, in a cycle too; their files move to the root with their times as they were."""
    # given
    top = arrhes.call("POST", "/folders", {"name": "haut"})["id"]
    below = arrhes.call("POST", "/folders", {"name": "bas", "idFolderParent": top})["id"]
    arrhes.call("PATCH", f"/folders/{top}", {"idFolderParent": below})
    key = arrhes.create("gardé.txt", below)

    # when
    arrhes.call("DELETE", f"/folders/{top}")

    # then
    assert len(arrhes.call("GET", "/folders")) == seed.FOLDERS
    kept = arrhes.call("GET", f"/files/{key}")
    assert (kept["idFolder"], kept["lastUpdatedAt"]) == (None, None)


def test_recognized_text_is_a_new_file_beside_the_source(arrhes: Arrhes) -> None:
    """Recognition makes a finalized Markdown file in the same folder and takes a page from the quota."""
    # given
    source = next(one for one in arrhes.state.files.values() if one.type == "image/png" and one.idFolder)
    pages = arrhes.organization.ocr_pages

    # when
    file = arrhes.call("POST", f"/files/{source.id}/ocr")["file"]

    # then
    assert file["name"] == source.name.replace(".png", ".md")
    assert (file["idFolder"], file["type"], file["idOrganization"]) == (
        source.idFolder,
        "text/markdown",
        "org1",
    )
    assert arrhes.organization.ocr_pages == pages - 1


@pytest.mark.parametrize(
    ("day", "status", "kept"),
    [
        ("2025-03-14", 200, "2025-03-14 00:00:00+00"),
        ("2025-03-14T10:20:30.999Z", 200, "2025-03-14 10:20:31+00"),
        ("2025-07-14T10:20:30+02:00", 200, "2025-07-14 08:20:30+00"),
        (None, 200, None),
        ("14/03/2025", 500, None),
        ("", 400, None),
        (5, 400, None),
    ],
)
def test_dates_are_read_as_the_database_reads_them(
    arrhes: Arrhes, day: object, status: int, kept: str | None
) -> None:
    """Dates come back in UTC and whole seconds; what is no date is an internal error, what is no text isn't valid."""
    # given
    key = arrhes.create("daté.txt")

    # when
    answer = arrhes.call("PATCH", f"/files/{key}", {"date": day}, status)

    # then
    assert answer.get("date") == kept


def test_names_end_at_256_characters(arrhes: Arrhes) -> None:
    """One more is refused before anything is stored."""
    # given
    count = len(arrhes.state.folders)

    # when
    answer = arrhes.call("POST", "/folders", {"name": "é" * 257}, 400)

    # then
    assert answer["message"] == "Invalid request"
    assert len(arrhes.state.folders) == count


def test_without_a_store_only_what_needs_one_fails() -> None:
    """Tests of the records alone need no S3 server."""
    # given
    state = seed.seeded()
    headers = {"authorization": f"Bearer {seed.API_KEY}"}
    key = next(iter(state.files))

    # when
    with in_thread(create_app(state)) as origin:
        statuses = [
            httpx.request(
                method, f"{origin}{BASE}/files/{key}{action}", headers=headers, trust_env=False
            ).status_code
            for method, action in (("GET", ""), ("POST", "/download-url"))
        ]

    # then
    assert statuses == [200, 500]
