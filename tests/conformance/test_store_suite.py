"""The checks of object stores are worth something: each refusal they promise has a store that fails it."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import msgspec
import pytest

from gateway.sandbox.server import in_thread
from gateway.sandbox.store import Store
from gateway.uploads.storage import StagingStore
from tests.conformance.store_suite import StoreSuite, exact
from tests.conformance.storeyard import ORIGIN, Yard
from tests.uploads.weak_store import weak_store

PAIRS: list[tuple[str, str, tuple[Any, ...]]] = [
    ("signatures", "test_s02_refuses_a_changed_url", (r"X-Amz-Signature=\w{8}", "X-Amz-Signature=00000000")),
    ("expiry", "test_s03_refuses_an_expired_target", (exact,)),
    ("exact bytes", "test_s04_refuses_any_other_body", (b"hello!", {})),
    ("once", "test_s05_takes_it_once", ()),
    ("forms", "test_s07_refuses_what_the_form_forbids", (b"123456789", {})),
    ("exact bytes", "test_s09_refuses_a_part_that_was_not_signed", ()),
    ("cors", "test_s12_lets_known_pages_upload", ()),
    ("split keys", "test_s13_keeps_the_signer_from_reading", ()),
    ("copy source", "test_s15_refuses_a_copy_that_nobody_signed", ()),
    ("unsigned trailers", "test_s16_refuses_an_unsigned_trailer", ("header",)),
]


@pytest.fixture
async def yard(request: pytest.FixtureRequest, store: Store) -> AsyncIterator[Yard]:
    """Open the embedded store through a proxy that has the weakness of the test's parameter."""
    settings = store.settings(f"test-{uuid4().hex}", [ORIGIN])
    with in_thread(weak_store(store, set(request.param)), date_header=False) as origin:
        settings = msgspec.structs.replace(settings, endpoint=origin, public_endpoint=origin)
        staging = StagingStore(settings)
        async with httpx.AsyncClient(trust_env=False) as client:
            yield Yard(settings, store.client(), staging, client)
        await staging.aclose()


@pytest.mark.parametrize(
    ("yard", "check", "arguments"),
    [((weakness,), check, arguments) for weakness, check, arguments in PAIRS],
    ids=[check for _, check, _ in PAIRS],
    indirect=["yard"],
)
async def test_a_check_fails_on_a_store_that_is_weak_there(
    yard: Yard, check: str, arguments: tuple[Any, ...]
) -> None:
    """A check that no store could fail would let every store pass."""
    # given
    suite = StoreSuite()

    # when
    with pytest.raises((AssertionError, pytest.fail.Exception)) as raised:
        await getattr(suite, check)(yard, *arguments)

    # then
    assert check in {entry.name for entry in raised.traceback}


@pytest.mark.parametrize("yard", [()], indirect=True)
@pytest.mark.parametrize(("check", "arguments"), [(check, arguments) for _, check, arguments in PAIRS])
async def test_the_same_check_passes_without_the_weakness(
    yard: Yard, check: str, arguments: tuple[Any, ...]
) -> None:
    """The proxy alone is not what fails a check."""
    # given
    suite = StoreSuite()

    # when
    outcome = await getattr(suite, check)(yard, *arguments)

    # then
    assert outcome is None
