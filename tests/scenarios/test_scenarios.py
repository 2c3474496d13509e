"""Each Markdown file beside this one is a test: a query, what it costs upstream, and its whole answer."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.scenarios.reading import Unreadable, read_scenario
from tests.scenarios.runner import play

HERE = Path(__file__).parent
FILES = sorted(HERE.glob("*.md"))
EXAMPLE = HERE / "file-by-id.md"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
async def test_scenario(file: Path) -> None:
    """A scenario says what a query sends and answers; the gateway does exactly that."""
    # given what the file says
    scenario = read_scenario(file.read_text("utf-8"))

    # when its queries are sent to the real gateway before an upstream that knows nothing else
    problems = await play(scenario)

    # then every answer, every request and every count is what the file says
    assert not problems, "\n".join(problems)
