"""Adapters that each upload wrongly in one way: sound ones but for the line that makes a check fail."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress

from gateway.domain.changes import UploadItem
from gateway.domain.errors import BadInput, GatewayError, TooLarge, Unavailable
from gateway.domain.refs import Ref
from gateway.sandbox.espocrm import seed
from gateway.transport.call import Call
from gateway.transport.messages import Request
from gateway.upstreams.base import Note, OpenBytes
from gateway.upstreams.espocrm import NOTED, EspoCrmAdapter
from tests.conformance.comparison import changed
from tests.conformance.troubles import CANARY
from tests.upstreams.espocrm_source import attachment_ref


class Mangling(EspoCrmAdapter):
    """Changes bytes on their way."""

    async def upload(self, item: UploadItem, bytes_of: OpenBytes, call: Call, note: Note) -> Ref:
        """Make capitals of small letters."""

        @asynccontextmanager
        async def opened() -> AsyncIterator[AsyncIterator[bytes]]:
            async with bytes_of() as chunks:
                yield (chunk.upper() async for chunk in chunks)

        return await super().upload(item, opened, call, note)


class Greedy(EspoCrmAdapter):
    """Finds nothing too large."""

    def check(self, item: UploadItem) -> None:
        """Let it pass."""
        with suppress(TooLarge):
            super().check(item)


class Careless(EspoCrmAdapter):
    """Sends whatever name it is given."""

    def check(self, item: UploadItem) -> None:
        """Let it pass."""
        with suppress(BadInput):
            super().check(item)


class Mending(EspoCrmAdapter):
    """Makes file names of names."""

    async def upload(self, item: UploadItem, bytes_of: OpenBytes, call: Call, note: Note) -> Ref:
        """Leave no slash."""
        return await super().upload(changed(item, name=item.name.replace("/", "_")), bytes_of, call, note)


def failing(error: Callable[[GatewayError], GatewayError]) -> type[EspoCrmAdapter]:
    """Make an adapter that raises another error than it should."""

    class Failing(EspoCrmAdapter):
        async def upload(self, item: UploadItem, bytes_of: OpenBytes, call: Call, note: Note) -> Ref:
            try:
                return await super().upload(item, bytes_of, call, note)
            except GatewayError as exc:
                raise error(exc) from None

    return Failing


class Despairing(EspoCrmAdapter):
    """Says that nothing was made where it cannot know."""

    async def upload(self, item: UploadItem, bytes_of: OpenBytes, call: Call, note: Note) -> Ref:
        """Take every failure for a refusal."""
        try:
            return await super().upload(item, bytes_of, call, note)
        except GatewayError as exc:
            raise BadInput("It did not work.") from exc


class Doubling(EspoCrmAdapter):
    """Tries again by itself."""

    async def upload(self, item: UploadItem, bytes_of: OpenBytes, call: Call, note: Note) -> Ref:
        """Send a second time what failed."""
        try:
            return await super().upload(item, bytes_of, call, note)
        except GatewayError:
            return await super().upload(item, bytes_of, call, note)


class Littering(EspoCrmAdapter):
    """Leaves what it made where it fails."""

    async def upload(self, item: UploadItem, bytes_of: OpenBytes, call: Call, note: Note) -> Ref:
        """Hang an empty file into the record first."""

        @asynccontextmanager
        async def nothing() -> AsyncIterator[AsyncIterator[bytes]]:
            async with bytes_of() as chunks:
                yield (chunk async for chunk in chunks if not chunk)

        await super().upload(changed(item, size=0), nothing, call, note)
        return await super().upload(item, bytes_of, call, note)


class Boundless(EspoCrmAdapter):
    """Does not say how much it takes."""

    max_bytes = None  # type: ignore[assignment]

    def check(self, item: UploadItem) -> None:
        """Nothing to compare with."""


class Following(EspoCrmAdapter):
    """Follows redirects wherever they lead, credential in hand."""

    async def upload(self, item: UploadItem, bytes_of: OpenBytes, call: Call, note: Note) -> Ref:
        """Look where an answer points first."""
        response = await self._client.get("/App/user", call)
        if "location" in response.headers:
            credential = await self._client._auth.headers("GET", "/")
            await self._client._exchange.send(Request("GET", response.headers["location"], credential), 1.0)
        return await super().upload(item, bytes_of, call, note)


class Forgetful(EspoCrmAdapter):
    """Never finds what it made."""

    async def reconcile(self, item: UploadItem, call: Call) -> Ref | None:  # noqa: ARG002 - not looked at
        """Take it for lost."""
        return None


class Hopeful(EspoCrmAdapter):
    """Takes what it began for what it made."""

    async def reconcile(self, item: UploadItem, call: Call) -> Ref | None:  # noqa: ARG002 - nobody is asked
        """Believe the note."""
        return attachment_ref(item.notes[NOTED]) if NOTED in item.notes else None


class Grasping(EspoCrmAdapter):
    """Takes what hangs there for its own."""

    async def reconcile(self, item: UploadItem, call: Call) -> Ref | None:
        """Choose any."""
        held = await self._fields.held(item.target, call)
        return attachment_ref(held.ids[-1])


def talkative(secret: str) -> type[EspoCrmAdapter]:
    """Make an adapter whose errors tell too much."""
    return failing(lambda _: Unavailable(f"The source refused {secret}."))


BROKEN: Mapping[str, tuple[tuple[str, type[EspoCrmAdapter]], ...]] = {
    "test_u12_uploads_what_downloads_equal": (("mangles", Mangling),),
    "test_u12_refuses_one_byte_more": (("is greedy", Greedy),),
    "test_u05_keeps_or_refuses_hostile_names": (("mends names", Mending),),
    "test_u07_names_what_went_wrong": (
        ("misnames", failing(lambda _: Unavailable("Something went wrong."))),
        ("despairs", Despairing),
    ),
    "test_u08_keeps_secrets_out_of_errors": (
        ("tells the credential", talkative(seed.API_KEY)),
        ("tells the body", talkative(CANARY)),
    ),
    "test_u07_leaves_nothing_half_made": (("litters", Littering),),
    "test_u10_shows_credentials_to_its_own_origin_only": (("follows redirects", Following),),
    "test_u11_says_that_it_uploads": (("has no limit", Boundless),),
    "test_u12_finds_an_upload_whose_answer_was_lost": (
        ("is forgetful", Forgetful),
        ("sends blindly", Doubling),
        ("despairs", Despairing),
    ),
    "test_u12_goes_on_after_a_fault_of_the_source": (("is hopeful", Hopeful),),
    "test_u12_proves_that_nothing_was_sent": (("grasps", Grasping),),
}
"""Adapters that fail a check, by its name."""
