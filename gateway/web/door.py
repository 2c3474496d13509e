"""Who comes in: reads credentials from headers, or from the first message of a WebSocket, and refuses with 401.

Nothing of a request is parsed before it is known who sent it.
"""

from collections.abc import Iterable, Mapping
from typing import TypeAlias

from starlette.responses import Response
from starlette.types import Scope

from gateway.domain.errors import Unauthenticated
from gateway.domain.secret import Secret
from gateway.identity.authenticator import NOBODY_KNOWN, REFUSED, Authenticator
from gateway.identity.principals import Principal, Visitor
from gateway.identity.tenants import Tenant
from gateway.upstreams.base import Adapter
from gateway.web.refusals import error_response

Pairs: TypeAlias = Iterable[tuple[bytes, bytes]]

AUTHORIZATION, API_KEY = b"authorization", b"x-api-key"
CHALLENGE = 'Bearer realm="attachment-gateway"'
LONGEST_PASSED = 8192
"""Bytes of a credential for a source."""


class Door:
    """Lets visitors in, each to his tenant.

    Costs some microseconds for an API key and for a token that was seen within a minute, and no upstream request.
    """

    def __init__(self, authenticator: Authenticator, tenants: Mapping[str, Tenant]) -> None:
        self._authenticator = authenticator
        self._tenants = tenants
        self._passing = frozenset(
            name.encode("ascii") for tenant in tenants.values() for name in tenant.headers
        )

    @property
    def authenticator(self) -> Authenticator:
        """What knows the credentials."""
        return self._authenticator

    async def admit(self, scope: Scope) -> Visitor:
        """Tell who sends a request or opens a WebSocket, by its headers. Raises Unauthenticated."""
        return self._known(scope["headers"]) or await self._identified(scope["headers"])

    async def admit_by(self, payload: Mapping[str, object], scope: Scope) -> Visitor:
        """Tell who opens a WebSocket by his first message, or by the headers where it says nothing.

        Pages cannot set headers of a WebSocket, so the payload takes their place, under the same names in any case.
        """
        said = [
            (name.lower().encode("latin-1", "replace"), value.encode("latin-1", "replace"))
            for name, value in payload.items()
            if isinstance(value, str)
        ]
        replaced = {AUTHORIZATION, API_KEY} if {AUTHORIZATION, API_KEY} & {name for name, _ in said} else set()
        known = {AUTHORIZATION, API_KEY, *self._passing}
        kept = [pair for pair in scope["headers"] if pair[0] not in replaced]
        return await self._identified([*kept, *(pair for pair in said if pair[0] in known)])

    def sources(self, tenant: str, scope: Scope) -> Mapping[str, Adapter] | None:
        """Give the sources of a tenant as the sender of a request sees them; None for one that is no more."""
        found = self._tenants.get(tenant)
        return None if found is None else found.sources_with(self._passed(tenant, scope["headers"]))

    async def _identified(self, headers: Pairs) -> Visitor:
        principal = await self._authenticator.identify(_credential(headers))
        return self._visitor(principal, headers)

    def _known(self, headers: Pairs) -> Visitor | None:
        principal = self._authenticator.known(_credential(headers))
        return None if principal is None else self._visitor(principal, headers)

    def _visitor(self, principal: Principal, headers: Pairs) -> Visitor:
        return Visitor(principal, self._passed(principal.tenant, headers) if self._passing else ())

    def _passed(self, tenant: str, headers: Pairs) -> tuple[tuple[str, Secret], ...]:
        """Read the credentials that a sender brings for sources of his tenant; of two for one source the last."""
        allowed = self._tenants[tenant].headers
        found = {
            source: Secret(value.decode("latin-1"))
            for name, value in headers
            if name in self._passing and 0 < len(value) <= LONGEST_PASSED
            for source in allowed.get(name.decode("ascii"), ())
        }
        return tuple(sorted(found.items(), key=lambda item: item[0]))


def challenge(error: Unauthenticated, request_id: str) -> Response:
    """Answer 401 as RFC 6750 wants, with the error as GraphQL tells errors."""
    response = error_response(error, 401, request_id)
    invalid = "" if error.message == NOBODY_KNOWN else ', error="invalid_token"'
    response.headers["www-authenticate"] = CHALLENGE + invalid
    return response


def _credential(headers: Pairs) -> str:
    """Give what stands in `Authorization` or `X-Api-Key`; raises Unauthenticated for both, or for one twice."""
    found = [value for name, value in headers if name in (AUTHORIZATION, API_KEY)]
    if not found:
        return ""
    if len(found) > 1 or not found[0]:
        raise Unauthenticated(REFUSED)
    return found[0].decode("latin-1")
