"""Plays scenarios: the real gateway between a client and an upstream that answers from the scenario alone."""

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import unified_diff
from typing import Any
from urllib.parse import parse_qsl, quote, unquote

import httpx
import msgspec
from starlette.requests import Request as Incoming
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.asgi import create_app
from gateway.domain.errors import GatewayError
from gateway.domain.refs import Ref, RefType
from gateway.sandbox.server import in_thread
from gateway.settings import Settings
from gateway.upstreams.base import SourceSettings
from gateway.upstreams.registry import KINDS
from tests.identifiers import IDS
from tests.lifespan import running
from tests.scenarios.reading import Exchange, Request, Scenario, Step, comparable, comparable_query

EXAMPLE = "https://upstream.example"
"""How scenarios write the origin of the upstream, whose port is another one each time."""
UNTOLD = "…"
SEALED = re.compile(r"^https?://[^/]+/content/[\w-]+$")
NAMED = re.compile(r"^<[\w ]+>$")


@dataclass
class Upstream:
    """Answers from the exchanges of a scenario and counts; what is in none of them is remembered as a problem."""

    exchanges: tuple[Exchange, ...]
    origin: str = ""
    hits: Counter[str] = field(default_factory=Counter)
    unmatched: list[str] = field(default_factory=list)

    @property
    def requests(self) -> int:
        """How many requests came so far."""
        return self.hits.total() + len(self.unmatched)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        incoming = Incoming(scope, receive)
        body = (await incoming.body()).decode()
        found = next((one for one in self.exchanges if _matches(one.request, incoming, body)), None)
        await self._answer(found, incoming)(scope, receive, send)

    def _answer(self, found: Exchange | None, incoming: Incoming) -> Response:
        if found is None:
            target = incoming.url.path + (f"?{unquote(incoming.url.query)}" if incoming.url.query else "")
            self.unmatched.append(f"{incoming.method} {target}")
            return Response("no exchange of the scenario matches", 404)
        self.hits[found.title] += 1
        return Response(found.body.replace(EXAMPLE, self.origin), found.status, dict(found.headers))

    def problems(self) -> list[str]:
        """Say what came that was not expected, and what did not come as often as it was."""
        strange = [f"unmatched request: {line}" for line in self.unmatched]
        wrong = [
            f"exchange {one.title!r} was hit {self.hits[one.title]} times, not {one.hits}"
            for one in self.exchanges
            if self.hits[one.title] != one.hits
        ]
        return strange + wrong


async def play(scenario: Scenario) -> list[str]:
    """Play a scenario; gives what went otherwise than it says, nothing when all is right."""
    upstream = Upstream(scenario.exchanges)
    names: dict[str, str] = {}
    with in_thread(upstream) as origin:
        upstream.origin = origin
        app = create_app(settings_of(scenario, origin))
        async with running(app):
            problems = [
                problem for step in scenario.steps for problem in await _take(step, app, upstream, names)
            ]
    return problems + upstream.problems()


def settings_of(scenario: Scenario, origin: str) -> Settings:
    """Make the settings of a scenario, with its upstream where it is."""
    text = json.dumps(scenario.settings).replace(EXAMPLE, origin)
    table = json.loads(text)
    sources = tuple(_source(source) for source in table.pop("sources"))
    return Settings(profile="development", sources=sources, **table)


def _source(table: dict[str, Any]) -> SourceSettings:
    shape = KINDS[table["kind"]].settings
    settings: SourceSettings = msgspec.convert(table, shape, dec_hook=lambda secret, text: secret(text))
    return settings


def _matches(expected: Request, incoming: Incoming, body: str) -> bool:
    path = incoming.scope["raw_path"].decode("ascii")
    query = comparable_query(parse_qsl(incoming.url.query, keep_blank_values=True))
    return (
        (incoming.method, path, query) == (expected.method, expected.path, expected.query)
        and (expected.body in ("", comparable(body)))
        and all(incoming.headers.get(name) == value for name, value in expected.headers.items())
    )


async def _take(step: Step, app: ASGIApp, upstream: Upstream, names: dict[str, str]) -> list[str]:
    """Send one query and compare what comes."""
    before = upstream.requests
    content = {"query": step.query, "variables": _to_wire(step.variables, names)}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client:
        response = await client.post("/graphql", json=content, headers=dict(step.headers))
    answer = readable(response.json(), upstream.origin)
    remember(step.answer, answer, names)
    expected = _filled(step.answer, names)
    problems = [] if answer == expected else [f"wrong answer:\n{_difference(expected, answer)}"]
    if upstream.requests - before != step.requests:
        problems.append(f"{upstream.requests - before} upstream requests, not {step.requests}")
    return problems


def _difference(expected: Any, answer: Any) -> str:
    lines = unified_diff(_lines(expected), _lines(answer), "expected", "answered", lineterm="")
    return "\n".join(lines)


def _lines(value: Any) -> list[str]:
    return json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True).splitlines()


# Opaque texts, made readable


def readable(answer: Any, origin: str) -> Any:
    """Write an answer as scenarios do.

    Identifiers become ``id:source/TYPE/key``, the upstream's origin its example, and what is another each time
    (request ids, milliseconds, sealed links) becomes ``…``.
    """
    if isinstance(answer, dict):
        return {
            name: UNTOLD if name in ("requestId", "ms") else readable(value, origin)
            for name, value in answer.items()
        }
    if isinstance(answer, list):
        return [readable(item, origin) for item in answer]
    return _readable_text(answer, origin) if isinstance(answer, str) else answer


def _readable_text(text: str, origin: str) -> str:
    if SEALED.match(text):
        return f"{UNTOLD}/content/{UNTOLD}"
    try:
        ref = IDS.open(text)
    except GatewayError:
        return text.replace(origin, EXAMPLE)
    return f"id:{ref.source}/{ref.type.name}/" + "/".join(quote(part, safe="") for part in ref.key)


def remember(expected: Any, answer: Any, names: dict[str, str]) -> None:
    """Learn what ``<a name>`` stands for where a scenario expects it for the first time: a cursor, say."""
    if isinstance(expected, dict) and isinstance(answer, dict):
        for name in expected.keys() & answer.keys():
            remember(expected[name], answer[name], names)
    elif isinstance(expected, list) and isinstance(answer, list):
        for one, other in zip(expected, answer, strict=False):
            remember(one, other, names)
    elif _is_name(expected) and isinstance(answer, str) and answer not in names.values():
        names.setdefault(expected, answer)  # once only, as two names never stand for one text


def _is_name(expected: Any) -> bool:
    return isinstance(expected, str) and NAMED.match(expected) is not None


def _filled(expected: Any, names: Mapping[str, str]) -> Any:
    if isinstance(expected, dict):
        return {name: _filled(value, names) for name, value in expected.items()}
    if isinstance(expected, list):
        return [_filled(item, names) for item in expected]
    return names.get(expected, expected) if isinstance(expected, str) else expected


def _to_wire(variables: Any, names: Mapping[str, str]) -> Any:
    """Write variables as the gateway reads them: identifiers opaque again, names replaced by what they stand for."""
    if isinstance(variables, dict):
        return {name: _to_wire(value, names) for name, value in variables.items()}
    if isinstance(variables, list):
        return [_to_wire(item, names) for item in variables]
    if isinstance(variables, str) and variables.startswith("id:"):
        source, kind, *key = variables.removeprefix("id:").split("/")
        return IDS.seal(Ref(source, RefType[kind], tuple(unquote(part) for part in key)))
    return names.get(variables, variables) if isinstance(variables, str) else variables
