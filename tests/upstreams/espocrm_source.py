"""What the tests of the EspoCRM adapter share: a CRM on a port, and references to what is in it."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from hashlib import sha256

from gateway.domain.changes import UploadItem
from gateway.domain.model import Attachment, AttachmentListing
from gateway.domain.refs import Ref, RefType
from gateway.domain.secret import Secret
from gateway.sandbox.espocrm import seed
from gateway.sandbox.espocrm.app import create_app
from gateway.sandbox.espocrm.state import Record, State
from gateway.upstreams.espocrm import EspoCrmAdapter, EspoCrmSettings
from tests.conformance.subject import Place, Subject, opened

SOURCE = "crm"
HOSTILE = "hostile0000000000"
HOSTILE_NAME = 'Reçu « d\'été » 1/2 "payé".pdf'
MISSING = "0000000000000000a"

ADMIN = {"auth": "basic", "username": seed.ADMIN, "password": Secret(seed.ADMIN_PASSWORD)}
API_USER = {"auth": "api_key", "api_key": Secret(seed.API_KEY)}
SIGNER = {"auth": "hmac", "api_key": Secret(seed.HMAC_KEY), "secret": Secret(seed.HMAC_SECRET)}

LIMIT = 10_000
CHUNK = 3_001
SMALL = {**API_USER, "max_upload": LIMIT, "chunk_size": CHUNK}
"""Settings with which some thousand bytes are many chunks."""


def crm() -> State:
    """Make the demo's CRM, with one more attachment, of an awkward name, on its last note."""
    state = seed.seeded()
    note = alive(state, "Note")[-1]
    add_attachment(state, HOSTILE, name=HOSTILE_NAME, parentType="Note", parentId=note.id)
    return state


def open_espocrm(origin: str, **credential: object) -> EspoCrmAdapter:
    """Open the adapter as an operator would configure it for the sandbox."""
    settings = EspoCrmSettings(name=SOURCE, kind="espocrm", url=f"{origin}/api/v1", **credential)
    return EspoCrmAdapter(settings)


def connected(place: Place, state: State, **credential: object) -> AbstractAsyncContextManager[Subject]:
    """Open an adapter with a credential on a CRM."""
    return opened(place, create_app(state), lambda origin: open_espocrm(origin, **credential))


def attachment_ref(native_id: str) -> Ref:
    """Refer to an attachment."""
    return Ref(SOURCE, RefType.ATTACHMENT, (native_id,))


def record_ref(record: Record, field: str = "attachments") -> Ref:
    """Refer to a field of a record."""
    return Ref(SOURCE, RefType.RECORD, (record.type, record.id, field))


def alive(state: State, kind: str) -> list[Record]:
    """List the records of a type that are not deleted, oldest first."""
    return list(state.alive(kind))


def add_attachment(state: State, native_id: str, **values: object) -> Record:
    """Keep an attachment that is like the first of the demo but for its id and some values."""
    first = alive(state, "Attachment")[0]
    return state.add(Record("Attachment", {**first.values, "id": native_id, **values}))


def attachment(outcome: object) -> Attachment:
    """Take an outcome as an attachment."""
    assert isinstance(outcome, Attachment), f"no attachment: {outcome!r}"
    return outcome


def names(outcome: object) -> list[str]:
    """Name what a listing holds."""
    assert isinstance(outcome, AttachmentListing), f"no listing: {outcome!r}"
    return [one.name for one in outcome.attachments]


def types(outcomes: Sequence[object]) -> list[type]:
    """Give the class of each outcome."""
    return [type(one) for one in outcomes]


def paths(subject: Subject) -> list[str]:
    """Take what the sandbox was asked for since the last time, each path without what stands before it."""
    seen = [one.path.removeprefix("/api/v1/") for one in subject.sandbox.requests]
    subject.sandbox.requests.clear()
    return seen


def item_for(target: Ref, contents: bytes, name: str = "Devis.txt") -> UploadItem:
    """Write down an upload of some contents."""
    return UploadItem(
        target=target,
        name=name,
        media_type="text/plain",
        size=len(contents),
        sha256=sha256(contents).hexdigest(),
        options={},
        marker="ticket",
        started_at=datetime.now(UTC),
    )


def linked(state: State) -> list[Record]:
    """List the attachments that hang on something."""
    return [
        one for one in state.alive("Attachment") if one.values.get("parentId") or one.values.get("relatedId")
    ]


def loose(state: State) -> list[str]:
    """Name the attachments that hang on nothing."""
    return [one.id for one in state.alive("Attachment") if one not in linked(state)]
