"""Compiled execution answers what graphql-core answers: documents over the whole schema, executed both ways."""

import asyncio
from collections.abc import Coroutine
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.execution.comparison import CORE, Spied, by_core, shown
from tests.execution.documents import Writer, Written
from tests.execution.flaws import FLAWS, flawed_world
from tests.execution.things import whole_world
from tests.execution.values import WorldValues
from tests.execution.world import World

FEW, FEW_FLAWED = 200, 100
MANY, MANY_FLAWED = 5000, 2000
MOSTLY = 0.8

LOOP = asyncio.new_event_loop()
"""One loop for all documents: making one takes longer than most documents."""

CURSORS = """{
  library(by: {source: "arrhes", organization: "org", year: "2025"}) { descendants { edges { cursor } } }
  record(by: {mail: {source: "maarch", resId: 1}}) { attachments { edges { cursor } } }
  storedFiles(in: [{record: {mail: {source: "maarch", resId: 1}}}]) { edges { cursor } }
}"""


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine on the loop of this module."""
    return LOOP.run_until_complete(coroutine)


def cursors(world: World) -> list[str]:
    """Collect some cursors that the lists of a world give."""

    async def asked() -> Any:
        return await by_core(Written(CURSORS, {}, None), world.context(), valid=True)

    data = run(asked()).data
    lists = (data["library"]["descendants"], data["record"]["attachments"], data["storedFiles"])
    return [edge["cursor"] for found in lists for edge in found["edges"][:3]]


WORLD = whole_world()
VALUES = WorldValues(WORLD, cursors(WORLD))
WORLDS = {flaw: flawed_world(flaw) for flaw in FLAWS}


@cache
def numbers(below: int) -> st.SearchStrategy[int]:
    """Give the strategy of numbers from 0 to less than ``below``; making one takes longer than drawing from it."""
    return st.integers(0, below - 1)


@st.composite
def documents(draw: st.DrawFn) -> Written:
    """Draw a document over the whole schema, with its variables."""
    return Writer(CORE, lambda below: draw(numbers(below)), VALUES).document()


async def compare(written: Written, world: World, executor: Spied, seed: int) -> None:
    """Execute a document both ways, each with loaders of its own and in an order of its own.

    It is asked for thrice: what trees keep of answers is written the second time, and given the third.
    """
    answers = []
    for turn in range(3):
        context = world.context(seed + turn)
        answers.append((await executor.ask(written, context), context))
    expected_context = world.context(seed + len(answers))
    expected = await by_core(written, expected_context, valid=answers[0][0].executed)
    wanted = shown(expected, expected_context)
    for answer, context in answers:
        assert shown(answer, context) == wanted, written.text


def examples(most: int) -> Any:
    """Give the settings of a run over so many documents."""
    slow = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]
    return settings(max_examples=most, deadline=None, suppress_health_check=slow)


def check_sound(most: int) -> Spied:
    """Compare so many documents in a world without flaws."""
    executor = Spied()

    @examples(most)
    @given(documents(), st.integers(0, 2**16))
    def check(written: Written, seed: int) -> None:
        run(compare(written, WORLD, executor, seed))

    check()
    return executor


def check_flawed(most: int) -> Spied:
    """Compare so many documents in worlds where sources give what they may not give."""
    executor = Spied()

    @examples(most)
    @given(documents(), st.sampled_from(sorted(WORLDS)), st.integers(0, 2**16))
    def check(written: Written, flaw: str, seed: int) -> None:
        run(compare(written, WORLDS[flaw], executor, seed))

    check()
    return executor


def test_answers_are_equal() -> None:
    """Data, its order and errors are those of graphql-core, and plans gave nearly all of them."""
    # when
    executor = check_sound(FEW)

    # then
    assert executor.compiled > MOSTLY * (executor.compiled + executor.interpreted)


def test_answers_to_flawed_sources_are_equal() -> None:
    """Where a source gives what it may not give, the same places are null and the errors have the same paths."""
    # when
    executor = check_flawed(FEW_FLAWED)

    # then
    assert executor.compiled


@pytest.mark.slow
def test_many_answers_are_equal() -> None:
    """The same over many more documents."""
    # when
    executor = check_sound(MANY)

    # then
    assert executor.compiled > MOSTLY * (executor.compiled + executor.interpreted)


@pytest.mark.slow
def test_many_answers_to_flawed_sources_are_equal() -> None:
    """The same over many more documents in worlds with flaws."""
    # when
    executor = check_flawed(MANY_FLAWED)

    # then
    assert executor.interpreted
