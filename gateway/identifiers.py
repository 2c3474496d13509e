"""Sealed identifiers: the opaque text that clients hold for an object, and for a place in a list.

They are encrypted and authenticated by AES-SIV (RFC 5297), which is deterministic: the same object always has the
same identifier, and nothing in it can be read or changed. The tenant is authenticated along with it, so an
identifier opens for the tenant that it was given to and for nobody else.
"""

import base64
import hashlib
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NoReturn

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from gateway.domain.errors import BadIdentifier
from gateway.domain.refs import Ref, RefType

LONGEST_IDENTIFIER = 5000
"""Characters: lookups take identifiers of three texts of 256, which seal to some 4,000 when each takes 4 bytes."""
LONGEST_CURSOR = 4096
KEY_BYTES = (32, 64)
"""AES-128-SIV and AES-256-SIV: each takes two keys of AES."""
MOST_REMEMBERED = 131_072
"""Identifiers that are remembered for each tenant, in some 45 MB: sealing one takes 2 µs, and a tree has 1,200."""
LONGEST_REMEMBERED = 256
"""Characters of an identifier that is remembered, which those of all sources are shorter than."""
MOST_READ = 8192
"""Identifiers whose reading is remembered: clients ask for one object many times."""
NO_IDENTIFIER = "This is not an identifier of this gateway."

DEVELOPMENT_KEYS = (hashlib.sha512(b"attachment-gateway: identifiers of demo and development").digest(),)
"""What seals where no keys are configured: the same everywhere, so that the identifiers of the demo stay as they are.

Everybody knows them, so the profile production refuses them.
"""


class Seal:
    """Seals bytes of one purpose for one tenant; the first key seals, all of them open texts up to ``longest``.

    A sealed text is base64url without padding of one byte that says which key it was, and the ciphertext.
    """

    def __init__(self, keys: Sequence[bytes], purpose: bytes, tenant: str, longest: int) -> None:
        self._longest = longest
        self._first = _name_of(keys[0])
        self._keys: dict[bytes, list[AESSIV]] = {}
        for key in keys:
            self._keys.setdefault(_name_of(key), []).append(AESSIV(key))
        self._sealing = self._keys[self._first][0]
        self._associated: list[bytes | bytearray | memoryview] = [purpose, tenant.encode()]

    def seal(self, content: bytes) -> str:
        """Seal bytes, at least one: about 2 µs."""
        sealed = self._first + self._sealing.encrypt(content, self._associated)
        return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode("ascii")

    def open(self, text: str) -> bytes:
        """Open a sealed text; raises ValueError for anything that ``seal`` would not have written with any key."""
        if len(text) > self._longest:
            raise ValueError("too long")
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        if base64.urlsafe_b64encode(raw).rstrip(b"=") != text.encode():
            raise ValueError("another spelling of base64")  # a text has one: an object has one identifier
        for key in self._keys.get(raw[:1], ()):
            try:
                return key.decrypt(raw[1:], self._associated)
            except InvalidTag:
                continue  # two keys may have one name
        raise ValueError("sealed by no key of this gateway, or for another tenant")


class Identifiers:
    """Makes and reads the identifiers of one tenant; ``cursors`` seals what its lists write about their places."""

    def __init__(self, keys: Sequence[bytes], tenant: str) -> None:
        self.cursors = Seal(keys, b"attachment-gateway cursor 1", tenant, LONGEST_CURSOR)
        self._seal = Seal(keys, b"attachment-gateway identifier 1", tenant, LONGEST_IDENTIFIER)
        self._recent: dict[Ref, str] = {}
        self._former: dict[Ref, str] = {}
        self._read = lru_cache(MOST_READ)(self._opened)

    def seal(self, ref: Ref) -> str:
        """Write the identifier of an object: 0.1 µs for one that was written before, as most were."""
        found = self._recent.get(ref)
        return self._remembered(ref) if found is None else found

    def open(self, text: str) -> Ref:
        """Read an identifier; raises BadIdentifier, which never says what is wrong. No upstream request."""
        return self._read(text) if len(text) <= LONGEST_REMEMBERED else self._opened(text)

    def _opened(self, text: str) -> Ref:
        try:
            letter, source, *key = msgspec.msgpack.decode(self._seal.open(text), type=tuple[str, ...])
            return Ref(source, RefType(letter), tuple(key))
        except (ValueError, msgspec.MsgspecError) as exc:
            raise BadIdentifier(NO_IDENTIFIER) from exc

    def __len__(self) -> int:
        """Tell how many identifiers are remembered."""
        return len(self._recent) + len(self._former)

    def _remembered(self, ref: Ref) -> str:
        """Remember an identifier; of two generations the older is dropped when the younger is full."""
        text = self._former.get(ref)
        if text is not None:
            # Not among the younger again: who reads a long list over and over would fill both with it.
            return text
        text = self._seal.seal(msgspec.msgpack.encode((ref.type.value, ref.source, *ref.key)))
        if len(text) <= LONGEST_REMEMBERED:
            if len(self._recent) >= MOST_REMEMBERED // 2:
                self._recent, self._former = {}, self._recent
            self._recent[ref] = text
        return text


def read_keys(text: str) -> tuple[bytes, ...]:
    """Read keys that are parted by spaces, commas or lines; the first seals.

    Each is 32 or 64 bytes in hex, as `openssl rand -hex 64` prints, or in base64. Raises ValueError, whose message
    shows nothing of them.
    """
    keys = tuple(_key(part) for part in re.split(r"[\s,]+", text) if part)
    if not keys or len(set(keys)) < len(keys):
        _refuse()
    return keys


def _key(text: str) -> bytes:
    try:
        if re.fullmatch(r"[0-9A-Fa-f]{64}|[0-9A-Fa-f]{128}", text):
            return bytes.fromhex(text)
        key = base64.b64decode(text.translate(_STANDARD) + "=" * (-len(text) % 4), validate=True)
    except ValueError:
        _refuse()
    return key if len(key) in KEY_BYTES else _refuse()


def _refuse() -> NoReturn:
    raise ValueError(
        "must be one key or several different ones, each of 64 or 128 hex digits or the same in base64"
    )


_STANDARD = str.maketrans("-_", "+/")


def _name_of(key: bytes) -> bytes:
    """Name a key by one byte that tells nothing else of it."""
    return hashlib.sha256(b"attachment-gateway key name" + key).digest()[:1]
