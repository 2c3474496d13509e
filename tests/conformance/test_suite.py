"""Tests of the suite itself: its ids are kept, and each of its checks can fail."""

import inspect
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.sandbox.arrhes.app import create_app
from gateway.sandbox.arrhes.state import State
from gateway.sandbox.server import in_thread
from gateway.upstreams.arrhes import ArrhesAdapter
from tests.conformance.adapter_suite import LONG, AdapterSuite
from tests.conformance.broken import BROKEN, editing, hasty
from tests.conformance.subject import Place, Switch, opened
from tests.conformance.troubles import RETRY_AFTER, TROUBLES, Trouble
from tests.upstreams import arrhes_source as arrhes
from tests.upstreams import test_arrhes

CHECKS = Path(__file__).with_name("checks.json")
MISSING = next(one for one in TROUBLES if one.status == 404)
BUSY = next(one for one in TROUBLES if one.status == 429)


def checks() -> dict[str, Callable[..., Awaitable[None]]]:
    """Find the checks by id; two of one id are a defect."""
    found: dict[str, Callable[..., Awaitable[None]]] = {}
    for name, check in inspect.getmembers(AdapterSuite, inspect.iscoroutinefunction):
        if name.startswith("test_"):
            identifier = name.split("_")[1].upper()
            assert identifier not in found, f"two checks are called {identifier}"
            found[identifier] = check
    return found


@pytest.fixture(scope="module")
def state() -> State:
    """Make one library for all; nothing here writes to it."""
    return arrhes.library()


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    """Run one server for all."""
    switch = Switch()
    with in_thread(switch) as origin:
        yield Place(switch, origin)


@asynccontextmanager
async def harness(
    cls: type[ArrhesAdapter], place: Place, state: State, trouble: Trouble
) -> AsyncIterator[Callable[[str], Awaitable[None]]]:
    """Open an adapter of a class, and give what runs a check by its id on it."""

    class Suite(test_arrhes.TestArrhes):
        def open_adapter(self, origin: str) -> ArrhesAdapter:
            return arrhes.open_arrhes(origin, cls=cls, try_timeout=LONG)

    suite = Suite()
    async with opened(place, create_app(state), suite.open_adapter) as subject:
        given: dict[str, Any] = {
            "subject": subject,
            "samples": arrhes.samples_of(state),
            "trouble": trouble,
            "place": place,
            "damaged": arrhes.damaged_library(),
            "foreign": None,
        }

        async def run(identifier: str) -> None:
            check = checks()[identifier]
            names = [name for name in inspect.signature(check).parameters if name != "self"]
            await check(suite, **{name: given[name] for name in names})

        yield run


async def fails(check: Awaitable[None]) -> bool:
    """Run a check and tell whether it fails; anything but an assertion is a defect of the check."""
    try:
        await check
    except AssertionError:
        return True
    return False


def test_ids_keep_their_meaning() -> None:
    """A check may be added, but none changes its name or its promise; renew the file only for a new one."""
    # given
    known = json.loads(CHECKS.read_text())

    # when
    present = {
        identifier: {"name": check.__name__, "promise": inspect.getdoc(check) or ""}
        for identifier, check in checks().items()
    }

    # then
    assert present == known
    assert all(one["promise"].startswith(("MUST ", "SHOULD ")) for one in present.values())


def test_every_check_has_a_broken_adapter() -> None:
    """No check is without proof that it can fail."""
    # given
    proven = {identifier for identifier, _, _ in BROKEN}

    # when
    unproven = checks().keys() - proven

    # then
    assert unproven == set()


@pytest.mark.parametrize("identifier", checks())
async def test_a_sound_adapter_passes(identifier: str, place: Place, state: State) -> None:
    """What fails below fails for its defect, not for how it is run."""
    # given
    async with harness(ArrhesAdapter, place, state, MISSING) as run:
        # when
        failed = await fails(run(identifier))

    # then
    assert not failed


@pytest.mark.parametrize(
    ("identifier", "cls"),
    [pytest.param(identifier, cls, id=f"{identifier} {name}") for identifier, name, cls in BROKEN],
)
async def test_a_broken_adapter_fails(
    identifier: str, cls: type[ArrhesAdapter], place: Place, state: State
) -> None:
    """Each check fails for an adapter that breaks its promise, and fails as an assertion."""
    # given
    async with harness(cls, place, state, MISSING) as run:
        # when
        failed = await fails(run(identifier))

    # then
    assert failed


async def test_forgetting_when_to_come_back_fails(place: Place, state: State) -> None:
    """An adapter that names a 429 rightly but drops its Retry-After fails U07."""
    # given
    async with harness(editing(hasty), place, state, BUSY) as run:
        # when
        with pytest.raises(AssertionError) as failure:
            await run("U07")

    # then
    assert str(RETRY_AFTER) in str(failure.value)
