"""Uploads of tenants: each goes to its tenant's source, whatever that is called, and is nobody else's to touch."""

import pytest

from gateway.domain.errors import GatewayError, NotFound, UnknownSource, Unsupported
from gateway.uploads.service import NewUpload, UploadService
from gateway.uploads.sweeper import Sweeper
from gateway.uploads.tickets import Ticket, TicketState
from gateway.uploads.transfer import Patience
from tests.uploads.carrying import BODY, CASE, Desk, Shelf, put

SECONDS = 60.0


class UsersShelf(Shelf):
    """A source that is asked with its users' credentials."""

    passes_through = True


def shared(desk: Desk) -> tuple[UploadService, dict[str, Shelf]]:
    """Make a service for two tenants whose sources have one name, and a third that has none."""
    shelves = {"alder": Shelf(), "birch": Shelf()}
    sources = {town: {"shelf": shelf} for town, shelf in shelves.items()}
    service = UploadService(
        desk.journal,
        desk.staging,
        lambda tenant: sources.get(tenant, {}),  # type: ignore[arg-type, return-value]
        patience=Patience(settling=0.0),
        now=desk.clock,
    )
    return service, shelves


async def announced(service: UploadService, tenant: str) -> Ticket | GatewayError:
    """Announce an upload, and bring its bytes where it may be."""
    new = NewUpload(target=CASE, name="devis.pdf", media_type="application/pdf", size=len(BODY))
    (made,) = await service.create([new], "me", tenant)
    if isinstance(made, GatewayError):
        return made
    await put(made.targets[0], BODY)
    return made.ticket


async def test_bytes_go_to_the_source_of_the_tenant(desk: Desk) -> None:
    """Two tenants have a source of the same name: the file arrives at the right one, and the other stays empty."""
    # given
    service, shelves = shared(desk)
    ticket = await announced(service, "birch")
    assert isinstance(ticket, Ticket)

    # when
    final = await service.finalize(ticket.id, "birch", SECONDS)

    # then
    assert final.state is TicketState.FINALIZED
    assert list(shelves["birch"].files.values()) == [("devis.pdf", BODY)]
    assert shelves["alder"].files == {}
    await service.aclose()


async def test_sweeper_knows_whose_an_upload_is(desk: Desk) -> None:
    """What a dead worker left is taken up for its tenant, though the sweeper serves all of them."""
    # given
    service, shelves = shared(desk)
    ticket = await announced(service, "alder")
    assert isinstance(ticket, Ticket)
    stored = await desk.staging.stat(ticket.object_key)
    claimed = await desk.journal.claim(ticket.id, "dead", 15.0)
    await desk.journal.advance(claimed, TicketState.VERIFIED, etag=stored.etag, verified_size=stored.size)
    desk.clock.pass_by(16)

    # when
    report = await Sweeper(service).sweep()

    # then
    assert (report.resumed, report.failed) == (1, 0)
    assert len(shelves["alder"].files) == 1
    assert shelves["birch"].files == {}
    await service.aclose()


@pytest.mark.parametrize("how", ["finalize", "cancel", "resolve", "sign_parts"])
async def test_nobody_touches_the_upload_of_another_tenant(desk: Desk, how: str) -> None:
    """Whoever knows the id of another tenant's upload gets what he would get for one that never was."""
    # given
    service, shelves = shared(desk)
    ticket = await announced(service, "birch")
    assert isinstance(ticket, Ticket)
    touch = {
        "finalize": lambda found: service.finalize(found, "alder", SECONDS),
        "cancel": lambda found: service.cancel(found, "alder"),
        "resolve": lambda found: service.resolve(found, "alder", None),
        "sign_parts": lambda found: service.sign_parts(found, "alder", [1]),
    }[how]

    # when
    with pytest.raises(NotFound) as foreign:
        await touch(ticket.id)
    with pytest.raises(NotFound) as made_up:
        await touch("0" * 32)

    # then
    assert foreign.value.message == made_up.value.message
    assert (await desk.journal.get(ticket.id, "birch")).state is TicketState.PENDING
    assert shelves["birch"].attempts == 0
    await service.aclose()


async def test_keys_of_objects_tell_tenants_apart(desk: Desk) -> None:
    """What lies in the store is grouped by tenant, without his name."""
    # given
    service, _ = shared(desk)

    # when
    tickets = [await announced(service, tenant) for tenant in ("alder", "alder", "birch")]

    # then
    keys = [ticket.object_key.split("/")[:-2] for ticket in tickets if isinstance(ticket, Ticket)]
    assert keys[0] == keys[1] != keys[2]
    assert not any("alder" in part or "birch" in part for key in keys for part in key)
    await service.aclose()


async def test_an_upload_that_nobody_could_carry_is_not_announced(desk: Desk) -> None:
    """Neither to a source of another tenant, nor to one that is asked with its users' credentials alone."""
    # given
    service, _ = shared(desk)
    users = UploadService(desk.journal, desk.staging, lambda _: {"shelf": UsersShelf()})

    # when
    nowhere, alone = await announced(service, "cedar"), await announced(users, "alder")

    # then
    assert isinstance(nowhere, UnknownSource)
    assert isinstance(alone, Unsupported)
    await service.aclose()
    await users.aclose()
