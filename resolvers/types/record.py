"""Record: what attachments hang on, and the connection of its attachments."""

from typing import TYPE_CHECKING, Annotated, Any

import strawberry
from strawberry import UNSET

from gateway.domain import model
from gateway.domain.model import RecordKind
from gateway.domain.ordering import SourceOrder, arrange
from gateway.domain.paging import paginate, scope
from resolvers.connections import (
    LARGEST_PAGE,
    After,
    Before,
    Connection,
    First,
    Last,
    LastingConnection,
    PageInfo,
    connection,
    page_request,
)
from resolvers.scopes import reading
from resolvers.types.listing import StoredFileFilter, StoredFileOrder, filter_of
from resolvers.types.node import Info, Node, resolved
from resolvers.types.source import Source
from resolvers.types.stored_file import source_of

if TYPE_CHECKING:
    from resolvers.types.attachment import Attachment

SOURCE_ORDER = SourceOrder()
LazyAttachment = Annotated["Attachment", strawberry.lazy("resolvers.types.attachment")]


@strawberry.type(description="One attachment of a page.")
class AttachmentEdge:
    """Relay's edge."""

    node: LazyAttachment = strawberry.field(description="The attachment.")
    cursor: str = strawberry.field(description="Its place in the list.")


@strawberry.type(description="A page of the attachments of a record.")
class AttachmentConnection:
    """Relay's connection."""

    edges: list[AttachmentEdge] = strawberry.field(description="The attachments of the page.")
    page_info: PageInfo = strawberry.field(description="Where the page stands in the list.")
    total_count: int = strawberry.field(description="How many there are on all pages.")


async def _attachments(
    root: model.Record,
    info: Info,
    *,
    first: First = UNSET,
    after: After = UNSET,
    last: Last = UNSET,
    before: Before = UNSET,
    where: Annotated[
        StoredFileFilter | None, strawberry.argument(description="Which of them; all if left out.")
    ] = UNSET,
    order_by: Annotated[
        StoredFileOrder | None,
        strawberry.argument(
            description="The order; the source's own if left out, in which a cursor ends with its item."
        ),
    ] = UNSET,
) -> Connection[model.StoredFile] | LastingConnection[model.StoredFile]:
    request = page_request(first, after, last, before)
    request.size(LARGEST_PAGE)  # refused before anything is asked of the source
    listing = await info.context.loaders.attachments.load(root.ref)
    wanted, order = filter_of(where), order_by.to_order() if order_by else SOURCE_ORDER

    def made() -> Connection[model.StoredFile]:
        page = paginate(
            arrange(listing.attachments, wanted, order),
            request,
            key=order.key,
            descending=order.descending,
            ordered=order.sorts,
            belongs_to=scope("Record.attachments", root.ref, wanted and wanted.criteria, order),
            sealing=info.context.ids.cursors,
            most=LARGEST_PAGE,
        )
        return connection(page)

    # Filters and cursors are texts of clients, of any length and number: what is made by them is not kept.
    if listing.origin is None or wanted is not None or request.has_cursor:
        return made()
    return LastingConnection(listing.origin, (request, order), made)


async def _registered_mail(root: model.Record, info: Info) -> bool | None:
    if root.kind is not RecordKind.MAIL:
        return None
    return (await info.context.loaders.attachments.load(root.ref)).registered_mail


@strawberry.type(description="What attachments hang on: a mail, a case, a message or a CRM record.")
class Record(Node):
    """A view of `gateway.domain.model.Record`."""

    kind: RecordKind = strawberry.field(description="What it is.")
    source: Source = resolved(source_of, "The upstream system that owns it.")
    attachments: AttachmentConnection | None = reading(
        _attachments,
        "Its attachments. One upstream request for all of them where the source can list; "
        "an EspoCRM without admin rights takes one more for each. Null when the source fails.",
    )
    registered_mail: bool | None = reading(
        _registered_mail,
        "Whether a mail can be sent as registered mail (Maileva). It comes with `attachments` "
        "in one upstream request; null for other records.",
    )

    @classmethod
    def is_type_of(cls, obj: Any, _: Any) -> bool:
        """Tell whether a value is shown as a Record."""
        return isinstance(obj, model.Record)
