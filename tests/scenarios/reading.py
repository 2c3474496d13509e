"""Reads scenarios: Markdown files that say what a query costs and what it answers.

A scenario has a title, a paragraph, and these sections:

- ``## Sources``: a TOML block with ``[[sources]]`` tables as in the gateway's configuration. Every upstream stands
  at ``https://upstream.example``, and the paths below that tell them apart.
- ``## Upstream``: a line ``Provenance: documented | recorded | made`` and one ``### …`` part per exchange. That is an
  ``http`` block with the request line, the headers that matter and, after an empty line, the body; an ``http`` block
  with the status and headers of the answer; and the answer's body in a block of any other kind. An exchange is
  expected exactly once, or as often as its line ``hits: N`` says.
- ``## Query``: a ``graphql`` block, and where wanted a ``json`` block of variables and an ``http`` block of headers.
- ``## Answer``: a line ``Upstream requests: N`` and a ``json`` block with the whole body of the answer.

Query and answer may come several times, one after the other, against the same running gateway.
"""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

PROVENANCES = ("documented", "recorded", "made")
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SECTION = re.compile(r"^## (.+)$", re.MULTILINE)
PART = re.compile(r"^### (.+)$", re.MULTILINE)


class Unreadable(Exception):
    """A scenario is not written as it should be."""


@dataclass(frozen=True, slots=True)
class Request:
    """What the gateway is expected to send; ``headers`` are those that matter, by their names in lower case."""

    method: str
    path: str
    query: tuple[tuple[str, Any], ...]
    headers: Mapping[str, str]
    body: Any


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its answer, expected so many times."""

    title: str
    request: Request
    status: int
    headers: Mapping[str, str]
    body: str
    hits: int


@dataclass(frozen=True, slots=True)
class Step:
    """One query, its whole answer, and how many upstream requests it may take."""

    query: str
    variables: dict[str, Any]
    headers: Mapping[str, str]
    answer: Any
    requests: int


@dataclass(frozen=True, slots=True)
class Scenario:
    """One file."""

    title: str
    about: str
    provenance: str
    settings: dict[str, Any] = field(repr=False)
    exchanges: tuple[Exchange, ...]
    steps: tuple[Step, ...]


def read_scenario(text: str) -> Scenario:
    """Read the text of a scenario; raises Unreadable."""
    head, *sections = _split(SECTION, text)
    title, _, about = head[1].strip().partition("\n")
    by_name = dict(sections)
    if not title.startswith("# ") or not about.strip():
        raise Unreadable("A scenario begins with a title and a paragraph.")
    upstream, *parts = _split(PART, by_name.get("Upstream", ""))
    return Scenario(
        title.removeprefix("# "),
        about.strip(),
        _provenance(upstream[1]),
        tomllib.loads(_block(by_name.get("Sources", ""), "toml")),
        tuple(_exchange(name, part) for name, part in parts),
        tuple(_steps(sections)),
    )


def comparable_query(pairs: list[tuple[str, str]]) -> tuple[tuple[str, Any], ...]:
    """Make the parameters of a query comparable: in order of their names, with JSON in them by its meaning."""
    return tuple(sorted(((name, comparable(value)) for name, value in pairs), key=lambda pair: pair[0]))


def comparable(text: str) -> Any:
    """Make a body or a parameter comparable: JSON by its meaning, anything else as text."""
    try:
        return json.loads(text)
    except ValueError:
        return text.strip()


def _split(heading: re.Pattern[str], text: str) -> list[tuple[str, str]]:
    """Split at headings; what stands before the first one has an empty name."""
    pieces = heading.split(text)
    return [("", pieces[0]), *zip(pieces[1::2], pieces[2::2], strict=True)]


def _provenance(text: str) -> str:
    found = re.search(r"^Provenance: (\w+)", text, re.MULTILINE)
    if found is None or found[1] not in PROVENANCES:
        raise Unreadable(f"`## Upstream` says where its exchanges come from: one of {', '.join(PROVENANCES)}.")
    return found[1]


def _steps(sections: list[tuple[str, str]]) -> Iterator[Step]:
    turns = [(name, text) for name, text in sections if name in ("Query", "Answer")]
    if not turns or [name for name, _ in turns] != ["Query", "Answer"] * (len(turns) // 2):
        raise Unreadable("Each `## Query` is followed by its `## Answer`, and there is at least one.")
    for (_, asked), (_, answered) in zip(turns[::2], turns[1::2], strict=True):
        _, headers, _ = _message(_block(asked, "http", "POST /graphql"))
        yield Step(
            query=_block(asked, "graphql"),
            variables=json.loads(_block(asked, "json", "{}")),
            headers=headers,
            answer=json.loads(_block(answered, "json")),
            requests=int(_line(r"^Upstream requests: (\d+)$", answered)),
        )


def _exchange(title: str, text: str) -> Exchange:
    blocks = FENCE.findall(text)
    if [language for language, _ in blocks[:2]] != ["http", "http"] or len(blocks) > len(
        ("one", "two", "body")
    ):
        raise Unreadable(f"`{title}` is a request, an answer and at most one body.")
    status, headers, _ = _message(blocks[1][1])
    body = blocks[2][1] if blocks[2:] else ""
    return Exchange(title, _request(blocks[0][1]), int(status[:3]), headers, body, _hits(text))


def _request(block: str) -> Request:
    line, headers, body = _message(block)
    method, _, target = line.partition(" ")
    path, _, query = target.partition("?")
    pairs = comparable_query(parse_qsl(query, keep_blank_values=True))
    return Request(method, path, pairs, headers, comparable(body))


def _message(block: str) -> tuple[str, dict[str, str], str]:
    """Take an HTTP message apart: its first line, its headers by lower-case name, its body."""
    head, _, body = block.partition("\n\n")
    line, *lines = head.strip().splitlines()
    headers = {name.strip().lower(): value.strip() for name, _, value in (one.partition(":") for one in lines)}
    return line, headers, body


def _hits(text: str) -> int:
    found = re.search(r"^hits: (\d+)$", text, re.MULTILINE)
    return int(found[1]) if found else 1


def _line(pattern: str, text: str) -> str:
    found = re.search(pattern, text, re.MULTILINE)
    if found is None:
        raise Unreadable(f"A line is missing that looks like {pattern}.")
    return found[1]


def _block(text: str, language: str, otherwise: str | None = None) -> str:
    found = [body for name, body in FENCE.findall(text) if name == language]
    if len(found) > 1 or (not found and otherwise is None):
        raise Unreadable(f"A section has not one block of `{language}`.")
    return found[0] if found else otherwise or ""
