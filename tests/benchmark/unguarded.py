"""The product without what protects it, to measure what that costs; it is for nobody to use.

Taken out, with what is left in its place:

- the door: who came first is everybody, without a look at any credential
- the edge: no check of hosts and origins, no headers of its own; no bounds of heads and no timers for requests
- the intake: no preflight, no persisted documents
- before execution: no scopes, no costs, no limits, no token buckets
- identifiers and cursors: written in base64, not sealed
- towards the sources: paths and headers as they come, no stop after refused credentials
- the log: as it comes
"""

import base64
import sys
from typing import Any

from starlette.requests import Request
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

import gateway.redaction
from gateway.cli import main
from gateway.identifiers import Seal
from gateway.identity.principals import Principal, Visitor
from gateway.limiter import Limiter
from gateway.transport import pool
from gateway.transport.lockout import Lockout
from gateway.upstreams import maarch
from gateway.upstreams.steps import arrhes
from gateway.web.door import Door
from gateway.web.edge import Edge
from gateway.web.intake import Intake
from gateway.web.negotiation import Parameters, read_parameters
from gateway.web.wire import BoundedProtocol
from resolvers.execution.cost import NOTHING
from resolvers.execution.documents import Document
from resolvers.execution.executor import Checked, Executor

OURS = (
    "connection_made",
    "connection_lost",
    "data_received",
    "on_message_begin",
    "on_headers_complete",
    "on_message_complete",
)
"""What `BoundedProtocol` adds to."""


def open_doors() -> None:
    """Take the guards of the web's side out."""
    admit = Door.admit
    first: list[Visitor] = []

    async def admitted(door: Door, scope: Scope) -> Visitor:
        if not first:
            first.append(await admit(door, scope))
        return first[0]

    async def passed(edge: Edge, scope: Scope, receive: Receive, send: Send) -> None:
        await edge._app(scope, receive, send)

    async def taken(intake: Intake, request: Request, principal: Principal) -> Parameters:  # noqa: ARG001
        return await read_parameters(request, sys.maxsize)

    replace(Door, admit=admitted)
    replace(Edge, __call__=passed)
    replace(Intake, read=taken)
    replace(BoundedProtocol, **{name: getattr(HttpToolsProtocol, name) for name in OURS})


def ask_no_questions() -> None:
    """Take the guards before execution out."""

    def afforded(executor: Executor, document: Document, operation: Any, name: Any, values: Any) -> Checked:  # noqa: ARG001
        return Checked(document, operation, values, NOTHING)

    replace(Executor, _affordable=afforded)
    replace(Document, lacking=lambda *_: [])
    replace(Limiter, take=lambda *_: None)
    replace(Seal, seal=lambda _, content: base64.urlsafe_b64encode(content).decode())
    replace(Seal, open=lambda _, text: base64.urlsafe_b64decode(text))


def trust_everybody() -> None:
    """Take the guards of the sources' side and of the log out."""

    def joined(*segments: str) -> str:
        return "/".join(("", *segments))

    replace(pool, check_headers=lambda _: None)
    replace(Lockout, check=lambda _: None)
    replace(maarch, join_path=joined)
    replace(arrhes, join_path=joined)
    replace(gateway.redaction, install=lambda: None)


def replace(owner: object, **parts: Any) -> None:
    """Put other functions in the place of an owner's; each must be there."""
    for name, part in parts.items():
        if not hasattr(owner, name):
            raise AttributeError(f"{owner} has no {name}")
        setattr(owner, name, part)


if __name__ == "__main__":
    open_doors()
    ask_no_questions()
    trust_everybody()
    sys.exit(main())
