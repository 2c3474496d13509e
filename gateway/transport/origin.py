"""Where requests go: a host, its addresses, and the connections to it that wait for the next request."""

import asyncio
import re
import socket
from collections.abc import Sequence
from ipaddress import ip_address

from aiohappyeyeballs import AddrInfoType
from yarl import URL

from gateway.transport.connection import Connection
from gateway.transport.unheard import look_at

SCHEMES = ("http", "https")
AUTHORITY = re.compile(r"[0-9A-Za-z._:\[\]-]+")
"""A host and a port in letters that every reader takes for the same: no user, nothing encoded."""
KNOWN_FOR = 10.0
"""Seconds that the addresses of a host are used for new connections before they are looked up again."""


class NoOriginError(Exception):
    """An address is none that HTTP requests can be sent to."""


class Origin:
    """One host and port; ``named`` is how the header of requests names it. Belongs to one event loop.

    Raises NoOriginError for what is no host, or another scheme than http and https.
    """

    def __init__(self, scheme: str, authority: str) -> None:
        try:
            url = URL.build(scheme=scheme, authority=authority, encoded=True)
            named = url.host_port_subcomponent if scheme in SCHEMES and AUTHORITY.fullmatch(authority) else None
        except ValueError:
            named = None
        if not named or not url.raw_host or url.port is None:
            raise NoOriginError
        self.named = named
        self.host = url.raw_host.rstrip(".")
        self.port = url.port
        self.encrypted = scheme == "https"
        self.idle: list[Connection] = []
        self._found: Sequence[AddrInfoType] = ()
        self._found_at = float("-inf")
        self._lookup: asyncio.Task[Sequence[AddrInfoType]] | None = None

    async def addresses(self) -> Sequence[AddrInfoType]:
        """Find the addresses of the host; raises OSError, and NoOriginError for what can be no name.

        One lookup at a time: it holds one of the few threads that the process has for all of them, and goes on when
        nobody waits for it any more, for it cannot be taken back.
        """
        loop = asyncio.get_running_loop()
        if loop.time() - self._found_at < KNOWN_FOR:
            return self._found
        if self._lookup is None:
            self._lookup = loop.create_task(self._look_up(loop))
            self._lookup.add_done_callback(look_at)
        return await asyncio.shield(self._lookup)

    async def _look_up(self, loop: asyncio.AbstractEventLoop) -> Sequence[AddrInfoType]:
        try:
            self._found = await loop.getaddrinfo(
                self.host, self.port, type=socket.SOCK_STREAM, flags=_flags(self.host)
            )
        except UnicodeError as exc:  # a label is empty or too long
            raise NoOriginError from exc
        finally:
            self._lookup = None
        self._found_at = loop.time()
        return self._found


def _flags(host: str) -> int:
    """Ask for the kinds of addresses that this machine has itself, but where the host is an address already."""
    try:
        ip_address(host)
    except ValueError:
        return socket.AI_ADDRCONFIG
    return socket.AI_NUMERICHOST
