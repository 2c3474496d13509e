"""Subscriptions: over WebSocket (graphql-transport-ws) and over HTTP as server-sent events (graphql-sse).

The protocols are strawberry's. The older graphql-ws protocol is not served: it starts without asking who is there
(CVE-2026-35523).
"""

import asyncio
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from json import JSONDecodeError
from typing import Any, cast
from uuid import uuid4

import msgspec
from cross_web import AsyncHTTPRequestAdapter, StarletteRequestAdapter
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket
from strawberry import Schema
from strawberry.asgi import GraphQL
from strawberry.http import GraphQLHTTPResponse, GraphQLRequestData
from strawberry.subscriptions import GRAPHQL_SSE_PROTOCOL, GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.types import ExecutionResult

from gateway.context import RequestContext
from gateway.domain.errors import GatewayError, Unauthenticated
from gateway.identity.authenticator import REFUSED
from gateway.identity.principals import Visitor
from gateway.transport.call import Call
from gateway.web.door import Door, challenge
from gateway.web.intake import Intake
from gateway.web.negotiation import Parameters, Refusal, prefers_stream
from gateway.web.refusals import error_response, refused
from gateway.web.socket import MOST_SUBSCRIPTIONS, Socket
from resolvers.errors import present
from resolvers.execution.checking import Checking
from resolvers.execution.executor import Executor

VISITOR = "gateway.visitor"
"""Where the scope of an event stream holds who opened it."""
INIT_TIMEOUT = timedelta(seconds=5)


class Adapter(StarletteRequestAdapter):
    """A request as strawberry sees it, which gives the request itself as well."""

    def __init__(self, request: Request) -> None:
        super().__init__(request)
        self.request = request


class LiveEndpoint(GraphQL[RequestContext, None]):
    """The ASGI application behind `/graphql` for WebSockets and event streams.

    Who opens an event stream is known before it begins; a WebSocket may say it in its first message. Both end when
    the credential does.
    """

    graphql_transport_ws_handler_class = Socket
    request_adapter_class = Adapter

    def __init__(
        self,
        schema: Schema,
        executors: Mapping[str, Executor],
        intake: Intake,
        door: Door,
        make_context: Callable[[Visitor, Call], RequestContext],
        *,
        deadline: float,
    ) -> None:
        schema.extensions = (*schema.extensions, partial(Checking, executors))
        super().__init__(
            schema,
            graphql_ide=None,
            subscription_protocols=(GRAPHQL_TRANSPORT_WS_PROTOCOL, GRAPHQL_SSE_PROTOCOL),
            connection_init_wait_timeout=INIT_TIMEOUT,
            max_subscriptions_per_connection=MOST_SUBSCRIPTIONS,
        )
        self._intake = intake
        self._door = door
        self._make_context = make_context
        self._deadline = deadline

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        request_id = uuid4().hex
        try:
            if scope["type"] == "http":
                await self._stream(scope, receive, send)
            else:
                await super().__call__(scope, receive, send)
        except Unauthenticated as exc:
            await challenge(exc, request_id)(scope, receive, send)
        except Refusal as refusal:
            await refused(refusal, request_id)(scope, receive, send)
        except GatewayError as exc:
            await error_response(exc, 400, request_id)(scope, receive, send)
        except ClientDisconnect:
            return  # nobody is there to answer

    async def get_context(
        self,
        request: Request | WebSocket,
        response: Response | WebSocket,  # noqa: ARG002 - nothing is said in advance
    ) -> RequestContext:
        """Make the context of an event stream; that of a WebSocket has to wait for its first message."""
        visitor = request.scope.get(VISITOR)
        return cast("RequestContext", None) if visitor is None else self.context_of(visitor)

    def context_of(self, visitor: Visitor) -> RequestContext:
        """Make the context of an operation, which gets the seconds of any; `Checking` gives subscriptions more."""
        return self._make_context(visitor, Call.lasting(self._deadline, request_id=uuid4().hex))

    async def admit(self, payload: Mapping[str, object], scope: Scope) -> Visitor:
        """Tell who opens a WebSocket; raises Unauthenticated."""
        return await self._door.admit_by(payload, scope)

    def seconds_of(self, visitor: Visitor) -> float | None:
        """Tell how long a visitor may still stay; None for as long as he likes."""
        ends = visitor.principal.ends
        return None if ends is None else max(0.0, ends - self._door.authenticator.now())

    def is_websocket_origin_allowed(
        self,
        request: WebSocket,  # noqa: ARG002 - the edge has looked at it
        origin: str,  # noqa: ARG002
    ) -> bool:
        """Let pages of other origins in: `gateway.web.edge.LiveDoor` stands before and has their list."""
        return True

    async def _stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve an event stream, and end it in good order when the credential ends."""
        visitor = scope[VISITOR] = await self._door.admit(scope)
        begun = False

        async def sent(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            async with asyncio.timeout(self.seconds_of(visitor)) as limit:
                await super().__call__(scope, receive, sent)
        except TimeoutError as exc:
            if not limit.expired():
                raise
            if not begun:
                raise Unauthenticated(REFUSED) from exc
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    def resolve(self, parameters: Parameters, visitor: Visitor) -> None:
        """Put in the document that an operation of a WebSocket names."""
        self._intake.resolve(parameters, visitor.principal)

    async def parse_http_body(self, request: AsyncHTTPRequestAdapter) -> GraphQLRequestData:
        """Read a request for an event stream as any other; raises Refusal, and GatewayError for its document."""
        asked = cast("Adapter", request).request
        parameters = await self._intake.read(asked, asked.scope[VISITOR].principal)
        return GraphQLRequestData(
            query=parameters.query,
            variables=parameters.variables,
            operation_name=parameters.operation_name,
            extensions=parameters.extensions,
            protocol="sse",
        )

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

    def decode_json(self, data: str | bytes) -> object:
        """Read JSON as the rest of the gateway does."""
        try:
            return msgspec.json.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise JSONDecodeError("This is not JSON, or nested too deeply.", "", 0) from None

    def encode_json(self, data: object) -> str:
        """Write JSON as the rest of the gateway does."""
        return msgspec.json.encode(data).decode()


class Shortcut:
    """Takes plain requests for one path past the list of routes; all others, and those for event streams, go on."""

    def __init__(self, app: ASGIApp, path: str, direct: ASGIApp) -> None:
        self._app = app
        self._path = path
        self._direct = direct

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        plain = scope["type"] == "http" and scope["path"] == self._path and not _wants_stream(scope)
        await (self._direct if plain else self._app)(scope, receive, send)


def _wants_stream(scope: Scope) -> bool:
    accepted = next((value for name, value in scope["headers"] if name == b"accept"), b"")
    return prefers_stream(accepted.decode("latin-1"))
