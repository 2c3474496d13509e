"""The house stays as it is drawn: small files, short functions, layers that a machine checks."""

import ast
import re
import statistics
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted([*ROOT.glob("gateway/**/*.py"), *ROOT.glob("resolvers/**/*.py")])
LONGEST_FILE = 400
MEDIAN_FUNCTION = 9
P90_FUNCTION = 30
VAGUE = re.compile(r"^(utils?|helpers?|managers?|commons?|misc)$")
FORBIDDEN_LOADER = "strawberry.dataloader"


def _functions(path: Path) -> list[int]:
    tree = ast.parse(path.read_text("utf-8"))
    functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return [(node.end_lineno or node.lineno) - node.lineno + 1 for node in functions]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_fits_a_reader(path: Path) -> None:
    """No module outgrows what one sitting can hold."""
    # when
    lines = len(path.read_text("utf-8").splitlines())

    # then
    assert lines <= LONGEST_FILE


def test_functions_are_short() -> None:
    """The middle function is short, and long ones are rare."""
    # given
    lengths = sorted(length for path in SOURCES for length in _functions(path))

    # when
    median, p90 = statistics.median(lengths), lengths[int(len(lengths) * 0.9)]

    # then
    assert median <= MEDIAN_FUNCTION
    assert p90 <= P90_FUNCTION


def test_no_module_has_a_vague_name() -> None:
    """A newcomer finds a thing where he looks first, and nobody looks in `utils`."""
    # when
    vague = [path for path in SOURCES if VAGUE.match(path.stem) or VAGUE.match(path.parent.name)]

    # then
    assert vague == []


def test_only_aiodataloader_batches() -> None:
    """Strawberry ships a DataLoader of its own; two kinds of loaders would batch past each other."""
    # when
    users = [path for path in SOURCES if FORBIDDEN_LOADER in path.read_text("utf-8")]

    # then
    assert users == []


def test_every_lint_exception_is_explained() -> None:
    """An ignore without a reason is an ignore that nobody dares to remove."""
    # given
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    ignored = tomllib.loads(text)["tool"]["ruff"]["lint"]["ignore"]

    # when
    unexplained = [code for code in ignored if not re.search(rf'"{code}",\s*# \S', text)]

    # then
    assert unexplained == []


def test_the_top_level_is_the_one_that_is_drawn() -> None:
    """The root of the repository stays readable at a glance."""
    # given
    allowed = {
        "CHANGELOG.md", "LICENSE", "Makefile", "README.md", "docker", "gateway", "pyproject.toml", "resolvers",
        "schema.graphql", "tests",
    }  # fmt: skip
    built = {"dist"}

    # when
    found = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")}

    # then
    assert found - allowed - built == set()
