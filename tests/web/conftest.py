"""One world for all tests of the HTTP face."""

from collections.abc import Iterator

import pytest

from tests.world import World, running_world


@pytest.fixture(scope="session")
def running() -> Iterator[World]:
    """Start the world once."""
    with running_world() as world:
        yield world


@pytest.fixture
def world(running: World) -> World:
    """Give the world without the traces of earlier tests."""
    running.reset()
    return running
