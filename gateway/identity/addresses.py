"""Which addresses keys may come from."""

from ipaddress import ip_address
from urllib.parse import urlsplit


def is_safe(url: str) -> bool:
    """Tell whether nobody on the way can change what comes from an address: https, or this machine."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        if not host or parts.username is not None:
            return False
        return parts.scheme == "https" or (parts.scheme == "http" and _is_here(host))
    except ValueError:
        return False


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
