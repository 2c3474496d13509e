"""What the tests of the seam to the HTTP library share."""

from collections.abc import AsyncIterator, Iterator

import pytest
from starlette.responses import PlainTextResponse

from gateway.sandbox.server import in_thread
from gateway.sandbox.upstream import SandboxUpstream
from gateway.transport.exchange import Exchange
from gateway.transport.messages import Limits


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
