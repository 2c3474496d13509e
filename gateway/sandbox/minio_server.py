"""Runs the ``minio`` of PATH as the S3 server, for machines that have it and no SeaweedFS."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import urllib3
from minio import MinioAdmin
from minio.credentials.providers import StaticProvider

from gateway.sandbox.leashed import free_ports, leashed, tail
from gateway.sandbox.store import (
    ADMIN,
    ATTEMPTS,
    Identity,
    Store,
    StoreFailedError,
    takes_a_put,
)

Rights = Mapping[str, Sequence[str]]
SIGNER_RIGHTS: Rights = {"*/staging/*": ("s3:PutObject",)}
READER_RIGHTS: Rights = {
    "*/staging/*": (
        "s3:GetObject",
        "s3:DeleteObject",
        "s3:AbortMultipartUpload",
        "s3:ListMultipartUploadParts",
    ),
    "*": ("s3:ListBucket", "s3:ListBucketMultipartUploads"),
}
"""What a pair of keys may do with which keys of all buckets, in AWS's words: what SeaweedFS's identities may."""


@contextmanager
def minio(binary: str, *, ready: float = 30.0, grace: float = 5.0) -> Iterator[Store]:
    """Run the server on a loopback port while the context lasts, with its data in a folder that is removed.

    It blocks: for about two seconds, ``ready`` at most. Pages of every origin may upload, since MinIO has no rules
    of a bucket. Raises StoreFailedError with the last lines of the server's log.
    """
    with tempfile.TemporaryDirectory(prefix="attachments-s3-", ignore_cleanup_errors=True) as own:
        folder = Path(own)
        for _ in range(ATTEMPTS):
            (port,) = free_ports(1)
            store = Store(f"127.0.0.1:{port}", ADMIN)
            command = [binary, "server", str(folder / "data"), "--address", store.endpoint, "--quiet"]
            with leashed(command, folder, grace, _environment(store.admin)) as process:
                if takes_a_put(store, process, ready):
                    make_keys(store)
                    yield store
                    return
        raise StoreFailedError(f"minio did not get ready:\n{tail(folder)}")


def make_keys(store: Store) -> None:
    """Give the signer and the reader of a MinIO server their rights; six requests, and again does no harm."""
    admin = MinioAdmin(
        endpoint=store.endpoint,
        credentials=StaticProvider(store.admin.access_key, store.admin.secret_key),
        region=store.region,
        secure=store.secure,
        http_client=urllib3.PoolManager(retries=False, timeout=30.0),
    )
    for identity, rights in ((store.signer, SIGNER_RIGHTS), (store.reader, READER_RIGHTS)):
        admin.user_add(access_key=identity.access_key, secret_key=identity.secret_key)
        admin.policy_add(policy_name=identity.name, policy=_policy(rights))
        admin.policy_set(policy_name=identity.name, user=identity.access_key)


def _policy(rights: Rights) -> dict[str, object]:
    statements = [
        {"Effect": "Allow", "Action": list(actions), "Resource": [f"arn:aws:s3:::{keys}"]}
        for keys, actions in rights.items()
    ]
    return {"Version": "2012-10-17", "Statement": statements}


def _environment(root: Identity) -> Mapping[str, str]:
    return {
        "MINIO_ROOT_USER": root.access_key,
        "MINIO_ROOT_PASSWORD": root.secret_key,
        "MINIO_BROWSER": "off",
    }
