"""The Arrhes sandbox answers what the real server answered, exchange by exchange."""

from collections.abc import Iterator

import pytest

from gateway.sandbox.arrhes.app import create_app
from gateway.sandbox.arrhes.state import Account, Organization, State
from gateway.sandbox.server import in_thread
from gateway.sandbox.store import Store
from tests.sandbox.replay import RECORDINGS, Comparison, check, check_exceptions, names, replay

KIND = "arrhes"
PLENTY = 10_000_000_000


@pytest.fixture(scope="module")
def compared(store: Store) -> Iterator[dict[str, Comparison]]:
    """Replay everything once, against two empty organizations.

    Between the recorded exchanges the real server's operator changed the first organization's limits.
    """
    first, second = Organization("org0000000000001"), Organization("org0000000000002")
    accounts = {
        "key-of-organisation-a": Account(first, "user000000000001"),
        "key-of-organisation-b": Account(second, "user000000000002"),
    }
    before = {
        "139-upload-url-over-quota.json": lambda _: setattr(first, "storage_limit", 531),
        "140-upload-url-body-id-mismatch.json": lambda _: setattr(first, "storage_limit", PLENTY),
        "174-ocr-no-pages-left-unknown-id.json": lambda _: setattr(first, "ocr_pages", 0),
        "175-upload-url-size-zero.json": lambda _: setattr(first, "ocr_pages", 100),
    }
    with in_thread(create_app(State(accounts, bucket="replayed"), store)) as origin:
        yield replay(RECORDINGS / KIND, origin, credentials={}, before=before)


@pytest.mark.parametrize("name", names(KIND))
def test_answers_as_recorded(name: str, compared: dict[str, Comparison]) -> None:
    """Status, error text, JSON keys and types are those of the recording, or the exchange is a listed exception."""
    # given
    recorded = name

    # when
    answered = compared

    # then
    check(KIND, recorded, answered)


def test_exceptions_are_recordings_with_a_reason() -> None:
    """The list of exceptions has no stale entries."""
    # given
    kind = KIND

    # when
    listed = names(kind)

    # then
    assert listed
    check_exceptions(kind)
