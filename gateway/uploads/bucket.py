"""Makes the bucket that uploads pass through, and lets browsers in; what an operator runs once."""

from collections.abc import Sequence
from xml.etree.ElementTree import Element, SubElement, tostring

from minio import Minio
from minio.error import S3Error

EXPOSED = ("ETag", "Location")
"""Headers that an uploading page has to read: the ETag of each part, and where a POST put the object."""
METHODS = ("PUT", "POST")
NOT_OFFERED = frozenset({"NotImplemented", "MethodNotAllowed"})
FRESH_S = 300
"""Seconds that a browser may keep the answer of a preflight."""


class BucketClient(Minio):
    """The SDK's client with the one administrative request that it lacks: the CORS rules of a bucket."""

    def set_bucket_cors(self, bucket_name: str, rules: bytes) -> None:
        """Replace the bucket's CORS rules by an XML document; raises S3Error."""
        self._execute("PUT", bucket_name, body=rules, query_params={"cors": ""})


def prepare(client: BucketClient, bucket: str, origins: Sequence[str], region: str) -> bool:
    """Make the bucket unless it is there, and let pages of these origins upload; three requests, blocking.

    ``client`` has an administrator's keys. Tells whether the store took the rules: MinIO has none per bucket, but
    ``MINIO_API_CORS_ALLOW_ORIGIN`` for the server. Raises the SDK's errors.
    """
    if not client.bucket_exists(bucket_name=bucket):
        client.make_bucket(bucket_name=bucket, location=region)
    if not origins:
        return True
    try:
        client.set_bucket_cors(bucket, cors_rules(origins))
    except S3Error as exc:
        if exc.code in NOT_OFFERED:
            return False
        raise
    return True


def cors_rules(origins: Sequence[str]) -> bytes:
    """Write the rules down as S3 takes them: PUT and POST with any header, and the answers readable."""
    document = Element("CORSConfiguration")
    rule = SubElement(document, "CORSRule")
    rows = [
        *(("AllowedOrigin", origin) for origin in origins),
        *(("AllowedMethod", method) for method in METHODS),
        ("AllowedHeader", "*"),
        *(("ExposeHeader", header) for header in EXPOSED),
        ("MaxAgeSeconds", str(FRESH_S)),
    ]
    for name, text in rows:
        SubElement(rule, name).text = text
    return tostring(document)
