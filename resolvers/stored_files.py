"""`storedFiles`: the files of several places, of any sources, merged into one order."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import strawberry

from gateway.context import RequestContext
from gateway.domain import model
from gateway.domain.errors import BadInput, GatewayError, NotFound
from gateway.domain.ordering import Order, arrange
from gateway.domain.paging import PageRequest, paginate, scope
from gateway.domain.refs import Ref, RefType
from gateway.domain.tree import descendants
from gateway.upstreams.base import describe
from resolvers.connections import LARGEST_PAGE, Connection, PageInfo, connection
from resolvers.enums import ErrorCode
from resolvers.lookups import PlaceLookup, find_library, find_record
from resolvers.types.folder import in_tree
from resolvers.types.listing import StoredFileFilter, StoredFileOrder, filter_of
from resolvers.types.node import NOT_THERE, Info, opened
from resolvers.types.source import Source
from resolvers.types.stored_file import StoredFile

MOST_PLACES = 50
NEWEST_FIRST = Order()


@strawberry.type(description="How one source took part in a merged answer.")
class SourceStatus:
    """A view of `StatusOfSource`."""

    source: Source = strawberry.field(description="The upstream system.")
    complete: bool = strawberry.field(description="Whether all of its places answered.")
    file_count: int = strawberry.field(description="How many files its places gave, before the filter.")
    code: ErrorCode | None = strawberry.field(description="What went wrong; null when all is there.")
    message: str | None = strawberry.field(description="The same in a sentence for people.")
    retryable: bool = strawberry.field(description="Whether asking again may help.")
    retry_after_ms: int | None = strawberry.field(
        description="When asking again may help, in milliseconds, where the source tells."
    )


@strawberry.type(description="One file of a page.")
class StoredFileEdge:
    """Relay's edge."""

    node: StoredFile = strawberry.field(description="The attachment or file.")
    cursor: str = strawberry.field(description="Its place in the list.")


@strawberry.type(description="A page of the files of several places.")
class StoredFileConnection:
    """Relay's connection, with the part that each source took."""

    edges: list[StoredFileEdge] = strawberry.field(description="The files of the page.")
    page_info: PageInfo = strawberry.field(description="Where the page stands in the list.")
    total_count: int = strawberry.field(description="How many there are on all pages.")
    source_statuses: list[SourceStatus] = strawberry.field(
        description="One entry per source that was asked: look here whether the list is complete."
    )


@dataclass(frozen=True, slots=True)
class StatusOfSource:
    """What `SourceStatus` shows."""

    source: model.Source
    complete: bool
    file_count: int
    code: Any
    message: str | None
    retryable: bool
    retry_after_ms: int | None


async def merged_files(
    places: Sequence[PlaceLookup],
    request: PageRequest,
    where: StoredFileFilter | None,
    order_by: StoredFileOrder | None,
    info: Info,
) -> Connection[model.StoredFile]:
    """Ask all places at once and merge what comes; what a source failed to give is told in its status."""
    if not 1 <= len(places) <= MOST_PLACES:
        raise BadInput(f"`in` takes 1 to {MOST_PLACES} places.")
    request.size(LARGEST_PAGE)
    context = info.context
    tops = list(dict.fromkeys(_place(lookup, context) for lookup in places))
    outcomes = await asyncio.gather(*(_files_of(top, info) for top in tops))
    wanted, order = filter_of(where), order_by.to_order() if order_by else NEWEST_FIRST
    files = (file for found in outcomes if not isinstance(found, GatewayError) for file in found)
    page = paginate(
        arrange(files, wanted, order),
        request,
        key=order.key,
        descending=order.descending,
        belongs_to=scope("storedFiles", tops, wanted and wanted.criteria, order),
        sealing=context.ids.cursors,
        most=LARGEST_PAGE,
    )
    path = info.path.as_list() if hasattr(info.path, "as_list") else []
    statuses = _statuses(tops, outcomes, context)
    context.partial.extend((found, path) for found in outcomes if isinstance(found, GatewayError))
    return connection(page, statuses)


def _place(lookup: PlaceLookup, context: RequestContext) -> Ref:
    if lookup.record:
        return find_record(lookup.record, context).ref
    if lookup.library:
        return find_library(lookup.library, context).ref
    ref = opened(lookup.id or "", context, (RefType.RECORD, RefType.LIBRARY, RefType.FOLDER))
    context.source(ref.source)
    return ref


async def _files_of(top: Ref, info: Info) -> Sequence[model.StoredFile] | GatewayError:
    try:
        return await _load(top, info)
    except GatewayError as exc:
        return exc


async def _load(top: Ref, info: Info) -> Sequence[model.StoredFile]:
    loaders = info.context.loaders
    if top.type is RefType.RECORD:
        return (await loaders.attachments.load(top)).attachments
    if top.type is RefType.LIBRARY:
        return (await loaders.trees.load(top)).all_files
    entry = await loaders.entries.load(top)
    if not isinstance(entry, model.Folder):
        raise NotFound(NOT_THERE, source=top.source)
    branch = (await in_tree(entry, info)).branch
    below = descendants(branch.folders, branch.files, DEEP) if branch else ()
    return [walked.node for walked in below if isinstance(walked.node, model.File)]


DEEP = 1_000_000
"""Every level: the tree is in memory already, and has no cycle."""


def _statuses(
    tops: Sequence[Ref],
    outcomes: Sequence[Sequence[model.StoredFile] | GatewayError],
    context: RequestContext,
) -> list[StatusOfSource]:
    by_source: dict[str, list[Sequence[model.StoredFile] | GatewayError]] = {}
    for top, found in zip(tops, outcomes, strict=True):
        by_source.setdefault(top.source, []).append(found)
    return [_status(name, found, context) for name, found in by_source.items()]


def _status(
    name: str, found: Sequence[Sequence[model.StoredFile] | GatewayError], context: RequestContext
) -> StatusOfSource:
    failure = next((outcome for outcome in found if isinstance(outcome, GatewayError)), None)
    return StatusOfSource(
        source=describe(context.source(name)),
        complete=failure is None,
        file_count=sum(len(outcome) for outcome in found if not isinstance(outcome, GatewayError)),
        code=ErrorCode[failure.code] if failure else None,
        message=failure.message if failure else None,
        retryable=bool(failure and failure.retryable),
        retry_after_ms=failure.retry_after_ms if failure else None,
    )
