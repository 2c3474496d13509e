"""Fixtures that every part of the tests may use."""

import logging
import sys
import threading
from collections.abc import Iterator
from uuid import uuid4

import pytest

from gateway.sandbox.store import Store, embedded
from tests.programs import free_port, started


@pytest.fixture(autouse=True)
def _usual_hooks() -> Iterator[None]:
    """Put back what a command that runs in the process of a test changes of how things are logged."""
    make, hooks = logging.getLogRecordFactory(), (sys.excepthook, threading.excepthook, sys.unraisablehook)
    yield
    logging.setLogRecordFactory(make)
    sys.excepthook, threading.excepthook, sys.unraisablehook = hooks


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
