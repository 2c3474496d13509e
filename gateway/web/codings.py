"""Content codings: how an answer is compressed for a client that accepts it (RFC 9110, 12.5.3)."""

import zlib
from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType

import brotli
import zstandard

from gateway.domain.edge import REMEMBERED

WORTHWHILE = 1024
"""Bytes below which an answer is sent as it is: it fits one packet either way."""
GZIP_WINDOW = 31
"""What makes zlib write gzip (RFC 1952)."""
LONGEST_HEADER = 256

Compress = Callable[[bytes], bytes]


def _zstd(body: bytes) -> bytes:
    return zstandard.ZstdCompressor(level=3).compress(body)


def _brotli(body: bytes) -> bytes:
    compressed: bytes = brotli.compress(body, quality=4)
    return compressed


def _gzip(body: bytes) -> bytes:
    machine = zlib.compressobj(5, wbits=GZIP_WINDOW)
    return machine.compress(body) + machine.flush()


CODINGS: Mapping[str, Compress] = MappingProxyType({"zstd": _zstd, "br": _brotli, "gzip": _gzip})
"""From the best to the most common: of what a client accepts equally, the first is taken."""


@lru_cache(REMEMBERED)
def preferred_coding(accepted: str) -> str | None:
    """Choose a coding by the text of `Accept-Encoding`; None is the answer as it is, which all may get."""
    if len(accepted) > LONGEST_HEADER:
        return None
    weights = dict(_weighed(part) for part in accepted.lower().split(","))
    offered = {name: weights.get(name, weights.get("*", 0.0)) for name in CODINGS}
    best = max(offered, key=lambda name: offered[name])
    return best if offered[best] > 0 and offered[best] >= weights.get("identity", 0.0) else None


def compress(body: bytes, coding: str) -> bytes:
    """Compress a body with one of `CODINGS`: some 4 ms for each megabyte with zstd, 10 with br, 20 with gzip."""
    return CODINGS[coding](body)


def _weighed(part: str) -> tuple[str, float]:
    name, _, parameter = part.partition(";")
    weight = parameter.strip().removeprefix("q=")
    try:
        return name.strip(), float(weight) if parameter else 1.0
    except ValueError:
        return name.strip(), 0.0
