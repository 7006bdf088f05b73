"""Reading JSON Web Tokens, with the key that one was promised (RFC 7515 §5.2).

With ``cryptography`` alone, and so by other code than that which signs.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature


class BadToken(ValueError):
    """No token, or one that this key did not sign."""


def pull_jwt(
    text: str, key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return header and claims; BadToken unless it is RS256 or ES256 by ``key``."""
    try:
        signed, _, signature_text = text.rpartition(".")
        header_text, _, claims_text = signed.partition(".")
        header = msgspec.json.decode(_decoded(header_text), type=dict[str, Any])
        claims = msgspec.json.decode(_decoded(claims_text), type=dict[str, Any])
        signature = _decoded(signature_text)
        if isinstance(key, rsa.RSAPublicKey):
            if header.get("alg") != "RS256":
                raise BadToken("alg is not RS256")
            key.verify(signature, signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        else:
            if header.get("alg") != "ES256" or len(signature) != 64:
                raise BadToken("alg is not ES256")
            numbers = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
            key.verify(encode_dss_signature(*numbers), signed.encode(), ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, msgspec.DecodeError, binascii.Error, UnicodeError) as error:
        raise BadToken(type(error).__name__) from None
    return header, claims


def _decoded(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
