"""What sources answer to writes is changed: adapters give typed errors, never an exception that nobody knows."""

import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import pytest

from gateway.domain.changes import (
    FileChange,
    FolderChange,
    FolderDeletion,
    NewFolder,
    UploadItem,
)
from gateway.domain.errors import GatewayError
from gateway.domain.model import AttachmentListing
from gateway.domain.refs import Ref, RefType
from gateway.domain.tree import Tree
from gateway.sandbox.directmail import seed as directmail
from gateway.sandbox.world import STORE, make_sources
from gateway.transport.call import Call
from gateway.upstreams.base import (
    Adapter,
    SupportsContent,
    SupportsDelete,
    SupportsFolders,
    SupportsLinking,
    SupportsSignedLinks,
    SupportsTextRecognition,
    SupportsUpdate,
    SupportsUpload,
)
from gateway.upstreams.registry import open_source
from tests.security.fuzzed import KINDS, Fuzzed, fuzz_all, recorded_bodies

CASES = 5000
SEED = 20_261_122
CONTENTS = b"%PDF-1.7\nBonjour"
PARENTS: Mapping[str, Ref] = {
    "arrhes": Ref("arrhes", RefType.LIBRARY, ("org1", "2025")),
    "decisiv": Ref("decisiv", RefType.RECORD, ("CASE-1001",)),
    "directmail": Ref(
        "directmail", RefType.RECORD, (directmail.FESTIVAL, "4C3D6FE1-CF46-5946-AA2C-51AB0BE9A6C4")
    ),
    "espocrm": Ref("espocrm", RefType.RECORD, ("Note", "68d6ab9c0007ad856", "attachments")),
    "maarch": Ref("maarch", RefType.RECORD, ("100",)),
}
Step = Callable[[], Awaitable[Any]]


def item(target: Ref) -> UploadItem:
    """Write down an upload that the source takes."""
    return UploadItem(
        target=target,
        name="a.pdf",
        media_type="application/pdf",
        size=len(CONTENTS),
        sha256=sha256(CONTENTS).hexdigest(),
        options={"internal": True} if target.source == "decisiv" else {},
        marker="ticket",
        started_at=datetime(2026, 1, 1, tzinfo=UTC),
    )


@asynccontextmanager
async def _bytes() -> AsyncIterator[AsyncIterator[bytes]]:
    async def pieces() -> AsyncIterator[bytes]:
        yield CONTENTS

    yield pieces()


async def _note(_: Mapping[str, str]) -> None:
    """Keep nothing."""


async def _opened(adapter: SupportsContent, ref: Ref) -> None:
    async with adapter.open(ref, Call.lasting(9)) as content:
        async for _ in content.chunks:
            pass


def steps(adapter: Adapter, parent: Ref, files: Sequence[Ref], folders: Sequence[Ref]) -> list[Step]:
    """List what can be done with a source."""
    call, ref = Call.lasting(600), files[0]
    found: list[Step] = [lambda: adapter.probe(call)]
    if isinstance(adapter, SupportsUpload):
        found += [lambda: adapter.upload(item(parent), _bytes, call, _note)] * 3
        found += [lambda: adapter.reconcile(item(parent), call)] * 2
    if isinstance(adapter, SupportsUpdate):
        found.append(lambda: adapter.update([FileChange(ref=ref, name="b.pdf")], call))
    if isinstance(adapter, SupportsDelete):
        found.append(lambda: adapter.delete(files[:2], call))
    if isinstance(adapter, SupportsLinking):
        found.append(lambda: adapter.link(parent, files[:2], call))
    if isinstance(adapter, SupportsTextRecognition):
        found.append(lambda: adapter.recognize_text(ref, call))
    if isinstance(adapter, SupportsSignedLinks):
        found.append(lambda: adapter.sign(ref, call))
    if isinstance(adapter, SupportsContent):
        found.append(lambda: _opened(adapter, ref))
    if isinstance(adapter, SupportsFolders):
        new = NewFolder(library=parent, parent=None, name="a")
        found.append(lambda: adapter.create_folders([new], call))
        found.append(lambda: adapter.update_folders([FolderChange(ref=folders[0], name="b")], call))
        found.append(lambda: adapter.delete_folders([FolderDeletion(ref=folders[0], with_contents=True)], call))
    return found


async def _known(adapter: Adapter, parent: Ref) -> tuple[list[Ref], list[Ref]]:
    """Find files and folders, while the source still tells the truth."""
    listing = (await adapter.children([parent], Call.lasting(60)))[0]
    if isinstance(listing, AttachmentListing):
        return [one.ref for one in listing.attachments], []
    assert isinstance(listing, Tree)
    return [one.ref for one in listing.all_files], list(listing.folder_by_ref)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
async def test_no_answer_to_a_write_is_a_defect(
    kind: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Uploads, changes, deletions, links, folders and downloads end well, or with an error of the gateway's."""
    # given
    origins = fuzz_all(monkeypatch)
    settings = next(
        one for one in make_sources({**origins, STORE: "http://127.0.0.1:9009"}) if one.kind == kind
    )
    adapter = open_source(settings)
    files, folders = await _known(adapter, PARENTS[kind])
    chance = random.Random(f"{SEED} writes {kind}")  # noqa: S311 - reproducible, and nothing secret
    asked = steps(adapter, PARENTS[kind], files, folders)
    Fuzzed.recorded, Fuzzed.chance = recorded_bodies(kind), chance
    outcomes: Counter[str] = Counter()
    wrong: list[str] = []

    # when
    while Fuzzed.changes["bodies"] < CASES:
        try:
            await chance.choice(asked)()
            outcomes["done"] += 1
        except GatewayError as exc:
            outcomes[exc.code] += 1
        except Exception as exc:  # noqa: BLE001 - the test shows what it was
            wrong.append(f"{type(exc).__name__}: {exc}")

    # then
    with capsys.disabled():
        print(f"\n{kind}: {Fuzzed.changes['bodies']} bodies changed, {dict(outcomes)}")  # noqa: T201
    assert wrong == []
    assert outcomes["done"] > 0
