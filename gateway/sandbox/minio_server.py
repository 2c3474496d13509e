"""Runs MinIO's ``minio`` from PATH, for machines that have it and no SeaweedFS."""

import json
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import urllib3
from minio import MinioAdmin
from minio.credentials import StaticProvider
from minio.error import MinioException

from gateway.sandbox.store import (
    ADMIN,
    ATTEMPTS,
    LOG,
    READER,
    REGION,
    SIGNER,
    Identity,
    Store,
    StoreFailedError,
    free_ports,
    running,
    tail,
    takes_a_put,
)

RIGHTS = {
    SIGNER: {"*/staging/*": ["s3:PutObject"]},
    READER: {
        "*/staging/*": [
            "s3:GetObject",
            "s3:DeleteObject",
            "s3:AbortMultipartUpload",
            "s3:ListMultipartUploadParts",
        ],
        "*": ["s3:ListBucket", "s3:ListBucketMultipartUploads"],
    },
}
"""What each pair of keys may do where, in AWS's words; the same as SeaweedFS's identities."""
READY = 30.0
GRACE = 5.0


def find() -> str | None:
    """Find the binary on PATH."""
    return shutil.which("minio")


@contextmanager
def served(binary: str) -> Iterator[Store]:
    """Run the server on a free loopback port until the context ends, with its data in a temporary folder.

    It answers pages of every origin, which is what MinIO does where nothing else is said. Raises StoreFailedError.
    """
    with tempfile.TemporaryDirectory(prefix="attachments-s3-", ignore_cleanup_errors=True) as own:
        folder = Path(own)
        for _ in range(ATTEMPTS):
            store = Store(f"127.0.0.1:{free_ports(1)[0]}", ADMIN)
            with running(_command(binary, folder, store), folder, GRACE, _environment()) as process:
                if takes_a_put(store, process, READY):
                    with suppress(StopIteration):
                        make_keys(store, RIGHTS)
                    yield store
                    return
        raise StoreFailedError(f"minio did not get ready:\n{tail(folder / LOG)}")
