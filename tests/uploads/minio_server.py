"""A MinIO server for the store's suite: one that is started here, or one that the environment names.

``S3_TEST_ENDPOINT`` is any running S3 server, and ``S3_TEST_ACCESS_KEY`` and ``S3_TEST_SECRET_KEY`` its
administrator's keys. ``S3_TEST_SIGNER_ACCESS_KEY`` and so on (``SIGNER``, ``READER``) are split keys, where it has
them, ``S3_TEST_BUCKET`` a bucket that exists, ``S3_TEST_ORIGIN`` a page that may upload. Otherwise ``minio`` is
looked for on PATH.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import pytest
import urllib3
from minio import MinioAdmin
from minio.credentials import StaticProvider

from gateway.domain.secret import Secret
from gateway.sandbox.server import listen
from gateway.uploads.bucket import BucketClient, prepare
from gateway.uploads.storage import StoreSettings
from tests.conformance.storeyard import ORIGIN

REGION = "us-east-1"
Pair = tuple[str, str]
"""An access key and its secret key."""
ROOT: Pair = ("root-access", "root-secret-for-loopback-only")
READY_S = 30
RIGHTS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "signer": {"staging/*": ("s3:PutObject",)},
    "reader": {
        "staging/*": (
            "s3:GetObject",
            "s3:DeleteObject",
            "s3:AbortMultipartUpload",
            "s3:ListMultipartUploadParts",
        ),
        "": ("s3:ListBucket", "s3:ListBucketMultipartUploads"),
    },
}
"""What each key may do with which keys of a bucket (the empty one is the bucket itself), in AWS's words."""


@dataclass(frozen=True, slots=True)
class Server:
    """A running server; ``admin`` has the keys that may do everything."""

    settings: StoreSettings
    admin: BucketClient


def named() -> bool:
    """Whether the environment names a server, of which nothing is known."""
    return "S3_TEST_ENDPOINT" in os.environ


def absent() -> str:
    """Say why there is no server to test, or nothing; fails where ``.ci/run`` should have brought one."""
    if named() or shutil.which("minio"):
        return ""
    reason = os.environ.get("MINIO_MISSING", "")
    if os.environ.get("REQUIRE_TOOLS") == "1" and shutil.which("go") and not reason:
        pytest.fail(
            "Go is here, so .ci/run must have built minio, or have said in MINIO_MISSING why it could not"
        )
    return reason or "no minio on PATH, and S3_TEST_ENDPOINT is not set"


@contextmanager
def running(folder: Path) -> Iterator[Server]:
    """Give the server that the environment names, or start one with its data in ``folder``."""
    if named():
        yield _named(os.environ)
        return
    with listen() as free:
        port = free.getsockname()[1]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - our own command line
            ["minio", "server", str(folder / "data"), "--address", f"127.0.0.1:{port}", "--quiet"],  # noqa: S607
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(folder),
                "MINIO_ROOT_USER": ROOT[0],
                "MINIO_ROOT_PASSWORD": ROOT[1],
                "MINIO_BROWSER": "off",
                "MINIO_API_CORS_ALLOW_ORIGIN": ORIGIN,
            },
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait(f"http://127.0.0.1:{port}", folder / "log")
        yield _made(f"http://127.0.0.1:{port}")
    finally:
        process.terminate()
        process.wait(10)


def _named(environ: Mapping[str, str]) -> Server:
    def pair(who: str) -> Pair | None:
        keys = environ.get(f"S3_TEST_{who}ACCESS_KEY"), environ.get(f"S3_TEST_{who}SECRET_KEY")
        return (keys[0], keys[1]) if keys[0] and keys[1] else None

    admin = pair("")
    assert admin, "S3_TEST_ENDPOINT needs S3_TEST_ACCESS_KEY and S3_TEST_SECRET_KEY"
    bucket = environ.get("S3_TEST_BUCKET", f"test-{uuid4().hex}")
    keys = (admin, pair("SIGNER_") or admin, pair("READER_") or admin)
    return _opened(environ["S3_TEST_ENDPOINT"], keys, bucket, environ.get("S3_TEST_ORIGIN", ORIGIN))


def _made(endpoint: str) -> Server:
    """Make the split keys of a server that is ours."""
    bucket = f"test-{uuid4().hex}"
    admin = MinioAdmin(
        endpoint=urlsplit(endpoint).netloc,
        credentials=StaticProvider(*ROOT),
        region=REGION,
        secure=False,
        http_client=urllib3.PoolManager(retries=False),
    )
    for name, rights in RIGHTS.items():
        statements = [
            {
                "Effect": "Allow",
                "Action": list(actions),
                "Resource": [f"arn:aws:s3:::{bucket}/{keys}".rstrip("/")],
            }
            for keys, actions in rights.items()
        ]
        admin.user_add(access_key=f"{name}-access", secret_key=f"{name}-secret-0123")
        admin.policy_add(policy_name=name, policy={"Version": "2012-10-17", "Statement": statements})
        admin.policy_set(policy_name=name, user=f"{name}-access")
    signer, reader = ((f"{name}-access", f"{name}-secret-0123") for name in ("signer", "reader"))
    return _opened(endpoint, (ROOT, signer, reader), bucket, ORIGIN)


def _opened(endpoint: str, keys: tuple[Pair, Pair, Pair], bucket: str, origin: str) -> Server:
    """Prepare the bucket; ``keys`` are the administrator's, the signer's and the reader's."""
    admin, signer, reader = keys
    region = os.environ.get("S3_TEST_REGION", REGION)
    parts = urlsplit(endpoint)
    client = BucketClient(
        endpoint=parts.netloc,
        access_key=admin[0],
        secret_key=admin[1],
        region=region,
        secure=parts.scheme == "https",
        http_client=urllib3.PoolManager(retries=False),
    )
    prepare(client, bucket, [origin], region)
    settings = StoreSettings(
        endpoint=endpoint,
        region=region,
        bucket=bucket,
        signer_access_key=signer[0],
        signer_secret_key=Secret(signer[1]),
        reader_access_key=reader[0],
        reader_secret_key=Secret(reader[1]),
        origins=(origin,),
    )
    return Server(settings, client)


def _wait(endpoint: str, log: Path) -> None:
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"{endpoint}/minio/health/ready", trust_env=False).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError(f"minio did not get ready:\n{log.read_text(errors='replace')[-1000:]}")
