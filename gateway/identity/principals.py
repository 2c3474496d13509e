"""Who asks, for which tenant, and what he may do."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from gateway.domain.secret import Secret

DEFAULT_TENANT = "default"
"""The tenant where none is configured."""


class ScopeName(StrEnum):
    """What a principal may be allowed; the values stand in tokens, settings and the schema."""

    READ = "files:read"
    WRITE = "files:write"
    DELETE = "files:delete"
    DEBUG = "debug"
    """Traces of upstream requests, and introspection, where the profile shows neither."""


ALL_SCOPES = frozenset(scope.value for scope in ScopeName)


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody who asks: a user or a program, told apart by ``subject`` within a tenant.

    ``ends`` is when his credential does, in seconds since 1970, None for never. Two credentials of one subject with
    the same scopes are the same principal, so when they end does not count.
    """

    subject: str
    tenant: str
    scopes: frozenset[str]
    is_anonymous: bool = False
    ends: float | None = field(default=None, compare=False)

    def within(self, ceiling: frozenset[str]) -> "Principal":
        """Give the principal with the scopes that his tenant may have at most."""
        if self.scopes <= ceiling:
            return self
        return Principal(self.subject, self.tenant, self.scopes & ceiling, self.is_anonymous, self.ends)


class Visitor(NamedTuple):
    """A principal with the credentials for sources that he sent along, by the names of the sources."""

    principal: Principal
    passed: tuple[tuple[str, Secret], ...] = ()


def anonymous(tenant: str) -> Principal:
    """Make the principal of those who say nothing, where the settings let them in: he may do everything."""
    return Principal("anonymous", tenant, ALL_SCOPES, is_anonymous=True)


def known_scopes(given: Iterable[str]) -> frozenset[str]:
    """Keep the scopes that mean something here; a token holds those of other programs too."""
    return ALL_SCOPES.intersection(given)
