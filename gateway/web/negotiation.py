"""What a GraphQL request over HTTP may look like, and how its answer is typed."""

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import msgspec
from starlette.requests import ClientDisconnect, Request

from gateway.domain.edge import REMEMBERED

JSON = "application/json"
RESPONSE_JSON = "application/graphql-response+json"
HTML = "text/html"
EVENT_STREAM = "text/event-stream"


class Refusal(Exception):
    """A fault of the HTTP request itself: nothing was parsed as GraphQL."""

    def __init__(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = headers or {}


class Parameters(msgspec.Struct):
    """The parameters of a GraphQL request; a wrong type is refused when the body is read."""

    query: str | None = None
    document_id: str | None = msgspec.field(default=None, name="documentId")
    operation_name: str | None = msgspec.field(default=None, name="operationName")
    variables: dict[str, Any] | None = None
    extensions: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True, order=True)
class _Range:
    quality: float
    specificity: int
    media_type: str = field(compare=False)


@lru_cache(REMEMBERED)
def preferred_type(accept: str | None) -> str:
    """Choose the answer's type (RFC 9110, 12.5.1); JSON where the client does not say. Raises Refusal 406."""
    if not accept:
        return JSON
    offered = (JSON, RESPONSE_JSON)
    ranges = sorted((_range(text) for text in accept.split(",")), reverse=True)
    for wanted in ranges:
        if wanted.quality and wanted.media_type in ("*/*", "application/*"):
            return JSON
        if wanted.quality and wanted.media_type in offered:
            return wanted.media_type
    raise Refusal(406, f"This endpoint answers {JSON} and {RESPONSE_JSON}.")


def prefers_stream(accept: str) -> bool:
    """Tell whether a client would rather have an event stream than JSON: some name both for whatever they ask."""
    if EVENT_STREAM not in accept.lower():
        return False
    ranges = [_range(text) for text in accept.split(",")]
    stream = max((one.quality for one in ranges if one.media_type == EVENT_STREAM), default=0.0)
    other = max((one.quality for one in ranges if one.media_type in (JSON, RESPONSE_JSON)), default=0.0)
    return stream > other


def wants_page(request: Request) -> bool:
    """Tell whether a browser asks for the editor: it accepts HTML and sends no document."""
    return (
        request.method == "GET"
        and HTML in request.headers.get("accept", "")
        and not request.query_params.keys() & {"query", "documentId", "extensions"}
    )


async def read_parameters(request: Request, largest: int) -> Parameters:
    """Read the parameters of a GET or POST request; ``largest`` bounds the body in bytes. Raises Refusal."""
    if request.method == "GET":
        return _from_query(request)
    if request.method != "POST":
        raise Refusal(405, "GraphQL is asked by GET or POST.", {"allow": "GET, POST"})
    _check_type(request.headers.get("content-type", ""))
    return _decode(await read_body(request, largest))


@lru_cache(REMEMBERED)
def _check_type(text: str) -> None:
    """Raise Refusal for a type of a request's body that is not read."""
    content_type, *options = text.split(";")
    if content_type.strip().lower() != JSON:
        raise Refusal(415, f"A GraphQL request is sent as {JSON}.", {"accept-post": JSON})
    parameters = (option.replace('"', "").strip().lower() for option in options)
    if any(one.startswith("charset=") and one != "charset=utf-8" for one in parameters):
        raise Refusal(415, "A GraphQL request is written in UTF-8.")


async def read_body(request: Request, largest: int) -> bytes:
    """Read a body of at most so many bytes, stopping at the first chunk over it. Raises Refusal 413."""
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > largest:
        raise _too_large(largest)
    pieces: list[bytes] = []
    size, more = 0, True
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        piece, more = message.get("body", b""), message.get("more_body", False)
        pieces.append(piece)
        size += len(piece)
        if size > largest:
            raise _too_large(largest)
    return b"".join(pieces)  # what came in one piece, as nearly all do, is not copied


def _too_large(largest: int) -> Refusal:
    return Refusal(413, f"A request is at most {largest:,} bytes.", {"connection": "close"})


def _range(text: str) -> _Range:
    media_type, *parameters = (part.strip().lower() for part in text.split(";"))
    quality = 1.0
    for parameter in parameters:
        if parameter.startswith("q="):
            quality = _number(parameter.removeprefix("q="))
    return _Range(quality, 2 - media_type.count("*"), media_type)


def _number(text: str) -> float:
    try:
        return min(1.0, max(0.0, float(text)))
    except ValueError:
        return 0.0


def _from_query(request: Request) -> Parameters:
    parameters = request.query_params
    given = {name: _member(parameters[name]) for name in ("variables", "extensions") if parameters.get(name)}
    decoded = _decode(msgspec.json.encode(given))
    decoded.query = parameters.get("query")
    decoded.document_id = parameters.get("documentId") or None
    decoded.operation_name = parameters.get("operationName") or None
    return decoded


def _member(text: str) -> msgspec.Raw:
    """Read one value by itself: put together as texts, one could bring members of its own."""
    try:
        return msgspec.json.decode(text, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError) as exc:
        raise Refusal(400, "The request is not JSON, or nested too deeply.") from exc


def _decode(body: bytes) -> Parameters:
    try:
        return msgspec.json.decode(body, type=Parameters)
    except msgspec.ValidationError as exc:
        raise Refusal(400, f"The parameters of the request are not right: {exc}.") from exc
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise Refusal(400, "The request is not JSON, or nested too deeply.") from exc
