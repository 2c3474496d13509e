"""Equal requests at once, to one process and to two that share a PostgreSQL: one effect, equal answers."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest

from gateway.sandbox.store import Store
from tests.faults.gateways import Gateway, a_file, a_gateway
from tests.faults.systems import KINDS, LIBRARY, Systems, running_systems
from tests.uploads.postgres import running

pytestmark = pytest.mark.slow

ASKING = 100


@pytest.fixture
def systems(store: Store) -> Iterator[Systems]:
    """Start the systems."""
    with running_systems(store) as systems:
        yield systems


@pytest.fixture
def shared() -> Iterator[str]:
    """Give a database of PostgreSQL."""
    with running() as server, server.database() as url:
        yield url


def all_at_once(
    gateways: Sequence[Gateway], mutation: str, selection: str, values: dict[str, Any]
) -> Counter[str]:
    """Send a hundred equal requests, to each gateway in turn, and count the different answers."""

    def ask(number: int) -> str:
        gateway = gateways[number % len(gateways)]
        return json.dumps(gateway.write(mutation, selection, **values), sort_keys=True)

    with ThreadPoolExecutor(ASKING) as threads:
        return Counter(threads.map(ask, range(ASKING)))


def finalized_at_once(systems: Systems, gateways: Sequence[Gateway], name: str) -> None:
    """Finalize one upload of each kind a hundred times at once: each is made once, and all hear the same."""
    for kind in KINDS:
        file = a_file(systems, kind, f"{name} {kind}", 1)
        (upload,) = gateways[0].stage([file])
        selection = "stagedUploads { id state bytesCarried file { id name } }"
        answers = all_at_once(gateways, "stagedUploadsFinalize", selection, {"uploads": [{"id": upload}]})
        assert list(answers.values()) == [ASKING], answers
        assert json.loads(next(iter(answers)))["stagedUploads"][0]["state"] == "FINALIZED"
        assert systems.names(kind).count(file.name) == 1


def created_at_once(gateways: Sequence[Gateway], name: str) -> str:
    """Announce one file a hundred times at once under one key: all get the same upload, with the same address."""
    announced = {
        "target": {"library": LIBRARY},
        "name": f"{name}.pdf",
        "mediaType": "application/pdf",
        "size": 10,
    }
    values = {"idempotencyKey": name, "uploads": [announced]}
    selection = "stagedUploads { id state targets { url headers { name value } expiresAt } }"
    answers = all_at_once(gateways, "stagedUploadsCreate", selection, values)
    assert list(answers.values()) == [ASKING], answers
    return str(json.loads(next(iter(answers)))["stagedUploads"][0]["id"])


def test_a_hundred_at_one_gateway(systems: Systems, tmp_path: Path) -> None:
    """A double click, or a client that lost patience a hundred times, does nothing twice."""
    # given
    with a_gateway(systems, f"sqlite:///{tmp_path}/journal.db") as gateway:
        # when
        finalized_at_once(systems, [gateway], "cent fois")
        upload = created_at_once([gateway], "une clé")

        # then
        assert upload


def test_a_hundred_at_two_gateways(systems: Systems, shared: str) -> None:
    """Two replicas behind a balancer are one gateway: the journal that they share sees to it."""
    # given
    with a_gateway(systems, shared) as one, a_gateway(systems, shared) as other:
        # when
        finalized_at_once(systems, [one, other], "deux fois cinquante")
        created_at_once([one, other], "une clé pour deux")

    # then the journal has one ticket for the hundred
    with psycopg.connect(shared) as connection:
        rows = connection.execute(
            "SELECT count(*) FROM tickets WHERE name = 'une clé pour deux.pdf'"
        ).fetchall()
    assert rows == [(1,)]


def test_a_dead_replicas_work_is_done_by_the_other(systems: Systems, shared: str) -> None:
    """When one replica is killed in the middle of its uploads, the other one brings them to their end."""
    # given one gateway that dies when all its uploads have been sent, and one that lives
    with (
        a_gateway(systems, shared, point="after answer", count=8, hold=True) as dying,
        a_gateway(systems, shared) as living,
    ):
        files = [a_file(systems, KINDS[n % 4], f"relais {n}", n) for n in range(8)]
        ids = dying.stage(files)
        dying.arm()

        # when
        with ThreadPoolExecutor(1) as threads:
            asked = threads.submit(dying.finalize, ids)
            assert dying.died(30)
        ends = living.finalize(ids)

    # then
    assert asked.exception() is not None
    assert {end["state"] for end in ends} == {"FINALIZED"}
    assert [systems.names(file.kind).count(file.name) for file in files] == [1] * 8
