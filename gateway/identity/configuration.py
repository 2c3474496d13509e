"""The tables of the settings that say who may get in: issuers of tokens, API keys and tenants."""

import re
from collections.abc import Collection, Sequence
from datetime import UTC, datetime

import msgspec

from gateway.domain.limits import Limits
from gateway.domain.secret import Secret
from gateway.identity.addresses import is_safe
from gateway.identity.principals import ALL_SCOPES

ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA")
"""Signatures with a pair of keys. Never `none`, and never HMAC: who can verify those can make them."""
KEY_ID = re.compile(r"[a-z0-9-]{1,40}")
DIGEST = re.compile(r"[0-9a-f]{64}")
LONGEST_TEXT = 1024


class IssuerSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One ``[[issuers]]``: whose tokens are taken, and where its public keys are.

    ``issuer`` and ``audience`` are compared to the letter with `iss` and `aud`. The keys are a JWKS (RFC 7517) at
    ``jwks_url``, or in ``jwks_file``; with neither they are where the issuer's metadata say (OpenID Connect
    Discovery). Addresses are https unless they are on this machine. ``scopes_claim`` names the claim that holds the
    scopes, as text with blanks between or as a list. The tenant is the value of ``tenant_claim``, or
    ``tenant`` for all tokens of the issuer, or the only one that there is.
    """

    issuer: str
    audience: str
    jwks_url: str = ""
    jwks_file: str = ""
    algorithms: tuple[str, ...] = ("RS256", "PS256", "ES256", "EdDSA")
    scopes_claim: str = "scope"
    tenant_claim: str = ""
    tenant: str = ""

    def __post_init__(self) -> None:
        """Refuse, by ValueError, what could not work or would not be safe."""
        if not (0 < len(self.issuer) <= LONGEST_TEXT and 0 < len(self.audience) <= LONGEST_TEXT):
            raise ValueError("`issuer` and `audience` must not be empty")
        if self.jwks_url and self.jwks_file:
            raise ValueError("give `jwks_url` or `jwks_file`, not both")
        if self.jwks_url and not is_safe(self.jwks_url):
            raise ValueError("`jwks_url` must begin with https:// unless it leads to this machine")
        if not self.jwks_url and not self.jwks_file and not _has_metadata(self.issuer):
            raise ValueError(
                "give `jwks_url` or `jwks_file`, or an `issuer` that is an address beginning with https://"
            )
        if not self.algorithms or not set(self.algorithms) <= set(ALGORITHMS):
            raise ValueError(f"`algorithms` must be some of {', '.join(ALGORITHMS)}")
        if self.tenant and self.tenant_claim:
            raise ValueError("give `tenant` or `tenant_claim`, not both")


class ApiKeySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One ``[[api_keys]]``, as `attachment-gateway keys create` prints it.

    ``sha256`` is the hash, in hex, of the secret part of the key. A plain hash is right here, where it would be wrong
    for a password: the secret is 256 random bits, so nobody can try them out, however fast the hash is.
    """

    id: str
    sha256: Secret
    scopes: tuple[str, ...]
    tenant: str = ""
    expires: datetime | None = None

    def __post_init__(self) -> None:
        """Refuse, by ValueError, what `keys create` would not have printed."""
        if not KEY_ID.fullmatch(self.id):
            raise ValueError("`id` must hold 1 to 40 small letters, digits and '-'")
        if not DIGEST.fullmatch(self.sha256.reveal()):
            raise ValueError("`sha256` must be 64 hex digits in small letters")
        if self.expires is not None and self.expires.tzinfo is None:
            raise ValueError("`expires` must have a zone, as 2027-01-31T00:00:00Z")
        check_scopes(self.scopes)

    @property
    def ends(self) -> float | None:
        """When the key ends, in seconds since 1970."""
        return None if self.expires is None else self.expires.astimezone(UTC).timestamp()


class TenantSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One ``[[tenants]]``: a name that its sources name, the most that its principals may do, and its limits."""

    name: str
    scopes: tuple[str, ...] = tuple(sorted(ALL_SCOPES))
    limits: Limits | None = None

    def __post_init__(self) -> None:
        """Refuse scopes that there are not, with ValueError."""
        check_scopes(self.scopes)


def check_scopes(scopes: Collection[str]) -> None:
    """Raise ValueError for a scope that there is not."""
    if not ALL_SCOPES.issuperset(scopes):
        raise ValueError(f"`scopes` must be some of {', '.join(sorted(ALL_SCOPES))}")


def check_tenants(
    tenants: Sequence[TenantSettings],
    issuers: Sequence[IssuerSettings],
    keys: Sequence[ApiKeySettings],
    owners: Collection[str],
) -> None:
    """Raise ValueError unless every name of a tenant is one that there is; ``owners`` are those that sources name.

    Where tenants are configured each source, key and issuer says whose it is; where none are, nobody does.
    """
    names = [tenant.name for tenant in tenants]
    _check_once("tenants", names)
    _check_once("api_keys", [key.id for key in keys])
    _check_once("issuers", [issuer.issuer for issuer in issuers])
    said = {*owners, *(key.tenant for key in keys), *(one.tenant for one in issuers if not one.tenant_claim)}
    if not names and any(issuer.tenant_claim for issuer in issuers):
        raise ValueError("`issuers` has a `tenant_claim`, but there is no `tenants`")
    for name in sorted(said):
        if name not in names and (name or names):
            what = f"names the tenant {name!r}, which is not in `tenants`" if name else "lacks its `tenant`"
            raise ValueError(f"a source, key or issuer {what}")


def _check_once(what: str, names: Sequence[str]) -> None:
    twice = next((name for place, name in enumerate(names) if name in names[:place]), None)
    if twice is not None:
        raise ValueError(f"`{what}` holds {twice!r} twice")


def _has_metadata(issuer: str) -> bool:
    """Tell whether the metadata of an issuer have an address, which a query or fragment would hide."""
    return is_safe(issuer) and not {"?", "#"} & set(issuer)
