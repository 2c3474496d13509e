"""Two towns behind one gateway: sources of the same names and kinds, equal native ids, other contents."""

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.types import ASGIApp, Message

from gateway.asgi import create_app
from gateway.domain.secret import Secret
from gateway.identity.api_keys import new_key
from gateway.identity.configuration import ApiKeySettings, TenantSettings
from gateway.identity.principals import ALL_SCOPES
from gateway.sandbox.arrhes import seed as arrhes
from gateway.sandbox.arrhes.app import create_app as create_arrhes
from gateway.sandbox.maarch import seed as maarch
from gateway.sandbox.maarch.app import create_app as create_maarch
from gateway.sandbox.server import in_thread
from gateway.sandbox.upstream import SandboxUpstream
from gateway.settings import Settings
from gateway.upstreams.arrhes import ArrhesSettings
from gateway.upstreams.base import SourceSettings
from gateway.upstreams.maarch import MaarchSettings
from tests.lifespan import running

TOWNS = ("alder", "birch")
CANARIES = {town: f"CANARY-{town}" for town in TOWNS}
KEYS = {town: new_key(town) for town in TOWNS}
HOST = (b"host", b"127.0.0.1:8000")


@dataclass(frozen=True, slots=True)
class Answered:
    """What an application answered."""

    status: int
    headers: Mapping[bytes, bytes]
    body: bytes


@dataclass(slots=True)
class Towns:
    """The gateway's application, and the upstream systems by town and kind."""

    app: ASGIApp
    upstreams: Mapping[tuple[str, str], SandboxUpstream]

    def requests(self, town: str) -> int:
        """Count what reached the systems of a town."""
        return sum(len(one.requests) for (owner, _), one in self.upstreams.items() if owner == town)

    async def raw(self, town: str, query: str, variables: Any = None) -> bytes:
        """Post a query as somebody of a town, straight to the application, and give the body of the answer."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        headers = [(b"authorization", f"Bearer {KEYS[town][0].reveal()}".encode())]
        return (await call(self.app, "POST", "/graphql", headers, body)).body

    async def ask(self, town: str, query: str, variables: Any = None) -> dict[str, Any]:
        """Post a query as somebody of a town and read the answer."""
        answer: dict[str, Any] = json.loads(await self.raw(town, query, variables))
        return answer


async def call(
    app: ASGIApp, method: str, path: str, headers: list[tuple[bytes, bytes]], body: bytes = b""
) -> "Answered":
    """Ask an application as its server would."""
    sent: list[Message] = []
    asked = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        return asked.pop() if asked else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [HOST, (b"content-type", b"application/json"), *headers],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8000),
        "state": {},
    }
    await app(scope, receive, send)
    body = b"".join(message.get("body", b"") for message in sent[1:])
    return Answered(sent[0]["status"], dict(sent[0]["headers"]), body)


def contents(town: str) -> dict[str, Starlette]:
    """Make the systems of a town: the demo's, with the town's canary in every title and name."""
    mail, books = maarch.seeded(), arrhes.seeded()
    for attachment in mail.attachments.values():
        attachment.title = f"{CANARIES[town]} {attachment.title}"
    for row in (*books.folders.values(), *books.files.values()):
        row.name = f"{CANARIES[town]} {row.name}"
    return {"maarch": create_maarch(mail), "arrhes": create_arrhes(books)}


def sources(town: str, origins: Mapping[str, str]) -> tuple[SourceSettings, ...]:
    """Name the systems of a town as those of the other are named."""
    return (
        MaarchSettings(
            name="mail",
            kind="maarch",
            url=f"{origins['maarch']}/rest",
            username=maarch.USER,
            password=Secret(maarch.PASSWORD),
            tenant=town,
        ),
        ArrhesSettings(
            name="books",
            kind="arrhes",
            url=f"{origins['arrhes']}/v1",
            organization=arrhes.ORGANIZATION,
            year=arrhes.YEAR,
            key=Secret(arrhes.API_KEY),
            tenant=town,
        ),
    )


@contextmanager
def started() -> Iterator[tuple[Mapping[tuple[str, str], SandboxUpstream], tuple[SourceSettings, ...]]]:
    """Start the systems of both towns."""
    with ExitStack() as stack:
        upstreams: dict[tuple[str, str], SandboxUpstream] = {}
        named: list[SourceSettings] = []
        for town in TOWNS:
            apps = contents(town)
            origins = {}
            for kind, app in apps.items():
                upstreams[town, kind] = SandboxUpstream(f"{town} {kind}", app)
                origins[kind] = stack.enter_context(in_thread(upstreams[town, kind]))
            named += sources(town, origins)
        yield upstreams, tuple(named)


@asynccontextmanager
async def towns(folder: Path, **settings: Any) -> AsyncIterator[Towns]:
    """Run one gateway for both towns."""
    keys = tuple(
        ApiKeySettings(id=town, sha256=Secret(KEYS[town][1]), scopes=tuple(ALL_SCOPES), tenant=town)
        for town in TOWNS
    )
    with started() as (upstreams, named):
        async with AsyncExitStack() as stack:
            given = {"tenants": tuple(TenantSettings(name=town) for town in TOWNS), **settings}
            journal = Secret(f"sqlite:///{folder}/journal.db")
            app = create_app(Settings(profile="demo", sources=named, api_keys=keys, journal=journal, **given))
            await stack.enter_async_context(running(app))
            yield Towns(app, upstreams)
