"""Links to one record from many sides at once: each is there afterwards."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from gateway.domain.refs import Ref, RefType
from gateway.sandbox.store import Store
from tests.faults.gateways import Gateway, a_gateway
from tests.faults.systems import Systems, running_systems
from tests.identifiers import IDS

LINKS = 50


@pytest.fixture
def systems(store: Store) -> Iterator[Systems]:
    """Start the systems."""
    with running_systems(store) as systems:
        yield systems


@pytest.mark.slow
def test_fifty_links_to_one_record_are_fifty(systems: Systems, tmp_path: Path) -> None:
    """EspoCRM writes a field of attachments whole; nobody's link is lost by somebody else's."""
    # given attachments of other records, and what hangs on the record
    record = next(iter(systems.espocrm.alive("Case")))
    hanging = {one.id for one in systems.espocrm.alive("Attachment") if one.values.get("parentId") == record.id}
    others = [one.id for one in systems.espocrm.alive("Attachment") if _links(one.values, record.id)]
    chosen = others[:LINKS]
    assert len(chosen) == LINKS
    by = {"source": "espocrm", "type": "Case", "recordId": record.id, "field": "attachments"}
    ids = [IDS.seal(Ref("espocrm", RefType.ATTACHMENT, (one,))) for one in chosen]

    # when each is linked by a request of its own, all at once
    with (
        a_gateway(systems, f"sqlite:///{tmp_path}/journal.db") as gateway,
        ThreadPoolExecutor(LINKS) as threads,
    ):
        payloads = list(threads.map(lambda one: _link(gateway, by, one), ids))

    # then all are there, and so is what hung there before
    linked = {one.id for one in systems.espocrm.alive("Attachment") if one.values.get("parentId") == record.id}
    assert [payload["userErrors"] for payload in payloads] == [[]] * LINKS
    assert linked == hanging | set(chosen)


def _link(gateway: Gateway, by: dict[str, str], attachment: str) -> dict[str, Any]:
    return gateway.write(
        "attachmentsLink", "record { id }", record={"by": {"entity": by}}, attachments=[attachment]
    )


def _links(values: dict[str, object], record: str) -> bool:
    return values.get("parentType") == "Case" and values.get("parentId") not in (None, record)
