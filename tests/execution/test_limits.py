"""What one operation may ask for: each limit holds, before anything is asked of a source, and by bounded work."""

from typing import Any

from gateway.domain.errors import TooComplex
from gateway.domain.limits import Limits
from resolvers.execution.documents import Rules
from resolvers.execution.executor import Answer, Checked, Executor
from tests.execution.comparison import BOUNDLESS, SCHEMA

LIMITS = Limits()
TREE = 'library(by: {source: "arrhes", organization: "org1", year: "2025"})'
MAIL = '{mail: {source: "maarch", resId: 100}}'


def checked(text: str, variables: dict[str, Any] | None = None, limits: Limits = LIMITS) -> Checked | Answer:
    """Check a document without executing it."""
    return Executor(SCHEMA, Rules(limits)).check(text, variables, None)


def refusals(text: str, variables: dict[str, Any] | None = None, limits: Limits = LIMITS) -> list[str]:
    """Give the messages of the limits that a document is over; it must be valid."""
    answer = checked(text, variables, limits)
    if isinstance(answer, Checked):
        return []
    assert all(isinstance(error.original_error, TooComplex) for error in answer.errors), answer.errors
    return [error.message for error in answer.errors]


def cost(text: str, variables: dict[str, Any] | None = None) -> tuple[int, int]:
    """Give the upstream requests and the nodes that a document may cost."""
    answer = checked(text, variables, BOUNDLESS)
    assert isinstance(answer, Checked), answer.errors
    return tuple(answer.cost)


def nested(levels: int) -> str:
    """Write a document of so many levels of fields."""
    folders = levels - 2
    return f"{{ {TREE} {{ {'folders { ' * folders}name{' }' * folders} }} }}"


def spread_over(fields: int, aliases: int) -> str:
    """Write a document where aliased fields each spread a fragment of aliases."""
    roots = " ".join(f"r{n}: sources {{ ...F }}" for n in range(fields))
    inner = " ".join(f"a{n}: name" for n in range(aliases))
    return f"{{ {roots} }} fragment F on Source {{ {inner} }}"


def doubling(steps: int) -> str:
    """Write fragments that each lead to the next one twice: 2 to the power of ``steps`` fields."""
    links = (
        f"fragment F{n} on Folder {{ folders {{ ...F{n + 1} }} parent {{ ...F{n + 1} }} }}" for n in range(steps)
    )
    return f"{{ {TREE} {{ folders {{ ...F0 }} }} }} {' '.join(links)} fragment F{steps} on Folder {{ name }}"


# One limit after the other

JUST_BELOW_AND_ABOVE = {
    "tokens": ("{ " + "__typename " * 1998 + "}", "{ " + "__typename " * 1999 + "}"),
    "levels": (nested(15), nested(16)),
    "aliases": (spread_over(5, 5), spread_over(1, 30)),
    "directives": (
        "{ sources { name " + "kind @skip(if: false) " * 50 + "} }",
        "{ sources { name " + "kind @skip(if: false) " * 51 + "} }",
    ),
    "fields at its root": ("{ " + "__typename " * 20 + "}", "{ " + "__typename " * 21 + "}"),
    "upstream requests": (
        "{ sources { name } " + " ".join(f'n{n}: node(id: "x") {{ id }}' for n in range(10)) + " }",
        f"{{ storedFiles(in: [{', '.join(['{id: "x"}'] * 50)}], first: 100) {{ edges {{ node {{ ... on File "
        "{ download { url } } ... on Attachment { download { url } } } } } }",
    ),
    "nodes": (
        f"{{ {TREE} {{ descendants(first: 1000) {{ edges {{ node {{ ... on Folder {{ ancestors {{ id }} }} }} }} }} }} }}",
        f"{{ {TREE} {{ descendants(first: 1000) {{ edges {{ parent {{ id }} node {{ ... on Folder {{ ancestors {{ id }} "
        "} } } } } }",
    ),
}
