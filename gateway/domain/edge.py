"""What the web edge lets in: hosts, origins, and documents that were registered."""

import re
from pathlib import Path

import msgspec
from msgspec.structs import replace

REMEMBERED = 32
"""Values of a header that are remembered with what follows from them; each may have 64 KB."""
ANY = "*"
HOST = re.compile(r"(?:[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?")
"""A host as clients write it, in small letters: a name or an address, and perhaps a port."""
ORIGIN = re.compile(rf"([a-z][a-z0-9+.-]*)://({HOST.pattern})")
"""An origin as browsers write it (RFC 6454, 6.2), those of applications in a web view too."""
DEFAULT_PORTS = {"http": ":80", "https": ":443"}


class EdgeSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who may reach the gateway from a browser, and how.

    ``hosts`` may stand in the header `Host`, beside those of `public_url`, of `host` and of loopback; one without a
    port goes with any, and `*` is every host. ``origins`` are those of pages that may read answers and hold live
    connections, exactly as browsers send them; `*` is every origin, which goes with no credentials. ``credentials``
    lets those pages send cookies and client certificates, for a proxy that looks at them. ``preflight`` asks for a
    header that no foreign page can send where a query comes by GET; by default in production only.
    ``live_connections`` are the WebSockets and event streams that one client may hold at once.
    """

    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    credentials: bool = False
    preflight: bool | None = None
    live_connections: int = 100

    def __post_init__(self) -> None:
        """Raise ValueError for what is no host or origin, and for credentials that every origin might use."""
        for host in self.hosts:
            if host != ANY and not HOST.fullmatch(host):
                raise ValueError(
                    "`hosts` must hold hosts in small letters, as 'files.example.org:8443', or '*'"
                )
        for origin in self.origins:
            if origin != ANY:
                _check_origin(origin)
        if self.credentials and ANY in self.origins:
            raise ValueError("`credentials` must not go to every origin: name them in `origins`")


class PersistedSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Documents that clients name instead of sending them.

    ``manifest`` is the path of a JSON file of documents, counted from the folder of the settings; with ``only``
    nothing else is executed. ``automatic`` lets clients register documents by their SHA-256 (APQ), which ``only``
    rules out.
    """

    manifest: str | None = None
    only: bool = False
    automatic: bool = True

    def __post_init__(self) -> None:
        """Raise ValueError where nothing could be executed at all."""
        if self.only and self.manifest is None:
            raise ValueError("`only` needs the key `manifest`: without one nothing could be executed")

    def beside(self, settings: Path) -> "PersistedSettings":
        """Count the path of the manifest from the folder of a settings file."""
        return self if self.manifest is None else replace(self, manifest=str(settings.parent / self.manifest))


def _check_origin(origin: str) -> None:
    found = ORIGIN.fullmatch(origin)
    if found is None:
        raise ValueError("`origins` must hold origins in small letters, as 'https://app.example.org', or '*'")
    if found[2].endswith(DEFAULT_PORTS.get(found[1], "/")):
        raise ValueError("`origins` must leave out default ports, as browsers do")


class AnswerSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table ``[answers]``: how many ``seconds`` an answer is remembered, 0 for never, in how many ``bytes``."""

    seconds: float = 0.0
    bytes: int = 64 * 1024 * 1024
