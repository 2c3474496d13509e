"""Requests that a store must refuse: written by somebody who knows an access key, but no secret key.

An access key stands in every signed URL, so it is public. The forms are those of CVE-2026-40344, CVE-2026-41145 and
CVE-2025-31489, where a server takes a body with an unsigned trailer without a look at the signature.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from urllib.parse import urlencode, urlsplit

import httpx

from gateway.uploads.presign import ALGORITHM

NO_SIGNATURE = "0" * 64
BODY = b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n"
"""``hello`` in one chunk, and its checksum as the trailer."""
TRAILED: Mapping[str, str] = MappingProxyType(
    {
        "content-encoding": "aws-chunked",
        "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "x-amz-decoded-content-length": "5",
        "x-amz-trailer": "x-amz-checksum-crc32",
    }
)
FORMS = ("header", "query", "archive")


def forged(form: str, url: str, *, access_key: str, region: str, now: datetime) -> httpx.Request:
    """Write a PUT of ``hello`` with a made-up signature in a header or in the query; pure.

    ``archive`` asks in a header for an archive to be unpacked, which takes yet another way through MinIO. ``url``
    is the object's, and what it has in its query is dropped.
    """
    stamp = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    credential = f"{access_key}/{stamp[:8]}/{region}/s3/aws4_request"
    address = urlsplit(url)._replace(query="").geturl()
    headers = {**TRAILED, "x-amz-date": stamp}
    if form == "query":
        query = {
            "X-Amz-Algorithm": ALGORITHM,
            "X-Amz-Credential": credential,
            "X-Amz-Date": stamp,
            "X-Amz-Expires": "60",
            "X-Amz-SignedHeaders": "host",
            "X-Amz-Signature": NO_SIGNATURE,
        }
        return httpx.Request("PUT", f"{address}?{urlencode(query)}", content=BODY, headers=headers)
    if form == "archive":
        headers["x-amz-meta-snowball-auto-extract"] = "true"
    signed = "host;x-amz-content-sha256;x-amz-date"
    headers["authorization"] = (
        f"{ALGORITHM} Credential={credential}, SignedHeaders={signed}, Signature={NO_SIGNATURE}"
    )
    return httpx.Request("PUT", address, content=BODY, headers=headers)
