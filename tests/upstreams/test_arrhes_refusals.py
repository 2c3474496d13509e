"""Uploads that Arrhes does not take: refused before anything is sent, or taken back whole."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from gateway.domain.errors import (
    BadInput,
    Conflict,
    GatewayError,
    NotFound,
    QuotaExceeded,
    TooLarge,
    Unavailable,
)
from gateway.domain.refs import Ref, RefType
from gateway.sandbox.arrhes import seed
from gateway.sandbox.arrhes.state import State
from gateway.sandbox.server import in_thread
from gateway.sandbox.store import Store
from gateway.sandbox.upstream import Fault
from gateway.transport.call import Call
from tests.conformance.comparison import changed
from tests.conformance.subject import Place, Subject, Switch
from tests.conformance.uploading import Journal, attempt, refusal, uploading
from tests.upstreams.arrhes_source import LIBRARY, SOURCE, asked, file_ref, library
from tests.upstreams.arrhes_store import Front, front_of, item_of, opened_with_store, unique

LARGEST = 50_000_000


@pytest.fixture
def state() -> State:
    """Make the demo's library."""
    return library()


@pytest.fixture(scope="module")
def front(store: Store) -> Iterator[Front]:
    """Run one front of the store for all tests."""
    with front_of(store) as front:
        yield front


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    """Run one server for the traps."""
    switch = Switch()
    with in_thread(switch) as origin:
        yield Place(switch, origin)


@pytest.fixture
async def arrhes(place: Place, state: State, store: Store, front: Front) -> AsyncIterator[Subject]:
    """Open the adapter on the library, with the store behind its front."""
    async with opened_with_store(place, state, store, front) as subject:
        yield subject


def used(state: State) -> int:
    """Tell how many bytes count as stored."""
    return state.accounts[seed.API_KEY].organization.storage_used


async def test_the_same_bytes_are_a_conflict(arrhes: Subject, state: State) -> None:
    """The server answers 500 for a hash that it has; the file that has it is somebody else's and stays."""
    # given
    contents = unique(20)
    ref = await attempt(arrhes, item_of(contents), contents)
    before = dict(state.files)
    arrhes.sandbox.requests.clear()

    # when
    outcome = await attempt(arrhes, item_of(contents, name="Autre.pdf"), contents)

    # then
    assert isinstance(ref, Ref)
    assert isinstance(outcome, Conflict)
    assert asked(arrhes) == ["POST files", "GET files"]
    assert state.files == before


async def test_a_full_account_is_told(arrhes: Subject, state: State, front: Front) -> None:
    """It is found out by the second step, so the record of the first one goes again."""
    # given
    contents, before = unique(20), dict(state.files)
    state.accounts[seed.API_KEY].organization.storage_limit = used(state) + 19

    # when
    outcome = await attempt(arrhes, item_of(contents), contents)

    # then
    assert isinstance(outcome, QuotaExceeded)
    assert (state.files, list(front.sandbox.requests)) == (before, [])


async def test_what_cannot_be_taken_back_leaves_a_doubt(arrhes: Subject, state: State) -> None:
    """An error that promises that nothing is left is raised only when nothing is: here somebody has to look again."""
    # given
    contents, journal = unique(20), Journal()
    state.accounts[seed.API_KEY].organization.storage_limit = 0
    arrhes.sandbox.fault = Fault(status=403, only=lambda one: one.method == "DELETE")

    # when
    outcome = await attempt(arrhes, item_of(contents), contents, journal)

    # then
    assert isinstance(outcome, Unavailable)
    arrhes.sandbox.fault = None
    item = item_of(contents, notes=journal.kept)
    assert await uploading(arrhes).reconcile(item, Call.lasting(30)) is None
    assert journal.kept["file_id"] not in state.files


@pytest.mark.parametrize("change", [-1, 1], ids=["shorter", "longer"])
async def test_other_bytes_than_announced_are_refused(arrhes: Subject, state: State, change: int) -> None:
    """What is staged has to be what was checked; nothing of it stays."""
    # given
    contents, before = unique(2_000), dict(state.files)
    item = item_of(contents, size=len(contents) + change)

    # when
    outcome = await attempt(arrhes, item, contents)

    # then
    assert isinstance(outcome, Conflict)
    assert state.files == before


async def test_the_limit_is_checked_first(arrhes: Subject) -> None:
    """50 Mo are 50,000,000 bytes: one more is refused without a request."""
    # given
    item = item_of(b"x", size=LARGEST)

    # when
    outcomes = [refusal(arrhes, one) for one in (item, changed(item, size=LARGEST + 1))]

    # then
    assert outcomes[0] is None
    assert isinstance(outcomes[1], TooLarge)
    assert uploading(arrhes).max_bytes == LARGEST
    assert asked(arrhes) == []


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"options": {"folder": "x"}}, BadInput),
        ({"options": {"reference": 7}}, BadInput),
        ({"options": {"reference": "r" * 257}}, BadInput),
        ({"name": "n" * 257}, BadInput),
        ({"name": "😀" * 129}, BadInput),
        ({"name": "\ud800.pdf"}, BadInput),
        ({"name": " "}, BadInput),
        ({"media_type": "pdf"}, BadInput),
        ({"media_type": "text/plain\r\nX-A: b"}, BadInput),
        ({"media_type": "text/é"}, BadInput),
        ({"target": Ref(SOURCE, RefType.RECORD, ("1",))}, BadInput),
        ({"target": changed(LIBRARY, key=(seed.OTHER_ORGANIZATION, seed.YEAR))}, NotFound),
        ({"target": changed(LIBRARY, source="ailleurs")}, NotFound),
        ({"target": Ref("ailleurs", RefType.FOLDER, ("1",))}, NotFound),
        ({"target": file_ref("1")}, BadInput),
    ],
)
async def test_what_cannot_succeed_is_not_sent(
    arrhes: Subject, changes: dict[str, Any], error: type[GatewayError]
) -> None:
    """The server answers 500 to much of this, and takes the rest for something else."""
    # given
    item = item_of(b"x", **changes)

    # when
    outcome = await attempt(arrhes, item, b"x")

    # then
    assert type(outcome) is error
    assert asked(arrhes) == []


@pytest.mark.parametrize("size", [256, 1])
async def test_names_as_long_as_the_server_takes_are_kept(arrhes: Subject, state: State, size: int) -> None:
    """The limit is the server's own, not a safe distance from it."""
    # given
    contents = unique(20)
    item = item_of(contents, name="é" * size, media_type='text/plain; charset="utf-8"')

    # when
    ref = await attempt(arrhes, item, contents)

    # then
    assert isinstance(ref, Ref)
    assert state.files[ref.key[0]].name == item.name
