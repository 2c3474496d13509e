"""Finds out where an issuer has his keys: OpenID Connect Discovery 1.0.

https://openid.net/specs/openid-connect-discovery-1_0.html, 4: the metadata stand below the issuer's own address, and
name him to the letter, so that nobody can pass off the keys of another issuer as his.
"""

from urllib.parse import urlsplit

from gateway.identity.addresses import is_safe
from gateway.identity.json_objects import read_object
from gateway.identity.jwks import FetchedKeys

WELL_KNOWN = "/.well-known/openid-configuration"


class DiscoveredKeys(FetchedKeys):
    """Gets a JWKS from where the metadata of an issuer say: two requests for each call, so that it may move."""

    def __init__(self, issuer: str) -> None:
        super().__init__(issuer.rstrip("/") + WELL_KNOWN)
        self._issuer = issuer

    async def fetch(self) -> bytes:
        """Get the set; raises a GatewayError where no answer came, and ValueError for metadata that are not right."""
        metadata = read_object(await super().fetch())
        if metadata.get("issuer") != self._issuer:
            raise ValueError("metadata of another issuer")
        url = metadata.get("jwks_uri")
        if not isinstance(url, str) or not self._may_lead_to(url):
            raise ValueError("no address of keys")
        return await self.get(url)

    def _may_lead_to(self, url: str) -> bool:
        """Tell whether keys may be there: by https, or where the issuer is, but nowhere else on this machine."""
        return is_safe(url) and (urlsplit(url).scheme == "https" or _origin(url) == _origin(self._issuer))


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc
