"""Decisiv's Platform API 0.0.7: attachments of service cases, in XML (`upstreams.md` 3)."""

import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from mimetypes import guess_type
from string import Formatter
from typing import ClassVar
from xml.etree.ElementTree import Element
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from gateway.domain.details import DecisivDetails, Sender
from gateway.domain.errors import BadInput, BadResponse, Conflict, GatewayError, NotFound, Unauthenticated
from gateway.domain.model import Attachment, AttachmentListing, Record, RecordKind, SourceKind
from gateway.domain.refs import Ref, RefType
from gateway.domain.secret import Secret
from gateway.transport.addresses import is_web, last_segment, without_secrets
from gateway.transport.auth import Auth, TokenAuth, basic, bearer, fingerprint
from gateway.transport.call import Call
from gateway.transport.client import join_path
from gateway.transport.egress import Egress
from gateway.transport.exchange import Exchange, Response, Stream
from gateway.transport.payloads import decode_xml, parse_time
from gateway.transport.retry import TRIES
from gateway.upstreams.base import (
    SERVER_ERROR,
    TOO_MANY_REQUESTS,
    Content,
    SourceSettings,
    connect,
    each,
    not_found,
    status_error,
)

OK = 200
UNPROCESSABLE = 422
REFUSED = (400, 401, 403)
TOKEN_PATH = "/oauth2/token"  # noqa: S105 - a path
NO_CASE = "0"
CASE_ID, ATTACHMENT_ID = "case_id", "id"
MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9.+-]*/[a-z0-9][a-z0-9.+-]*", re.IGNORECASE)
BOOLEANS = {"true": True, "1": True, "false": False, "0": False}
CODE = re.compile(rb"\bcode\b\W{1,8}(\w+)")
XML = {"Accept": "application/xml"}
AS_IT_IS = {"Accept": "*/*", "Accept-Encoding": "identity"}
"""Asks for bytes that nobody compresses on the way, so that their announced length is that of the file."""


# Settings


class DecisivSettings(SourceSettings, frozen=True, kw_only=True):
    """A Decisiv account; ``url`` ends with ``/platform_api``.

    The credential is either a bearer ``token``, or a ``consumer_key`` and ``consumer_secret`` that bearers are
    fetched for. ``transition_token`` goes with every request of attachments, in a header whose default name is
    misspelt by the vendor himself (`upstreams.md` 3.1). ``timezone`` is that of the times, which come without one.
    The vendor's pages disagree about paths (3.6), so the templates of both can be changed; what replaces
    ``{case_id}`` and ``{id}`` is percent-encoded.
    """

    token: Secret | None = None
    consumer_key: str | None = None
    consumer_secret: Secret | None = None
    transition_token: Secret | None = None
    transition_header: str = "X-DECISIV-TRANSITON-TOKEN"
    timezone: str = "UTC"
    list_path: str = "/cases/{case_id}/attachments"
    item_path: str = "/cases/{case_id}/attachments/{id}"

    def __post_init__(self) -> None:
        """Refuse what could only fail later, with ValueError."""
        consumer = (self.consumer_key, self.consumer_secret)
        if (self.token is None) is (None in consumer) or (self.token and consumer != (None, None)):
            raise ValueError("give either `token`, or both `consumer_key` and `consumer_secret`")
        _check_template("list_path", self.list_path, {CASE_ID})
        _check_template("item_path", self.item_path, {CASE_ID, ATTACHMENT_ID})
        try:
            ZoneInfo(self.timezone)
        except ZoneInfoNotFoundError as exc:
            raise ValueError(f"`timezone` names no known zone: {self.timezone!r}") from exc


def _check_template(key: str, template: str, names: set[str]) -> None:
    """Refuse a template that is no path or has other placeholders than the plain names."""
    fields = [parts[1:] for parts in Formatter().parse(template) if parts[1] is not None]
    plain = all(not spec and conversion is None for _, spec, conversion in fields)
    if not template.startswith("/") or not plain or {name for name, *_ in fields} != names:
        wanted = " and ".join(f"{{{name}}}" for name in sorted(names))
        raise ValueError(f"`{key}` must start with a slash and hold {wanted}, and no other placeholder")


def fill_path(template: str, **values: str) -> str:
    """Put percent-encoded values into a path template; raises BadInput for a value that would change the path."""
    return template.format(**{name: join_path(value).removeprefix("/") for name, value in values.items()})


# Credentials


class Consumer:
    """Fetches bearers for a consumer key and secret: 1 request each, which no trace of an operation shows."""

    def __init__(self, settings: SourceSettings, key: str, secret: Secret) -> None:
        self._name = settings.name
        self._client = connect(settings, basic(key, secret))
        self._seconds = TRIES * settings.try_timeout

    async def fetch(self) -> Secret:
        """Get a bearer; its answer does not tell when it ends, so it is used until it is refused.

        Raises Unauthenticated for a refused key. Never NotFound, which would be taken for an attachment's.
        """
        headers = {**XML, "Content-Type": "application/x-www-form-urlencoded"}
        body = b"grant_type=client_credentials"
        call = Call.lasting(self._seconds)
        response = await self._client.request(
            "POST", TOKEN_PATH, call, headers=headers, body=body, repeatable=True
        )
        if response.status in REFUSED:
            raise Unauthenticated("The source refused the consumer key and secret.", source=self._name)
        if response.status != OK:
            raise self._failure(response)
        token = _text(_children(decode_xml(response.body, self._name)).get("token"))
        if token is None:
            raise BadResponse("The source answered a token request without a token.", source=self._name)
        return Secret(token.strip())

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    def _failure(self, response: Response) -> GatewayError:
        if response.status >= SERVER_ERROR or response.status == TOO_MANY_REQUESTS:
            return status_error(response, self._name)
        return BadResponse(f"The source answered {response.status} to a token request.", source=self._name)


def _consumer(settings: DecisivSettings) -> Consumer | None:
    if settings.consumer_key is None or settings.consumer_secret is None:
        return None
    return Consumer(settings, settings.consumer_key, settings.consumer_secret)


def _credential(settings: DecisivSettings, consumer: Consumer | None) -> Auth:
    secrets = (settings.token, settings.consumer_secret)
    identity = fingerprint("decisiv", settings.consumer_key or "", *(one.reveal() for one in secrets if one))
    if consumer is None and settings.token is not None:
        return bearer(settings.token)
    assert consumer is not None
    return TokenAuth(identity, consumer.fetch)
