"""Answers to requests of which nothing was executed: one error, told as GraphQL tells errors."""

import math

import msgspec
from starlette.responses import Response

from gateway.domain.errors import GatewayError, InternalError, InvalidDocument, RateLimited
from gateway.web.negotiation import JSON, RESPONSE_JSON, Refusal
from resolvers.errors import MASKED, extensions_of


def refused(refusal: Refusal, request_id: str) -> Response:
    """Answer a fault of the HTTP request, with its status."""
    response = error_response(InvalidDocument(refusal.message), refusal.status, request_id)
    response.headers.update(refusal.headers)
    return response


def unexecuted(error: GatewayError, request_id: str, media_type: str) -> Response:
    """Answer a request error: 400, or 200 under the media type that knows no other status for well-formed answers."""
    return error_response(error, 400 if media_type == RESPONSE_JSON else 200, request_id, media_type)


def limited(error: RateLimited, request_id: str, media_type: str) -> Response:
    """Answer somebody who asks too much at once: 429, with the whole seconds to wait (RFC 9110, 10.2.3)."""
    response = error_response(error, 429, request_id, media_type)
    response.headers["retry-after"] = str(math.ceil(error.retry_after or 0))
    return response


def failed(request_id: str) -> Response:
    """Answer for a defect: masked, and with the request's id by which the log has it."""
    return error_response(InternalError(MASKED), 500, request_id)


def error_response(error: GatewayError, status: int, request_id: str, media_type: str = JSON) -> Response:
    """Write one error as an answer without data."""
    body = {"errors": [{"message": error.message, "extensions": extensions_of(error, request_id)}]}
    headers = {"content-type": f"{media_type}; charset=utf-8", "vary": "Accept"}
    return Response(msgspec.json.encode(body), status, headers)
