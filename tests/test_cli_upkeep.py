"""The commands of operators: `doctor` examines the object store, `sweep` clears up once."""

import asyncio
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from secrets import token_hex
from uuid import uuid4

import msgspec
import pytest

from gateway.cli import main
from gateway.domain.refs import Ref, RefType
from gateway.housekeeping import store_warnings
from gateway.links import utc_now
from gateway.sandbox.server import in_thread
from gateway.sandbox.store import Store
from gateway.settings import load_settings
from gateway.uploads.doctor import CHECKS
from gateway.uploads.journal import Journal
from gateway.uploads.storage import StoreSettings
from gateway.uploads.tickets import Ticket, TicketState, UploadMethod, new_ticket
from tests.conformance.storeyard import ORIGIN
from tests.programs import free_port, run, started
from tests.uploads.weak_store import weak_store

SOURCE = '[[sources]]\nname = "m"\nkind = "maarch"\nurl = "http://127.0.0.1:9/rest"\nusername = "u"\npassword = "p"\n'


@pytest.fixture
def store_settings(store: Store) -> StoreSettings:
    """Make a bucket that a page may upload to."""
    return store.settings(f"test-{uuid4().hex}", [ORIGIN])


def config(folder: Path, store: StoreSettings | None, **changed: str) -> str:
    """Write a settings file with one source and maybe a store; gives its path."""
    path = folder / "gateway.toml"
    keys = {} if store is None else {name: getattr(store, name) for name in store.__struct_fields__}
    texts = {
        name: value.reveal() if name.endswith("secret_key") else value for name, value in keys.items()
    } | changed
    rows = [
        f"{name} = {json.dumps(list(value) if isinstance(value, tuple) else value)}\n"
        for name, value in texts.items()
    ]
    path.write_text("".join([SOURCE, *(["[store]\n", *rows] if store else [])]))
    return str(path)


def test_the_doctor_finds_a_good_store_fit(tmp_path: Path, store_settings: StoreSettings) -> None:
    """One line for each check, one that sums up, and status 0."""
    # when
    outcome = run("doctor", "--config", config(tmp_path, store_settings))

    # then
    lines = outcome.stdout.splitlines()
    assert (outcome.returncode, outcome.stderr) == (0, "")
    assert len(lines) == len(CHECKS) + 2
    assert lines[-1] == "The store is fit for uploads."


def test_the_doctor_fails_for_a_weakness(tmp_path: Path, store_settings: StoreSettings) -> None:
    """Status 1 tells a script that something was found, and no secret is printed."""
    # given
    path = config(tmp_path, store_settings, signer_secret_key="not-the-secret")

    # when
    outcome = run("doctor", "--config", path)

    # then
    assert outcome.returncode == 1
    assert outcome.stdout.startswith("weakness  works")
    assert "not-the-secret" not in outcome.stdout + outcome.stderr


@pytest.mark.parametrize("command", ["doctor", "sweep"])
def test_a_gateway_without_a_store_is_a_mistake(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    """There is nothing to examine and nothing to sweep, which is said in one line."""
    # given
    path = config(tmp_path, None)

    # when
    status = main([command, "--config", path])

    # then
    assert status == 2
    assert capsys.readouterr().err.startswith(f"attachment-gateway: {path}: there is no [store] table, so ")


def forgotten(folder: Path) -> Ticket:
    """Write an upload into the journal whose bytes never came, from two days ago."""

    async def write() -> Ticket:
        journal = await Journal.open(f"sqlite:///{folder}/attachment-gateway.db", utc_now)
        ticket = new_ticket(
            principal="anonymous",
            target=Ref("m", RefType.RECORD, ("mail", "100")).to_text(),
            name="a.pdf",
            media_type="application/pdf",
            size=5,
            method=UploadMethod.PUT,
            object_key=f"staging/0/{uuid4()}/0",
            now=utc_now() - timedelta(days=2),
            lifetime=timedelta(days=1),
        )
        await journal.create([ticket])
        await journal.aclose()
        return ticket

    return asyncio.run(write())


def state(folder: Path, ticket: Ticket) -> TicketState:
    """Read how far an upload is."""

    async def read() -> TicketState:
        journal = await Journal.open(f"sqlite:///{folder}/attachment-gateway.db", utc_now)
        found = await journal.get(ticket.id, "")
        await journal.aclose()
        return found.state

    return asyncio.run(read())


def test_a_dry_run_changes_nothing(tmp_path: Path, store_settings: StoreSettings) -> None:
    """It says what a sweep would do, in uploads and bytes, and leaves all as it is."""
    # given
    ticket, path = forgotten(tmp_path), config(tmp_path, store_settings)

    # when
    outcome = run("sweep", "--dry-run", "--config", path)

    # then
    assert (outcome.returncode, outcome.stderr) == (0, "")
    first, *lines = outcome.stdout.splitlines()
    assert first == "nothing is changed; a sweep would find"
    assert "uploads that ended because their bytes never came: 1" in lines
    assert "staged objects nobody needs: 0 (0 bytes)" in lines
    assert state(tmp_path, ticket) is TicketState.PENDING


def test_a_sweep_ends_what_was_forgotten(tmp_path: Path, store_settings: StoreSettings) -> None:
    """One sweep beside the gateway does what the gateway does meanwhile, and finds nothing the next time."""
    # given
    ticket, path = forgotten(tmp_path), config(tmp_path, store_settings)

    # when
    first, second = run("sweep", "--config", path), run("sweep", "--config", path)

    # then
    assert (first.returncode, second.returncode) == (0, 0)
    assert "uploads that ended because their bytes never came: 1" in first.stdout
    assert "uploads that ended because their bytes never came: 0" in second.stdout
    assert state(tmp_path, ticket) is TicketState.EXPIRED


def test_a_sweep_without_its_store_is_one_line(tmp_path: Path, store_settings: StoreSettings) -> None:
    """A store that is down is status 1 with its code, and no address and no key."""
    # given
    path = config(tmp_path, store_settings, endpoint="http://127.0.0.1:9")

    # when
    outcome = run("sweep", "--config", path)

    # then
    assert (outcome.returncode, outcome.stdout) == (1, "")
    assert outcome.stderr.startswith("attachment-gateway: STORAGE_UNAVAILABLE ")
    assert outcome.stderr.count("\n") == 1


@pytest.fixture
def weak(store: Store, store_settings: StoreSettings) -> Iterator[StoreSettings]:
    """Put a proxy before the store by which everybody can write who has seen an address."""
    with in_thread(weak_store(store, {"unsigned trailers"}), date_header=False) as origin:
        yield msgspec.structs.replace(store_settings, public_endpoint=origin)


def profiled(folder: Path, store: StoreSettings, profile: str) -> str:
    """Write settings that may be served, with a profile; gives their path."""
    path = Path(config(folder, store))
    keys = "".join(f'{name} = "{token_hex(32)}"\n' for name in ("content_key", "id_keys"))
    path.write_text(f'profile = "{profile}"\nanonymous = true\nport = {free_port()}\n{keys}{path.read_text()}')
    return str(path)


def test_production_does_not_start_over_a_weak_store(tmp_path: Path, weak: StoreSettings) -> None:
    """What lets strangers write or read is told before anybody is served, with the way to accept it by name."""
    # when
    outcome = run("serve", "--config", profiled(tmp_path, weak, "production"))

    # then
    assert (outcome.returncode, outcome.stdout) == (2, "")
    assert outcome.stderr.startswith(
        "attachment-gateway: serve refuses: the store fails the check 'unsigned trailers'"
    )
    assert "name the check in `accepted_weaknesses` of [store]" in outcome.stderr


def test_production_starts_over_a_weakness_that_is_accepted(tmp_path: Path, weak: StoreSettings) -> None:
    """An operator who has a proxy of his own, or no other store, says so by name."""
    # given
    accepting = msgspec.structs.replace(weak, accepted_weaknesses=("unsigned trailers",))

    # when
    with started("serve", "--config", profiled(tmp_path, accepting, "production"), until="serving") as gateway:
        status = gateway.stop()

    # then
    assert status == 0


def test_elsewhere_a_weak_store_is_told(tmp_path: Path, weak: StoreSettings) -> None:
    """Who develops is warned of what production would refuse, and is not kept waiting for that."""
    # given
    path = Path(profiled(tmp_path, weak, "development"))

    # when
    warnings = store_warnings(load_settings(path, {}))
    with started("serve", "--config", str(path), until="serving") as gateway:
        status = gateway.stop()

    # then
    assert [line.partition(" of doctor")[0] for line in warnings] == [
        "the store fails the check 'unsigned trailers'"
    ]
    assert status == 0


def test_a_store_that_is_away_keeps_nothing_from_starting(
    tmp_path: Path, store_settings: StoreSettings
) -> None:
    """What needs no store goes on without one, and uploads tell by themselves that it is away."""
    # given
    address = f"http://127.0.0.1:{free_port()}"
    away = msgspec.structs.replace(store_settings, endpoint=address, public_endpoint=address)

    # when
    with started("serve", "--config", profiled(tmp_path, away, "production"), until="serving") as gateway:
        status = gateway.stop()

    # then
    assert status == 0
