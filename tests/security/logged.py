"""Collects everything that is logged, at every level, as the commands of the gateway let it be logged."""

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from gateway import redaction


@contextmanager
def everything_logged() -> Iterator[io.StringIO]:
    """Log all loggers at DEBUG into a text, with redaction as the commands install it, until the end of the test."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s %(message)s"))
    root = logging.getLogger()
    levels = {logger: logger.level for logger in (root, *_named())}
    root.addHandler(handler)
    for logger in levels:
        logger.setLevel(logging.DEBUG)
    redaction.install()
    try:
        yield written
    finally:
        root.removeHandler(handler)
        for logger, level in levels.items():
            logger.setLevel(level)


def _named() -> list[logging.Logger]:
    """Find the loggers of the libraries that a gateway runs on, those that log by themselves among them."""
    names = ["uvicorn", "uvicorn.error", "uvicorn.access", "aiohttp.client", "sqlalchemy", "sqlalchemy.engine"]
    known = (logging.getLogger(name) for name in [*names, *logging.root.manager.loggerDict])
    return [logger for logger in known if logger.level]
