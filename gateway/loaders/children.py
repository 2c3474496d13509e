"""Loads what hangs on records and what stands in libraries."""

from collections.abc import Sequence

from gateway.domain.errors import GatewayError, NotFound
from gateway.domain.model import AttachmentListing
from gateway.domain.refs import Ref
from gateway.domain.tree import Tree
from gateway.loaders.base import RefLoader
from gateway.upstreams.base import Adapter


class AttachmentListingByRecordLoader(RefLoader[AttachmentListing]):
    """Loads all attachments of a record by the record's reference."""

    async def ask(self, adapter: Adapter, refs: list[Ref]) -> Sequence[AttachmentListing | GatewayError]:
        """Get the lists of one source's records."""
        outcomes = await adapter.children(refs, self.call)
        return [_no_such("record", adapter) if isinstance(found, Tree) else found for found in outcomes]


class TreeByLibraryLoader(RefLoader[Tree]):
    """Loads the tree of a library by the library's reference: 2 upstream requests, however often it is asked for."""

    async def ask(self, adapter: Adapter, refs: list[Ref]) -> Sequence[Tree | GatewayError]:
        """Get the trees of one source's libraries."""
        outcomes = await adapter.children(refs, self.call)
        return [
            _no_such("library", adapter) if isinstance(found, AttachmentListing) else found
            for found in outcomes
        ]


def _no_such(noun: str, adapter: Adapter) -> NotFound:
    return NotFound(f"The source has no such {noun}.", source=adapter.name)
