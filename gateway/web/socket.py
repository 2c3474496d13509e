"""One WebSocket of graphql-transport-ws: strawberry's protocol, with messages checked and errors told as everywhere.

https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md has the messages and the codes of closing.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any, Literal, Protocol, TypeAlias, cast
from uuid import uuid4

import msgspec
from graphql import GraphQLError, GraphQLFormattedError
from starlette.types import Scope
from strawberry.asgi import ASGIWebSocketAdapter
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import (
    BaseGraphQLTransportWSHandler,
    Operation,
)
from strawberry.subscriptions.protocols.graphql_transport_ws.types import (
    ConnectionInitMessage,
    Message,
    SubscribeMessage,
)

from gateway.context import RequestContext
from gateway.domain.errors import GatewayError, Unauthenticated
from gateway.identity.principals import Visitor
from gateway.web.negotiation import Parameters
from resolvers.errors import present

MOST_SUBSCRIPTIONS = 20
"""Operations of one connection that may run at once."""
LONGEST_ID = 128
UNAUTHORIZED = 4401
"""The code of closing for those who are not known, or not any more."""
LONGEST_STAY = 86_400.0
"""Seconds after which a connection ends in any case, if its credential ever does: loops know no timers of years."""
Payload: TypeAlias = dict[str, Any] | None


class Endpoint(Protocol):
    """What a socket asks of the endpoint that it belongs to."""

    async def admit(self, payload: Mapping[str, object], scope: Scope) -> Visitor:
        """Tell who opens a WebSocket; raises Unauthenticated."""

    def context_of(self, visitor: Visitor) -> RequestContext:
        """Make the context of an operation."""

    def resolve(self, parameters: Parameters, visitor: Visitor) -> None:
        """Put in the document that an operation names; raises GatewayError."""

    def seconds_of(self, visitor: Visitor) -> float | None:
        """Tell how long a visitor may still stay."""


class _Subscribe(msgspec.Struct, tag_field="type", tag="subscribe"):
    id: str
    payload: Parameters


class _Complete(msgspec.Struct, tag_field="type", tag="complete"):
    id: str


class _Init(msgspec.Struct, tag_field="type", tag="connection_init"):
    payload: Payload = None


class _Heartbeat(msgspec.Struct):
    type: Literal["ping", "pong"]
    payload: Payload = None


class Presented(GraphQLError):
    """An error that is written as HTTP answers write theirs; strawberry shows what graphql-core would."""

    def __init__(self, shown: dict[str, Any]) -> None:
        super().__init__(shown["message"])
        self._shown = shown

    @property
    def formatted(self) -> GraphQLFormattedError:
        """Give the error as clients get it."""
        return cast("GraphQLFormattedError", self._shown)


class Socket(BaseGraphQLTransportWSHandler[RequestContext, None]):
    """Handles one connection; the endpoint it belongs to is its ``view``.

    Each operation has a context of its own, as requests have: what one has loaded is neither kept for as long as the
    connection lasts nor given to a later one, for which it may be out of date.
    """

    _visitor: Visitor | None = None
    """Who opened the connection; None until its first message has said it."""
    _watch: asyncio.Task[None] | None = None

    async def handle_message(self, message: Message) -> None:
        """Take a message of the right shape; anything else ends the connection with 4400."""
        if _is_right(message):
            await super().handle_message(message)
        else:
            await self.handle_invalid_message("This is no message of graphql-transport-ws.")

    async def handle_connection_init(self, message: ConnectionInitMessage) -> None:
        """Find out who is there; nobody who is known ends the connection with 4401."""
        if self.connection_init_received or self.connection_timed_out:
            await super().handle_connection_init(message)
            return
        view, payload = cast("Endpoint", self.view), message.get("payload") or {}
        try:
            visitor = await view.admit(payload, cast("ASGIWebSocketAdapter", self.websocket).ws.scope)
        except Unauthenticated as exc:
            await self.websocket.close(UNAUTHORIZED, exc.message)
            return
        self._visitor = visitor
        seconds = view.seconds_of(visitor)
        if seconds is not None:
            self._watch = asyncio.create_task(self._end_after(seconds))
        await super().handle_connection_init({"type": "connection_init", "payload": payload})

    async def shutdown(self) -> None:
        """End what runs for the connection."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
        await super().shutdown()

    async def _end_after(self, seconds: float) -> None:
        """End the connection when the credential does, by which it was opened."""
        await asyncio.sleep(min(seconds, LONGEST_STAY))
        await self.websocket.close(UNAUTHORIZED, "The token or API key has ended.")

    async def handle_subscribe(self, message: SubscribeMessage) -> None:
        """Start an operation; one more than a connection may have ends it with 4429."""
        if self.connection_acknowledged and len(self.operations) >= MOST_SUBSCRIPTIONS:
            await self.websocket.close(
                4429, f"A connection has at most {MOST_SUBSCRIPTIONS} operations at once."
            )
            return
        payload = msgspec.convert(message["payload"], Parameters)
        try:
            if self._visitor is not None and self.connection_acknowledged:
                cast("Endpoint", self.view).resolve(payload, self._visitor)
        except GatewayError as exc:
            errors = [
                dict(error) for error in present([GraphQLError(exc.message, original_error=exc)], uuid4().hex)
            ]
            await self.send_message(cast("Message", {"id": message["id"], "type": "error", "payload": errors}))
            return
        message["payload"]["query"] = payload.query or ""
        await super().handle_subscribe(message)

    async def run_operation(self, operation: Operation[RequestContext, None]) -> None:
        """Execute an operation, and end what it has left running."""
        visitor = cast("Visitor", self._visitor)  # operations begin behind the first message
        # Strawberry reads it before this task waits for anything, so that no other operation comes in between.
        context = self.context = cast("Endpoint", self.view).context_of(visitor)
        try:
            await super().run_operation(operation)
        finally:
            context.close()

    async def _send_result_stream(
        self, operation: Operation[RequestContext, None], result_source: AsyncIterator[Any]
    ) -> None:
        await super()._send_result_stream(operation, cast("Any", _presented(result_source)))


async def _presented(results: AsyncIterator[Any]) -> AsyncIterator[Any]:
    """Mask and name the errors of results on their way to the client."""
    async for result in results:
        if getattr(result, "errors", None):
            result.errors = [Presented(shown) for shown in present(result.errors, uuid4().hex)]
        yield result


def _is_right(message: object) -> bool:
    try:
        kind = message.get("type") if isinstance(message, dict) else None
        shape = _Heartbeat if kind in ("ping", "pong") else _Subscribe | _Complete | _Init
        found = msgspec.convert(message, shape)
    except msgspec.ValidationError:
        return False
    return len(getattr(found, "id", "")) <= LONGEST_ID
