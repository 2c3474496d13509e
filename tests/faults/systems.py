"""The four systems that take uploads, in threads of the test; their states tell what was made."""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from starlette.types import ASGIApp

from gateway.sandbox.arrhes import seed as arrhes
from gateway.sandbox.arrhes.app import create_app as arrhes_app
from gateway.sandbox.arrhes.state import State as Arrhes
from gateway.sandbox.decisiv import seed as decisiv
from gateway.sandbox.decisiv.app import create_app as decisiv_app
from gateway.sandbox.decisiv.state import State as Decisiv
from gateway.sandbox.espocrm import seed as espocrm
from gateway.sandbox.espocrm.app import create_app as espocrm_app
from gateway.sandbox.espocrm.state import State as EspoCrm
from gateway.sandbox.maarch import seed as maarch
from gateway.sandbox.maarch.app import create_app as maarch_app
from gateway.sandbox.maarch.state import State as Maarch
from gateway.sandbox.server import in_thread
from gateway.sandbox.store import Store
from gateway.sandbox.upstream import SandboxUpstream
from gateway.sandbox.world import CONTENT, STORE

KINDS = ("arrhes", "decisiv", "espocrm", "maarch")
LIBRARY = {"source": "arrhes", "organization": arrhes.ORGANIZATION, "year": arrhes.YEAR}


@dataclass(frozen=True, slots=True)
class Systems:
    """The running systems; ``origins`` are all that a gateway has to know of them."""

    store: Store
    origins: Mapping[str, str]
    upstreams: Mapping[str, SandboxUpstream]
    arrhes: Arrhes
    decisiv: Decisiv
    espocrm: EspoCrm
    maarch: Maarch

    def place(self, kind: str, number: int) -> dict[str, Any]:
        """Name a place for uploads: each number another one, until they begin again."""
        if kind == "arrhes":
            return {"library": LIBRARY}
        if kind == "decisiv":
            cases = list(self.decisiv.cases)
            case = {"source": kind, "caseId": cases[number % len(cases)]}
            return {"case": {**case, "internal": False, "description": f"Devis {number}"}}
        if kind == "espocrm":
            records = list(self.espocrm.alive("Case"))
            record = {"type": "Case", "recordId": records[number % len(records)].id}
            return {"entity": {"source": kind, **record, "field": "attachments"}}
        mails = list(self.maarch.mails)
        return {"mail": {"source": kind, "resId": mails[number % len(mails)]}}

    def names(self, kind: str) -> list[str]:
        """Name every file that a system holds and shows where it belongs, as often as it is there."""
        if kind == "arrhes":
            return [file.name for file in self.arrhes.files.values() if file.storageKey]
        if kind == "decisiv":
            return [one.filename for case in self.decisiv.cases.values() for one in case.attachments.values()]
        if kind == "espocrm":
            return [
                one.values["name"] for one in self.espocrm.alive("Attachment") if one.values.get("parentId")
            ]
        return [f"{row.title}.{row.format}" for row in self.maarch.attachments.values() if row.status != "DEL"]

    def half_made(self) -> int:
        """Count the records of Arrhes that have no contents."""
        return sum(file.storageKey is None for file in self.arrhes.files.values())

    def loose(self) -> set[str]:
        """Name the attachments of EspoCRM that hang nowhere."""
        return {one.id for one in self.espocrm.alive("Attachment") if not one.values.get("parentId")}


def digest(body: bytes) -> str:
    """Give the SHA-256 in hex."""
    return hashlib.sha256(body).hexdigest()


@contextmanager
def running_systems(store: Store) -> Iterator[Systems]:
    """Start the systems on free ports. Arrhes has no files yet, so that its one list stays short."""
    library = arrhes.seeded(pending=0)
    library.files.clear()
    library.folders.clear()
    states: dict[str, Any] = {
        "arrhes": library,
        "decisiv": decisiv.seeded(),
        "espocrm": espocrm.seeded(),
        "maarch": maarch.seeded(),
    }
    apps: dict[str, ASGIApp] = {
        "arrhes": arrhes_app(states["arrhes"], store),
        "decisiv": decisiv_app(states["decisiv"]),
        "espocrm": espocrm_app(states["espocrm"]),
        "maarch": maarch_app(states["maarch"]),
    }
    with ExitStack() as stack:
        upstreams = {kind: SandboxUpstream(kind, app) for kind, app in apps.items()}
        origins = {kind: stack.enter_context(in_thread(one)) for kind, one in upstreams.items()}
        nobody = "http://127.0.0.1:9"  # Direct Mail takes no uploads, and nobody asks it here
        origins |= {"directmail": nobody, CONTENT: nobody, STORE: store.url}
        yield Systems(store, origins, upstreams, **states)
