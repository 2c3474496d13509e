"""Tenants: each has sources of its own, so what is cached, shared or connected is never another's."""

from collections.abc import Iterator, Mapping, Sequence

from gateway.domain.limits import Limits
from gateway.domain.secret import Secret
from gateway.identity.configuration import TenantSettings
from gateway.identity.passing import Passing
from gateway.identity.principals import ALL_SCOPES, DEFAULT_TENANT
from gateway.upstreams.base import Adapter, SourceSettings
from gateway.upstreams.registry import open_source

NOTHING: Mapping[str, Adapter] = {}


class Tenant:
    """One tenant: its sources by the names that its clients know, the most that they may do, and its limits.

    Two tenants may have sources of the same name: those are different systems, or different credentials of one. A
    source of another tenant is as one that does not exist.
    """

    def __init__(self, settings: TenantSettings, sources: Sequence[SourceSettings], limits: Limits) -> None:
        self.name = settings.name
        self.ceiling = frozenset(settings.scopes)
        self.limits = settings.limits or limits
        self._passing = {source.name: Passing(source) for source in sources if source.pass_through}
        self.sources: Mapping[str, Adapter] = {source.name: self._opened(source) for source in sources}
        """The adapters of those who bring no credentials, in the order of the settings."""
        self.headers = _headers(sources)

    def sources_with(self, passed: Sequence[tuple[str, Secret]]) -> Mapping[str, Adapter]:
        """Give the sources as somebody sees them who brought these credentials. No upstream request."""
        if not passed or not self._passing:
            return self.sources
        own = {name: self._passing[name].adapter(secret) for name, secret in passed if name in self._passing}
        return {**self.sources, **own}

    async def aclose(self) -> None:
        """Close the connections to all sources."""
        for name, adapter in self.sources.items():
            if name not in self._passing:
                await adapter.aclose()
        for passing in self._passing.values():
            await passing.aclose()

    def _opened(self, source: SourceSettings) -> Adapter:
        passing = self._passing.get(source.name)
        return open_source(source) if passing is None else passing.without


class Tenants(Mapping[str, Tenant]):
    """All tenants by their names; without any in the settings there is one, `default`, that has all sources."""

    def __init__(
        self, tenants: Sequence[TenantSettings], sources: Sequence[SourceSettings], limits: Limits
    ) -> None:
        settings = tenants or [TenantSettings(name=DEFAULT_TENANT)]
        self._tenants = {
            one.name: Tenant(
                one, [source for source in sources if (source.tenant or DEFAULT_TENANT) == one.name], limits
            )
            for one in settings
        }

    def __getitem__(self, name: str) -> Tenant:
        return self._tenants[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tenants)

    def __len__(self) -> int:
        return len(self._tenants)

    @property
    def ceilings(self) -> Mapping[str, frozenset[str]]:
        """The most that the principals of each tenant may do."""
        return {name: tenant.ceiling & ALL_SCOPES for name, tenant in self._tenants.items()}

    def sources_of(self, name: str) -> Mapping[str, Adapter]:
        """Give the sources of a tenant; none for one that is not configured any more."""
        tenant = self._tenants.get(name)
        return NOTHING if tenant is None else tenant.sources

    async def aclose(self) -> None:
        """Close the connections to all sources of all tenants."""
        for tenant in self._tenants.values():
            await tenant.aclose()


def _headers(sources: Sequence[SourceSettings]) -> Mapping[str, tuple[str, ...]]:
    """Map the headers that may hold credentials, in small letters, to the sources that they are for."""
    found: dict[str, tuple[str, ...]] = {}
    for source in sources:
        if source.pass_through:
            header = source.pass_through.lower()
            found[header] = (*found.get(header, ()), source.name)
    return found
