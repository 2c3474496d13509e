"""The README is true: its tables, its picture and its queries are compared with the code."""

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.domain.errors import error_classes
from tests.world import World, running_world

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
EXAMPLES = re.findall(r"```graphql\n(.*?)```\n\n```json\n(.*?)```", README, re.DOTALL)
RETRYABLE = "↻"


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """Start the demo's systems and a gateway over them."""
    with running_world() as running:
        yield running


@pytest.mark.parametrize(("query", "answer"), EXAMPLES)
def test_a_query_answers_as_printed(world: World, query: str, answer: str) -> None:
    """Whoever tries a query of the README sees what the README says."""
    # when
    found = world.ask(query)

    # then
    assert {"data": found["data"]} == json.loads(answer)
    assert "errors" not in found


def test_there_are_examples() -> None:
    """The pattern above finds every query that is printed."""
    assert len(EXAMPLES) == README.count("```graphql") >= 3


def test_the_codes_are_the_classes() -> None:
    """The table of codes holds each class of the tree once, in its order, with its words."""
    # given
    expected = [
        f"| `{cls.code}`{f' {RETRYABLE}' if cls.retryable else ''} | {cls.meaning} | {cls.advice} |"
        for cls in error_classes()
    ]

    # when
    printed = [line for line in README.splitlines() if re.match(r"\| `[A-Z_]+`", line)]

    # then
    assert printed == expected


def test_the_tree_of_errors_is_drawn_right() -> None:
    """The picture in the module's docstring names every class with its code."""
    # given
    from gateway.domain import errors  # noqa: PLC0415 - the module itself is looked at

    # when
    drawn = set(re.findall(r"[├└]── (\w+) +([A-Z_]+) ", errors.__doc__ or ""))

    # then
    assert drawn == {(cls.__name__, cls.code) for cls in error_classes()}


def test_the_settings_are_the_tested_ones() -> None:
    """The printed settings are the file that the tests of settings load."""
    # given
    sample = (ROOT / "tests/data/gateway.example.toml").read_text("utf-8")

    # then
    assert f"```toml\n{sample.strip()}\n```" in README


def test_the_picture_is_the_contract() -> None:
    """The layers of the README are those that import-linter keeps."""
    # given
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    kept = next(contract["layers"] for contract in contracts if contract["type"] == "layers")

    # when
    drawn = re.findall(
        r"^ *((?:gateway\.|resolvers)[\w.]*(?: : [\w.]+)*)(?: {2}|$| [a-z])", README, re.MULTILINE
    )

    # then
    assert drawn == kept
