"""Uploads to EspoCRM: the shared suite for files at once and in chunks (`upstreams.md` 5.4)."""

from collections.abc import Callable
from typing import ClassVar

import pytest
from starlette.types import ASGIApp

from gateway.domain.refs import Ref
from gateway.sandbox.espocrm import seed
from gateway.sandbox.espocrm.app import create_app
from gateway.sandbox.espocrm.state import Record, State
from gateway.upstreams.espocrm import EspoCrmAdapter
from tests.conformance.upload_suite import UploadSuite
from tests.upstreams.espocrm_source import (
    LIMIT,
    SIGNER,
    SMALL,
    alive,
    crm,
    linked,
    open_espocrm,
    record_ref,
)


@pytest.fixture
def state() -> State:
    """Make a CRM for one test."""
    return crm()


@pytest.fixture
def case(state: State) -> Record:
    """Choose a case, which has four attachments in a set and counts its versions."""
    return alive(state, "Case")[0]


class SetSuite(UploadSuite):
    """The shared suite for a set of attachments.

    An attachment that hangs nowhere is not counted where no id of it came back: the server removes such ones. What
    becomes of the others has tests of its own.
    """

    limit: ClassVar[int] = LIMIT
    secrets: ClassVar[tuple[str, ...]] = (seed.API_KEY,)

    @pytest.fixture
    def app(self, state: State) -> ASGIApp:
        """Serve the demo's CRM."""
        return create_app(state)

    @pytest.fixture
    def target(self, case: Record) -> Ref:
        """Upload to a case."""
        return record_ref(case)

    @pytest.fixture
    def stored(self, state: State) -> Callable[[], int]:
        """Count what hangs on something."""
        return lambda: len(linked(state))


class TestInChunks(SetSuite):
    """Files of four chunks."""

    def open_adapter(self, origin: str) -> EspoCrmAdapter:
        """Open the adapter with small chunks."""
        return open_espocrm(origin, **SMALL)


class TestAtOnce(SetSuite):
    """Files of one chunk, by requests that are signed, to a record that does not count its versions."""

    secrets: ClassVar[tuple[str, ...]] = (seed.HMAC_SECRET,)

    @pytest.fixture
    def target(self, state: State) -> Ref:
        """Upload to a note of the signer."""
        note = alive(state, "Note")[0]
        note.values["createdById"] = next(one.user_id for one in state.logins if one.secret)
        return record_ref(note)

    def open_adapter(self, origin: str) -> EspoCrmAdapter:
        """Open the adapter with chunks as they usually are."""
        return open_espocrm(origin, **SIGNER, max_upload=LIMIT)
