"""Which network addresses a source may send the gateway to.

Judged is the very address that a socket is about to connect to, after every name, number in octal and IPv6 disguise
has become one, so nothing can change between the check and the connection. The networks are those of IANA's
registries of special-purpose addresses (RFC 6890), and of the services that clouds keep for the machine itself.
"""

import socket
from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Networks = tuple[IPv4Network | IPv6Network, ...]


class RefusedAddressError(OSError):
    """A connection that was not opened, because its address is none that a source may name."""


def _networks(*texts: str) -> Networks:
    return tuple(ip_network(text) for text in texts)


PRIVATE = _networks(
    "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8", "198.18.0.0/15",
    "::1/128", "fc00::/7",
)  # fmt: skip
"""Where an operator's own servers may be: private, shared and loopback addresses."""
NEVER = _networks(
    "0.0.0.0/8",
    "169.254.0.0/16",  # link-local; the metadata services of most clouds
    "192.0.0.0/24",  # with Oracle's metadata service
    "192.0.2.0/24",
    "192.88.99.0/24",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "100.100.100.200/32",  # Alibaba's metadata service
    "168.63.129.16/32",  # Azure's
    "2001::/32",  # Teredo, which hides an address
    "2001:db8::/32",
    "fd00:ec2::254/128",  # Amazon's, over IPv6
    "fd20:ce::254/128",  # Google's
)
"""Where no file of a source lies, whatever an operator allows."""
GLOBAL = ip_network("2000::/3")
"""The only part of IPv6 that is handed out for everybody's use."""
TRANSLATED = ip_network("64:ff9b::/96")
"""IPv4 as networks with IPv6 alone reach it (RFC 6052)."""
LAST_32 = 2**32 - 1


def is_allowed(text: str, *, private: bool) -> bool:
    """Tell whether a numeric address may be connected to; with ``private``, one of an own network too.

    An IPv4 address that is written as an IPv6 one is judged as what it is.
    """
    address = _plain(ip_address(text))
    if any(address in network for network in NEVER):
        return False
    if any(address in network for network in PRIVATE):
        return private
    return address.version == 4 or address in GLOBAL  # noqa: PLR2004 - the version


def _plain(address: Address) -> Address:
    """Take an IPv4 address out of its IPv6 form: mapped, translated or 6to4."""
    if isinstance(address, IPv4Address):
        return address
    if address in TRANSLATED:
        return IPv4Address(int(address) & LAST_32)
    return address.ipv4_mapped or address.sixtofour or address


def guarded_socket(*, private: bool) -> Callable[[tuple[int, int, int, str, tuple[str, int]]], socket.socket]:
    """Make what opens the sockets of a connection pool; raises RefusedAddressError for an address that is refused.

    It is asked for each address of a host: where a name has good and bad ones, only the good are tried.
    """

    def open_socket(info: tuple[int, int, int, str, tuple[str, int]]) -> socket.socket:
        family, kind, protocol, _, (address, *_) = info
        if not is_allowed(address, private=private):
            raise RefusedAddressError("address refused")
        return socket.socket(family, kind, protocol)

    return open_socket
