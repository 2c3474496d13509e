"""Each Markdown file beside this one is a test: a query, what it costs upstream, and its whole answer."""

from pathlib import Path

import pytest

from tests.scenarios.reading import read_scenario
from tests.scenarios.runner import play

TEXTS = {file.stem: file.read_text("utf-8") for file in sorted(Path(__file__).parent.glob("*.md"))}
FEWEST = 24


@pytest.mark.parametrize("name", TEXTS)
async def test_scenario(name: str) -> None:
    """A scenario says what a query sends and answers; the gateway does exactly that."""
    # given what the file says
    scenario = read_scenario(TEXTS[name])

    # when its queries are sent to the real gateway before an upstream that knows nothing else
    problems = await play(scenario)

    # then every answer, every request and every count is what the file says
    assert not problems, "\n".join(problems)


def test_there_are_enough_scenarios() -> None:
    """The files are found: a moved folder would otherwise leave a test that runs nothing."""
    # given the files beside this one

    # when they are read
    titles = [read_scenario(text).title for text in TEXTS.values()]

    # then there are at least two dozen, each with a title of its own
    assert len(titles) >= FEWEST
    assert len(set(titles)) == len(titles)
