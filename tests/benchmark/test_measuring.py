"""What `make bench` needs stays right between its runs: its settings, its documents, and what it reads in reports."""

from importlib.util import find_spec
from pathlib import Path

import pytest
from graphql import parse, validate

from gateway.identity.api_keys import ApiKeys
from gateway.settings import load_settings
from gateway.transport.messages import Limits
from resolvers.execution.documents import Rules, check_document
from tests.benchmark import report
from tests.benchmark.candidates import CANDIDATES
from tests.benchmark.plain import schema
from tests.benchmark.processes import KEY
from tests.benchmark.report import Table, Target, cell, rows_of, verdict
from tests.benchmark.same import Series, table
from tests.execution.comparison import CORE

HERE = Path(__file__).parent
DOCUMENTS = sorted((HERE / "queries").glob("*.graphql"))
PLAIN = sorted((HERE / "queries/plain").glob("*.graphql"))


@pytest.mark.parametrize("name", ["gateway", "growth"])
def test_the_settings_are_those_of_production(name: str) -> None:
    """The product is measured with what protects it: production, nobody without the key, limits on."""
    # given
    settings = load_settings(HERE / f"{name}.toml", {})

    # when
    principal = ApiKeys(settings.api_keys).find(KEY, 0.0)

    # then
    assert principal is not None
    assert settings.profile == "production"
    assert not settings.admits_all
    assert settings.limits.rate


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)
def test_the_product_takes_the_documents(path: Path) -> None:
    """A change of the schema shows here, not an hour into a benchmark."""
    # when
    document = check_document(CORE, path.read_text("utf-8"), Rules(suggestions=False), {})

    # then
    assert document.operation(None) is not None


@pytest.mark.parametrize("path", PLAIN, ids=lambda path: path.stem)
def test_its_peer_takes_its_own(path: Path) -> None:
    """The peer is asked for the same in its own words."""
    # when
    errors = validate(schema._schema, parse(path.read_text("utf-8")))

    # then
    assert errors == []
    assert (HERE / "queries" / path.name) in DOCUMENTS


@pytest.mark.parametrize("name", [name for name, (_, module) in CANDIDATES.items() if find_spec(module)])
async def test_libraries_can_stand_behind_adapters(name: str) -> None:
    """Those that are installed are opened as adapters open theirs; the others are told of when they are measured."""
    # given
    kind, _ = CANDIDATES[name]

    # when
    exchange = kind("source", Limits(), private=False)
    await exchange.aclose()

    # then
    assert (exchange.source, exchange.limits) == ("source", Limits())


def test_a_table_is_read_back() -> None:
    """Ratios are worked out from the figures that are printed, and a row that says what went wrong has none."""
    # given
    table = Table(["server", "rps c=16", "p50 / p99 ms c=1"])
    table.add("gateway", "1,234", "2.50 / 7.00")
    text = f"\n\n{table}\n| apollo | WrongAnswer: values differ | | |\n"

    # when
    rows = rows_of(text)

    # then
    assert cell(rows, "gateway", "rps c=16") == 1234
    assert cell(rows, "gateway", "p50 / p99 ms c=1") == 2.5
    assert cell(rows, "apollo", "rps c=16") is None


@pytest.mark.parametrize(
    ("found", "said"), [(0.9, "**missed**"), (1.0, "reached"), (2.0, "aim reached"), (None, "")]
)
def test_what_is_missed_is_called_so(found: float | None, said: str) -> None:
    """The report never lets a figure pass that is not enough, or that was not measured."""
    # given
    target = Target("a ratio", 1.0, 2.0, lambda: found)

    # when
    words = verdict(target, target.find())

    # then
    assert words[1] == said


def test_identical_requests_are_compared_with_distinct_ones(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Both figures come from one part, and the titles keep them apart."""
    # given
    head = "| server | rps c=16 |\n|---|---|\n"
    text = f"### Q1: tree\n\n{head}| gateway | 100 |\n\n### Q1 identical: tree\n\n{head}| gateway | 800 |\n"
    (tmp_path / "identical.md").write_text(text, "utf-8")
    monkeypatch.setattr(report, "built", lambda: tmp_path)

    # when
    found = report.shared("Q1")()

    # then
    assert found == 8


def test_what_was_counted_is_read_back(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The ratio of the report is that of the medians of the table."""
    # given
    series = {"distinct": Series([90.0, 100.0, 400.0], [9.0] * 3), "identical": Series([800.0] * 3, [1.0] * 3)}
    (tmp_path / "identical.md").write_text(table("Q1", series), "utf-8")
    monkeypatch.setattr(report, "built", lambda: tmp_path)

    # when
    found = [report.counted("Q1")(), report.shared("Q1")()]

    # then
    assert found == [8, None]
