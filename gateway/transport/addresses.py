"""Reads the absolute addresses that sources hand out: what may be shown of them, and what they name."""

import re
from urllib.parse import unquote, urljoin, urlsplit, urlunsplit

WEB = ("http", "https")
LINK = re.compile(r"<([^>]*)>((?:\s*;\s*[^\s=;,]+(?:\s*=\s*(?:\"[^\"]*\"|[^\s;,]*))?)*)")
REL = re.compile(r";\s*rel\s*=\s*(?:\"([^\"]*)\"|([^\s;,]*))", re.IGNORECASE)


def is_web(url: str) -> bool:
    """Tell whether this is an absolute http or https address with a host."""
    try:
        parts = urlsplit(url)
        return parts.scheme in WEB and bool(parts.hostname)
    except ValueError:
        return False


def without_secrets(url: str | None) -> str | None:
    """Cut the query, the fragment and the user out of an address, all of which may hold a token.

    A relative address stays relative; None comes back for None, for what is no address, and for one of another
    scheme than http and https, because pages make links of what they are given.
    """
    try:
        parts = urlsplit(url or "")
    except ValueError:
        return None
    if parts.scheme not in ("", *WEB):
        return None
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", "")) or None


def last_segment(url: str | None) -> str | None:
    """Decode the last segment of an address's path, whatever its query and trailing slash; None where it has none."""
    try:
        path = urlsplit(url or "").path
    except ValueError:
        return None
    return unquote(path.rstrip("/").rpartition("/")[2]) or None


def next_page(link: str | None, current: str) -> str | None:
    """Find the target of relation ``next`` in a ``Link`` header (RFC 8288), resolved against the current address.

    None where there is no such relation or its target is no address.
    """
    for found in LINK.finditer(link or ""):
        rel = REL.search(found[2])
        if rel and "next" in (rel[1] or rel[2] or "").lower().split():
            try:
                return urljoin(current, str(found[1]))
            except ValueError:
                return None
    return None
