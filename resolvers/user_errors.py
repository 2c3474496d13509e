"""User errors: what a caller of a mutation can act on, as data beside the results."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import strawberry

from gateway.domain.errors import GatewayError, error_classes
from resolvers.enums import described
from resolvers.scalars import ByteCount

NOT_OF_WRITES = frozenset(
    {
        "BAD_CURSOR",
        "DOCUMENT_NOT_ALLOWED",
        "INTERNAL",
        "INVALID_DOCUMENT",
        "PERSISTED_QUERY_NOT_FOUND",
        "PERSISTED_QUERY_NOT_SUPPORTED",
        "TOO_COMPLEX",
    }
)

_MEANINGS = {cls.code: cls.meaning for cls in error_classes() if cls.code not in NOT_OF_WRITES}
UserErrorCode = Enum("UserErrorCode", {code: code for code in _MEANINGS})  # type: ignore[misc]
described(
    UserErrorCode,
    "UserErrorCode",
    "What kept an item of a mutation from being done.",
    {value: _MEANINGS[value.name] for value in UserErrorCode},
)


@dataclass(frozen=True, slots=True)
class Problem:
    """What the error types show: an error, and the path of the input field that it is about."""

    error: GatewayError
    field: Sequence[str] | None
    max_bytes: int | None = None

    @property
    def code(self) -> Any:
        """Give the value of the enum."""
        return UserErrorCode[self.error.code]

    @property
    def message(self) -> str:
        """Give the sentence for people."""
        return self.error.message

    @property
    def source(self) -> str | None:
        """Name the source that it is about."""
        return self.error.source

    @property
    def retryable(self) -> bool:
        """Tell whether the same request may succeed later."""
        return self.error.retryable

    @property
    def retry_after_ms(self) -> int | None:
        """Tell when, in milliseconds."""
        return self.error.retry_after_ms


@strawberry.interface(description="An error that the caller can act on.")
class UserError:
    """A view of `Problem`."""

    code: UserErrorCode = strawberry.field(description="What it is.")
    field: list[str] | None = strawberry.field(
        description="The path of the input field that it is about, with the numbers of list items."
    )
    message: str = strawberry.field(description="The same in a sentence for people.")


@strawberry.type(description="A value that cannot be used, or an object that is not there or not as assumed.")
class InputError(UserError):
    """Everything that changing the request may cure."""

    source: str | None = strawberry.field(description="The source that it is about.")

    @classmethod
    def is_type_of(cls, obj: Any, _: Any) -> bool:
        """Tell whether a problem is shown so."""
        return isinstance(obj, Problem) and not _is_large(obj) and not _is_of_source(obj)


@strawberry.type(description="More bytes than the source takes.")
class TooLargeError(UserError):
    """A view of `gateway.domain.errors.TooLarge`."""

    source: str | None = strawberry.field(description="The source that it is about.")
    max_bytes: ByteCount | None = strawberry.field(
        description="The most that the source takes, where it is known."
    )

    @classmethod
    def is_type_of(cls, obj: Any, _: Any) -> bool:
        """Tell whether a problem is shown so."""
        return isinstance(obj, Problem) and _is_large(obj)


@strawberry.type(description="A source, the store or the journal that did not do its part.")
class UpstreamError(UserError):
    """Everything that is not the caller's doing."""

    source: str | None = strawberry.field(description="The source that it is about.")
    retryable: bool = strawberry.field(description="Whether the same request may succeed later.")
    retry_after_ms: int | None = strawberry.field(
        description="When it may, in milliseconds, where that is known."
    )

    @classmethod
    def is_type_of(cls, obj: Any, _: Any) -> bool:
        """Tell whether a problem is shown so."""
        return isinstance(obj, Problem) and _is_of_source(obj)


ERROR_TYPES = (InputError, TooLargeError, UpstreamError)
OF_SOURCES = frozenset({
    "BAD_RESPONSE", "DEADLINE_EXCEEDED", "FORBIDDEN", "OUTCOME_UNKNOWN", "QUOTA_EXCEEDED", "RATE_LIMITED",
    "STORAGE_UNAVAILABLE", "UNAUTHENTICATED", "UNAVAILABLE",
})  # fmt: skip


def _is_large(problem: Problem) -> bool:
    return problem.error.code == "TOO_LARGE"


def _is_of_source(problem: Problem) -> bool:
    return problem.error.code in OF_SOURCES
