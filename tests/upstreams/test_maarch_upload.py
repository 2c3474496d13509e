"""Uploads to Maarch: the shared suite, what goes over the wire, and what is refused before (`upstreams.md` 1.4)."""

import base64
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import pytest
from starlette.types import ASGIApp

from gateway.domain.changes import UploadItem
from gateway.domain.errors import BadInput, Conflict, GatewayError, NotFound, OutcomeUnknown, TooLarge
from gateway.domain.refs import Ref
from gateway.domain.secret import Secret
from gateway.sandbox.maarch import seed
from gateway.sandbox.maarch.app import create_app
from gateway.sandbox.maarch.contents import read
from gateway.sandbox.maarch.state import State
from gateway.upstreams.maarch import MaarchAdapter, MaarchSettings
from tests.conformance.subject import Place
from tests.conformance.upload_suite import UploadSuite
from tests.conformance.uploading import Journal, staged
from tests.upstreams.maarch_source import Bench, attachment, call, mail, opened, outcome, served

MAIL = seed.FIRST_MAIL


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    """Run one server for all tests of this file."""
    with served() as running:
        yield running


@pytest.fixture
def bench(place: Place) -> Bench:
    """Make the demo's mail room."""
    return Bench(place)


class TestMaarchUploads(UploadSuite):
    """The shared suite."""

    limit: ClassVar[int] = 70_002
    secrets: ClassVar[tuple[str, ...]] = (seed.PASSWORD,)
    takes_nothing: ClassVar[bool] = False

    @pytest.fixture
    def state(self) -> State:
        """Make the demo's mail room, whose PHP takes not one character more than the largest file has."""
        state = seed.seeded()
        state.upload_limit = self.limit // 3 * 4
        return state

    @pytest.fixture
    def app(self, state: State) -> ASGIApp:
        """Serve it."""
        return create_app(state)

    @pytest.fixture
    def target(self) -> Ref:
        """Choose a mail."""
        return mail(MAIL)

    @pytest.fixture
    def stored(self, state: State) -> Callable[[], int]:
        """Count the attachments, whatever their state."""
        return lambda: len(state.attachments)

    def open_adapter(self, origin: str) -> MaarchAdapter:
        """Open the adapter with the limit of the suite."""
        url, password = f"{origin}/rest", Secret(seed.PASSWORD)
        return MaarchAdapter(
            MaarchSettings(
                name="mails",
                kind="maarch",
                url=url,
                username=seed.USER,
                password=password,
                max_upload=self.limit,
            )
        )
