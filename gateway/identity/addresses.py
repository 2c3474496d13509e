"""Which addresses nobody else can come between: those of keys, and those that may be served without a login."""

from ipaddress import ip_address
from urllib.parse import urlsplit


def is_safe(url: str) -> bool:
    """Tell whether nobody on the way can change what comes from an address: https, or this machine."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        if not host or parts.username is not None:
            return False
        return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))
    except ValueError:
        return False


def is_loopback(host: str) -> bool:
    """Tell whether only programs of this machine reach a host."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
