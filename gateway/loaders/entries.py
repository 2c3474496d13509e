"""Loads single attachments, files and folders."""

from collections.abc import Awaitable, Sequence

from gateway.domain.errors import GatewayError
from gateway.domain.model import Entry
from gateway.domain.refs import Ref
from gateway.loaders.base import RefLoader
from gateway.upstreams.base import Adapter


class EntryByRefLoader(RefLoader[Entry]):
    """Loads an attachment, file or folder by its reference; the adapter decides what a batch costs."""

    def ask(self, adapter: Adapter, refs: list[Ref]) -> Awaitable[Sequence[Entry | GatewayError]]:
        """Get entries of one source."""
        return adapter.fetch(refs, self.call)
