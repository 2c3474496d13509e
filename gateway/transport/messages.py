"""What an exchange with a source is made of: a request, an answer whole or still to come, and the bounds of both."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

import msgspec

from gateway.transport.headers import NO_HEADERS


class Request(msgspec.Struct, frozen=True):
    """One HTTP request; ``url`` and ``headers`` may hold credentials, so neither is in the repr.

    A body that is a stream is sent once, with the ``Content-Length`` that its headers give, and the answer may take
    as long as the caller waits.
    """

    method: str
    url: str
    headers: Mapping[str, str] = NO_HEADERS
    body: bytes | AsyncIterator[bytes] | None = None

    @property
    def streams(self) -> bool:
        """Whether the body is a stream."""
        return self.body is not None and not isinstance(self.body, bytes)

    def __repr__(self) -> str:
        return f"Request({self.method!r}, …)"


class Response(msgspec.Struct, frozen=True):
    """A whole answer; header names are in lower case, and ``body`` is already decompressed."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def __repr__(self) -> str:
        return f"Response({self.status}, …)"


class Stream(msgspec.Struct, frozen=True):
    """An answer whose body is still to come; valid inside the context that gave it."""

    status: int
    headers: Mapping[str, str]
    chunks: AsyncIterator[bytes]

    def __repr__(self) -> str:
        return f"Stream({self.status}, …)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The bounds of one source: seconds, requests at once, and bytes of one answer."""

    connect_timeout: float = 1.0
    try_timeout: float = 3.0
    concurrency: int = 32
    max_body: int = 10 * 1024 * 1024
