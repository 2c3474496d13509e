"""Download links that work for a browser: the source's own where it signs them, else sealed ones of the gateway.

A sealed link says which file it opens and until when, encrypted and authenticated (AES-GCM), so that nothing in it
can be read or changed. It needs no cookie and no header: whoever holds it may read that one file until it ends.
"""

import base64
import binascii
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.domain.errors import BadInput, NotFound, Unsupported
from gateway.domain.model import SignedLink
from gateway.domain.refs import Ref
from gateway.identity.principals import DEFAULT_TENANT
from gateway.transport.call import Call
from gateway.upstreams.base import Adapter, SupportsContent, SupportsSignedLinks

SHORTEST_LIFE = 15
LONGEST_LIFE = 3600
NONCE = 12
"""Bytes, as NIST SP 800-38D wants for AES-GCM."""
PURPOSE = b"attachment-gateway content link 2"


class _Sealed(msgspec.Struct, array_like=True):
    id: str
    ends: int
    tenant: str


def utc_now() -> datetime:
    """Tell the time in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class ContentLinks:
    """Seals and opens links to ``/content``; ``key`` is 32 bytes, ``base_url`` where browsers reach the gateway.

    What is sealed is of ``tenant``; a link of any tenant is opened.
    """

    key: bytes = field(repr=False)
    base_url: str
    now: Callable[[], datetime] = utc_now
    tenant: str = DEFAULT_TENANT

    def seal(self, ref: Ref, life: int) -> SignedLink:
        """Make a link to a file that lives so many seconds. No upstream request."""
        ends = self.now() + timedelta(seconds=life)
        nonce = os.urandom(NONCE)
        text = msgspec.msgpack.encode(_Sealed(ref.to_text(), int(ends.timestamp()), self.tenant))
        token = base64.urlsafe_b64encode(nonce + AESGCM(self.key).encrypt(nonce, text, PURPOSE))
        return SignedLink(f"{self.base_url}/content/{token.rstrip(b'=').decode('ascii')}", ends)

    def open(self, token: str) -> tuple[str, Ref]:
        """Read a sealed token: the tenant and his file.

        Raises NotFound for one that is changed, of another gateway, or over.
        """
        try:
            raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
            text = AESGCM(self.key).decrypt(raw[:NONCE], raw[NONCE:], PURPOSE)
        except (InvalidTag, ValueError, binascii.Error) as exc:
            raise NotFound("This link is not one of this gateway.") from exc
        sealed = msgspec.msgpack.decode(text, type=_Sealed)
        if sealed.ends < self.now().timestamp():
            raise NotFound("This link has ended.")
        return sealed.tenant, Ref.from_text(sealed.id)


async def download_link(adapter: Adapter, links: ContentLinks, ref: Ref, life: int, call: Call) -> SignedLink:
    """Make a link to a file's bytes that a browser can follow without a credential.

    ``life`` is in seconds, 15 to 3600; a link that the source signs has the life that the source gives. One upstream
    request where the source signs links, else none. Raises Unsupported where the bytes cannot be had.
    """
    if not SHORTEST_LIFE <= life <= LONGEST_LIFE:
        raise BadInput(f"`expiresIn` must be {SHORTEST_LIFE} to {LONGEST_LIFE} seconds.")
    if isinstance(adapter, SupportsSignedLinks):
        return await adapter.sign(ref, call)
    if isinstance(adapter, SupportsContent):
        return links.seal(ref, life)
    raise Unsupported("The bytes cannot be had from this source.", source=adapter.name)
