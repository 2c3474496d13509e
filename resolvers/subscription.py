"""The root of all subscriptions."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any

import strawberry

from gateway.domain.refs import RefType
from gateway.identity.principals import ScopeName
from gateway.uploads.tickets import RESTING
from resolvers.scopes import required
from resolvers.types.node import Info, opened
from resolvers.types.staged_upload import StagedUpload, Upload, find_upload

LOOK_EVERY = 0.25
"""Seconds between two looks at the journal, which any process may write to."""


async def _staged_upload(
    root: None,  # noqa: ARG001 - the root has no value
    info: Info,
    *,
    id: Annotated[strawberry.ID, strawberry.argument(description="The identifier of its creation.")],  # noqa: A002
) -> AsyncIterator[Upload]:
    """Give an upload now and whenever it has come further, until it rests."""
    ref = opened(id, info.context, (RefType.UPLOAD,))
    seen = None
    while True:
        upload = await find_upload(ref, info)
        if upload.ticket != seen:
            yield upload
        if upload.ticket.state in RESTING:
            return
        seen = upload.ticket
        await asyncio.sleep(LOOK_EVERY)


@strawberry.type(description="What tells of changes while they happen, over graphql-transport-ws or SSE.")
class Subscription:
    """The root type of subscriptions."""

    staged_upload: Any = strawberry.subscription(
        resolver=_staged_upload,
        graphql_type=StagedUpload | None,
        description="The progress of one upload: once at the start, then at each change, until it ends. "
        "No upstream request.",
        directives=[required(ScopeName.READ)],
    )
