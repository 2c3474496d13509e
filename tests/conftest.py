"""Fixtures that every part of the tests may use."""

from collections.abc import Iterator
from uuid import uuid4

import pytest

from gateway.sandbox.store import Store, embedded
from tests.programs import free_port, started


@pytest.fixture(scope="session")
def store() -> Iterator[Store]:
    """Run the embedded S3 server; it takes a second to start, once for the whole run."""
    with embedded() as running:
        yield running


@pytest.fixture
def bucket(store: Store) -> str:
    """Make a bucket that no other test knows."""
    name = f"test-{uuid4().hex}"
    store.client().make_bucket(bucket_name=name)
    return name


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """Run the demo as users do, and give the gateway's origin; it takes some seconds, so for slow tests only."""
    with started("demo", "--port", str(free_port()), until="ready ") as demo:
        yield demo.lines[-1].removeprefix("ready ").removesuffix("/graphql")
        assert demo.stop() == 0
        assert demo.left_behind() == []
