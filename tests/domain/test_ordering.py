"""Filters: what they take, and the one spelling that cursors know them by."""

import os
import subprocess
import sys

import pytest
from msgspec.structs import replace

from gateway.domain.model import AttachmentListing
from gateway.domain.ordering import Filter
from tests.execution.things import whole_world

SPELLED = """
from gateway.domain.model import FileState
from gateway.domain.ordering import Filter
from gateway.domain.paging import scope
types = frozenset(f"text/{number}" for number in range(9))
print(scope("files", Filter(media_types=types, states=frozenset(FileState)).criteria).digest)
"""


def test_a_cursor_belongs_to_its_filter_in_every_process() -> None:
    """A page goes on at another replica, or after a restart, where sets have another order."""
    # when
    spelled = {
        subprocess.run(  # noqa: S603 - our own text
            [sys.executable, "-c", SPELLED],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in "1234"
    }

    # then
    assert len(spelled) == 1


@pytest.mark.parametrize(
    ("wanted", "name"),
    [
        ("E\u0301t\u00e9", "l'\u00e9te\u0301.pdf"),
        ("STRASSE", "Hauptstra\u00dfe.pdf"),
        ("t\u00e9", "E\u0301TE\u0301.PDF"),
    ],
)
def test_a_name_is_found_however_its_letters_are_spelled(wanted: str, name: str) -> None:
    """An accent may be a letter of its own, as in names from macOS."""
    # given
    listings = whole_world().sources["maarch"].listings.values()
    listing = next(listing for listing in listings if isinstance(listing, AttachmentListing))
    file = replace(listing.attachments[0], name=name)

    # when / then
    assert Filter(name_contains=wanted).accepts(file)
