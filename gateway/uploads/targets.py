"""Where clients send the bytes: signed PUTs, POST forms and parts of an upload; pure, no I/O.

All of them name the public endpoint, are signed with the signer's key, and live 300 seconds unless configured
otherwise. The form's policy is signed here and not by the SDK, which takes its own clock, and a way to read it that
Python warns of since 3.12; a test holds both side by side.
"""

import hashlib
import hmac
import json
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal
from urllib.parse import quote, urlencode

from gateway.uploads.presign import ALGORITHM, presign, signing_key
from gateway.uploads.storage import StoreSettings

MIB = 1024 * 1024
SMALLEST_PART = 5 * MIB
"""Bytes that S3 wants in every part but the last."""
USUAL_PART = 8 * MIB
MOST_PARTS = 10_000
"""Parts that S3 takes of one upload."""


@dataclass(frozen=True, slots=True)
class StagedTarget:
    """One request that puts an object into the store.

    With PUT the body is the file, and ``headers`` have to be sent exactly so; ``content-length`` is signed too, but
    is not among them, because every client that knows the size sends it, and a browser lets nobody set it. With
    POST the body is a ``multipart/form-data`` form of ``parameters``, in this order, and then the file as ``file``.
    Whoever has ``url`` or ``parameters`` may upload, so they are in no repr.
    """

    method: Literal["PUT", "POST"]
    url: str = field(repr=False)
    headers: Mapping[str, str]
    parameters: Mapping[str, str] = field(repr=False)
    expires_at: datetime


def put_target(
    settings: StoreSettings, key: str, *, size: int, media_type: str, now: datetime, sha256: str | None = None
) -> StagedTarget:
    """Sign a PUT of exactly ``size`` bytes of this type, that works once.

    The store answers 403 to another type or length, 412 where the object is there already, and with ``sha256``
    (64 hex digits) 400 to other bytes. Raises ValueError for a checksum that is none.
    """
    headers = {"content-type": media_type, "if-none-match": "*", **_checksum(sha256)}
    return _signed_put(settings, object_url(settings, key), headers, size, now)


def post_target(
    settings: StoreSettings, key: str, *, sizes: range, media_type: str, now: datetime
) -> StagedTarget:
    """Sign a form for one key and one type, and for any number of bytes in ``sizes``.

    A form works until it expires, again and again: S3 has no condition that makes it work once. What is read later
    is held to the ETag that was verified, so a second upload is refused there.
    """
    given = {"key": key, "Content-Type": media_type, "success_action_status": "201"}
    expires_at = now + timedelta(seconds=settings.expires)
    stamp = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    scope = f"{stamp[:8]}/{settings.region}/s3/aws4_request"
    signed = {
        "x-amz-algorithm": ALGORITHM,
        "x-amz-credential": f"{settings.signer_access_key}/{scope}",
        "x-amz-date": stamp,
    }
    equal = [
        ["eq", f"${name}", value] for name, value in ({"bucket": settings.bucket} | given | signed).items()
    ]
    policy = {
        "expiration": expires_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        "conditions": [*equal, ["content-length-range", sizes[0], sizes[-1]]],
    }
    text = b64encode(json.dumps(policy).encode()).decode()
    secret = signing_key(settings.signer_secret_key.reveal(), scope)
    signature = hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()
    parameters = {**given, **signed, "policy": text, "x-amz-signature": signature}
    url = f"{settings.public_endpoint}/{settings.bucket}"
    return StagedTarget("POST", url, {}, parameters, expires_at)


def part_target(
    settings: StoreSettings,
    key: str,
    upload_id: str,
    number: int,
    *,
    now: datetime,
    size: int | None = None,
    sha256: str | None = None,
) -> StagedTarget:
    """Sign the PUT of one part, of exactly ``size`` bytes where that is known.

    ``number`` counts from 1 to 10,000. A part may be sent again until the upload is completed, and the last one
    sent counts, which is what resuming needs. Raises ValueError for a number that S3 doesn't know.
    """
    if not 1 <= number <= MOST_PARTS:
        raise ValueError(f"parts count from 1 to {MOST_PARTS:,}")
    query = urlencode({"partNumber": number, "uploadId": upload_id})
    return _signed_put(settings, f"{object_url(settings, key)}?{query}", _checksum(sha256), size, now)


def part_size(size: int) -> int:
    """Choose how many bytes each part has, but the last: 8 MiB, or more where that made too many parts."""
    least = -(-size // MOST_PARTS)
    return max(USUAL_PART, -(-least // MIB) * MIB)


def part_lengths(size: int, part: int) -> list[int]:
    """Cut ``size`` bytes into parts of ``part`` bytes; an empty file is one empty part.

    Raises ValueError for parts that are smaller than S3 takes (5 MiB) or too many.
    """
    if part < SMALLEST_PART or size > part * MOST_PARTS:
        raise ValueError(f"parts of {part:,} bytes do not hold {size:,} bytes")
    whole, rest = divmod(size, part)
    return [part] * whole + ([rest] if rest or not whole else [])


def object_url(settings: StoreSettings, key: str) -> str:
    """Give the public address of an object, without a signature."""
    return f"{settings.public_endpoint}/{settings.bucket}/{quote(key, safe='/-_.~')}"


def _signed_put(
    settings: StoreSettings, url: str, headers: Mapping[str, str], size: int | None, now: datetime
) -> StagedTarget:
    signed = presign(
        "PUT",
        url,
        access_key=settings.signer_access_key,
        secret_key=settings.signer_secret_key.reveal(),
        region=settings.region,
        expires=settings.expires,
        signed_headers=dict(headers) | ({} if size is None else {"content-length": str(size)}),
        now=now,
    )
    return StagedTarget("PUT", signed, headers, {}, now + timedelta(seconds=settings.expires))


def _checksum(sha256: str | None) -> dict[str, str]:
    """Give the header of a checksum in hex; raises ValueError for what is none."""
    if sha256 is None:
        return {}
    raw = bytes.fromhex(sha256)
    if len(raw) != hashlib.sha256().digest_size:
        raise ValueError("a SHA-256 has 64 hex digits")
    return {"x-amz-checksum-sha256": b64encode(raw).decode()}
