"""One world, with a store, for all tests of mutations."""

from collections.abc import Iterator

import pytest

from gateway.sandbox.store import Store
from tests.world import World, running_world


@pytest.fixture(scope="session")
def running(store: Store) -> Iterator[World]:
    """Start the world once."""
    with running_world(store) as world:
        yield world


@pytest.fixture
def world(running: World) -> Iterator[World]:
    """Give the world without requests and faults."""
    running.reset()
    yield running
    running.reset()
