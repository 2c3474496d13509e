"""Reads recorded exchanges: three recorders wrote bodies in different ways, this gives them one form."""

import base64
import json
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RECORDINGS = Path(__file__).parent.parent / "recordings"
EXCEPTIONS = Path(__file__).parent / "exceptions.toml"


@dataclass(frozen=True, slots=True)
class Body:
    """A recorded body: its bytes, or as much as the recording kept of them.

    ``content`` is None where the recording only has the size; ``head`` is then the first bytes, perhaps none.
    """

    content: bytes | None
    size: int
    head: bytes = b""

    def json(self) -> Any:
        """Give the parsed JSON; raises ValueError where this is none."""
        return json.loads(self.content or b"")


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request that was sent to a real server, and what that server answered; header names in lower case."""

    name: str
    method: str
    path: str
    headers: dict[str, str]
    body: Body
    status: int
    answer_headers: dict[str, str]
    answer: Body


def names(kind: str) -> list[str]:
    """Name the recorded exchanges of a kind (their files' names), in the order in which they happened."""
    return sorted(path.name for path in (RECORDINGS / kind).glob("*.json"))


def load(folder: Path) -> Iterable[Exchange]:
    """Read the exchanges of one folder in file order."""
    for path in sorted(folder.glob("*.json")):
        yield _exchange(path.name, json.loads(path.read_text(encoding="utf-8")))


def excepted(kind: str) -> dict[str, str]:
    """Give the exchanges of a kind that can't apply to the sandbox, with the reason of each."""
    listed: dict[str, dict[str, str]] = tomllib.loads(EXCEPTIONS.read_text(encoding="utf-8"))
    return listed.get(kind, {})


def _exchange(name: str, recorded: dict[str, Any]) -> Exchange:
    request, answer = recorded["request"], recorded["response"]
    return Exchange(
        name=name,
        method=request["method"],
        path=request["path"],
        headers=_lower(request["headers"]),
        body=_body(request["body"]),
        status=answer["status"],
        answer_headers=_lower(answer["headers"]),
        answer=_body(answer["body"]),
    )


def _lower(headers: dict[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _body(recorded: Any) -> Body:
    if isinstance(recorded, dict):
        if "omitted_bytes" in recorded:
            return Body(None, recorded["omitted_bytes"], base64.b64decode(recorded["head_b64"]))
        if "bytes" in recorded:
            return Body(None, recorded["bytes"])
    content = _content(recorded)
    return Body(content, len(content))


def _content(recorded: Any) -> bytes:
    if recorded is None:
        return b""
    if isinstance(recorded, str):
        return recorded.encode()
    if "base64" in recorded:
        return base64.b64decode(recorded["base64"])
    if "text" in recorded:
        return str(recorded["text"]).encode()
    return json.dumps(recorded["json"], ensure_ascii=False).encode()
