"""One world, with short deadlines, for all tests of faults and of what queries cost."""

from collections.abc import Iterator

import pytest

from tests.world import World, running_world

DEADLINE = 5.0
"""Seconds that one operation gets, all of which a source takes that does not answer."""


@pytest.fixture(scope="session")
def running() -> Iterator[World]:
    """Start the world once."""
    with running_world(deadline=DEADLINE, sources={"try_timeout": 3.0}) as world:
        yield world


@pytest.fixture
def world(running: World) -> Iterator[World]:
    """Give the world without requests and faults, and see to it that none is left running."""
    running.reset()
    yield running
    running.reset()
