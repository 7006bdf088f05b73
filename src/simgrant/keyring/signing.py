"""Keys that sign answers, each of one tenant, made from secrets of the key ring.

The pair follows from the secret: what a ring file has to hold is what it holds of every other key.
A key is called by its thumbprint (RFC 7638), so nobody can offer another one under its name.
"""

from __future__ import annotations

import binascii
import json
from collections.abc import Callable, Mapping
from dataclasses import field
from hashlib import sha256

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from simgrant.nouns import Word, noun

SEED_BYTES = 64
"""Of a secret that a pair is made from; for P-256 so many leave no bias (FIPS 186-5 §A.2.1)."""
_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_COORDINATE = 32
# Deterministic (RFC 6979), so that signing needs no randomness.
_ECDSA = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)


class Algorithm(Word):
    """How answers are signed, by the names of RFC 9421 §6.2."""

    ED25519 = "ed25519"
    P256 = "ecdsa-p256-sha256"
    ES256 = "ES256"
    """P-256 as well, for JWTs and by their name (RFC 7518 §3.1): with keys of its own."""


@noun
class SigningKey:
    """A key of one tenant and algorithm."""

    id: str
    """The thumbprint of its public half."""
    active: int
    """Unix seconds from which on it signs; before that it is only published."""
    jwk: Mapping[str, str] = field(hash=False)
    """The public half (RFC 7517)."""
    sign: Callable[[bytes], bytes] = field(repr=False)


def signing_key(algorithm: Algorithm, seed: bytes, *, active: int) -> SigningKey:
    """Return the key that ``SEED_BYTES`` secret bytes make."""
    if algorithm is Algorithm.ED25519:
        private = ed25519.Ed25519PrivateKey.from_private_bytes(seed[:32])
        point = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        members = {"crv": "Ed25519", "kty": "OKP", "x": _encode(point)}
        return _key(members, active, private.sign)
    scalar = int.from_bytes(seed) % (_P256_ORDER - 1) + 1
    pair = ec.derive_private_key(scalar, ec.SECP256R1())
    numbers = pair.public_key().public_numbers()
    x, y = (_encode(number.to_bytes(_COORDINATE)) for number in (numbers.x, numbers.y))

    def sign(data: bytes) -> bytes:
        r, s = decode_dss_signature(pair.sign(data, _ECDSA))
        return r.to_bytes(_COORDINATE) + s.to_bytes(_COORDINATE)

    return _key({"crv": "P-256", "kty": "EC", "x": x, "y": y}, active, sign)


def _key(members: dict[str, str], active: int, sign: Callable[[bytes], bytes]) -> SigningKey:
    # The members in the order of their names and nothing between them (RFC 7638 §3).
    text = json.dumps(members, separators=(",", ":"), sort_keys=True)
    thumbprint = _encode(sha256(text.encode()).digest())
    return SigningKey(thumbprint, active, {**members, "use": "sig", "kid": thumbprint}, sign)


def _encode(data: bytes) -> str:
    text = binascii.b2a_base64(data, newline=False).decode().rstrip("=")
    return text.replace("+", "-").replace("/", "_")
