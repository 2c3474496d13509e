"""Fixtures that every part of the tests may use."""

from collections.abc import Iterator
from uuid import uuid4

import pytest

from gateway.sandbox.store import Store, embedded


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
