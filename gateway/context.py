"""What one request of a client carries: its budget, its loaders and the sources it may ask."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from gateway.domain.errors import GatewayError, UnknownSource
from gateway.identifiers import Identifiers
from gateway.identity.principals import Principal
from gateway.limiter import Balance, Limiter, price_of
from gateway.links import ContentLinks
from gateway.loaders.children import AttachmentListingByRecordLoader, TreeByLibraryLoader
from gateway.loaders.entries import EntryByRefLoader
from gateway.transport.call import Call
from gateway.uploads.journal import Journal
from gateway.uploads.service import UploadService
from gateway.upstreams.base import Adapter
from gateway.writes import Writer


@dataclass(slots=True)
class Loaders:
    """The loaders of one request."""

    entries: EntryByRefLoader
    attachments: AttachmentListingByRecordLoader
    trees: TreeByLibraryLoader

    @classmethod
    def make(cls, sources: Mapping[str, Adapter], call: Call) -> "Loaders":
        """Make empty loaders."""
        return cls(
            EntryByRefLoader(sources, call),
            AttachmentListingByRecordLoader(sources, call),
            TreeByLibraryLoader(sources, call),
        )

    def close(self) -> None:
        """Cancel the batches that run."""
        self.entries.close()
        self.attachments.close()
        self.trees.close()


@dataclass(slots=True)
class RequestContext:
    """One request of a client; made inside the running loop and closed when the answer is there.

    ``principal`` is who asks, and ``sources`` are those of his tenant, as he sees them.
    ``limiter`` is that of the tenant.
    ``partial`` collects the failures of sources whose share is missing from a merged answer that is there otherwise.
    """

    principal: Principal
    call: Call
    sources: Mapping[str, Adapter]
    links: ContentLinks
    ids: Identifiers
    loaders: Loaders
    writer: Writer
    uploads: UploadService | None = None
    limiter: Limiter | None = None
    partial: list[tuple[GatewayError, list[str | int]]] = field(default_factory=list)

    @classmethod
    def make(
        cls,
        principal: Principal,
        call: Call,
        sources: Mapping[str, Adapter],
        links: ContentLinks,
        ids: Identifiers,
        *,
        journal: Journal | None = None,
        uploads: UploadService | None = None,
        limiter: Limiter | None = None,
        drop: Callable[[], None] = lambda: None,
    ) -> "RequestContext":
        """Make the context of a request with loaders of its own; ``drop`` is the writer's."""
        writer = Writer(
            journal=journal, call=call, principal=principal.subject, tenant=principal.tenant, drop=drop
        )
        return cls(principal, call, sources, links, ids, Loaders.make(sources, call), writer, uploads, limiter)

    def charge(self, requests: int, nodes: int) -> None:
        """Take the tokens of an operation that may cost so much from whoever asks; raises RateLimited."""
        if self.limiter is not None:
            self.limiter.take(self.principal.subject, price_of(requests, nodes))

    def balance(self) -> Balance | None:
        """Tell what the principal may still ask; None where that is not counted."""
        return None if self.limiter is None else self.limiter.balance(self.principal.subject)

    def forget(self) -> None:
        """Forget what was loaded before a write: what is read after it is read anew."""
        self.loaders.close()
        self.loaders = Loaders.make(self.sources, self.call)

    def source(self, name: str) -> Adapter:
        """Find a source by its name; raises UnknownSource."""
        if name not in self.sources:
            raise UnknownSource(f"There is no source named {name!r}.")
        return self.sources[name]

    def close(self) -> None:
        """Cancel what still runs for this request."""
        self.loaders.close()
