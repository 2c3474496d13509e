"""GraphQL over HTTP, to the letter of https://graphql.github.io/graphql-over-http/draft/.

A request error (nothing was executed) has no ``data``: under ``application/graphql-response+json`` it answers 400,
under ``application/json`` 200. Faults of the HTTP request itself answer 4xx in both.
"""

import hashlib
import logging
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from random import getrandbits
from typing import Any

import msgspec
from graphql import GraphQLError, OperationType
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gateway.context import RequestContext
from gateway.domain.errors import GatewayError, RateLimited, Unauthenticated
from gateway.identity.principals import ScopeName, Visitor
from gateway.limiter import Balance
from gateway.transport.call import Call, TracedRequest
from gateway.transport.reads import SharedReads
from gateway.web.answers import Answers
from gateway.web.door import Door, challenge
from gateway.web.graphiql import PAGE_HEADERS
from gateway.web.incoming import Incoming
from gateway.web.intake import Intake
from gateway.web.negotiation import Parameters, Refusal, preferred_type, wants_page
from gateway.web.outcome import Outcome, answer
from gateway.web.refusals import failed, limited, refused, unexecuted
from resolvers.execution.documents import Document
from resolvers.execution.executor import Answer, Executor, NotAllowed

log = logging.getLogger(__name__)

MILLISECONDS = 1000.0
MILLISECONDS_ASKED = re.compile(r"[0-9]{1,9}")
TRACE = "x-gateway-trace"
COST = "x-gateway-cost"
Start = Callable[[object], Awaitable[Outcome]]
ReadKey = tuple[Visitor, str, str | None, bytes]
"""All that the answer of a query depends on: the visitor, the document, the operation and the variables."""
NOTHING: frozenset[str] = frozenset()
COUNTED = frozenset({"cost"})
TRACED = frozenset({"cost", "trace"})


@dataclass(frozen=True, slots=True)
class EndpointSettings:
    """How the endpoint behaves: ``deadline`` in seconds per operation."""

    deadline: float = 10.0
    traces: bool = False
    """Whether all get traces by `X-Gateway-Trace: 1`: they name upstream paths, so in production it takes `debug`."""


class GraphQLEndpoint:
    """The ASGI application behind `/graphql`; ``executors`` are those of the tenants.

    A client may lower the deadline with `X-Request-Timeout-Ms` and learns the request's id from `X-Request-Id`.
    """

    def __init__(
        self,
        executors: Mapping[str, Executor],
        intake: Intake,
        door: Door,
        make_context: Callable[[Visitor, Call], RequestContext],
        settings: EndpointSettings,
        *,
        answers: Answers,
        page: bytes | None,
    ) -> None:
        self._executors = executors
        self._intake = intake
        self._door = door
        self._make_context = make_context
        self._settings = settings
        self._answers = answers
        self._page = page
        self._reads: SharedReads[Outcome] = SharedReads()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        request = Incoming(scope, receive)
        request_id = f"{getrandbits(128):032x}"  # to be told apart by, and no secret
        try:
            response = await self._respond(request, request_id)
        except Refusal as refusal:
            response = refused(refusal, request_id)
        except Unauthenticated as exc:
            response = challenge(exc, request_id)
        except ClientDisconnect:
            return  # nobody is there to answer
        except Exception:
            log.exception("request %s failed", request_id)
            response = failed(request_id)
        response.raw_headers.append((b"x-request-id", request_id.encode()))
        await response(scope, receive, send)

    async def _respond(self, request: Request, request_id: str) -> Response:
        if self._page is not None and wants_page(request):
            return Response(self._page, media_type="text/html", headers={**PAGE_HEADERS, "vary": "Accept"})
        visitor = await self._door.admit(request.scope)
        media_type = preferred_type(request.headers.get("accept"))
        try:
            parameters = await self._intake.read(request, visitor.principal)
        except GatewayError as exc:
            return unexecuted(exc, request_id, media_type)
        try:
            outcome = await self._outcome(request, parameters, visitor, request_id)
        except RateLimited as exc:
            return limited(exc, request_id, media_type)
        tagged = request.method == "GET"
        return await answer(outcome, request.headers, request_id, media_type, tagged=tagged)

    async def _outcome(
        self, request: Request, parameters: Parameters, visitor: Visitor, request_id: str
    ) -> Outcome:
        """Execute the operation, or wait for the same query of the same visitor that runs already."""
        executor = self._executors[visitor.principal.tenant]
        text = parameters.query or ""
        document = executor.document(text)
        deadline, asked = self._deadline(request), self._asked(request, visitor)

        def start(_: object = None) -> Awaitable[Outcome]:
            call = Call.lasting(deadline, request_id=request_id, traced=bool(asked))
            context = self._make_context(visitor, call)
            return _executed(executor, document, parameters, context, asked, read_only=request.method == "GET")

        try:
            if asked or document.kind(parameters.operation_name) is not OperationType.QUERY:
                return await start()
            variables = msgspec.json.encode(parameters.variables, order="deterministic")
            key = (visitor, text, parameters.operation_name, variables)
            if self._answers.are_kept and not document.volatile:
                return await self._remembered(key, deadline, start)
            return await self._reads.run((key, deadline), time.monotonic() + deadline, start)
        except NotAllowed as exc:
            raise _not_allowed(exc) from exc

    async def _remembered(self, key: ReadKey, deadline: float, start: Start) -> Outcome:
        """Give the answer that is remembered, or that of the same query that runs already, or execute the query."""
        tenant = key[0].principal.tenant
        name = (
            key[0],
            hashlib.sha256(msgspec.json.encode(key[1:])).digest(),
        )  # of one length, whatever was sent
        found = self._answers.find(tenant, name)
        if found is not None:
            return found
        writes = self._answers.writes(tenant)
        outcome = await self._reads.run((key, deadline), time.monotonic() + deadline, start)
        self._answers.keep(tenant, name, outcome, writes)
        return outcome

    def _deadline(self, request: Request) -> float:
        asked = request.headers.get("x-request-timeout-ms", "")
        if not MILLISECONDS_ASKED.fullmatch(asked):
            return self._settings.deadline
        return min(self._settings.deadline, int(asked) / MILLISECONDS)

    def _asked(self, request: Request, visitor: Visitor) -> frozenset[str]:
        """Tell which extensions the client asks for: a trace comes with the cost."""
        traces = self._settings.traces or ScopeName.DEBUG in visitor.principal.scopes
        if traces and request.headers.get(TRACE) == "1":
            return TRACED
        return COUNTED if request.headers.get(COST) == "1" else NOTHING


async def _executed(
    executor: Executor,
    document: Document,
    parameters: Parameters,
    context: RequestContext,
    asked: frozenset[str],
    *,
    read_only: bool,
) -> Outcome:
    """Execute an operation, and close its context."""
    try:
        answer = await executor.execute(
            document, parameters.variables, parameters.operation_name, context, read_only=read_only
        )
    finally:
        context.close()
    partial = [GraphQLError(exc.message, original_error=exc, path=path) for exc, path in context.partial]
    extensions = _extensions(asked, context.call.trace or [], answer, context.balance()) if asked else {}
    return Outcome(answer.data, [*answer.errors, *partial], answer.executed, extensions)


def _not_allowed(error: NotAllowed) -> Refusal:
    if error.kind is OperationType.SUBSCRIPTION:
        return Refusal(400, "Subscriptions are not served over plain HTTP requests.")
    return Refusal(405, "Mutations are sent by POST.", {"allow": "POST"})


def _extensions(
    asked: frozenset[str], trace: list[TracedRequest], answer: Answer, balance: Balance | None
) -> dict[str, Any]:
    """Show what an operation might have cost and what it did; what was shared with another does not count."""
    made = sum(not request.shared for request in trace)
    left = {} if balance is None else {"remaining": balance.remaining, "resetAt": balance.resets_at}
    cost = {"requested": _requested(answer), "actual": {"upstreamRequests": made}, **left}
    return (
        {"cost": cost, "trace": {"upstreamRequests": made, "upstream": trace}}
        if "trace" in asked
        else {"cost": cost}
    )


def _requested(answer: Answer) -> dict[str, int] | None:
    """Show the bounds of an operation; None where they were not computed."""
    cost = answer.cost
    return None if cost is None else {"upstreamRequests": cost.requests, "nodes": cost.nodes}
