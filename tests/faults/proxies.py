"""A way to a server that a test can cut: a small TCP proxy on loopback."""

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field

PIECE = 64 * 1024


@dataclass(slots=True)
class Way:
    """The way; ``left`` is how many bytes of answers still pass before it is cut, None for any number."""

    server: tuple[str, int]
    listener: socket.socket
    left: int | None = None
    open_sockets: set[socket.socket] = field(default_factory=set)

    @property
    def origin(self) -> str:
        """Where clients connect to."""
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}"

    def cut(self) -> None:
        """Break all connections, and let no new one through."""
        self.left = 0
        for one in list(self.open_sockets):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        """Let everything pass again."""
        self.left = None

    def serve(self) -> None:
        """Take connections until the listener is closed."""
        with suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                threading.Thread(target=self._connect, args=(client,), daemon=True).start()

    def _connect(self, client: socket.socket) -> None:
        with closing(client), suppress(OSError):
            if self.left == 0:
                return
            with socket.create_connection(self.server) as server:
                self.open_sockets |= {client, server}
                there = threading.Thread(target=self._carry, args=(client, server, False), daemon=True)
                there.start()
                self._carry(server, client, True)
                there.join()
                self.open_sockets -= {client, server}

    def _carry(self, source: socket.socket, target: socket.socket, is_answer: bool) -> None:
        with suppress(OSError):
            while piece := source.recv(PIECE):
                target.sendall(piece)
                if is_answer and self.left is not None:
                    self.left = max(0, self.left - len(piece))
                if self.left == 0:
                    self.cut()
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)


@contextmanager
def a_way_to(endpoint: str) -> Iterator[Way]:
    """Open a way to ``host:port``."""
    host, _, port = endpoint.rpartition(":")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        way = Way((host, int(port)), listener)
        threading.Thread(target=way.serve, daemon=True).start()
        try:
            yield way
        finally:
            way.cut()
            listener.shutdown(socket.SHUT_RDWR)
