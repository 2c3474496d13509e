"""Signed links to an S3 bucket in the old query form, AWS Signature Version 2, as Direct Mail hands them out.

The signature covers the method, the time of expiry and the object, but no headers: "Signing and Authenticating
REST Requests" of the Amazon S3 developer guide, section "Query String Request Authentication Alternative".
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlencode

BUCKET = "e3cloud"


@dataclass(frozen=True, slots=True)
class SigningKey:
    """The access key of the bucket."""

    id: str
    secret: bytes = field(repr=False)

    def sign(self, method: str, key: str, expires: int) -> str:
        """Sign one request for one object until ``expires``, in seconds since 1970."""
        message = f"{method}\n\n\n{expires}\n/{BUCKET}/{key}".encode()
        return base64.b64encode(hmac.new(self.secret, message, hashlib.sha1).digest()).decode()

    def query(self, key: str, expires: int) -> str:
        """Make the query of a link that reads one object."""
        values = {"AWSAccessKeyId": self.id, "Expires": expires, "Signature": self.sign("GET", key, expires)}
        return urlencode(values)

    def objection(
        self, method: str, key: str, query: Mapping[str, str], now: datetime
    ) -> tuple[str, str] | None:
        """Say why a request is refused, as S3's code and message, or None for a good one."""
        expires, signature = query.get("Expires", ""), query.get("Signature", "")
        if not signature or not expires.isdecimal():
            return "AccessDenied", "Query-string authentication requires Signature, Expires and AWSAccessKeyId"
        if query.get("AWSAccessKeyId") != self.id:
            return "InvalidAccessKeyId", "The access key does not exist"
        if now.timestamp() > int(expires):
            return "AccessDenied", "Request has expired"
        if not hmac.compare_digest(self.sign(method, key, int(expires)).encode(), signature.encode()):
            return "SignatureDoesNotMatch", "The signature does not match the request"
        return None
