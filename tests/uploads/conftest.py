"""A desk for all tests of what is done with uploads."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.sandbox.store import Store
from tests.uploads.carrying import Desk, a_desk


@pytest.fixture
async def desk(store: Store, bucket: str, tmp_path: Path) -> AsyncIterator[Desk]:
    """Open a desk over a bucket and a journal of its own."""
    async with a_desk(store, bucket, tmp_path) as desk:
        yield desk
