"""What one request of a client carries: its budget, its loaders and the sources it may ask."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.domain.errors import GatewayError, UnknownSource
from gateway.links import ContentLinks
from gateway.loaders.children import AttachmentListingByRecordLoader, TreeByLibraryLoader
from gateway.loaders.entries import EntryByRefLoader
from gateway.transport.call import Call
from gateway.upstreams.base import Adapter


@dataclass(slots=True)
class Loaders:
    """The loaders of one request."""

    entries: EntryByRefLoader
    attachments: AttachmentListingByRecordLoader
    trees: TreeByLibraryLoader


@dataclass(slots=True)
class RequestContext:
    """One request of a client; made inside the running loop and closed when the answer is there.

    ``partial`` collects the failures of sources whose share is missing from a merged answer that is there otherwise.
    """

    call: Call
    sources: Mapping[str, Adapter]
    links: ContentLinks
    loaders: Loaders
    partial: list[tuple[GatewayError, list[str | int]]] = field(default_factory=list)

    @classmethod
    def make(cls, call: Call, sources: Mapping[str, Adapter], links: ContentLinks) -> "RequestContext":
        """Make the context of a request with loaders of its own."""
        loaders = Loaders(
            EntryByRefLoader(sources, call),
            AttachmentListingByRecordLoader(sources, call),
            TreeByLibraryLoader(sources, call),
        )
        return cls(call, sources, links, loaders)

    def source(self, name: str) -> Adapter:
        """Find a source by its name; raises UnknownSource."""
        if name not in self.sources:
            raise UnknownSource(f"There is no source named {name!r}.")
        return self.sources[name]

    def close(self) -> None:
        """Cancel what still runs for this request."""
        self.loaders.entries.close()
        self.loaders.attachments.close()
        self.loaders.trees.close()
