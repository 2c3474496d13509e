"""Store, journal and sources fail in the middle of uploads: the error has a name, nothing is lost, and it resumes."""

import resource
import sqlite3
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from gateway.sandbox.store import Store
from gateway.sandbox.upstream import Fault, SeenRequest
from tests.faults.gateways import Gateway, a_file, a_gateway
from tests.faults.proxies import a_way_to
from tests.faults.systems import KINDS, Systems, running_systems
from tests.programs import PATIENCE

pytestmark = pytest.mark.slow


@pytest.fixture
def systems(store: Store) -> Iterator[Systems]:
    """Start the systems."""
    with running_systems(store) as systems:
        yield systems


def finalized_in_the_end(gateway: Gateway, upload: str) -> None:
    """Ask for an upload until it is finalized, as a client does that was told to try again."""
    deadline = time.monotonic() + PATIENCE
    while gateway.finalize([upload])[0]["state"] != "FINALIZED":
        assert time.monotonic() < deadline, "it does not resume"
        time.sleep(0.2)


def limit_files(gateway: Gateway, size: int) -> None:
    """Let the process write no file beyond a size, as a full disk does."""
    if sys.platform != "linux":
        pytest.skip("only Linux limits another process")
    _, hard = resource.prlimit(gateway.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(gateway.process.pid, resource.RLIMIT_FSIZE, (size, hard))


# The store


@pytest.mark.parametrize("passing", [0, 1_000_000])
def test_a_store_that_goes_away_comes_back(systems: Systems, tmp_path: Path, passing: int) -> None:
    """Away at once, or in the middle of the bytes: the client hears so, and the same upload goes on later."""
    # given a gateway that reaches the store by a way that can be cut
    with (
        a_way_to(systems.store.endpoint) as way,
        a_gateway(systems, f"sqlite:///{tmp_path}/j.db", staging={"endpoint": way.origin}) as gateway,
    ):
        file = a_file(systems, "decisiv", f"coupé {passing}", 3, 4_000_000)
        (upload,) = gateway.stage([file])

        # when it is cut while the upload is finalized, and mended
        way.left = passing
        (away,) = gateway.finalize([upload])
        alive = gateway.ask("{ __typename }", {})
        way.mend()
        finalized_in_the_end(gateway, upload)

    # then
    assert away["problem"]["code"] == "STORAGE_UNAVAILABLE"
    assert alive == {"__typename": "Query"}
    assert systems.names("decisiv").count(file.name) == 1


# The journal


def test_a_full_disk_stops_no_reader_and_loses_nothing(systems: Systems, tmp_path: Path) -> None:
    """Where the journal can write nothing, nothing is begun; when there is room again it goes on."""
    # given an upload, and a journal without room for one byte more
    with a_gateway(systems, f"sqlite:///{tmp_path}/journal.db") as gateway:
        file = a_file(systems, "maarch", "plein", 3)
        (upload,) = gateway.stage([file])
        limit_files(gateway, 1)

        # when it is finalized, and read, before and after there is room
        (full,) = gateway.finalize_bare([upload])
        read = gateway.ask("query($id: ID!) { stagedUpload(id: $id) { state } }", {"id": upload})
        begun = systems.names("maarch").count(file.name)
        limit_files(gateway, resource.RLIM_INFINITY)
        finalized_in_the_end(gateway, upload)

    # then
    assert (full, begun) == ("STORAGE_UNAVAILABLE", 0)
    assert read["stagedUpload"]["state"] == "PENDING"
    assert systems.names("maarch").count(file.name) == 1
    assert _is_whole(tmp_path / "journal.db")


@pytest.mark.parametrize("kind", KINDS)
def test_a_disk_that_fills_in_the_middle_makes_nothing_twice(
    systems: Systems, tmp_path: Path, kind: str
) -> None:
    """The source has the file, and the journal cannot write so: later it is found there, not sent again."""
    # given an upload that its source holds up
    hold = threading.Event()
    writes = Writes()
    systems.upstreams[kind].fault = Fault(hold=hold, only=writes)
    with a_gateway(systems, f"sqlite:///{tmp_path}/journal.db") as gateway, ThreadPoolExecutor(1) as threads:
        file = a_file(systems, kind, "comble", 5)
        (upload,) = gateway.stage([file])
        asked = threads.submit(gateway.finalize_bare, [upload])
        assert writes.came.wait(PATIENCE)

        # when the disk fills up before the source answers, and is cleared
        limit_files(gateway, 1)
        hold.set()
        (full,) = asked.result()
        limit_files(gateway, resource.RLIM_INFINITY)
        finalized_in_the_end(gateway, upload)

    # then
    assert full == "STORAGE_UNAVAILABLE"
    assert systems.names(kind).count(file.name) == 1
    assert systems.half_made() == 0
    assert _is_whole(tmp_path / "journal.db")


def _is_whole(journal: Path) -> bool:
    with closing(sqlite3.connect(journal)) as connection:
        return list(connection.execute("PRAGMA integrity_check")) == [("ok",)]


# The sources


class Writes:
    """Chooses the requests that write, and tells when the first has come."""

    def __init__(self) -> None:
        self.came = threading.Event()

    def __call__(self, request: SeenRequest) -> bool:
        """Look at one more."""
        if request.method in ("GET", "HEAD"):
            return False
        self.came.set()
        return True


class Nth:
    """Chooses one of the requests that write, counted from 1."""

    def __init__(self, number: int) -> None:
        self.left = number

    def __call__(self, request: SeenRequest) -> bool:
        """Look at one more."""
        self.left -= request.method not in ("GET", "HEAD")
        return self.left == 0 and request.method not in ("GET", "HEAD")


STEPS = {"arrhes": 3, "decisiv": 1, "espocrm": 2, "maarch": 1}
"""The requests that write which one upload costs at a source; the bytes of Arrhes go to its store."""


@pytest.mark.parametrize(("kind", "step"), [(kind, step + 1) for kind in KINDS for step in range(STEPS[kind])])
def test_a_503_in_the_middle_is_told_and_resumes(
    systems: Systems, tmp_path: Path, kind: str, step: int
) -> None:
    """Whichever request of an upload meets maintenance, the client hears so or is spared it, and the file is one."""
    # given
    systems.upstreams[kind].fault = Fault(status=503, only=Nth(step))
    with a_gateway(systems, f"sqlite:///{tmp_path}/journal.db") as gateway:
        file = a_file(systems, kind, f"maintenance {step}", step)
        (upload,) = gateway.stage([file])

        # when
        (first,) = gateway.finalize([upload])
        finalized_in_the_end(gateway, upload)

    # then
    assert (first["state"], first["problem"]) in (
        ("FAILED", {"code": "UNAVAILABLE", "retryable": True}),
        ("FINALIZED", None),
    )
    assert systems.names(kind).count(file.name) == 1
    assert systems.half_made() == 0
