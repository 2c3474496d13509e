"""Asks every configured source whether it works, and writes the answers as a table."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from gateway.domain.errors import GatewayError
from gateway.settings import Settings
from gateway.transport.call import Call
from gateway.upstreams.base import SourceSettings, capabilities
from gateway.upstreams.registry import open_source

HEADER = ("NAME", "KIND", "HOST", "MS", "WORKS")
MILLISECONDS = 1000


@dataclass(frozen=True, slots=True)
class Probed:
    """What asking one source gave: its operations, or the failure; ``ms`` is how long that took."""

    source: SourceSettings
    ms: float
    operations: tuple[str, ...]
    failure: GatewayError | None = None

    def row(self) -> tuple[str, ...]:
        """Write the columns of the table."""
        error = self.failure
        works = f"no: {error.code} {error.message}" if error else ", ".join(self.operations)
        host = urlsplit(self.source.url).netloc
        tenant = f"{self.source.tenant}/" if self.source.tenant else ""
        return tenant + self.source.name, self.source.kind, host, f"{self.ms:.0f}", works


async def probe_sources(settings: Settings) -> Sequence[Probed]:
    """Ask all sources at once, each for as long as an operation may take. One or two requests to each."""
    return await asyncio.gather(*(_probe(source, settings.deadline) for source in settings.sources))


def write_table(found: Sequence[Probed]) -> str:
    """Write one line per source below a header; all columns but the last are as wide as what is in them."""
    rows = [HEADER, *(one.row() for one in found)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


async def _probe(source: SourceSettings, seconds: float) -> Probed:
    """Ask one source, unless only its users have the credential for that."""
    adapter = open_source(source)
    start = time.perf_counter()
    failure = None
    try:
        if not source.pass_through:
            await adapter.probe(Call.lasting(seconds))
    except GatewayError as exc:
        failure = exc
    finally:
        ms = (time.perf_counter() - start) * MILLISECONDS
        await adapter.aclose()
    works = (capability.operation.value for capability in capabilities(adapter) if capability.supported)
    return Probed(source, ms, tuple(works), failure)
