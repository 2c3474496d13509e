"""Persisted documents: what clients name instead of sending it.

A request names a document by ``documentId``, as appendix A of GraphQL over HTTP proposes, or by the SHA-256 in
``extensions.persistedQuery``, as Apollo Client and urql do (automatic persisted queries, APQ). Documents come from
a manifest that is read at the start, or are registered by clients, which send text and hash together once. Nothing
here costs an upstream request.
"""

import hashlib
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from graphql import GraphQLError

from gateway.domain.errors import (
    DocumentNotAllowed,
    GatewayError,
    InvalidDocument,
    PersistedQueryNotFound,
    PersistedQueryNotSupported,
)
from gateway.web.negotiation import Parameters

PREFIX = "sha256:"
DIGEST = re.compile(r"[0-9a-f]{64}")
MOST_DOCUMENTS = 1_000
"""Documents that the clients of one tenant may have registered at once."""
MOST_BYTES = 2 * 1024 * 1024
"""What their texts may take together, in bytes of UTF-8."""
LARGEST_MANIFEST = 64 * 1024 * 1024


class ManifestError(Exception):
    """A manifest that cannot be used; the text is one line that names the file, and the document if it is one."""


class _Apollo(msgspec.Struct):
    class Operation(msgspec.Struct):
        id: str
        body: str

    operations: list[Operation]


class _PersistedQuery(msgspec.Struct):
    version: int
    hash: str = msgspec.field(name="sha256Hash")


def read_manifest(path: Path, check: Callable[[str], Sequence[GraphQLError]]) -> Mapping[str, str]:
    """Read the documents of a manifest, by their identifiers and by their digests.

    Apollo's manifests have a list ``operations`` of objects with ``id`` and ``body``, Relay's map hashes to texts,
    and so does any map of names. ``check`` gives the errors of a document. Raises ManifestError for a file that
    cannot be read, for two texts of one identifier, for a text that is not what its SHA-256 says, and for an
    invalid document.
    """
    found: dict[str, str] = {}
    for name, text in _entries(path):
        errors = check(text)
        if errors:
            raise ManifestError(f"{path}: the document {name!r} does not fit the schema: {errors[0].message}")
        digest = digest_of(text)
        plain = name.removeprefix(PREFIX)
        if DIGEST.fullmatch(plain) and plain != digest:
            raise ManifestError(f"{path}: the document {name!r} has the SHA-256 {digest}")
        if found.setdefault(plain, text) != text:
            raise ManifestError(f"{path}: there are two documents {name!r}")
        found[digest] = text
    return found


def digest_of(text: str) -> str:
    """Give the SHA-256 of a document in small hex digits."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


class Automatic:
    """Documents that clients registered, by tenant; those that nobody asked for longest are forgotten."""

    def __init__(self, most: int = MOST_DOCUMENTS, most_bytes: int = MOST_BYTES) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._tenants: dict[str, OrderedDict[str, str]] = {}
        self._sizes: dict[str, int] = {}

    def get(self, tenant: str, digest: str) -> str | None:
        """Give the document of a digest, if the clients of this tenant registered it."""
        documents = self._tenants.get(tenant)
        if documents is None or digest not in documents:
            return None
        documents.move_to_end(digest)
        return documents[digest]

    def put(self, tenant: str, digest: str, text: str) -> None:
        """Register a document; its digest must be right."""
        documents = self._tenants.setdefault(tenant, OrderedDict())
        if digest in documents:
            documents.move_to_end(digest)
            return
        documents[digest] = text
        held = self._sizes.get(tenant, 0) + _size(text)
        while len(documents) > self._most or held > self._most_bytes:
            held -= _size(documents.popitem(last=False)[1])
        self._sizes[tenant] = held


class Documents:
    """The documents of a gateway.

    ``trusted`` are those of the manifest; with ``only`` nothing else is executed. ``automatic`` takes those of
    clients, and is ignored with ``only``.
    """

    def __init__(
        self,
        trusted: Mapping[str, str] | None = None,
        *,
        only: bool = False,
        automatic: Automatic | None = None,
    ) -> None:
        self._trusted = trusted or {}
        self._texts = frozenset(self._trusted.values())
        self._only = only
        self._automatic = None if only else automatic

    def resolve(self, parameters: Parameters, tenant: str = "", *, free: bool = False) -> bool:
        """Put the text of a named document into a request; tell whether it was named and not sent.

        ``free`` lets a principal send what is in no manifest. Raises PersistedQueryNotFound, which makes clients
        send the text along, PersistedQueryNotSupported, which makes them stop naming, DocumentNotAllowed, and
        InvalidDocument for a name that is not the text's.
        """
        name = _name_of(parameters)
        if parameters.query:
            self._take(name, parameters.query, tenant, free=free)
            return False
        if name is None:
            return False
        text = self._trusted.get(name)
        if text is None and self._automatic is not None:
            text = self._automatic.get(tenant, name)
        if text is None:
            raise self._unknown()
        parameters.query = text
        return True

    def _take(self, name: str | None, text: str, tenant: str, *, free: bool) -> None:
        """Let a text pass, and register it where it comes with its digest."""
        if self._only and not free and text not in self._texts:
            raise DocumentNotAllowed
        if name is None or self._trusted.get(name) == text:
            return
        if name in self._trusted or (DIGEST.fullmatch(name) and name != digest_of(text)):
            raise InvalidDocument("The hash or identifier of the request is not that of its `query`.")
        if self._automatic is not None and DIGEST.fullmatch(name):
            self._automatic.put(tenant, name, text)

    def _unknown(self) -> GatewayError:
        if self._only:
            return DocumentNotAllowed()
        return PersistedQueryNotSupported() if self._automatic is None else PersistedQueryNotFound()


def _name_of(parameters: Parameters) -> str | None:
    """Give what a request calls its document, without the prefix of digests; None where it has no name."""
    asked = (parameters.extensions or {}).get("persistedQuery")
    named = None if parameters.document_id is None else parameters.document_id.removeprefix(PREFIX)
    if asked is None:
        return named
    digest = _persisted_query(asked)
    if named not in (None, digest):
        raise InvalidDocument("`documentId` and `extensions.persistedQuery` name two documents.")
    return digest


def _persisted_query(asked: Any) -> str:
    try:
        found = msgspec.convert(asked, _PersistedQuery)
    except msgspec.ValidationError as exc:
        raise InvalidDocument(f"`extensions.persistedQuery` is not right: {exc}.") from exc
    if found.version != 1:
        raise InvalidDocument("`extensions.persistedQuery` is served in version 1.")
    return found.hash.lower()


def _size(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


def _entries(path: Path) -> Sequence[tuple[str, str]]:
    try:
        if path.stat().st_size > LARGEST_MANIFEST:
            raise ManifestError(f"{path}: a manifest is at most {LARGEST_MANIFEST:,} bytes")
        content = path.read_bytes()
    except OSError as exc:
        raise ManifestError(f"{path}: {exc.strerror or 'cannot be read'}") from exc
    try:
        decoded = msgspec.json.decode(content)
        if isinstance(decoded, dict) and isinstance(decoded.get("operations"), list):
            return [(each.id, each.body) for each in msgspec.convert(decoded, _Apollo).operations]
        return list(msgspec.convert(decoded, dict[str, str]).items())
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        raise ManifestError(
            f"{path}: this is no manifest of Apollo or Relay, and no map of texts: {exc}"
        ) from exc
