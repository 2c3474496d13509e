"""Which hosts and origins the edge lets in. What was decided is remembered: clients send the same ones again."""

from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import urlsplit

from gateway.domain.edge import ANY, DEFAULT_PORTS, HOST, REMEMBERED
from gateway.settings import Settings

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


class Hosts:
    """The hosts that requests may name; ``names`` without a port go with any.

    A page of another host that resolves to our address (DNS rebinding) names its own, and so does who wants links or
    redirects of ours to lead elsewhere.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names = frozenset([*names, *LOOPBACK])
        self.allow = lru_cache(REMEMBERED)(self._allow)
        """Tell whether the value of a header `Host` may be let in."""

    def _allow(self, value: bytes) -> bool:
        host = value.decode("latin-1").lower()
        if not HOST.fullmatch(host):
            return False
        name, _, port = host.rpartition(":")
        return not {ANY, host, name if port.isdecimal() else host}.isdisjoint(self._names)


class Origins:
    """The origins whose pages may read answers, and those that may hold live connections."""

    def __init__(self, listed: Iterable[str], own: str) -> None:
        self.listed = frozenset(listed)
        self._own = own
        self.allow = lru_cache(REMEMBERED)(self._allow)
        """Tell whether pages of an origin may read answers."""
        self.may_connect = lru_cache(REMEMBERED)(self._may_connect)
        """Tell whether pages of an origin may hold a live connection to a host: our own pages may, too."""

    def _allow(self, origin: bytes) -> bool:
        return ANY in self.listed or origin.decode("latin-1") in self.listed

    def _may_connect(self, origin: bytes, host: bytes) -> bool:
        text = origin.decode("latin-1")
        scheme, _, place = text.partition("://")
        asked = host.decode("latin-1").lower().removesuffix(DEFAULT_PORTS.get(scheme, "/"))
        return self._allow(origin) or text == self._own or (scheme in DEFAULT_PORTS and place == asked)


def hosts_and_origins(settings: Settings) -> tuple[Hosts, Origins]:
    """Give what the settings let in."""
    hosts = Hosts([*settings.edge.hosts, settings.host, host_of(settings.public_url)])
    return hosts, Origins(settings.edge.origins, origin_of(settings.public_url))


def origin_of(url: str) -> str:
    """Give the origin of an address as browsers write it."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{host_of(url)}{port.removesuffix(DEFAULT_PORTS.get(parts.scheme, '/'))}"


def host_of(url: str) -> str:
    """Give the host of an address as the header `Host` writes it, without its port."""
    name = urlsplit(url).hostname or ""
    return f"[{name}]" if ":" in name else name
