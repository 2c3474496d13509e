"""The Arrhes sandbox as the tests ask it, and the adapter on it."""

from typing import Any

from gateway.domain.refs import Ref, RefType
from gateway.domain.secret import Secret
from gateway.sandbox.arrhes import seed
from gateway.sandbox.arrhes.app import create_app
from gateway.sandbox.arrhes.state import State
from gateway.upstreams.arrhes import ArrhesAdapter, ArrhesSettings
from tests.conformance.comparison import changed
from tests.conformance.subject import Damaged, Samples, Subject

SOURCE = "comptes"
NO_STORE = "store.invalid"
HOSTILE_NAME = 'Reçu « d\'été » 1/2 "payé".pdf'
LIBRARY = Ref(SOURCE, RefType.LIBRARY, (seed.ORGANIZATION, seed.YEAR))


def file_ref(native_id: str) -> Ref:
    """Refer to a file of the sandbox."""
    return Ref(SOURCE, RefType.FILE, (native_id,))


def folder_ref(native_id: str) -> Ref:
    """Refer to a folder of the sandbox."""
    return Ref(SOURCE, RefType.FOLDER, (native_id,))


def open_arrhes(
    origin: str, key: str = seed.API_KEY, cls: type[ArrhesAdapter] = ArrhesAdapter, **settings: Any
) -> ArrhesAdapter:
    """Open the adapter as an operator would configure it for the sandbox.

    Its store is nowhere unless ``link_hosts`` says where.
    """
    given = ArrhesSettings(
        name=SOURCE,
        kind="arrhes",
        url=f"{origin}/v1",
        organization=seed.ORGANIZATION,
        year=seed.YEAR,
        key=Secret(key),
        **{"link_hosts": (NO_STORE,), "private_links": True, **settings},
    )
    return cls(given)


def asked(subject: Subject) -> list[str]:
    """List what the source was asked for, below the organization and the year."""
    return [f"{one.method} {'/'.join(one.path.split('/')[6:])}" for one in subject.sandbox.requests]


def library() -> State:
    """Make the demo's library, with one file of an awkward name."""
    state = seed.seeded()
    file = changed(next(iter(state.files.values())), id="hostile000000000", name=HOSTILE_NAME)
    state.files[file.id] = file
    return state


def samples_of(state: State) -> Samples:
    """Choose files and folders that are asked for at once."""
    files = [file_ref(one) for one in list(state.files)[:30]]
    folders = [folder_ref(one) for one in list(state.folders)[:20]]
    return Samples(
        known=[*files[:2], *folders, *files[2:]],
        missing=file_ref("zzzzzzzzzzzzzzzz"),
        parents=[LIBRARY],
        missing_parent=changed(LIBRARY, key=(seed.OTHER_ORGANIZATION, seed.YEAR)),
        hostile=file_ref("hostile000000000"),
        hostile_name=HOSTILE_NAME,
    )


def damaged_library() -> Damaged:
    """Serve a library with two cycles and an orphan."""
    on_cycle = {folder_ref(one.ljust(16, "0")) for one in ("bouclea", "boucleb", "soi")}
    orphans = {folder_ref("orphelin".ljust(16, "0"))}
    return Damaged(create_app(seed.damaged()), LIBRARY, frozenset(on_cycle), frozenset(orphans))
