"""Runs an ASGI application that no server serves: the test calls it itself."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.types import ASGIApp
from uvicorn.config import Config
from uvicorn.lifespan.on import LifespanOn


@asynccontextmanager
async def running(app: ASGIApp) -> AsyncIterator[None]:
    """Start an application, and stop it at the end, as uvicorn does."""
    lifespan = LifespanOn(Config(app, lifespan="on", log_config=None))
    await lifespan.startup()
    assert not lifespan.should_exit, "the application did not start"
    try:
        yield
    finally:
        await lifespan.shutdown()
