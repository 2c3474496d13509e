"""Signs S3 URLs over any set of headers: Signature Version 4 in the query string, as AWS documents it.

The S3 SDK presigns over ``host`` alone, so whoever holds such a URL may send any bytes of any length and type.
Signing ``content-length``, ``content-type``, ``if-none-match`` and ``x-amz-checksum-sha256`` as well makes the
store refuse everything but the one body that was announced, and that a second time.
"""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import parse_qsl, quote, unquote, urlsplit

ALGORITHM = "AWS4-HMAC-SHA256"
PAYLOAD = "UNSIGNED-PAYLOAD"
"""Stands for the body's hash, which a query signature never covers."""
LONGEST = 7 * 24 * 3600
"""Seconds that S3 lets a signed URL live at most."""
UNRESERVED = "-_.~"
DEFAULT_PORTS = {"http": 80, "https": 443}


def presign(
    method: str,
    url: str,
    *,
    access_key: str,
    secret_key: str,
    region: str,
    expires: int,
    signed_headers: Mapping[str, str],
    now: datetime,
) -> str:
    """Give ``url`` with a signature in its query; pure, no I/O.

    ``url`` has the percent-encoded path of the object, and may have a query, which is signed too.
    ``signed_headers`` are the headers that the client then has to send with exactly these values; ``host`` is
    always signed and taken from the URL. ``expires`` is in seconds from ``now``, which needs a time zone. Raises
    ValueError for a time without zone or a life outside of 1 second to 7 days.
    """
    if now.tzinfo is None:
        raise ValueError("now needs a time zone")
    if not 1 <= expires <= LONGEST:
        raise ValueError(f"a signed URL lives from 1 to {LONGEST} seconds")
    parts = urlsplit(url)
    headers = _canonical_headers({**signed_headers, "host": _host(url)})
    stamp = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    scope = f"{stamp[:8]}/{region}/s3/aws4_request"
    query = _canonical_query(
        [
            *parse_qsl(parts.query, keep_blank_values=True),
            ("X-Amz-Algorithm", ALGORITHM),
            ("X-Amz-Credential", f"{access_key}/{scope}"),
            ("X-Amz-Date", stamp),
            ("X-Amz-Expires", str(expires)),
            ("X-Amz-SignedHeaders", ";".join(headers)),
        ]
    )
    path = quote(unquote(parts.path or "/"), safe="/" + UNRESERVED)
    lines = [f"{name}:{value}" for name, value in headers.items()]
    request = "\n".join([method.upper(), path, query, *lines, "", ";".join(headers), PAYLOAD])
    to_sign = "\n".join([ALGORITHM, stamp, scope, hashlib.sha256(request.encode()).hexdigest()])
    signature = hmac.new(signing_key(secret_key, scope), to_sign.encode(), hashlib.sha256).hexdigest()
    return f"{parts.scheme}://{parts.netloc}{path}?{query}&X-Amz-Signature={signature}"


def _host(url: str) -> str:
    """Give the Host header that a client will send: the port only where it isn't the scheme's own."""
    parts = urlsplit(url)
    name = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
    return name if parts.port in {None, DEFAULT_PORTS.get(parts.scheme)} else f"{name}:{parts.port}"


def _canonical_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Sort the headers by their names in lower case, with single blanks inside of their values."""
    return {name.lower(): " ".join(headers[name].split()) for name in sorted(headers, key=str.lower)}


def _canonical_query(pairs: list[tuple[str, str]]) -> str:
    encoded = [(quote(name, safe=UNRESERVED), quote(value, safe=UNRESERVED)) for name, value in pairs]
    return "&".join(f"{name}={value}" for name, value in sorted(encoded))


def signing_key(secret_key: str, scope: str) -> bytes:
    """Derive the key of one day, region and service; ``scope`` is ``20261122/us-east-1/s3/aws4_request``."""
    key = f"AWS4{secret_key}".encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key
