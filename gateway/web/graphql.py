"""GraphQL over HTTP, to the letter of https://graphql.github.io/graphql-over-http/draft/.

A request error (nothing was executed) has no ``data``: under ``application/graphql-response+json`` it answers 400,
under ``application/json`` 200. Faults of the HTTP request itself answer 4xx in both.
"""

import logging
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
from graphql import GraphQLError, OperationType
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gateway.context import RequestContext
from gateway.domain.errors import GatewayError, InternalError, InvalidDocument
from gateway.transport.call import Call, TracedRequest
from gateway.transport.flight import SingleFlight
from gateway.web.graphiql import PAGE_HEADERS
from gateway.web.negotiation import (
    JSON,
    RESPONSE_JSON,
    Parameters,
    Refusal,
    preferred_type,
    read_parameters,
    wants_page,
)
from resolvers.errors import MASKED, extensions_of, present
from resolvers.execution.executor import Answer, Executor, NotAllowed

log = logging.getLogger(__name__)

MILLISECONDS = 1000.0
TRACE = "x-gateway-trace"
COST = "x-gateway-cost"
NOTHING: frozenset[str] = frozenset()
COUNTED = frozenset({"cost"})
TRACED = frozenset({"cost", "trace"})


@dataclass(frozen=True, slots=True)
class EndpointSettings:
    """How the endpoint behaves: ``deadline`` in seconds per operation, ``largest_request`` in bytes."""

    deadline: float = 10.0
    largest_request: int = 256 * 1024
    traces: bool = False
    """Whether `X-Gateway-Trace: 1` is honoured: traces name upstream paths, so not in production."""


@dataclass(slots=True)
class Outcome:
    """What an operation gave to everybody who asked for it; only its errors are written for each of them."""

    data: Any
    errors: list[GraphQLError]
    executed: bool
    extensions: dict[str, Any]
    _written: bytes | None = None

    def body(self, request_id: str) -> bytes:
        """Write the answer of one request; one without errors is written once for all."""
        if self._written is not None:
            return self._written
        body: dict[str, Any] = {"data": self.data} if self.executed else {}
        if self.errors:
            body["errors"] = present(self.errors, request_id)
        if self.extensions:
            body["extensions"] = self.extensions
        written = msgspec.json.encode(body)
        if not self.errors:
            self._written = written
        return written


class GraphQLEndpoint:
    """The ASGI application behind `/graphql`.

    A client may lower the deadline with `X-Request-Timeout-Ms` and learns the request's id from `X-Request-Id`.
    """

    def __init__(
        self,
        executor: Executor,
        make_context: Callable[[Call], RequestContext],
        settings: EndpointSettings,
        page: bytes | None,
    ) -> None:
        self._executor = executor
        self._make_context = make_context
        self._settings = settings
        self._page = page
        self._flights: SingleFlight[Outcome] = SingleFlight()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        request = Request(scope, receive)
        request_id = uuid.uuid4().hex
        try:
            response = await self._respond(request, request_id)
        except Refusal as refusal:
            response = _refused(refusal, request_id)
        except Exception:
            log.exception("request %s failed", request_id)
            response = _failed(request_id)
        response.headers["x-request-id"] = request_id
        response.headers["vary"] = "Accept"
        await response(scope, receive, send)

    async def _respond(self, request: Request, request_id: str) -> Response:
        if self._page is not None and wants_page(request):
            return Response(self._page, media_type="text/html", headers=PAGE_HEADERS)
        media_type = preferred_type(request.headers.get("accept"))
        parameters = await read_parameters(request, self._settings.largest_request)
        if not parameters.query:
            raise Refusal(400, "The request has no `query`.")
        outcome = await self._outcome(request, parameters, request_id)
        return _answered(outcome, request_id, media_type)

    async def _outcome(self, request: Request, parameters: Parameters, request_id: str) -> Outcome:
        """Execute the operation, or wait for the same query that runs already."""
        deadline, asked = self._deadline(request), self._asked(request)

        async def start() -> Outcome:
            call = Call.lasting(deadline, request_id=request_id, traced=bool(asked))
            return await self._execute(parameters, call, asked, read_only=request.method == "GET")

        kind = self._executor.kind(parameters.query or "", parameters.operation_name)
        try:
            if asked or kind is not OperationType.QUERY:
                return await start()
            variables = msgspec.json.encode(parameters.variables, order="deterministic")
            key = (parameters.query, parameters.operation_name, variables, deadline)
            return await self._flights.run(key, start)
        except NotAllowed as exc:
            raise _not_allowed(exc) from exc

    async def _execute(
        self, parameters: Parameters, call: Call, asked: frozenset[str], *, read_only: bool
    ) -> Outcome:
        context = self._make_context(call)
        try:
            answer = await self._executor.execute(
                parameters.query or "",
                parameters.variables,
                parameters.operation_name,
                context,
                read_only=read_only,
            )
        finally:
            context.close()
        partial = [GraphQLError(exc.message, original_error=exc, path=path) for exc, path in context.partial]
        extensions = _extensions(asked, call.trace or [], answer)
        return Outcome(answer.data, [*answer.errors, *partial], answer.executed, extensions)

    def _deadline(self, request: Request) -> float:
        asked = request.headers.get("x-request-timeout-ms", "")
        if not asked.isdigit():
            return self._settings.deadline
        return min(self._settings.deadline, int(asked) / MILLISECONDS)

    def _asked(self, request: Request) -> frozenset[str]:
        """Tell which extensions the client asks for: a trace comes with the cost."""
        if self._settings.traces and request.headers.get(TRACE) == "1":
            return TRACED
        return COUNTED if request.headers.get(COST) == "1" else NOTHING


def _not_allowed(error: NotAllowed) -> Refusal:
    if error.kind is OperationType.SUBSCRIPTION:
        return Refusal(400, "Subscriptions are not served over plain HTTP requests.")
    return Refusal(405, "Mutations are sent by POST.", {"allow": "POST"})


def _answered(outcome: Outcome, request_id: str, media_type: str) -> Response:
    """Write the answer of an execution, or of a request that was not executed."""
    status = 400 if not outcome.executed and media_type == RESPONSE_JSON else 200
    return _response(outcome.body(request_id), status, media_type)


def _extensions(asked: frozenset[str], trace: list[TracedRequest], answer: Answer) -> dict[str, Any]:
    """Show what an operation might have cost and what it did; what was shared with another does not count."""
    found: dict[str, Any] = {}
    if asked:
        made = sum(not request.shared for request in trace)
        found["cost"] = {"requested": _requested(answer), "actual": {"upstreamRequests": made}}
    if "trace" in asked:
        found["trace"] = {"upstreamRequests": made, "upstream": trace}
    return found


def _requested(answer: Answer) -> dict[str, int] | None:
    """Show the bounds of an operation; None where they were not computed."""
    cost = answer.cost
    return None if cost is None else {"upstreamRequests": cost.requests, "nodes": cost.nodes}


def _refused(refusal: Refusal, request_id: str) -> Response:
    response = _error_response(InvalidDocument(refusal.message), refusal.status, request_id)
    response.headers.update(refusal.headers)
    return response


def _failed(request_id: str) -> Response:
    """Answer for a defect: masked, and with the request's id by which the log has it."""
    return _error_response(InternalError(MASKED), 500, request_id)


def _error_response(error: GatewayError, status: int, request_id: str) -> Response:
    body = {"errors": [{"message": error.message, "extensions": extensions_of(error, request_id)}]}
    return _response(msgspec.json.encode(body), status, JSON)


def _response(body: bytes, status: int, media_type: str) -> Response:
    return Response(body, status, {"content-type": f"{media_type}; charset=utf-8"})
