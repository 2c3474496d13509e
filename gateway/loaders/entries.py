"""Loads single attachments, files and folders."""

from collections.abc import Mapping, Sequence

from gateway.domain.errors import GatewayError
from gateway.domain.model import Entry
from gateway.domain.refs import Ref
from gateway.loaders.base import RefLoader
from gateway.transport.call import Call
from gateway.upstreams.base import Adapter


class EntryByRefLoader(RefLoader[Entry]):
    """Loads an attachment, file or folder by its reference; the adapter decides what a batch costs."""

    def __init__(self, sources: Mapping[str, Adapter], call: Call) -> None:
        super().__init__(sources, call, _fetch)


async def _fetch(adapter: Adapter, refs: list[Ref], call: Call) -> Sequence[Entry | GatewayError]:
    return await adapter.fetch(refs, call)
