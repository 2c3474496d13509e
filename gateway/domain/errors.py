"""The errors of the gateway, one tree and one table of codes.

GatewayError
├── BadInput             BAD_INPUT           the caller's values, or values that a source refused
│   ├── InvalidDocument  INVALID_DOCUMENT    a GraphQL document or variables that the schema refuses
│   ├── PersistedQueryNotFound      PERSISTED_QUERY_NOT_FOUND      a hash whose document is to be sent along once
│   ├── PersistedQueryNotSupported  PERSISTED_QUERY_NOT_SUPPORTED  a hash where clients register no documents
│   ├── DocumentNotAllowed          DOCUMENT_NOT_ALLOWED           a document that is not in the manifest
│   ├── TooComplex       TOO_COMPLEX         an operation that asks for more than one may
│   ├── BadIdentifier    BAD_IDENTIFIER      text that is no identifier of this gateway
│   ├── BadCursor        BAD_CURSOR          text that is no cursor of the field it was given to
│   ├── TooLarge         TOO_LARGE           more bytes than the source takes
│   └── KeyReused        KEY_REUSED          an idempotency key of another request
├── NotFound             NOT_FOUND           not there, or not the caller's
├── UnknownSource        UNKNOWN_SOURCE      no source of this name is configured
├── Unsupported          UNSUPPORTED         the source cannot do this at all
├── Conflict             CONFLICT            the source holds another state than the one assumed
├── Unauthenticated      UNAUTHENTICATED     nobody the gateway knows, or a credential that a source refused
├── InsufficientScope    INSUFFICIENT_SCOPE  the caller's scopes do not cover the operation
├── CredentialMissing    CREDENTIAL_MISSING  the source wants the caller's own credential
├── RateLimited          RATE_LIMITED        too many requests, of the caller or to a source; retryable
├── SourceError          (never raised itself: what a source did to us)
│   ├── Forbidden        FORBIDDEN           the credential may not do this
│   ├── QuotaExceeded    QUOTA_EXCEEDED      the account at the source is full
│   ├── Unavailable      UNAVAILABLE         no connection, maintenance or a fault of the source; retryable
│   ├── DeadlineExceeded DEADLINE_EXCEEDED   no answer in time; retryable
│   ├── BadResponse      BAD_RESPONSE        an answer that breaks the source's contract
│   └── OutcomeUnknown   OUTCOME_UNKNOWN     a write that may or may not have taken effect
├── StorageUnavailable   STORAGE_UNAVAILABLE the gateway's journal or object store cannot be used; retryable
└── InternalError        INTERNAL            a defect of the gateway, masked

Messages are written for front-end developers and never hold a credential, a header or a body of an upstream.
"""

from typing import ClassVar


class GatewayError(Exception):
    """Any failure the gateway knows by name.

    ``message`` is safe to show, ``source`` names the upstream system, ``retry_after`` is in seconds and says
    when the same request may succeed.
    """

    code: ClassVar[str] = "INTERNAL"
    meaning: ClassVar[str] = ""
    advice: ClassVar[str] = ""
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, source: str | None = None, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.source = source
        self.retry_after = retry_after

    @property
    def retry_after_ms(self) -> int | None:
        """The same in milliseconds, as clients are told."""
        return None if self.retry_after is None else round(self.retry_after * 1000)

    def __repr__(self) -> str:
        """Show the class and the message, which are all that is safe to show."""
        return f"{type(self).__name__}({self.message!r}, source={self.source!r})"


class BadInput(GatewayError):
    """The caller's values cannot be used, or a source refused them."""

    code = "BAD_INPUT"
    meaning = "A value of the request cannot be used, or the source refused it."
    advice = "Change the value that the message names."


class InvalidDocument(BadInput):
    """A GraphQL document, or variables, that the schema refuses."""

    code = "INVALID_DOCUMENT"
    meaning = "The GraphQL document or its variables do not fit the schema; nothing was executed."
    advice = "Mend the document: the message and `locations` say where."


class PersistedQueryNotFound(BadInput):
    """A document that was named and is not known. The message is the text that Apollo Client and urql look for."""

    code = "PERSISTED_QUERY_NOT_FOUND"
    meaning = "The hash or `documentId` names no document that is known; nothing was executed."
    advice = (
        "Send the text along with its hash once: clients with automatic persisted queries do it by themselves."
    )

    def __init__(self, message: str = "PersistedQueryNotFound") -> None:
        super().__init__(message)


class PersistedQueryNotSupported(BadInput):
    """A document that was named where clients register none. The message is what Apollo Client and urql look for."""

    code = "PERSISTED_QUERY_NOT_SUPPORTED"
    meaning = "The hash or `documentId` is in no manifest, and this gateway lets clients register no documents."
    advice = "Send the text: clients with automatic persisted queries do it by themselves from then on."

    def __init__(self, message: str = "PersistedQueryNotSupported") -> None:
        super().__init__(message)


class DocumentNotAllowed(BadInput):
    """A document that is not in the manifest, where nothing else is executed."""

    code = "DOCUMENT_NOT_ALLOWED"
    meaning = "This gateway executes the documents of its manifest only, and this is none of them."
    advice = "Have the operator add the document to the manifest."

    def __init__(self, message: str = "Only the documents of a manifest are executed here.") -> None:
        super().__init__(message)


class TooComplex(BadInput):
    """An operation that asks for more than one operation may."""

    code = "TOO_COMPLEX"
    meaning = "The operation is over a limit that the message names; nothing was executed."
    advice = "Ask for less at once: smaller pages, fewer aliases and keys, or several operations."


class BadIdentifier(BadInput):
    """Text that is no identifier of this gateway."""

    code = "BAD_IDENTIFIER"
    meaning = "The text is not an identifier that this gateway gave."
    advice = "Send an `id` of an earlier answer, unchanged."


class BadCursor(BadInput):
    """Text that is no cursor of the field it was given to."""

    code = "BAD_CURSOR"
    meaning = "The cursor belongs to another field, order or filter, or to no answer of this gateway."
    advice = "Start again without `after` and `before`."


class TooLarge(BadInput):
    """More bytes than the source takes."""

    code = "TOO_LARGE"
    meaning = "The file is larger than the source accepts."
    advice = "Compare with `sources { capabilities { maxBytes } }` before sending."


class KeyReused(BadInput):
    """An idempotency key that another request was sent with."""

    code = "KEY_REUSED"
    meaning = "The `idempotencyKey` was used for another request within 24 hours."
    advice = "Make a new key for a new request; send the same key only with the same request."


class NotFound(GatewayError):
    """Not there, or not the caller's: which of the two is not told."""

    code = "NOT_FOUND"
    meaning = "The object is not there, or the caller may not know that it is."
    advice = "Drop the object from your cache."


class UnknownSource(GatewayError):
    """No source of this name is configured."""

    code = "UNKNOWN_SOURCE"
    meaning = "No source of this name is configured."
    advice = "Ask `sources { name }` for the names."


class Unsupported(GatewayError):
    """The source cannot do this at all."""

    code = "UNSUPPORTED"
    meaning = "The source has no such operation."
    advice = "Ask `sources { capabilities { operation supported reason } }` before offering it."


class Conflict(GatewayError):
    """The source holds another state than the one the request assumed."""

    code = "CONFLICT"
    meaning = "The source holds another state than the request assumed."
    advice = "Read the object again, then decide."


class Unauthenticated(GatewayError):
    """Nobody the gateway knows asks; with a ``source``, that refused the credential it was sent."""

    code = "UNAUTHENTICATED"
    meaning = (
        "The caller is not known (status 401), or with `source`: it refused the credential that it was sent."
    )
    advice = "Log in again; with `source`, tell the operator: `attachment-gateway sources` shows it too."


class InsufficientScope(GatewayError):
    """The caller is known, but his scopes do not cover the operation; nothing was executed."""

    code = "INSUFFICIENT_SCOPE"
    meaning = "The caller's scopes do not cover the operation; nothing was executed."
    advice = "Ask for a token with the scopes that the message names; `@requiresScopes` in the schema has them."


class CredentialMissing(GatewayError):
    """The source is asked with the caller's own credential, and he sent none along."""

    code = "CREDENTIAL_MISSING"
    meaning = "The source is asked with the caller's own credential, which was not sent along."
    advice = "Send it in the header that the message names."


class RateLimited(GatewayError):
    """Too much at once: for the gateway, which executed nothing, or with a ``source`` for that."""

    code = "RATE_LIMITED"
    meaning = "The caller asks too much at once (status 429), or with `source`: it asks for fewer requests."
    advice = "Try again after `retryAfterMs`."
    retryable = True


class SourceError(GatewayError):
    """What a source did to us; raised only as one of its kinds."""


class Forbidden(SourceError):
    """The credential is known, but may not do this."""

    code = "FORBIDDEN"
    meaning = "The source knows the credential but does not let it do this."
    advice = "Tell the operator, or hide the action."


class QuotaExceeded(SourceError):
    """The account at the source is full."""

    code = "QUOTA_EXCEEDED"
    meaning = "The account at the source has no room or no pages left."
    advice = "Free room at the source first."


class Unavailable(SourceError):
    """No connection, maintenance or a fault of the source."""

    code = "UNAVAILABLE"
    meaning = "The source cannot be reached, is under maintenance or has a fault of its own."
    advice = "Show the rest of the answer, and try again later."
    retryable = True


class DeadlineExceeded(SourceError):
    """No answer in the time that the operation had."""

    code = "DEADLINE_EXCEEDED"
    meaning = "The source did not answer in the time that the operation had."
    advice = "Show the rest of the answer, and try again, with fewer things at once if it stays."
    retryable = True


class BadResponse(SourceError):
    """An answer that breaks the source's own contract."""

    code = "BAD_RESPONSE"
    meaning = "The source answered something that breaks its own contract, or far too much of it."
    advice = "Tell the operator: the source has changed, or something stands before it."


class StorageUnavailable(GatewayError):
    """The gateway's own storage, its journal or its object store, cannot be used at the moment.

    Nothing that was stored before is lost. Whether the refused write took effect is known only by reading again.
    """

    code = "STORAGE_UNAVAILABLE"
    meaning = "The gateway's own storage for uploads is unreachable, busy, full or read-only."
    advice = "Try again later; reading attachments and files is not affected."
    retryable = True


class OutcomeUnknown(SourceError):
    """Whether a write took effect at the source cannot be found out."""

    code = "OUTCOME_UNKNOWN"
    meaning = "Whether the write took effect at the source cannot be found out; it is not sent again."
    advice = "Look at the source, then decide with `stagedUploadResolve`."


class InternalError(GatewayError):
    """A defect of the gateway; what happened is in its log under the request's id."""

    code = "INTERNAL"
    meaning = "A defect of the gateway."
    advice = "Tell the operator the `requestId`: the log has the rest."


def error_classes() -> list[type[GatewayError]]:
    """List every class that has a code of its own, in the order of the tree."""
    found: list[type[GatewayError]] = []
    pending: list[type[GatewayError]] = [GatewayError]
    while pending:
        cls = pending.pop(0)
        pending[:0] = cls.__subclasses__()
        if "code" in vars(cls) and cls is not GatewayError:
            found.append(cls)
    return found
