"""How long refusing takes: documents over a limit at the executor, and over HTTP with a large body.

Each round is the first time that a document is seen: nothing of it is remembered. Figures are for people to compare:
nothing here asserts a time.
"""

from collections.abc import Iterator

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from gateway.domain.limits import Limits
from gateway.identity.principals import ALL_SCOPES
from gateway.limiter import Limiter, Quota
from resolvers.execution.documents import Rules
from resolvers.execution.executor import Answer, Executor
from tests.execution.comparison import SCHEMA
from tests.security.production import posted, production
from tests.security.served import connected, read_all, statuses
from tests.security.test_limits_before_execution import MEBIBYTE, OVER, POST
from tests.world import World

pytestmark = pytest.mark.slow

RULES = Rules(Limits(), suggestions=False, introspection=False)
LARGE = "{ " + "a " * (MEBIBYTE // 2) + "}"
DEEP = "{ sources(x: " + "[" * 3000 + "]" * 3000 + ") { name } }"


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """Start a gateway whose operator takes large requests, and who counts nothing."""
    with production(largest_request=4 * MEBIBYTE, limits=Limits(rate=0, tenant_rate=0)) as running:
        yield running


@pytest.mark.parametrize("told", [*OVER, "a megabyte", "3,000 brackets"])
def test_refuse(benchmark: BenchmarkFixture, told: str) -> None:
    """Parse, measure and refuse a document."""
    # given
    text, variables = {"a megabyte": (LARGE, None), "3,000 brackets": (DEEP, None), **OVER}[told]

    # when
    answer = benchmark.pedantic(
        lambda executor: executor.check(text, variables, None, ALL_SCOPES),
        setup=lambda: ((Executor(SCHEMA, RULES),), {}),
        rounds=20,
    )

    # then
    assert isinstance(answer, Answer)
    assert not answer.executed


@pytest.mark.parametrize("told", ["1,000 aliases", "fragments in fragments", "a megabyte"])
def test_refuse_over_http(benchmark: BenchmarkFixture, world: World, told: str) -> None:
    """The same as a client sees it; a comment with a number makes each document a new one."""
    # given
    text, variables = {"a megabyte": (LARGE, None), **OVER}[told]
    numbers = iter(range(1_000_000))

    # when
    status, _ = benchmark.pedantic(lambda: posted(world, f"#{next(numbers)}\n{text}", variables), rounds=20)

    # then
    assert status == 400


def test_refuse_a_large_body(benchmark: BenchmarkFixture, world: World) -> None:
    """A body of more than the operator takes is refused as soon as it says so; connecting is part of the time."""
    # given
    request = POST + b"Content-Length: %d\r\n\r\n" % (8 * MEBIBYTE) + b" " * 65_536

    def refused() -> bytes:
        with connected(world.gateway) as connection:
            connection.sendall(request)
            return read_all(connection)

    # when
    answer = benchmark.pedantic(refused, rounds=20)

    # then
    assert statuses(answer) == [413]


def test_take_tokens(benchmark: BenchmarkFixture) -> None:
    """Count one operation in two buckets."""
    # given
    limiter = Limiter(Quota(1, 1e9), Quota(1, 1e9))

    # when
    benchmark(limiter.take, "somebody", 3.0)

    # then
    balance = limiter.balance("somebody")
    assert balance is not None
    assert balance.remaining < 1e9
