"""What clients see of an error: a message, where, and the extensions they can act on."""

import logging
from collections.abc import Sequence
from typing import Any

from graphql import GraphQLError, SourceLocation, ValueNode

from gateway.domain.errors import GatewayError, InternalError, InvalidDocument

log = logging.getLogger(__name__)

MASKED = "Something went wrong in the gateway."


def extensions_of(error: GatewayError, request_id: str) -> dict[str, Any]:
    """Make ``extensions``: ``code``, ``source``, ``retryable``, ``retryAfterMs`` and ``requestId``, always all."""
    return {
        "code": error.code,
        "source": error.source,
        "retryable": error.retryable,
        "retryAfterMs": error.retry_after_ms,
        "requestId": request_id,
    }


def as_gateway_error(error: GraphQLError) -> GatewayError:
    """Name an error of the execution; what the gateway does not know is masked and logged."""
    original: BaseException | None = error.original_error
    while isinstance(original, GraphQLError) and original.original_error is not None:
        original = original.original_error
    if isinstance(original, GatewayError):
        return original
    at_fault = error.nodes and isinstance(
        error.nodes[0], ValueNode
    )  # the value of an argument, which was not read
    executed = error.path is not None and not at_fault
    if not executed and (original is None or isinstance(original, GraphQLError)):
        return InvalidDocument(error.message)
    return InternalError(MASKED)


def present(errors: Sequence[GraphQLError], request_id: str) -> list[dict[str, Any]]:
    """Write errors for a client."""
    return [_presented(error, request_id) for error in errors]


def _presented(error: GraphQLError, request_id: str) -> dict[str, Any]:
    known = as_gateway_error(error)
    if isinstance(known, InternalError):
        log.error("request %s failed", request_id, exc_info=error.original_error)
    shown: dict[str, Any] = {"message": known.message}
    locations = _locations(error)
    if locations:
        shown["locations"] = [location.formatted for location in locations]
    if error.path is not None:
        shown["path"] = error.path
    shown["extensions"] = extensions_of(known, request_id)
    return shown


def _locations(error: GraphQLError) -> list[SourceLocation]:
    """Say where in the document an error belongs.

    graphql-core takes the ``source`` of an error that it wraps for the text of a document. Ours is the name of a
    system, in which it finds no lines, so the nodes are asked themselves.
    """
    places = [node.loc for node in error.nodes or () if node.loc]
    return [place.source.get_location(place.start) for place in places] or list(error.locations or ())
