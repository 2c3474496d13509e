"""Load from one event loop: so many connections, each with one request at a time, and every answer looked at."""

import asyncio
import json
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle

ENOUGH_LONGER = 8.0
"""Seconds that a load lasts at most longer than it should, while the last answers come."""


@dataclass(frozen=True, slots=True)
class Marker:
    """What each right answer holds, and how often."""

    text: bytes
    times: int

    def fits(self, answer: bytes | bytearray) -> bool:
        """Tell whether an answer is whole and without errors."""
        return (
            answer.startswith(b"HTTP/1.1 200")
            and answer.count(self.text) == self.times
            and b'"errors"' not in answer
        )


@dataclass(slots=True)
class Tally:
    """What came back: seconds of each answer, and how many were wrong; ``cpu`` is what the server took in seconds."""

    times: list[float] = field(default_factory=list)
    wrong: int = 0
    seconds: float = 0.0
    cpu: float = 0.0

    @property
    def rate(self) -> float:
        """Answers in a second."""
        return len(self.times) / self.seconds

    @property
    def cost(self) -> float:
        """Microseconds that the server took for an answer."""
        return self.cpu / len(self.times) * 1e6

    def quantile(self, hundredth: int) -> float:
        """Tell the milliseconds that so many in a hundred answers took at most."""
        if len(self.times) < 2:
            return self.times[0] * 1000 if self.times else 0.0
        return statistics.quantiles(self.times, n=100, method="inclusive")[hundredth - 1] * 1000


class Connection(asyncio.Protocol):
    """Sends requests one after the other until the time is up."""

    def __init__(self, requests: Iterator[bytes], marker: Marker, tally: Tally, end: float) -> None:
        self._requests, self._marker, self._tally, self._end = requests, marker, tally, end
        self._received, self._length, self._sent = bytearray(), 0, 0.0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._ask()

    def data_received(self, data: bytes) -> None:
        """Collect an answer, and ask the next one when it is whole."""
        self._received += data
        if not self._length and (head := self._received.find(b"\r\n\r\n")) >= 0:
            self._length = head + 4 + content_length(bytes(self._received[:head]))
        if self._length and len(self._received) >= self._length:
            self._answered()

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail if there was more to come."""
        if not self.done.done():
            self.done.set_exception(exc or ConnectionError("the server closed a connection"))

    def _answered(self) -> None:
        now = time.perf_counter()
        self._tally.times.append(now - self._sent)
        self._tally.wrong += not self._marker.fits(self._received)
        self._received, self._length = bytearray(), 0
        if now < self._end:
            self._ask()
        else:
            self.done.set_result(None)
            self._transport.close()

    def _ask(self) -> None:
        self._sent = time.perf_counter()
        self._transport.write(next(self._requests))


def content_length(head: bytes) -> int:
    """Read how long a body is; raises ValueError for an answer that does not say so."""
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    raise ValueError("an answer does not say how long it is")


async def load(port: int, requests: Sequence[bytes], marker: Marker, connections: int, seconds: float) -> Tally:
    """Ask a server on loopback for some seconds; requests are sent in turn. Raises OSError when it hangs up."""
    tally, turns, started = Tally(), cycle(requests), time.perf_counter()
    loop, end = asyncio.get_running_loop(), started + seconds
    opened = [
        await loop.create_connection(lambda: Connection(turns, marker, tally, end), "127.0.0.1", port)
        for _ in range(connections)
    ]
    async with asyncio.timeout(seconds + ENOUGH_LONGER * connections):
        await asyncio.gather(*(protocol.done for _, protocol in opened))
    tally.seconds = time.perf_counter() - started
    return tally


def written(port: int, body: Mapping[str, object], headers: Mapping[str, str]) -> bytes:
    """Write the whole request of a GraphQL operation."""
    text = json.dumps(body).encode()
    sent = {
        "Host": f"127.0.0.1:{port}",
        "Content-Type": "application/json",
        "Accept": "application/json",
        "Content-Length": str(len(text)),
        **headers,
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
    return f"POST /graphql HTTP/1.1\r\n{lines}\r\n".encode() + text
