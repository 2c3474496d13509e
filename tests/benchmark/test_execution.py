"""How long the gateway's own work takes: compiling, projecting and encoding, with graphql-core beside it.

The sources are in memory, so nothing is measured but what this process does. Figures are for people to compare:
nothing here asserts a time.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import msgspec
import pytest
from graphql.execution.values import VariableValues
from pytest_benchmark.fixture import BenchmarkFixture

from gateway.domain import model
from gateway.domain.refs import Ref, RefType
from resolvers.execution.arguments import Converters
from resolvers.execution.documents import Rules, check_document
from resolvers.execution.executor import Executor
from resolvers.execution.projection import Compiler
from tests.execution.comparison import CORE, SCHEMA, by_core
from tests.execution.documents import Written
from tests.execution.things import grown, whole_world
from tests.execution.world import World
from tests.identifiers import IDS

pytestmark = pytest.mark.slow

FIELDS = "id name reference hash: checksum date: documentDate size type: mediaType createdAt"


def tree_query(fields: str) -> str:
    """Write a query for four levels of folders and their files."""
    inner = "id name files { ...Fields }"
    for _ in range(3):
        inner = f"id name files {{ ...Fields }} folders {{ {inner} }}"
    place = '{source: "arrhes", organization: "org", year: "2025"}'
    return f"{{ library(by: {place}) {{ folders {{ {inner} }} }} }} fragment Fields on File {{ {fields} }}"


NODE = Ref("maarch", RefType.ATTACHMENT, ("m1-a0",))
QUERIES = {
    "tree": tree_query(FIELDS),
    "files-with-folder": tree_query(f"{FIELDS} folder {{ name }}"),
    "node": f'{{ node(id: "{IDS.seal(NODE)}") {{ id ... on Attachment {{ title: name type: mediaType size '
    "createdAt updatedAt canUpdate: viewerCanUpdate canDelete: viewerCanDelete } } }",
}


@pytest.fixture(scope="module")
def world() -> World:
    """Make a world whose tree has some 1,000 files."""
    world = whole_world()
    library = model.Library(Ref("arrhes", RefType.LIBRARY, ("org", "2025")))
    world.sources["arrhes"].listings[library.ref] = grown(library, wide=35, files=9)
    return world


@pytest.fixture(scope="module")
def run() -> Iterator[Callable[[Coroutine[Any, Any, Any]], Any]]:
    """Run coroutines on one loop."""
    loop = asyncio.new_event_loop()
    yield loop.run_until_complete
    loop.close()


@pytest.mark.parametrize("query", QUERIES)
def test_compile(benchmark: BenchmarkFixture, query: str) -> None:
    """Make the plan of a document that is parsed and validated."""
    # given
    document = check_document(CORE, QUERIES[query], Rules(suggestions=False), {})
    operation = document.operation(None)
    assert operation is not None
    values = VariableValues({}, {})
    converters = Converters(SCHEMA.config, SCHEMA.schema_converter.scalar_registry)

    # when
    plan = benchmark(lambda: Compiler(CORE, document.fragments, operation, values, converters).compile())

    # then
    assert callable(plan)


@pytest.mark.parametrize("query", QUERIES)
def test_plan(benchmark: BenchmarkFixture, world: World, run: Any, query: str) -> None:
    """Execute a document by its plan."""
    # given
    executor = Executor(SCHEMA)
    document = executor.document(QUERIES[query])

    # when
    answer = benchmark(lambda: run(executor.execute(document, {}, None, world.context(), read_only=True)))

    # then
    assert answer.errors == []


@pytest.mark.parametrize("query", QUERIES)
def test_graphql_core(benchmark: BenchmarkFixture, world: World, run: Any, query: str) -> None:
    """Execute the same by graphql-core, parsing included and validation not."""
    # given
    written = Written(QUERIES[query], {}, None)

    # when
    answer = benchmark(lambda: run(by_core(written, world.context(), valid=True)))

    # then
    assert answer.errors == []


@pytest.mark.parametrize("query", QUERIES)
def test_encode(benchmark: BenchmarkFixture, world: World, run: Any, query: str) -> None:
    """Encode an answer."""
    # given
    executor = Executor(SCHEMA)
    document = executor.document(QUERIES[query])
    answer = run(executor.execute(document, {}, None, world.context(), read_only=True))

    # when
    body = benchmark(msgspec.json.encode, {"data": answer.data})

    # then
    assert msgspec.json.decode(body)["data"] == msgspec.to_builtins(answer.data)
