"""The settings of the gateway: one TOML file and the environment."""

from typing import Literal

import msgspec

from gateway.domain.secret import Secret
from gateway.upstreams.base import SourceSettings

Profile = Literal["demo", "development", "production"]


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything an operator decides.

    ``public_url`` is where browsers reach the gateway, ``deadline`` the seconds an operation may take,
    ``largest_request`` the bytes of a GraphQL request, ``content_key`` 32 bytes in hex that seal download links:
    every replica needs the same one, and without it links end with the process.
    """

    sources: tuple[SourceSettings, ...]
    profile: Profile = "development"
    host: str = "127.0.0.1"
    port: int = 8000
    public_url: str = "http://127.0.0.1:8000"
    deadline: float = 10.0
    largest_request: int = 256 * 1024
    content_key: Secret | None = None
