"""What `docker/compose.yaml` runs besides the gateway: ``python -m gateway.sandbox.compose keys | bucket | systems``.

``keys`` makes the secrets once, a file for each, in one folder for each service that may read them. ``bucket``
waits for the S3 server and makes bucket, CORS rules and, on MinIO, the gateway's keys. ``systems`` serves the five
imitated systems at fixed ports.
"""

import argparse
import json
import secrets
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import urllib3
from minio.error import MinioException

from gateway.sandbox.arrhes import seed as arrhes
from gateway.sandbox.decisiv import seed as decisiv
from gateway.sandbox.directmail import seed as directmail
from gateway.sandbox.espocrm import seed as espocrm
from gateway.sandbox.maarch import seed as maarch
from gateway.sandbox.minio_server import make_keys
from gateway.sandbox.server import listen, server
from gateway.sandbox.store import ADMIN, BUCKET, READER, SIGNER, Identity, Store, configured
from gateway.sandbox.world import SERVERS, ByPort, make_apps
from gateway.serving import serve
from gateway.signals import end_on_signals, note_signals
from gateway.uploads.bucket import prepare

PATIENCE = 60
"""Seconds that the S3 server gets to start."""
READABLE = 0o444
"""Each folder is mounted into one container alone, whose user has a number of its own."""
SANDBOX = {
    "arrhes": arrhes.API_KEY,
    "decisiv": decisiv.TOKEN,
    "directmail": directmail.KEY_SECRET,
    "espocrm": espocrm.ADMIN_PASSWORD,
    "maarch": maarch.PASSWORD,
}


def make_secrets(folder: Path) -> None:
    """Write the secrets of a new installation; where they are already, nothing changes."""
    if (folder / "gateway" / "journal").exists():
        return
    password, admin = secrets.token_hex(24), secrets.token_hex(24)
    signer, reader = (replace(one, secret_key=secrets.token_hex(24)) for one in (SIGNER, READER))
    identities = [configured(one) for one in (replace(ADMIN, secret_key=admin), signer, reader)]
    texts = {
        "postgres/password": password,
        "store/s3.json": json.dumps({"identities": identities}),
        "store/root-user": ADMIN.access_key,
        "store/root-password": admin,
        "setup/admin": admin,
        "setup/signer": signer.secret_key,
        "setup/reader": reader.secret_key,
        "gateway/signer": signer.secret_key,
        "gateway/reader": reader.secret_key,
        "gateway/content-key": secrets.token_hex(32),
        **{f"gateway/{name}": text for name, text in SANDBOX.items()},
        "gateway/journal": f"postgresql://gateway:{password}@postgres:5432/gateway",
    }
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        path.chmod(READABLE)


def read_store(folder: Path, endpoint: str) -> Store:
    """Give the S3 server with the keys that were made for it; ``endpoint`` is ``host:port``."""

    def keyed(identity: Identity, name: str) -> Identity:
        return replace(identity, secret_key=(folder / name).read_text("utf-8"))

    admin, signer, reader = keyed(ADMIN, "admin"), keyed(SIGNER, "signer"), keyed(READER, "reader")
    return Store(endpoint, admin, signer=signer, reader=reader)


def make_bucket(store: Store, origins: Sequence[str]) -> None:
    """Make bucket and rules as soon as the server takes it; raises what it says at last."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            if not prepare(store.client(), BUCKET, origins, store.region):
                make_keys(store)  # a server without rules of buckets is MinIO, whose users are no file
        except (MinioException, urllib3.exceptions.HTTPError, OSError):
            if time.monotonic() > deadline:
                raise
            time.sleep(1)
        else:
            return


def serve_systems(host: str, name: str, first: int, store: Store) -> None:
    """Serve the systems until a signal comes, at ports from ``first`` on, in the order of `SERVERS`.

    ``name`` is the host by which they name themselves in links.
    """
    ports = {system: first + place for place, system in enumerate(SERVERS)}
    listeners = [listen(port, host) for port in ports.values()]
    apps = make_apps({system: f"http://{name}:{port}" for system, port in ports.items()}, store)
    running = server(ByPort({ports[system]: app for system, app in apps.items()}), timeout_graceful_shutdown=1)
    note_signals()
    sys.stdout.write(f"ready {first} to {max(ports.values())}\n")
    sys.stdout.flush()
    serve(running, *listeners)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one of the three; a signal ends it with status 0."""
    end_on_signals()
    parser = argparse.ArgumentParser("python -m gateway.sandbox.compose", description=__doc__)
    parser.add_argument("what", choices=("keys", "bucket", "systems"))
    parser.add_argument("--keys", type=Path, required=True, help="the folder of the secrets")
    parser.add_argument("--store", default="store:8333", help="the S3 server, as host:port")
    parser.add_argument("--origin", action="append", default=[], help="a page that may upload")
    parser.add_argument("--host", default="127.0.0.1", help="where the systems listen")
    parser.add_argument("--port", type=int, default=9001, help="the port of the first system")
    parser.add_argument("--name", default="localhost", help="the host by which the systems name themselves")
    given = parser.parse_args(argv)
    actions: Mapping[str, Callable[[], None]] = {
        "keys": lambda: make_secrets(given.keys),
        "bucket": lambda: make_bucket(read_store(given.keys, given.store), given.origin),
        "systems": lambda: serve_systems(
            given.host, given.name, given.port, read_store(given.keys, given.store)
        ),
    }
    actions[given.what]()
    return 0


if __name__ == "__main__":
    sys.exit(main())
