"""Writes settings as they are in force, with every secret masked."""

import json
from datetime import datetime
from typing import Any

import msgspec

from gateway.domain.secret import Secret
from gateway.settings import Settings

MASK = "…"


def shown(settings: Settings) -> str:
    """Write the settings as JSON, with defaults and the environment's changes; of secrets only that they are set."""
    return json.dumps(_plain(settings), indent=2, ensure_ascii=False)


def _plain(value: Any) -> Any:
    if isinstance(value, Secret):
        return MASK
    if isinstance(value, msgspec.Struct):
        return {name: _plain(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, tuple | list | frozenset):
        return [_plain(one) for one in value]
    return value.isoformat() if isinstance(value, datetime) else value
