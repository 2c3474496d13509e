"""Finds the lines of keys and tables in TOML, which the standard library's parser does not tell.

The text has been parsed before, so everything here may take it for valid (https://toml.io/en/v1.0.0).
"""

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence

Path = tuple[str | int, ...]
"""The keys that lead to a value, with the positions in arrays of tables."""

TOKEN = re.compile(
    r'''
    (?P<text> """(?:\\.|[^\\])*?"{3,5} | \'\'\'.*?\'{3,5} | "(?:\\.|[^"\\])*" | '[^']*' )
    | (?P<comment> \#[^\n]* )
    | (?P<newline> \n )
    | (?P<mark> [][{}=,.] )
    | (?P<bare> [^\s"'\#\[\]{}=,.]+ )
    ''',
    re.DOTALL | re.VERBOSE,
)
DEPTH = {"[": 1, "{": 1, "]": -1, "}": -1}


def find_lines(text: str) -> Mapping[Path, int]:
    """Give the line of each table's header and of each key, counted from 1; inline tables are not looked into."""
    lines: dict[Path, int] = {}
    counts: dict[Path, int] = {}
    table: Path = ()
    for line, tokens in _statements(text):
        if tokens[0] == "[":
            table = _opened(_keys(tokens), counts, appends=tokens[1] == "[")
            lines.setdefault(table, line)
        else:
            keys = _keys(tokens[: tokens.index("=")])
            for length in range(1, len(keys) + 1):
                lines.setdefault((*table, *keys[:length]), line)
    return lines


def line_of(lines: Mapping[Path, int], path: Path) -> int | None:
    """Give the line of a value, or of the nearest thing around it that has one."""
    ways_up = (path[:length] for length in range(len(path), 0, -1))
    return next((lines[way] for way in ways_up if way in lines), None)


def _statements(text: str) -> Iterator[tuple[int, list[str]]]:
    """Split into headers and assignments: a statement ends with its line, unless a bracket is still open."""
    tokens: list[str] = []
    start = depth = 0
    for found in TOKEN.finditer(text + "\n"):
        if found.lastgroup == "newline":
            if tokens and depth == 0:
                yield text.count("\n", 0, start) + 1, tokens
                tokens = []
        elif found.lastgroup != "comment":
            start = start if tokens else found.start()
            depth += DEPTH.get(found[0], 0)
            tokens.append(found[0])


def _keys(tokens: Sequence[str]) -> list[str]:
    return [_plain(token) for token in tokens if token not in {"[", "]", "."}]


def _plain(key: str) -> str:
    """Take a key out of its quotes."""
    return str(tomllib.loads(f"key = {key}")["key"]) if key[0] in "\"'" else key


def _opened(keys: Sequence[str], counts: dict[Path, int], *, appends: bool) -> Path:
    """Follow the keys of a header to its table: through arrays of tables the way leads to their last one."""
    path: Path = ()
    for position, key in enumerate(keys, 1):
        path = (*path, key)
        if appends and position == len(keys):
            counts[path] = counts.get(path, -1) + 1
        if path in counts:
            path = (*path, counts[path])
    return path
