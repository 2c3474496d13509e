"""An issuer for tests: key pairs, key sets, and tokens that are right until a test makes them wrong."""

import base64
import functools
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from jwt import PyJWS
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from gateway.identity.configuration import IssuerSettings

ISSUER = "https://login.example.org/realms/town"
AUDIENCE = "attachment-gateway"
ALL = "files:read files:write files:delete debug"
KIDS = {"RS256": "rsa-1", "PS256": "rsa-1", "ES256": "ec-1", "EdDSA": "ed-1"}


@functools.cache
def private_key(kid: str) -> Any:
    """Make the private key of a name, which tells its kind."""
    if kid.startswith("rsa"):
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    if kid.startswith("ec"):
        return ec.generate_private_key(ec.SECP256R1())
    return ed25519.Ed25519PrivateKey.generate()


def public_jwk(kid: str, /, **changes: Any) -> dict[str, Any]:
    """Write the public half as an entry of a JWKS."""
    public = private_key(kid).public_key()
    kinds: tuple[tuple[Any, Any], ...] = (
        (rsa.RSAPublicKey, RSAAlgorithm),
        (ec.EllipticCurvePublicKey, ECAlgorithm),
        (ed25519.Ed25519PublicKey, OKPAlgorithm),
    )
    algorithm = next(algorithm for kind, algorithm in kinds if isinstance(public, kind))
    return {**algorithm.to_jwk(public, as_dict=True), "kid": kid, "use": "sig", **changes}


def key_set(*kids: str) -> bytes:
    """Write a JWKS of these keys."""
    return json.dumps({"keys": [public_jwk(kid) for kid in kids]}).encode()


def issuer_settings(folder: Path, **changes: Any) -> IssuerSettings:
    """Make the settings of the issuer, whose keys lie in a file."""
    path = folder / "jwks.json"
    path.write_bytes(key_set("rsa-1", "ec-1", "ed-1"))
    return IssuerSettings(**{"issuer": ISSUER, "audience": AUDIENCE, "jwks_file": str(path), **changes})


def claims(**changes: Any) -> dict[str, Any]:
    """Give the claims of a token that is taken now; a change to None leaves one out."""
    now = int(time.time())
    said = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "anna",
        "iat": now,
        "nbf": now,
        "exp": now + 300,
        "scope": ALL,
    }
    return {name: value for name, value in {**said, **changes}.items() if value is not None}


def token(algorithm: str = "RS256", header: Mapping[str, Any] | None = None, **changes: Any) -> str:
    """Sign a token with the key that its algorithm has here."""
    kid = KIDS[algorithm]
    text = json.dumps(claims(**changes)).encode()
    return PyJWS().encode(text, private_key(kid), algorithm, {"kid": kid, **(header or {})})


def part(value: object) -> str:
    """Write a part of a token by hand."""
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def signed(header: object, body: object, kid: str = "ec-1") -> str:
    """Sign whatever stands in a header and a body with ES256, which libraries would refuse to write."""
    text = f"{part(header)}.{part(body)}"
    r, s = decode_dss_signature(private_key(kid).sign(text.encode(), ec.ECDSA(SHA256())))
    return f"{text}.{part(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"
