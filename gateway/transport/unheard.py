"""Failures of work that nobody waits for any more."""

import asyncio
from typing import Any


def look_at(ended: "asyncio.Future[Any]") -> None:
    """Look at how something ended, so that asyncio does not report a failure that nobody was there to hear."""
    if not ended.cancelled():
        ended.exception()
