"""Sources that answer out of memory what the sandbox or a recorded server answered, changed by chance."""

import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import httpx
import pytest
from starlette.types import ASGIApp

from gateway.sandbox.world import CONTENT, make_apps
from gateway.transport import client as transport
from gateway.transport.exchange import Exchange
from gateway.transport.messages import Limits, Request, Response, Stream
from gateway.upstreams import base
from tests.sandbox.exchanges import RECORDINGS, load
from tests.security.mutations import STATUSES, Chance, mutated, mutated_headers

KEPT = 4
"""Entries of a long list that are kept: what is changed in them is what matters."""
KINDS = ("arrhes", "decisiv", "directmail", "espocrm", "maarch")
RECORDED = ("arrhes", "espocrm", "maarch")


class Fuzzed(Exchange):
    """Answers what the sandbox or a recorded server answered, changed; no socket is opened."""

    apps: Mapping[str, ASGIApp]
    recorded: Mapping[str, list[bytes]]
    answers: dict[tuple[str, str, bytes], Response]
    chance: Chance | None
    changes: Counter[str]

    async def send(self, request: Request, seconds: float) -> Response:  # noqa: ARG002 - nothing takes time
        """Answer, in one of many ways when there is a chance."""
        answer = await self._true(request)
        if self.chance is None or self.chance.random() < 0.2:
            return answer
        self.changes["bodies"] += 1
        body, status, headers = answer.body, answer.status, dict(answer.headers)
        recorded = self.recorded.get(_template(request.url))
        if recorded and self.chance.random() < 0.3:
            body = self.chance.choice(recorded)
        if self.chance.random() < 0.1:
            status = self.chance.choice(STATUSES)
        if self.chance.random() < 0.1:
            headers = mutated_headers(headers, self.chance)
        return Response(status, headers, mutated(body, self.chance))

    @asynccontextmanager
    async def stream(self, request: Request) -> AsyncIterator[Stream]:
        """Answer with a body that comes in one piece."""
        answer = await self.send(request, 1)

        async def pieces() -> AsyncIterator[bytes]:
            yield answer.body

        yield Stream(answer.status, answer.headers, pieces())

    async def _true(self, request: Request) -> Response:
        body = request.body or b""
        if not isinstance(body, bytes):
            body = b"".join([piece async for piece in body])
        key = request.method, request.url, body
        if key not in self.answers:
            self.answers[key] = await _asked(self.apps[self.source], request, body)
        return self.answers[key]


async def _asked(app: ASGIApp, request: Request, body: bytes) -> Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as client:
        answer = await client.request(request.method, request.url, headers=dict(request.headers), content=body)
    return Response(answer.status_code, dict(answer.headers), _shortened(answer.content))


def _shortened(body: bytes) -> bytes:
    if not body.startswith(b"["):
        return body
    return json.dumps(json.loads(body)[:KEPT]).encode()


def _template(url: str) -> str:
    """Give an address's path with a sign for each identifier, so that recorded answers are found for it."""
    return "/".join("*" if re.search(r"\d", part[2:]) else part for part in urlsplit(url).path.split("/"))


def recorded_bodies(kind: str) -> Mapping[str, list[bytes]]:
    """Find what running servers answered to reading, by the form of the path."""
    found: dict[str, list[bytes]] = {}
    for exchange in load(RECORDINGS / kind) if kind in RECORDED else ():
        if exchange.method == "GET" and exchange.answer.content:
            found.setdefault(_template(exchange.path), []).append(exchange.answer.content)
    return found


def fuzz_all(monkeypatch: pytest.MonkeyPatch) -> Mapping[str, str]:
    """Have every client answered by `Fuzzed`, truly until there is a chance, and give the origins of the systems."""
    origins = {name: f"http://127.0.0.1:{port}" for port, name in enumerate((*KINDS, CONTENT), 9001)}
    Fuzzed.apps = make_apps(origins, None)
    Fuzzed.answers, Fuzzed.chance, Fuzzed.changes = {}, None, Counter()
    monkeypatch.setattr(base, "Exchange", lambda source, limits=None, **_: Fuzzed(source, limits or Limits()))
    monkeypatch.setattr(transport, "pause_before", lambda _: 0.0)
    monkeypatch.setattr(transport, "retry_after", lambda _: None)
    monkeypatch.setattr("gateway.transport.lockout.LOCKOUT", 0.0)
    return origins
