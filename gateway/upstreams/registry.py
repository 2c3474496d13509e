"""The adapters by kind: the one list that a new system is added to."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from gateway.upstreams.arrhes import ArrhesAdapter, ArrhesSettings
from gateway.upstreams.base import Adapter, SourceSettings
from gateway.upstreams.decisiv import DecisivAdapter, DecisivSettings
from gateway.upstreams.directmail import DirectMailAdapter, DirectMailSettings
from gateway.upstreams.espocrm import EspoCrmAdapter, EspoCrmSettings
from gateway.upstreams.maarch import MaarchAdapter, MaarchSettings


@dataclass(frozen=True, slots=True)
class Kind:
    """How a kind of source is configured and opened."""

    settings: type[SourceSettings]
    adapter: Any
    """Called with the settings; gives an Adapter."""


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "arrhes": Kind(ArrhesSettings, ArrhesAdapter),
        "decisiv": Kind(DecisivSettings, DecisivAdapter),
        "directmail": Kind(DirectMailSettings, DirectMailAdapter),
        "espocrm": Kind(EspoCrmSettings, EspoCrmAdapter),
        "maarch": Kind(MaarchSettings, MaarchAdapter),
    }
)


def open_source(settings: SourceSettings) -> Adapter:
    """Make the adapter of a configured source; it opens no connection yet."""
    adapter: Adapter = KINDS[settings.kind].adapter(settings)
    return adapter
