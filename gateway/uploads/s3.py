"""The client of the object store: the S3 SDK, and the one place where its failures get the gateway's names."""

import re
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar
from urllib.parse import urlsplit
from xml.etree.ElementTree import ParseError

import urllib3
from minio import Minio
from minio.datatypes import Part, Upload
from minio.error import InvalidResponseError, MinioException, S3Error, ServerError

from gateway.domain.errors import BadInput, Conflict, GatewayError, NotFound, StorageUnavailable
from gateway.domain.secret import Secret

T = TypeVar("T")

CONNECT_TIMEOUT = 2.0
READ_TIMEOUT = 30.0
"""Seconds without a byte until the store counts as down."""
PAGE = 1000
"""Entries of one answer that lists something, which is what S3 gives at most."""
MISNAMED = "self._next_upload_id_marker"
"""What minio-py 7.2.20 calls the attribute ``next_upload_id_marker`` when it reads an answer, by mistake."""
SLOW_DOWN = 1.0
"""Seconds to wait where the store asks for fewer requests, and does not say for how long."""

GONE = frozenset({"NoSuchKey", "NoSuchUpload", "NoSuchVersion"})
SWAPPED = frozenset({"PreconditionFailed", "ConditionalRequestConflict"})
BAD_PARTS = frozenset({"InvalidPart", "InvalidPartOrder", "EntityTooSmall", "MalformedXML"})
BUSY = frozenset({"SlowDown", "RequestTimeout", "TooManyRequests"})
KEYS_REFUSED = frozenset({"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch"})
CODE = re.compile(r"[A-Za-z]{1,40}")


class S3Client(Minio):
    """The SDK's client, with public names for the steps of a multipart upload, which it has for itself alone.

    Every call blocks, so it belongs into a worker thread. A request that breaks is sent once more where that is
    harmless, redirects are not followed, and a store that sends nothing for 30 seconds counts as down.
    """

    def __init__(
        self, endpoint: str, access_key: str, secret_key: Secret, region: str, connections: int
    ) -> None:
        # With the region given the SDK doesn't ask the store for it before its first request.
        parts = urlsplit(endpoint)
        once_more = urllib3.Retry(
            connect=1,
            read=1,
            redirect=0,
            status=0,
            other=0,
            raise_on_redirect=False,
            respect_retry_after_header=False,
            backoff_factor=0.1,
        )
        super().__init__(
            endpoint=parts.netloc,
            access_key=access_key,
            secret_key=secret_key.reveal(),
            secure=parts.scheme == "https",
            region=region,
            http_client=urllib3.PoolManager(
                maxsize=connections,
                retries=once_more,
                timeout=urllib3.Timeout(connect=CONNECT_TIMEOUT, read=READ_TIMEOUT),
            ),
        )

    def close(self) -> None:
        """Close the connections that nobody uses."""
        self._http.clear()

    def create_multipart(self, bucket: str, key: str, media_type: str) -> str:
        """Start an upload in parts and give its id."""
        return self._create_multipart_upload(bucket, key, {"Content-Type": media_type})

    def complete_multipart(self, bucket: str, key: str, upload_id: str, parts: list[Part]) -> None:
        """Make one object of the parts; S3 may answer 200 and tell of a failure in the body."""
        answer = self._complete_multipart_upload(bucket, key, upload_id, parts)
        if not answer.etag:
            raise ServerError("the parts could not be put together", 500)

    def abort_multipart(self, bucket: str, key: str, upload_id: str) -> None:
        """Throw the parts away."""
        self._abort_multipart_upload(bucket, key, upload_id)

    def all_parts(self, bucket: str, key: str, upload_id: str) -> list[Part]:
        """List the parts that have arrived; one request per 1,000."""
        found: list[Part] = []
        marker: str | None = None
        while True:
            page = self._list_parts(bucket, key, upload_id, max_parts=PAGE, part_number_marker=marker)
            found += page.parts
            marker = page.next_part_number_marker
            if not page.is_truncated or not marker:
                return found

    def all_multiparts(self, bucket: str, prefix: str, older_than: datetime) -> list[Upload]:
        """List the uploads in parts that were begun before a moment and not ended; one request per 1,000.

        They come in no order. Both marks of a page are needed: AWS goes by key and upload, SeaweedFS by upload.
        """
        found: list[Upload] = []
        key: str | None = None
        upload: str | None = None
        while True:
            page = self._list_multipart_uploads(
                bucket, prefix=prefix, max_uploads=PAGE, key_marker=key, upload_id_marker=upload
            )
            found += [one for one in page.uploads if one.initiated_time and one.initiated_time < older_than]
            key, upload = page.next_key_marker, page.next_upload_id_marker or getattr(page, MISNAMED, None)
            if not page.is_truncated or not (key or upload):
                return found


def attempt(work: Callable[[], T]) -> T | GatewayError:
    """Do something with the store, and give a failure as a value that knows nothing of where it came from.

    The SDK's errors hold keys, addresses and bodies. Raised while one of them is handled, the gateway's own error
    would carry it along; returned, it doesn't.
    """
    try:
        return work()
    except GatewayError as exc:
        return exc
    except (MinioException, urllib3.exceptions.HTTPError, OSError, ValueError, ParseError) as exc:
        return translated(exc)


def translated(exc: Exception) -> GatewayError:
    """Give the gateway's name of a failure: NotFound, Conflict, BadInput, or else StorageUnavailable.

    Conflict is an object that is another one than assumed, BadInput parts that make no object.
    """
    if isinstance(exc, S3Error):
        return _refused(exc.code or "", exc.response.headers.get("retry-after", ""))
    if isinstance(exc, ServerError) and exc.status_code == 412:  # noqa: PLR2004 - Precondition Failed, bodiless
        return _refused("PreconditionFailed")
    if isinstance(exc, InvalidResponseError | ServerError | ValueError | ParseError):
        return StorageUnavailable("The object store has a fault of its own.")
    return StorageUnavailable("The object store cannot be reached.")


def _refused(code: str, wait: str = "") -> GatewayError:
    if code in GONE:
        return NotFound("The object store has no such upload.")
    if code in SWAPPED:
        return Conflict("The uploaded object is not the one that was looked at before.")
    if code in BAD_PARTS:
        return BadInput("The parts do not make a whole: one is missing, has another ETag, or is too small.")
    if code in BUSY:
        seconds = float(wait) if wait.isdecimal() else SLOW_DOWN
        return StorageUnavailable("The object store asks for fewer requests.", retry_after=seconds)
    if code in KEYS_REFUSED:
        return StorageUnavailable("The object store does not let the gateway's keys do this.")
    if code == "RequestTimeTooSkewed":
        return StorageUnavailable("The clocks of the gateway and of the object store differ too much.")
    if code == "NoSuchBucket":
        return StorageUnavailable("The object store has no bucket of the configured name.")
    shown = code if CODE.fullmatch(code) else "no code"
    return StorageUnavailable(f"The object store failed ({shown}).")
