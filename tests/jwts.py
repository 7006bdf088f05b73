"""JWTs and JWKs made with nothing but hashes and curves: whoever reads them has to be right alone.

RFC 7515 §3.1, RFC 7517 §4, RFC 7518 §3.2, §3.4.
"""

from __future__ import annotations

import base64
import hmac
import json
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


@dataclass(frozen=True)
class EcSigner:
    """An issuer's key on P-256."""

    kid: str
    key: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )

    @property
    def jwk(self) -> dict[str, str]:
        """The public key."""
        numbers = self.key.public_key().public_numbers()
        x, y = (b64(value.to_bytes(32, "big")) for value in (numbers.x, numbers.y))
        return {"kty": "EC", "crv": "P-256", "kid": self.kid, "use": "sig", "x": x, "y": y}

    def sign(self, claims: dict[str, Any], **header: Any) -> str:
        """Return a JWT."""
        head = {"alg": "ES256", "kid": self.kid, "typ": "JWT"} | header
        text = f"{b64(json.dumps(head).encode())}.{b64(json.dumps(claims).encode())}"
        r, s = decode_dss_signature(self.key.sign(text.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{text}.{b64(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


@dataclass(frozen=True)
class SharedSigner:
    """A secret that two share."""

    kid: str
    secret: bytes

    @property
    def jwk(self) -> dict[str, str]:
        """The secret."""
        return {"kty": "oct", "kid": self.kid, "k": b64(self.secret)}

    def sign(self, claims: dict[str, Any], **header: Any) -> str:
        """Return a JWT."""
        head = {"alg": "HS256", "kid": self.kid} | header
        head = {name: value for name, value in head.items() if value is not None}
        text = f"{b64(json.dumps(head).encode())}.{b64(json.dumps(claims).encode())}"
        return f"{text}.{b64(hmac.digest(self.secret, text.encode(), 'sha256'))}"
