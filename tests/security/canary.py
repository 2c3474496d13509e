"""A listener that nobody may ever connect to, and that would know."""

import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

DATA = Path(__file__).parent / "data"


@dataclass(slots=True)
class Canary:
    """Counts the connections to one port of loopback, by IPv4 and by IPv6."""

    port: int
    visits: list[str] = field(default_factory=list)


@contextmanager
def canary() -> Iterator[Canary]:
    """Listen on a free port until the block ends."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        found = Canary(listener.getsockname()[1])
        with _Doors([listener, *_on_ipv6(found.port)], found):
            yield found


class _Doors:
    """Takes connections in threads, which end with the block."""

    def __init__(self, listeners: Sequence[socket.socket], found: Canary) -> None:
        self._listeners = listeners
        self._found = found
        self._threads = [threading.Thread(target=self._count, args=(one,), daemon=True) for one in listeners]

    def __enter__(self) -> None:
        for thread in self._threads:
            thread.start()

    def __exit__(self, *_: object) -> None:
        for listener, thread in zip(self._listeners, self._threads, strict=True):
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
            thread.join(10)

    def _count(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                connection, address = listener.accept()
                self._found.visits.append(str(address))
                connection.close()


def _on_ipv6(port: int) -> list[socket.socket]:
    try:
        return [socket.create_server(("::1", port), family=socket.AF_INET6)]
    except OSError:  # a machine without IPv6
        return []


def names_of(table: Mapping[str, Sequence[str]]) -> Callable[..., list[Any]]:
    """Make a resolver for the names of a table, which is wrong about them in the ways that attackers choose.

    Numbers are read by the system as it reads them, and no other name is known.
    """
    genuine = socket.getaddrinfo

    def getaddrinfo(host: Any, port: Any, *rest: Any, **named: Any) -> list[Any]:
        if host in table:
            return [found for one in table[host] for found in genuine(one, port, *rest, **named)]
        if any(letter in "ghijklmnopqrstuvwyz" for letter in str(host).lower()):
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return genuine(host, port, *rest, **named)

    return getaddrinfo


def corpus(name: str) -> Any:
    """Read a file of hostile input."""
    return json.loads((DATA / f"{name}.json").read_text("utf-8"))
