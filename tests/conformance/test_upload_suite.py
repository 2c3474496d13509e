"""Tests of the suite of uploads itself: a sound adapter passes each of its checks, and a broken one fails it."""

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateway.sandbox.espocrm.app import create_app
from gateway.upstreams.espocrm import EspoCrmAdapter, EspoCrmSettings
from tests.conformance.broken_uploads import BROKEN, Careless
from tests.conformance.subject import Place, opened
from tests.conformance.troubles import TROUBLES
from tests.conformance.upload_suite import UploadSuite
from tests.conformance.uploading import HOSTILE_NAMES
from tests.upstreams import bench
from tests.upstreams import espocrm_source as source
from tests.upstreams import test_espocrm_uploads as uploads

REFUSED = next(one for one in TROUBLES if one.status == 404)
GIVEN = {
    "size": "limit",
    "name": HOSTILE_NAMES["accents, quotes and slash"],
    "trouble": REFUSED,
    "foreign": None,
}
"""What a check is run with, where it is run with several things."""


def checks() -> dict[str, Callable[..., Awaitable[None]]]:
    """Find the checks by name."""
    found = inspect.getmembers(UploadSuite, inspect.iscoroutinefunction)
    return {name: check for name, check in found if name.startswith("test_")}


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    """Run one server for all."""
    with bench.served() as place:
        yield place


@asynccontextmanager
async def harness(cls: type[EspoCrmAdapter], place: Place) -> AsyncIterator[Callable[..., Awaitable[bool]]]:
    """Open an adapter of a class, and give what tells whether a check of a name fails on it."""
    state = source.crm()
    case = source.alive(state, "Case")[0]
    suite = uploads.TestInChunks()

    def open_adapter(origin: str) -> EspoCrmAdapter:
        return cls(
            EspoCrmSettings(
                name=source.SOURCE,
                kind="espocrm",
                url=f"{origin}/api/v1",
                max_upload=source.LIMIT,
                chunk_size=source.CHUNK,
                **source.API_USER,  # type: ignore[arg-type]
            )
        )

    async with opened(place, create_app(state), open_adapter) as subject:
        target = source.record_ref(case)
        fixed: dict[str, Any] = {"subject": subject, "target": target, "parent": target, **GIVEN}

        async def fails(check_name: str, **chosen: object) -> bool:
            given = {**fixed, "status": 503 if "fault" in check_name else 400, **chosen}
            given["stored"] = lambda: len(
                [one for one in state.alive("Attachment") if one.values.get("parentId")]
            )
            check = checks()[check_name]
            names = [name for name in inspect.signature(check).parameters if name != "self"]
            try:
                await check(suite, **{name: given[name] for name in names})
            except AssertionError:
                return True
            return False

        yield fails


def test_every_check_has_a_broken_adapter() -> None:
    """No check is without proof that it can fail."""
    # given
    proven = BROKEN.keys()

    # when
    unproven = checks().keys() ^ proven

    # then
    assert unproven == set()


@pytest.mark.parametrize("check", checks())
async def test_a_sound_adapter_passes(check: str, place: Place) -> None:
    """What fails below fails for its defect, not for how it is run."""
    # given
    async with harness(EspoCrmAdapter, place) as fails:
        # when
        failed = await fails(check)

        # then
        assert not failed


@pytest.mark.parametrize(
    ("check", "cls"),
    [
        pytest.param(check, cls, id=f"{check} {name}")
        for check, broken in BROKEN.items()
        for name, cls in broken
    ],
)
async def test_a_broken_adapter_fails(check: str, cls: type[EspoCrmAdapter], place: Place) -> None:
    """Each check fails for an adapter that breaks its promise, and fails as an assertion."""
    # given
    async with harness(cls, place) as fails:
        # when
        failed = await fails(check)

        # then
        assert failed


@pytest.mark.parametrize("kind", ["line breaks", "NUL"])
async def test_a_name_that_breaks_the_download_fails(kind: str, place: Place) -> None:
    """A name that the source takes, and then answers 500 for ever, is neither kept nor refused."""
    # given
    async with harness(Careless, place) as fails:
        # when
        failed = await fails("test_u05_keeps_or_refuses_hostile_names", name=HOSTILE_NAMES[kind])

        # then
        assert failed
