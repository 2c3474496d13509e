"""Subscriptions: over WebSocket (graphql-transport-ws) and over HTTP as server-sent events (graphql-sse).

The protocols are strawberry's. The older graphql-ws protocol is not served: it starts without asking who is there
(CVE-2026-35523).
"""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import uuid4

import msgspec
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket
from strawberry import Schema
from strawberry.asgi import GraphQL
from strawberry.http import GraphQLHTTPResponse
from strawberry.subscriptions import GRAPHQL_SSE_PROTOCOL, GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.types import ExecutionResult

from gateway.context import RequestContext
from gateway.transport.call import Call
from resolvers.errors import present
from resolvers.execution.checking import Checking
from resolvers.execution.executor import Executor

EVENT_STREAM = "text/event-stream"
LIFE = 3600.0
"""Seconds that a subscription may last; clients subscribe again."""
INIT_TIMEOUT = timedelta(seconds=5)
MOST_SUBSCRIPTIONS = 20
"""Subscriptions of one connection."""


class LiveEndpoint(GraphQL[RequestContext, None]):
    """The ASGI application behind `/graphql` for WebSockets and event streams."""

    def __init__(
        self, schema: Schema, executor: Executor, make_context: Callable[[Call], RequestContext]
    ) -> None:
        schema.extensions = (*schema.extensions, partial(Checking, executor))
        super().__init__(
            schema,
            graphql_ide=None,
            subscription_protocols=(GRAPHQL_TRANSPORT_WS_PROTOCOL, GRAPHQL_SSE_PROTOCOL),
            connection_init_wait_timeout=INIT_TIMEOUT,
            max_subscriptions_per_connection=MOST_SUBSCRIPTIONS,
        )
        self._make_context = make_context

    async def get_context(
        self,
        request: Request | WebSocket,  # noqa: ARG002 - nobody is told apart yet
        response: Response | WebSocket,  # noqa: ARG002
    ) -> RequestContext:
        """Make the context of a connection."""
        return self._make_context(Call.lasting(LIFE, request_id=uuid4().hex))

    async def process_result(
        self,
        request: Request,  # noqa: ARG002 - the same for all
        result: ExecutionResult,
    ) -> GraphQLHTTPResponse:
        """Write one event, with errors as everywhere."""
        answer: dict[str, Any] = {"data": result.data}
        if result.errors:
            answer["errors"] = present(result.errors, uuid4().hex)
        return answer  # type: ignore[return-value]

    def encode_json(self, data: object) -> str:
        """Write JSON as the rest of the gateway does."""
        return msgspec.json.encode(data).decode()


class ByAccept:
    """Gives requests for event streams to one application and all others to another."""

    def __init__(self, plain: ASGIApp, events: ASGIApp) -> None:
        self._plain = plain
        self._events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        streams = EVENT_STREAM in Headers(scope=scope).get("accept", "")
        await (self._events if streams else self._plain)(scope, receive, send)
