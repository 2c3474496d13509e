"""Replays exchanges that were recorded from real servers against a sandbox upstream, and compares the answers.

How a kind uses it (``tests/sandbox/test_<kind>_replay.py``)::

    KIND = "maarch"

    @pytest.fixture(scope="module")
    def compared() -> Iterator[dict[str, Comparison]]:
        state = seed.for_replay()  # whatever was there before the first recorded request
        with in_thread(create_app(state)) as origin:
            yield replay(RECORDINGS / KIND, origin, credentials={...}, known_ids={...}, before={...})

    @pytest.mark.parametrize("name", names(KIND))
    def test_answers_as_recorded(name, compared):
        check(KIND, name, compared)

    def test_exceptions_exist():
        check_exceptions(KIND)

- ``credentials`` maps what stands in the recordings to what the sandbox accepts: with
  ``{"key-of-the-full-user": API_KEY}`` the key is replaced in every header and query, and ``{"bblier:right
  password": "bblier:maarch"}`` stands for the recorded ``Basic <bblier:right password>``. A Basic placeholder
  that isn't mapped is sent as it reads, which is a wrong password. A ``Token`` that the server answers is
  learned by itself.
- ``known_ids`` maps recorded ids to the sandbox's where the recording never shows their creation. Ids and
  URLs that appear in answers are learned by themselves, wherever recorded and given answer have a value under
  the same ``id`` key. They are substituted in later paths, queries and bodies, and in the recorded answer
  before it is compared.
- ``before`` maps an exchange's file name to a function that is called just before it, for what happened on
  the real server in exchanges that were not kept. It takes the ``Memory`` and may add to ``memory.ids``.
- ``bodies`` gives the request bodies that a recording has only the size of; else they are filled up with
  ``A``.

Exchanges in ``exceptions.toml`` (a table per kind, file name = reason) are replayed as well, since later ones
may need their effect; ``check`` fails for one that passes.
"""

import base64
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.sandbox.exchanges import RECORDINGS, Body, Exchange, excepted, load, names
from tests.sandbox.shapes import differences

__all__ = ["RECORDINGS", "Comparison", "Memory", "check", "check_exceptions", "names", "replay"]

ERROR_KEYS = ("message", "errors", "cause", "detail")
TEXT_IDS = 8
"""Ids of so many characters are replaced wherever they stand; shorter ones only where an id is expected."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """How the sandbox's answer differs from the recorded one; ``differences`` is empty where it doesn't."""

    name: str
    request: str
    differences: tuple[str, ...]
    answer: str
    """The beginning of what the sandbox answered, to make a failure readable."""


@dataclass(slots=True)
class Memory:
    """What was learned on the way: recorded ids, URLs and tokens, and what stands for them in the sandbox."""

    ids: dict[str, str] = field(default_factory=dict)
    urls: dict[str, str] = field(default_factory=dict)
    credentials: dict[str, str] = field(default_factory=dict)

    def text(self, value: str) -> str:
        """Replace the ids that are long enough to be unmistakable in a text."""
        long = [re.escape(recorded) for recorded in self.ids if len(recorded) >= TEXT_IDS]
        return re.sub("|".join(long), lambda found: self.ids[found[0]], value) if long else value

    def path(self, path: str) -> str:
        """Replace ids in a path and its query."""
        where, mark, query = self.text(path).partition("?")
        segments = [self.ids.get(segment, segment) for segment in where.split("/")]
        return "/".join(segments) + mark + self._known(query)

    def value(self, value: Any, key: str = "") -> Any:
        """Replace ids in a JSON value."""
        if isinstance(value, dict):
            return {self.text(name): self.value(item, name) for name, item in value.items()}
        if isinstance(value, list):
            return [self.value(item, key) for item in value]
        if isinstance(value, int) and not isinstance(value, bool) and _is_id(key):
            return int(self.ids.get(str(value), value))
        if isinstance(value, str):
            return self.ids[value] if _is_id(key) and value in self.ids else self.text(value)
        return value

    def header(self, value: str) -> str:
        """Put the sandbox's credentials where the recording has placeholders."""
        basic = re.fullmatch(r"Basic <(.*)>", value)
        if basic:
            return "Basic " + base64.b64encode(self.credentials.get(basic[1], basic[1]).encode()).decode()
        return self._known(value).strip()

    def _known(self, value: str) -> str:
        for recorded, given in self.credentials.items():
            value = re.sub(rf"(?<![\w-]){re.escape(recorded)}(?![\w-])", lambda _, real=given: real, value)
        return value

    def learn(self, recorded: Any, given: Any, key: str = "") -> None:
        """Compare a recorded answer with the sandbox's and remember which id stands for which."""
        if isinstance(recorded, dict) and isinstance(given, dict):
            for name in recorded.keys() & given.keys():
                self.learn(recorded[name], given[name], name)
        elif isinstance(recorded, list) and isinstance(given, list):
            self._learn_items(recorded, given)
        elif isinstance(recorded, str) and isinstance(given, str) and recorded.startswith("http"):
            self.urls[httpx.URL(recorded).raw_path.decode()] = given
        elif key == "id" and recorded and given and type(recorded) is type(given):
            self.ids.setdefault(str(recorded), str(given))

    def _learn_items(self, recorded: list[Any], given: list[Any]) -> None:
        taken = set(self.ids.values())
        old = [item for item in recorded if isinstance(item, dict) and str(item.get("id")) not in self.ids]
        new = [item for item in given if isinstance(item, dict) and str(item.get("id")) not in taken]
        if len(old) == len(new):
            for one, other in zip(old, new, strict=True):
                self.learn(one, other)


def _is_id(key: str) -> bool:
    return key.lower().endswith(("id", "ids")) or key.startswith("id") or key == "resIdMaster"


def replay(
    folder: Path,
    origin: str,
    *,
    credentials: Mapping[str, str],
    known_ids: Mapping[str, str] | None = None,
    before: Mapping[str, Callable[[Memory], object]] | None = None,
    bodies: Mapping[str, bytes] | None = None,
) -> dict[str, Comparison]:
    """Send a folder's recorded requests in file order to ``origin`` and compare each answer, by file name."""
    memory = Memory(ids=dict(known_ids or {}), credentials=dict(credentials))
    results: dict[str, Comparison] = {}
    with httpx.Client(trust_env=False, timeout=120.0) as client:
        for exchange in load(folder):
            if before and exchange.name in before:
                before[exchange.name](memory)
            given = client.send(_request(client, exchange, origin, memory, (bodies or {}).get(exchange.name)))
            results[exchange.name] = _compare(exchange, given, memory)
    return results


def check(kind: str, name: str, compared: Mapping[str, Comparison]) -> None:
    """Fail where an exchange differs from its recording, or where one that is excepted doesn't."""
    found = compared[name]
    reason = excepted(kind).get(name)
    if reason is None:
        report = "\n  ".join([found.request, *found.differences, f"answer: {found.answer}"])
        assert not found.differences, report
    else:
        assert found.differences, (
            f"{name} is excepted ({reason}), but it passes: remove it from exceptions.toml"
        )


def check_exceptions(kind: str) -> None:
    """Fail for an exception that names no recording, or gives no reason."""
    listed = excepted(kind)
    assert sorted(listed.keys() - set(names(kind))) == []
    assert [name for name, reason in listed.items() if len(reason.split()) < 3] == []


def _request(
    client: httpx.Client, exchange: Exchange, origin: str, memory: Memory, body: bytes | None
) -> httpx.Request:
    url = memory.urls.get(exchange.path)
    target = httpx.URL(url or origin)
    if url is None:
        target = target.copy_with(raw_path=memory.path(exchange.path).encode())
    headers = {name: memory.header(value) for name, value in exchange.headers.items()}
    content = _sent(exchange.body, memory) if body is None else body
    return client.build_request(exchange.method, target, headers=headers, content=content or None)


def _sent(body: Body, memory: Memory) -> bytes | Iterator[bytes]:
    if body.content is None:
        return body.head + b"A" * (body.size - len(body.head))
    chunked = re.fullmatch(rb"[0-9a-f]+\r\n(.*)\r\n0\r\n\r\n", body.content, re.DOTALL)
    content = body.content if chunked is None else chunked[1]
    replaced = _replaced(content, memory)
    return replaced if chunked is None else iter([replaced])


def _replaced(content: bytes, memory: Memory) -> bytes:
    try:
        parsed = json.loads(content)
    except ValueError:
        return content
    return (
        json.dumps(memory.value(parsed), ensure_ascii=False).encode()
        if memory.value(parsed) != parsed
        else content
    )


def _compare(exchange: Exchange, given: httpx.Response, memory: Memory) -> Comparison:
    recorded, answer = _json(exchange.answer.content or b""), _json(given.content)
    memory.learn(recorded, answer)
    for name in ("token", "refresh-token"):
        if name in exchange.answer_headers and name in given.headers:
            memory.credentials.setdefault(exchange.answer_headers[name], given.headers[name])
    expected = memory.value(recorded)
    return Comparison(
        exchange.name,
        f"{given.request.method} {given.request.url} {given.request.headers.get('content-type', '')}",
        (
            *_heads(exchange, given, memory),
            *_errors(expected, answer, given.status_code),
            *_bodies(exchange, given, expected, answer),
        ),
        f"{given.status_code} {given.text[:500]!r}",
    )


def _json(content: bytes) -> Any:
    """Parse a body, or give the marker ``...`` for one that isn't JSON."""
    try:
        return json.loads(content)
    except ValueError:
        return ...


def _heads(exchange: Exchange, given: httpx.Response, memory: Memory) -> Iterator[str]:
    pairs = {
        "status": (exchange.status, given.status_code),
        "content type": (_media(exchange.answer_headers), _media(given.headers)),
        "X-Status-Reason": (
            memory.text(exchange.answer_headers.get("x-status-reason", "none")),
            given.headers.get("x-status-reason", "none"),
        ),
    }
    for name, (expected, actual) in pairs.items():
        if expected != actual:
            yield f"{name}: {expected!r} expected, {actual!r} given"


def _media(headers: Mapping[str, str]) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def _errors(expected: Any, given: Any, status: int) -> Iterator[str]:
    """Compare the error's text."""
    if status < 400 or not isinstance(expected, dict) or not isinstance(given, dict):
        return
    for key in ERROR_KEYS:
        if expected.get(key) != given.get(key):
            yield f"{key}: {expected.get(key)!r} expected, {given.get(key)!r} given"


def _bodies(exchange: Exchange, given: httpx.Response, expected: Any, answer: Any) -> Iterator[str]:
    if exchange.answer.content is None:
        yield from _summary(exchange.answer, given.content)
    elif expected is not ... and answer is not ...:
        yield from differences(expected, answer)
    elif (expected is ...) != (answer is ...):
        yield f"body: {exchange.answer.content[:80]!r} expected, {given.content[:80]!r} given"
    elif "xml" in _media(exchange.answer_headers):
        yield from _equal("error code", _code(exchange.answer.content), _code(given.content))
    elif exchange.status < 300 and "html" not in _media(exchange.answer_headers):
        yield from _equal("body", exchange.answer.content[:80], given.content[:80])
        yield from _equal("length", exchange.answer.size, len(given.content))


def _summary(recorded: Body, given: bytes) -> Iterator[str]:
    """Compare what little a summarised body says: both are JSON objects, or both have the same size."""
    if recorded.head[:1] in (b"{", b"["):
        yield from _equal("first character", recorded.head[:1], given[:1])
    else:
        yield from _equal("length", recorded.size, len(given))


def _equal(what: str, expected: object, given: object) -> Iterator[str]:
    if expected != given:
        yield f"{what}: {expected!r} expected, {given!r} given"


def _code(xml: bytes) -> bytes:
    """Take the code out of an S3 error."""
    found = re.search(rb"<Code>(.*?)</Code>", xml)
    return found[1] if found else b""
