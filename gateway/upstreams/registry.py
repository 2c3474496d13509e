"""The adapters by kind: the one list that a new system is added to."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from gateway.domain.secret import Secret
from gateway.transport.auth import Auth
from gateway.upstreams.arrhes import ArrhesAdapter, ArrhesSettings
from gateway.upstreams.base import Adapter, SourceSettings
from gateway.upstreams.decisiv import DecisivAdapter, DecisivSettings
from gateway.upstreams.directmail import DirectMailAdapter, DirectMailSettings
from gateway.upstreams.espocrm import EspoCrmAdapter, EspoCrmSettings
from gateway.upstreams.maarch import MaarchAdapter, MaarchSettings

NONE = Secret("")


@dataclass(frozen=True, slots=True)
class Kind:
    """How a kind of source is configured and opened."""

    settings: type[SourceSettings]
    adapter: Any
    """Called with the settings, and the credential if it is not theirs; gives an Adapter."""
    credential: Mapping[str, object]
    """The settings of its own credential, with what stands there where users bring theirs."""


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "arrhes": Kind(ArrhesSettings, ArrhesAdapter, {"key": NONE}),
        "decisiv": Kind(DecisivSettings, DecisivAdapter, {"token": NONE}),
        "directmail": Kind(DirectMailSettings, DirectMailAdapter, {"key_id": "", "key_secret": NONE}),
        "espocrm": Kind(EspoCrmSettings, EspoCrmAdapter, {"auth": "api_key", "api_key": NONE}),
        "maarch": Kind(MaarchSettings, MaarchAdapter, {"auth": "basic", "username": "", "password": NONE}),
    }
)


def open_source(settings: SourceSettings, auth: Auth | None = None) -> Adapter:
    """Make the adapter of a configured source, with its own credential or another; it opens no connection yet."""
    adapter: Adapter = KINDS[settings.kind].adapter(settings, auth)
    return adapter
