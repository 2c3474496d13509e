"""What single values of the settings may be: ranges of numbers, and the forms of names, addresses and keys.

No message shows the text of a secret.
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from gateway.domain.secret import Secret
from gateway.identifiers import DEVELOPMENT_KEYS, read_keys

SOURCE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
CONTENT_KEY = re.compile(r"[0-9A-Fa-f]{64}")
LINK_HOST = re.compile(r"[a-z0-9.-]+(:[0-9]{1,5})?")
PASSED_HEADER = re.compile(r"[Xx]-[A-Za-z0-9-]{1,62}")
SENT_HEADER = re.compile(r"[A-Za-z0-9-]{1,64}")
OWN_HEADERS = ("x-api-key", "x-apollo-", "x-forwarded-", "x-gateway-", "x-real-ip", "x-request-")
RANGES: Mapping[str, tuple[float, float]] = {
    "port": (1, 65_535),
    "deadline": (0.1, 600),
    "largest_request": (1024, 64 * 1024 * 1024),
    "connect_timeout": (0.01, 60),
    "try_timeout": (0.01, 600),
    "concurrency": (1, 1000),
    "max_body": (1024, 1024 * 1024 * 1024),
    "kept_answers": (0, 1024 * 1024 * 1024),
    "tokens": (10, 100_000),
    "depth": (1, 100),
    "aliases": (0, 10_000),
    "directives": (0, 10_000),
    "root_fields": (1, 1000),
    "upstream_requests": (1, 100_000),
    "nodes": (1, 10_000_000),
    "rate": (0, 1_000_000),
    "burst": (1, 1_000_000_000),
    "tenant_rate": (0, 1_000_000),
    "tenant_burst": (1, 1_000_000_000),
    "live_connections": (1, 100_000),
    "seconds": (0, 60),
    "bytes": (1024, 16 * 1024 * 1024 * 1024),
}
"""The numbers of all tables by key, from the least to the greatest that makes sense."""


def check_value(key: str, value: Any) -> None:
    """Check the value of a key; raises ValueError with the rest of a sentence about the key."""
    if key in RANGES:
        _check_range(value, *RANGES[key])
    if key in CHECKS:
        CHECKS[key](value)


def check_keys(content_key: Secret | None, id_keys: Secret | None) -> None:
    """Refuse to go into production without keys, or with those that everybody knows."""
    for name, key in (("content_key", content_key), ("id_keys", id_keys)):
        if key is None:
            raise ValueError(f"`profile` production needs the key `{name}`")
    if id_keys and not set(DEVELOPMENT_KEYS).isdisjoint(read_keys(id_keys.reveal())):
        raise ValueError("`id_keys` are those of development, which everybody knows")


def _check_range(value: float, least: float, greatest: float) -> None:
    if not least <= value <= greatest:
        raise ValueError(f"must be {least:,} to {greatest:,}")


def _check_name(name: str) -> None:
    if not SOURCE_NAME.fullmatch(name):
        raise ValueError("must begin with a letter and hold up to 64 letters, digits, '_' and '-'")


def _check_url(url: str) -> None:
    """Refuse what is no plain base address; the message does not quote it, because it may hold a password."""
    try:
        parts = urlsplit(url)
        plain = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        plain = False
    if not plain or re.search(r"[\s\\]", url):
        raise ValueError("must be an address that begins with http:// or https:// and has a host")
    if "@" in parts.netloc or "?" in url or "#" in url:
        raise ValueError("must have no user, password, query or fragment")


def _check_hosts(hosts: tuple[str, ...]) -> None:
    if not all(LINK_HOST.fullmatch(host) for host in hosts):
        raise ValueError("must hold hosts in small letters, as 'files.example.org' or 'files.example.org:8443'")


def _check_content_key(key: Secret) -> None:
    if not CONTENT_KEY.fullmatch(key.reveal()):
        raise ValueError("must be 64 hex digits, as `openssl rand -hex 32` prints")


def _check_id_keys(keys: Secret) -> None:
    read_keys(keys.reveal())


def _check_host(host: str) -> None:
    if not host or re.search(r"[\s/\[\]]", host):
        raise ValueError("must be an address or a host name, without a port")


def _check_passed_header(name: str) -> None:
    """Take headers of users' own only: no other part of the gateway, or proxy before it, may mean something by it."""
    if not PASSED_HEADER.fullmatch(name) or name.lower().startswith(OWN_HEADERS):
        raise ValueError(
            "must be the name of a header that begins with 'X-' and means nothing else, as 'X-Token-Crm'"
        )


def _check_sent_header(name: str) -> None:
    if not SENT_HEADER.fullmatch(name) or name.lower() in (
        "host",
        "content-length",
        "transfer-encoding",
        "connection",
    ):
        raise ValueError("must be the name of a header, as 'Authorization' or 'X-Api-Key'")


CHECKS: Mapping[str, Any] = {
    "name": _check_name,
    "pass_through": _check_passed_header,
    "pass_through_as": _check_sent_header,
    "url": _check_url,
    "public_url": _check_url,
    "link_hosts": _check_hosts,
    "content_key": _check_content_key,
    "id_keys": _check_id_keys,
    "host": _check_host,
}
