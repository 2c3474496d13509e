"""Adapters that are each broken in one way: sound ones but for the line that makes a check fail."""

import asyncio
import itertools
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from gateway.domain.errors import GatewayError, NotFound, Unavailable
from gateway.domain.model import Entry, File, Placement, SignedLink
from gateway.domain.refs import Ref
from gateway.domain.tree import Tree, branch_of
from gateway.sandbox.arrhes import seed
from gateway.transport.call import Call
from gateway.transport.messages import Request
from gateway.upstreams.arrhes import ArrhesAdapter, ArrhesSettings
from gateway.upstreams.base import Listing, each
from gateway.upstreams.steps.arrhes import Requests
from gateway.upstreams.wire.arrhes import Noun, WireFile
from tests.conformance.comparison import changed
from tests.conformance.troubles import CANARY

Outcome = Entry | GatewayError
numbers = itertools.count()


def editing(edit: Callable[[Any], Any]) -> type[ArrhesAdapter]:
    """Make an adapter that changes each entry or error on its way out of ``fetch``."""

    class Editing(ArrhesAdapter):
        async def fetch(self, refs: Sequence[Ref], call: Call) -> Sequence[Outcome]:
            return [edit(one) for one in await super().fetch(refs, call)]

    return Editing


def editing_files(**changes: Callable[[File], object]) -> type[ArrhesAdapter]:
    """Make an adapter that changes fields of each fetched file."""

    def edit(one: Outcome) -> Outcome:
        if not isinstance(one, File):
            return one
        return changed(one, **{name: change(one) for name, change in changes.items()})  # type: ignore[arg-type]

    return editing(edit)


def editing_listings(edit: Callable[[Any], Any]) -> type[ArrhesAdapter]:
    """Make an adapter that changes each listing or error on its way out of ``children``."""

    class Editing(ArrhesAdapter):
        async def children(self, parents: Sequence[Ref], call: Call) -> Sequence[Listing | GatewayError]:
            return [edit(one) for one in await super().children(parents, call)]

    return Editing


def asking(cls: type[Requests]) -> type[ArrhesAdapter]:
    """Make an adapter that asks in its own way."""

    class Asking(ArrhesAdapter):
        def __init__(self, settings: ArrhesSettings) -> None:
            super().__init__(settings)
            self._requests = cls(self._client, self._egress, self._reader)

    return Asking


class Deduplicating(ArrhesAdapter):
    """Answers each reference once."""

    async def fetch(self, refs: Sequence[Ref], call: Call) -> Sequence[Outcome]:
        """Forget duplicates."""
        return await super().fetch(list(dict.fromkeys(refs)), call)


class Sorting(ArrhesAdapter):
    """Answers in its own order."""

    async def fetch(self, refs: Sequence[Ref], call: Call) -> Sequence[Outcome]:
        """Sort by id."""
        return await super().fetch(sorted(refs, key=lambda ref: ref.key), call)


class AskingForNothing(ArrhesAdapter):
    """Sends a request where nothing is wanted."""

    async def fetch(self, refs: Sequence[Ref], call: Call) -> Sequence[Outcome]:
        """Probe first."""
        await self.probe(call)
        return await super().fetch(refs, call)


class Raising(ArrhesAdapter):
    """Lets one key fail its neighbours."""

    async def fetch(self, refs: Sequence[Ref], call: Call) -> Sequence[Outcome]:
        """Raise the first error."""
        for one in (outcomes := await super().fetch(refs, call)):
            if isinstance(one, GatewayError):
                raise one
        return outcomes


class Unescaping(Requests):
    """Puts identifiers into the path as they are."""

    def _path(self, noun: Noun[Any], *more: str, year: str | None = None) -> str:
        return "/".join(
            (super()._path(noun, year=year), *(one.replace("?", "%3F").replace("#", "%23") for one in more))
        )


class Single(ArrhesAdapter):
    """Knows no batch."""

    async def fetch(self, refs: Sequence[Ref], call: Call) -> Sequence[Outcome]:
        """Fetch one by one."""

        async def one(ref: Ref) -> Entry:
            (outcome,) = await ArrhesAdapter.fetch(self, [ref], call)
            if isinstance(outcome, GatewayError):
                raise outcome
            return outcome

        return await each(refs, one)


class Following(Requests):
    """Follows redirects wherever they lead, credential in hand."""

    async def one(self, noun: Noun[Any], native_id: str, call: Call) -> Any:
        """Look where the answer points first."""
        response = await self.client.get(self._path(noun, native_id), call)
        if "location" in response.headers:
            credential = await self.client._auth.headers("GET", "/")
            await self.client._exchange.send(Request("GET", response.headers["location"], credential), 1.0)
        return await super().one(noun, native_id, call)


class Signing(ArrhesAdapter):
    """Gives the credential away in a link."""

    async def sign(self, ref: Ref, call: Call) -> SignedLink:  # noqa: ARG002 - the same for all
        """Sign with the key itself."""
        return SignedLink(f"http://127.0.0.1/?token={seed.API_KEY}", None)


class Unsigning(ArrhesAdapter):
    """Has something of the name that isn't a method."""

    sign = "later"  # type: ignore[assignment]


class StrictFile(WireFile, forbid_unknown_fields=True, rename="camel"):
    """A file that may have no field of a later version."""


class LaxFile(WireFile, rename="camel", kw_only=True):
    """A file that need not have a name."""

    name: str = "?"


def reading(shape: type[WireFile]) -> type[ArrhesAdapter]:
    """Make an adapter that reads single files as another shape."""

    class Reading(Requests):
        async def one(self, noun: Noun[Any], native_id: str, call: Call) -> Any:
            return await super().one(changed(noun, shape=shape), native_id, call)

    return asking(Reading)


class Leaking(ArrhesAdapter):
    """Goes on asking when nobody waits."""

    async def fetch(self, refs: Sequence[Ref], call: Call) -> Sequence[Outcome]:
        """Shield the requests from the caller."""
        return await asyncio.shield(super().fetch(refs, call))


def misnamed(one: Outcome) -> Outcome:
    """Call every failure the same."""
    return Unavailable("Something happened.") if isinstance(one, GatewayError) else one


def hasty(one: Outcome) -> Outcome:
    """Forget when to come back."""
    return type(one)(one.message) if isinstance(one, GatewayError) else one


def talkative(text: str) -> Callable[[Outcome], Outcome]:
    """Make an edit that tells more than it may."""

    def edit(one: Outcome) -> Outcome:
        return type(one)(f"{one.message} ({text})") if isinstance(one, GatewayError) else one

    return edit


def caused(one: Outcome) -> Outcome:
    """Hang the upstream's body on the error as its cause, where a log would print it."""
    if isinstance(one, GatewayError):
        one.__cause__ = ValueError(CANARY)
    return one


def unknown(one: Outcome) -> Outcome | None:
    """Give nothing for what is not there."""
    return None if isinstance(one, NotFound) else one


def elsewhere(one: Outcome) -> Outcome:
    """Give a reference that isn't the one that was asked for."""
    return one if isinstance(one, GatewayError) else changed(one, ref=changed(one.ref, source="elsewhere"))


def renamed(one: Listing | GatewayError) -> Listing | GatewayError:
    """List other names than single entries have."""
    if not isinstance(one, Tree):
        return one
    return changed(one, all_files=tuple(changed(file, name=file.name.upper()) for file in one.all_files))


def disowned(one: Listing | GatewayError) -> Listing | GatewayError:
    """List files that say they stand in another library."""
    if not isinstance(one, Tree):
        return one
    library = changed(one.library, ref=changed(one.library.ref, key=("elsewhere", "1")))
    return changed(one, all_files=tuple(changed(file, library=library) for file in one.all_files))


def unmarked(one: Listing | GatewayError) -> Listing | GatewayError:
    """Say that every folder is in its place."""
    if isinstance(one, Tree):
        for folder in one.folder_by_ref.values():
            branch_of(folder).placement = Placement.IN_PLACE
    return one


def rootless(one: Listing | GatewayError) -> Listing | GatewayError:
    """Lose the folders that hang on nothing."""
    if not isinstance(one, Tree):
        return one
    return changed(one, folders=tuple(folder for folder in one.folders if folder.parent_ref is None))


def circular(one: Listing | GatewayError) -> Listing | GatewayError:
    """Hang folders on their parents even in a circle."""
    if isinstance(one, Tree):
        for folder in one.folders:
            if folder.parent_ref in one.folder_by_ref:
                branch_of(one.folder_by_ref[folder.parent_ref]).folders.append(folder)
    return one


def naive(file: File) -> datetime | None:
    """Forget the zone of a time."""
    return file.created_at and file.created_at.replace(tzinfo=None)


BROKEN: tuple[tuple[str, str, type[ArrhesAdapter]], ...] = (
    ("U01", "drops duplicates", Deduplicating),
    ("U01", "changes the order", Sorting),
    ("U01", "asks for nothing", AskingForNothing),
    ("U02", "raises", Raising),
    ("U02", "gives None", editing(unknown)),
    ("U02", "raises nothing but another error", editing(misnamed)),
    ("U03", "gives another ref", editing(elsewhere)),
    ("U03", "never fetches the same", editing_files(name=lambda file: f"{file.name} {next(numbers)}")),
    ("U04", "forgets the zone", editing_files(created_at=naive)),
    ("U04", "invents a size", editing_files(size=lambda _: -1)),
    ("U04", "gives empty texts", editing_files(reference=lambda _: "")),
    ("U05", "mends names", editing_files(name=lambda file: file.name.replace("/", "_"))),
    ("U05", "tears ids", asking(Unescaping)),
    ("U06", "lists other names", editing_listings(renamed)),
    ("U06", "points elsewhere", editing_listings(disowned)),
    ("U06", "forgets a field", editing_files(checksum=lambda _: None)),
    ("U07", "misnames", editing(misnamed)),
    ("U07", "raises", Raising),
    ("U08", "tells the credential", editing(talkative(f"Bearer {seed.API_KEY}"))),
    ("U08", "tells the body", editing(talkative(CANARY))),
    ("U08", "tells the body as a cause", editing(caused)),
    ("U09", "knows no batch", Single),
    ("U10", "follows redirects", asking(Following)),
    ("U10", "puts the credential into links", Signing),
    ("U11", "has no method behind the name", Unsigning),
    ("U13", "refuses unknown fields", reading(StrictFile)),
    ("U13", "does without a name", reading(LaxFile)),
    ("U14", "goes on asking", Leaking),
    ("U15", "does not say so", editing_listings(unmarked)),
    ("U15", "loses folders", editing_listings(rootless)),
    ("U15", "goes round in circles", editing_listings(circular)),
)
