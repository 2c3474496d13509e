"""What the tests of the seam to the HTTP library share."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping

import pytest
import uvloop
from starlette.responses import PlainTextResponse

from gateway.sandbox.server import in_thread
from gateway.sandbox.upstream import SandboxUpstream
from gateway.transport.exchange import Exchange
from gateway.transport.messages import Limits


def pytest_asyncio_loop_factories(
    config: pytest.Config,  # noqa: ARG001 - the hook's signature
    item: pytest.Item,
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run the modules that say so on both loops: the server's, and that of commands and of systems without it."""
    loops = {"asyncio": asyncio.new_event_loop}
    on_both = getattr(item.module, "ON_BOTH_LOOPS", False)  # type: ignore[attr-defined] # of a test in Python
    return {**loops, "uvloop": uvloop.new_event_loop} if on_both else loops


@pytest.fixture
async def exchange() -> AsyncIterator[Exchange]:
    """Open an exchange."""
    exchange = Exchange("source", Limits())
    yield exchange
    await exchange.aclose()


@pytest.fixture
def sandbox() -> SandboxUpstream:
    """Make an upstream whose application the test chooses."""
    return SandboxUpstream("sandbox", PlainTextResponse("fine"))


@pytest.fixture
def origin(sandbox: SandboxUpstream) -> Iterator[str]:
    """Serve it."""
    with in_thread(sandbox) as origin:
        yield origin
