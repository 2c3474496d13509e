"""Loads what hangs on records and what stands in libraries."""

from collections.abc import Mapping, Sequence

from gateway.domain.errors import GatewayError, NotFound
from gateway.domain.model import AttachmentListing
from gateway.domain.refs import Ref
from gateway.domain.tree import Tree
from gateway.loaders.base import RefLoader
from gateway.transport.call import Call
from gateway.upstreams.base import Adapter


class AttachmentListingByRecordLoader(RefLoader[AttachmentListing]):
    """Loads all attachments of a record by the record's reference."""

    def __init__(self, sources: Mapping[str, Adapter], call: Call) -> None:
        super().__init__(sources, call, _listings)


class TreeByLibraryLoader(RefLoader[Tree]):
    """Loads the tree of a library by the library's reference: 2 upstream requests, however often it is asked for."""

    def __init__(self, sources: Mapping[str, Adapter], call: Call) -> None:
        super().__init__(sources, call, _trees)


async def _listings(
    adapter: Adapter, refs: list[Ref], call: Call
) -> Sequence[AttachmentListing | GatewayError]:
    outcomes = await adapter.children(refs, call)
    return [_no_such("record", adapter) if isinstance(found, Tree) else found for found in outcomes]


async def _trees(adapter: Adapter, refs: list[Ref], call: Call) -> Sequence[Tree | GatewayError]:
    outcomes = await adapter.children(refs, call)
    return [
        _no_such("library", adapter) if isinstance(found, AttachmentListing) else found for found in outcomes
    ]


def _no_such(noun: str, adapter: Adapter) -> NotFound:
    return NotFound(f"The source has no such {noun}.", source=adapter.name)
