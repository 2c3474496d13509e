"""StoredFile: what attachments and files have in common."""

from datetime import datetime
from typing import Annotated, Any

import strawberry

from gateway.domain import model
from gateway.links import download_link
from gateway.upstreams.base import describe
from resolvers.scalars import URL, ByteCount
from resolvers.scopes import reading
from resolvers.types.node import Info, Node, resolved
from resolvers.types.source import Source


@strawberry.type(description="A link to bytes that works for a browser without any credential, until it ends.")
class DownloadLink:
    """A view of `gateway.domain.model.SignedLink`."""

    url: URL = strawberry.field(description="The address: a secret of whoever asked for it.")
    expires_at: datetime | None = strawberry.field(
        description="When the link ends; null where its source does not tell."
    )


def source_of(root: Any, info: Info) -> model.Source:
    """Describe the source that an object is of. No upstream request."""
    return describe(info.context.source(root.ref.source))


async def _download(
    root: model.StoredFile,
    info: Info,
    *,
    expires_in: Annotated[
        int,
        strawberry.argument(
            description="The life of the link in seconds, 15 to 3600; where the source signs links it decides."
        ),
    ] = 300,
) -> model.SignedLink:
    context = info.context
    adapter = context.source(root.ref.source)
    return await download_link(adapter, context.links, root.ref, expires_in, context.call)


@strawberry.interface(
    description="What an attachment and a file have in common: one fragment serves every source."
)
class StoredFile(Node):
    """A view of `gateway.domain.model.Attachment` or `File`."""

    name: str = strawberry.field(
        description="The name for people, with an extension where one is known: Maarch tells it by `node` alone."
    )
    size: ByteCount | None = strawberry.field(description="The size, where the source tells.")
    media_type: str | None = strawberry.field(
        description="The media type, where the source tells or its name shows."
    )
    created_at: datetime | None = strawberry.field(description="When it was created, where the source tells.")
    updated_at: datetime | None = strawberry.field(
        description="When it was last changed, where the source tells."
    )
    viewer_can_update: bool = resolved(
        lambda root: root.can_update, "Whether the source lets the credential rename, move or replace it."
    )
    viewer_can_delete: bool = resolved(
        lambda root: root.can_delete, "Whether the source lets the credential delete it."
    )
    source: Source = resolved(source_of, "The upstream system that owns it.")
    download: DownloadLink | None = reading(
        _download,
        "A link to its bytes. One upstream request where the source signs links, else none; "
        "null when that fails, or while a file's bytes have not arrived.",
    )
