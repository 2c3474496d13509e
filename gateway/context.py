"""What one request of a client carries: its budget, its loaders and the sources it may ask."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.domain.errors import GatewayError, UnknownSource
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

    ``partial`` collects the failures of sources whose share is missing from a merged answer that is there otherwise.
    """

    call: Call
    sources: Mapping[str, Adapter]
    links: ContentLinks
    loaders: Loaders
    writer: Writer
    uploads: UploadService | None = None
    partial: list[tuple[GatewayError, list[str | int]]] = field(default_factory=list)

    @classmethod
    def make(
        cls,
        call: Call,
        sources: Mapping[str, Adapter],
        links: ContentLinks,
        journal: Journal | None = None,
        uploads: UploadService | None = None,
    ) -> "RequestContext":
        """Make the context of a request with loaders of its own."""
        writer = Writer(journal=journal, call=call)
        return cls(call, sources, links, Loaders.make(sources, call), writer, uploads)

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
