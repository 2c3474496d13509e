"""The root of all queries."""

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any

import strawberry
from strawberry import UNSET

from gateway.context import RequestContext
from gateway.domain import model
from gateway.domain.errors import BadInput, GatewayError, NotFound
from gateway.domain.refs import Ref, RefType
from gateway.upstreams.base import describe
from resolvers.connections import After, Before, Connection, First, Last, page_request
from resolvers.lookups import LibraryLookup, PlaceLookup, RecordLookup, find_library, find_record
from resolvers.scopes import reading
from resolvers.stored_files import StoredFileConnection, merged_files
from resolvers.types.library import Library
from resolvers.types.listing import StoredFileFilter, StoredFileOrder
from resolvers.types.node import NOT_THERE, Info, Node, opened
from resolvers.types.record import Record
from resolvers.types.source import Source
from resolvers.types.staged_upload import StagedUpload, Upload, find_upload

MOST_KEYS = 100
FREE = frozenset({RefType.RECORD, RefType.LIBRARY, RefType.SOURCE})
"""What is known by its reference alone."""
LIBRARY_PARTS = len(("organization", "year"))


# Nodes


async def _node(
    root: None,  # noqa: ARG001 - the root has no value
    info: Info,
    *,
    id: Annotated[strawberry.ID, strawberry.argument(description="The opaque global identifier.")],  # noqa: A002
) -> Any:
    outcome = await _load_node(id, info)
    if isinstance(outcome, GatewayError):
        raise outcome
    return outcome


async def _nodes(
    root: None,  # noqa: ARG001
    info: Info,
    *,
    ids: Annotated[
        list[strawberry.ID], strawberry.argument(description="The opaque global identifiers, 1 to 100.")
    ],
) -> Sequence[Any]:
    _bounded(ids, "ids")
    return await asyncio.gather(*(_load_node(text, info) for text in ids))


async def _load_node(text: str, info: Info) -> Any:
    """Load an identifier's object; a failure is an exception in its place, which nulls that place alone."""
    try:
        ref = opened(text, info.context)
        if ref.type in FREE:
            return _known(ref, info.context)
        if ref.type is RefType.UPLOAD:
            return await find_upload(ref, info)
        return await info.context.loaders.entries.load(ref)
    except GatewayError as exc:
        return exc


def _known(ref: Ref, context: RequestContext) -> model.Record | model.Library | model.Source:
    """Make an object that is known by its reference alone.

    Raises UnknownSource, and NotFound for what the source had before its operator made it one of another kind.
    """
    adapter = context.source(ref.source)
    if ref.type is RefType.SOURCE:
        source = describe(adapter)
        if source.ref != ref:
            raise NotFound(NOT_THERE, source=ref.source)
        return source
    if ref.type is RefType.RECORD and adapter.record_kind is not None:
        return model.Record(ref, adapter.record_kind)
    if ref.type is RefType.LIBRARY and adapter.record_kind is None and len(ref.key) == LIBRARY_PARTS:
        return model.Library(ref)
    raise NotFound(NOT_THERE, source=ref.source)


# Sources


def _sources(root: None, info: Info) -> list[model.Source]:  # noqa: ARG001
    return [describe(adapter) for adapter in info.context.sources.values()]


def _source(
    root: None,  # noqa: ARG001
    info: Info,
    *,
    name: Annotated[str, strawberry.argument(description="The name that its operator gave it.")],
) -> model.Source:
    return describe(info.context.source(name))


# Records and libraries


def _record(
    root: None,  # noqa: ARG001
    info: Info,
    *,
    by: Annotated[RecordLookup, strawberry.argument(description="Which one.")],
) -> model.Record:
    return find_record(by, info.context)


def _records(
    root: None,  # noqa: ARG001
    info: Info,
    *,
    by: Annotated[list[RecordLookup], strawberry.argument(description="Which ones, 1 to 100.")],
) -> list[model.Record | GatewayError]:
    _bounded(by, "by")
    return [_found(lookup, info.context) for lookup in by]


def _found(lookup: RecordLookup, context: RequestContext) -> model.Record | GatewayError:
    try:
        return find_record(lookup, context)
    except GatewayError as exc:
        return exc


def _library(
    root: None,  # noqa: ARG001
    info: Info,
    *,
    by: Annotated[LibraryLookup, strawberry.argument(description="Which one.")],
) -> model.Library:
    return find_library(by, info.context)


# Files of several places


async def _stored_files(
    root: None,  # noqa: ARG001
    info: Info,
    *,
    in_: Annotated[
        list[PlaceLookup], strawberry.argument(name="in", description="Where to look, 1 to 50 places.")
    ],
    first: First = UNSET,
    after: After = UNSET,
    last: Last = UNSET,
    before: Before = UNSET,
    where: Annotated[
        StoredFileFilter | None, strawberry.argument(description="Which of them; all if left out.")
    ] = UNSET,
    order_by: Annotated[
        StoredFileOrder | None,
        strawberry.argument(description="The order; the newest change first if left out."),
    ] = UNSET,
) -> Connection[model.StoredFile]:
    return await merged_files(in_, page_request(first, after, last, before), where, order_by, info)


async def _staged_upload(
    root: None,  # noqa: ARG001
    info: Info,
    *,
    id: Annotated[strawberry.ID, strawberry.argument(description="The identifier of its creation.")],  # noqa: A002
) -> Upload:
    return await find_upload(opened(id, info.context, (RefType.UPLOAD,)), info)


def _bounded(keys: Sequence[object], name: str) -> None:
    if not 1 <= len(keys) <= MOST_KEYS:
        raise BadInput(f"`{name}` takes 1 to {MOST_KEYS}.")


@strawberry.type(description="Reads that cost upstream requests say how many.")
class Query:
    """The root type of queries."""

    node: Node | None = reading(
        _node,
        "The object of an identifier; null, with an error that says so, when it is not there. "
        "One upstream request, none for records, libraries and sources.",
    )
    nodes: list[Node | None] = reading(
        _nodes,
        "The objects of several identifiers, in their order; null, each with its error, for those that are not "
        "there. The fewest upstream requests that the sources permit.",
    )
    sources: list[Source] = reading(_sources, "The configured upstream systems. No upstream request.")
    source: Source | None = reading(
        _source, "One upstream system by the name its operator gave it. No upstream request."
    )
    record: Record | None = reading(
        _record, "One record that attachments hang on. No upstream request until its fields ask for one."
    )
    records: list[Record | None] = reading(
        _records, "Several records, of one or of several sources, in the order asked."
    )
    library: Library | None = reading(
        _library, "The root of a folder tree. Two upstream requests for its tree, whatever the depth."
    )
    stored_files: StoredFileConnection | None = reading(
        _stored_files, "The files of several records and libraries, of any sources, merged into one order."
    )
    staged_upload: StagedUpload | None = reading(
        _staged_upload, "An upload on its way, with its progress. No upstream request."
    )
