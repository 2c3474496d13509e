"""Documents at and over the limits, and what the executor says of them."""

from typing import Any

from gateway.domain.errors import TooComplex
from gateway.domain.limits import Limits
from gateway.identity.principals import ALL_SCOPES
from resolvers.execution.documents import Rules
from resolvers.execution.executor import Answer, Checked, Executor
from tests.execution.comparison import BOUNDLESS, SCHEMA

LIMITS = Limits()
TREE = 'library(by: {source: "arrhes", organization: "org1", year: "2025"})'
MAIL = '{mail: {source: "maarch", resId: 100}}'


def checked(text: str, variables: dict[str, Any] | None = None, limits: Limits = LIMITS) -> Checked | Answer:
    """Check a document without executing it."""
    return Executor(SCHEMA, Rules(limits)).check(text, variables, None, ALL_SCOPES)


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
    outer = " ".join(f"r{n}: library {{ ...F }}" for n in range(fields))
    inner = " ".join(f"a{n}: year" for n in range(aliases))
    return f"{{ {TREE} {{ folders {{ {outer} }} }} }} fragment F on Library {{ {inner} }}"


def doubling(steps: int) -> str:
    """Write fragments that each lead to the next one twice: 2 to the power of ``steps`` fields."""
    links = (
        f"fragment F{n} on Folder {{ folders {{ ...F{n + 1} }} parent {{ ...F{n + 1} }} }}"
        for n in range(steps)
    )
    return f"{{ {TREE} {{ folders {{ ...F0 }} }} }} {' '.join(links)} fragment F{steps} on Folder {{ name }}"


def records(count: int, page: int) -> tuple[str, dict[str, Any]]:
    """Write a document whose cost its variables decide: 2 requests and a page for each of ``count`` records."""
    text = (
        "query Q($ids: [ID!]!, $first: Int!) { nodes(ids: $ids) { ... on Record "
        "{ attachments(first: $first) { edges { node { id } } } } } }"
    )
    return text, {"ids": ["x"] * count, "first": page}


AT_THE_LIMIT: dict[str, tuple[str, dict[str, Any]]] = {
    "tokens": ("{ " + "__typename " * 19 + "}" + "#\n" * 1979, {}),
    "depth": (nested(15), {}),
    "aliases": (spread_over(5, 5), {}),
    "directives": ("{ sources { " + "kind @skip(if: false) " * 50 + "} }", {}),
    "root_fields": ("{ " + "__typename " * 20 + "}", {}),
    "upstream_requests": records(100, 1),
    "nodes": records(100, 99),
}
OVER_THE_LIMIT: dict[str, tuple[str, dict[str, Any]]] = {
    "more than 2,000 tokens": ("{ " + "__typename " * 19 + "}" + "#\n" * 1980, {}),
    "16 levels of fields; the limit is 15": (nested(16), {}),
    "31 aliases, with fragments expanded; the limit is 30": (spread_over(1, 30), {}),
    "930 aliases": (spread_over(30, 30), {}),
    "600 aliases": ("{ sources { " + " ".join(f"a{n}: name" for n in range(600)) + " } }", {}),
    "51 directives": ("{ sources { " + "kind @skip(if: false) " * 51 + "} }", {}),
    "21 fields at its root; the limit is 20": ("{ " + "__typename " * 21 + "}", {}),
    "79,800 pairs of fields": (f"{{ {TREE} {{ {'folders { id } ' * 400} }} }}", {}),
    "202 upstream requests; the limit is 200": records(101, 1),
    "10,100 nodes; the limit is 10,000": records(100, 100),
}
