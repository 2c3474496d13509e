"""`attachment-gateway keys create`: makes an API key, which is shown once, and the lines of the settings for it."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from gateway.domain.secret import Secret
from gateway.identity.api_keys import new_key
from gateway.identity.configuration import ApiKeySettings


def create_key(key_id: str, scopes: Sequence[str], tenant: str, days: int | None) -> str:
    """Make a key and say what to do with it; raises ValueError for what the settings would refuse.

    The secret is in what this gives and nowhere else. ``days`` is how long the key lives, None for ever.
    """
    key, digest = new_key(key_id)
    expires = None if days is None else datetime.now(UTC).replace(microsecond=0) + timedelta(days=days)
    settings = ApiKeySettings(
        id=key_id, sha256=Secret(digest), scopes=tuple(scopes), tenant=tenant, expires=expires
    )
    return "\n".join(
        [
            "# The key, which is shown this once; clients send it as `Authorization: Bearer <key>`:",
            f"# {key.reveal()}",
            "# What the settings hold of it:",
            "[[api_keys]]",
            f'id = "{settings.id}"',
            f'sha256 = "{digest}"',
            *([f'tenant = "{tenant}"'] if tenant else []),
            f"scopes = {msgspec.json.encode(sorted(settings.scopes)).decode()}",
            *([f"expires = {expires:%Y-%m-%dT%H:%M:%SZ}"] if expires else []),
        ]
    )
