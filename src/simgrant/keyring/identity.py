"""An IMSI sealed for whoever holds the operator's private key: a JWE of RFC 7516.

ECDH-ES on P-256 with A256GCM (RFC 7518 §4.6, §5.3), which any JOSE library opens: the Wi-Fi gateway
needs nobody's help. One key agreement serves many identities, each under a nonce of its own: an
agreement for each would cost more than the rest of a request.
"""

from __future__ import annotations

import binascii
import json
import struct
from hashlib import sha256
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from simgrant.identities import Imsi, InvalidIdentity
from simgrant.nouns import noun

MOST_BYTES = 1015
"""An EAP identity is shorter than 1016 bytes (TS.43 §12.1.2)."""
_CURVE = ec.SECP256R1()
_TAG = 16
_ENC = "A256GCM"


class NotAnIdentity(ValueError):
    """The text is no identity that this key opens; the message never repeats it."""


@noun
class Opened:
    """Who an identity stands for. Times are Unix seconds."""

    imsi: Imsi
    issued: int
    expires: int


class Sealer:
    """Seals identities for one public key."""

    def __init__(
        self, public: ec.EllipticCurvePublicKey, *, ephemeral: bytes, key_id: str = ""
    ) -> None:
        """Agree on a key; ``ephemeral`` is 48 random bytes that nobody keeps."""
        # Reduced from 128 bits more than the order has, so without bias worth the name.
        own = ec.derive_private_key(int.from_bytes(ephemeral, "big") % (_ORDER - 1) + 1, _CURVE)
        header: dict[str, Any] = {"alg": "ECDH-ES", "enc": _ENC, "epk": _jwk(own.public_key())}
        if key_id:
            header["kid"] = key_id
        self._header = _b64(json.dumps(header, separators=(",", ":")).encode())
        self._aad = self._header.encode()
        self._aead = AESGCM(_agreed(own, public))

    def push(self, who: Opened, *, nonce: bytes) -> str:
        """Return the identity; ``nonce`` is 12 random bytes."""
        claims = f'{{"imsi":"{who.imsi.digits}","iat":{who.issued},"exp":{who.expires}}}'
        sealed = self._aead.encrypt(nonce, claims.encode(), self._aad)
        parts = self._header, "", _b64(nonce), _b64(sealed[:-_TAG]), _b64(sealed[-_TAG:])
        return ".".join(parts)


def pull_identity(text: str, private: ec.EllipticCurvePrivateKey) -> Opened:
    """Return who an identity stands for, over or not; raise `NotAnIdentity`."""
    try:
        head, none, nonce, sealed, tag = text.split(".")
        header = json.loads(_unb64(head))
        if none or (header["alg"], header["enc"]) != ("ECDH-ES", _ENC) or len(text) > 4096:
            raise NotAnIdentity("not an identity of this kind")
        key = _agreed(private, _point(header["epk"]))
        plain = AESGCM(key).decrypt(_unb64(nonce), _unb64(sealed) + _unb64(tag), head.encode())
        claims = json.loads(plain)
        return Opened(Imsi(claims["imsi"]), int(claims["iat"]), int(claims["exp"]))
    except InvalidTag:
        raise NotAnIdentity("sealed for another key, or changed") from None
    except (InvalidIdentity, ValueError, KeyError, TypeError, RecursionError) as error:
        if isinstance(error, NotAnIdentity):
            raise
        raise NotAnIdentity("not an identity of this kind") from None


def is_on_curve(key: object) -> bool:
    """Say whether a key is on the curve that this is made with."""
    kinds = (ec.EllipticCurvePublicKey, ec.EllipticCurvePrivateKey)
    return isinstance(key, kinds) and isinstance(key.curve, ec.SECP256R1)


_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""Of P-256 (SP 800-186 §3.2.1.3)."""


def _agreed(private: ec.EllipticCurvePrivateKey, public: ec.EllipticCurvePublicKey) -> bytes:
    """Return the content key: Concat KDF over the shared secret, one round (RFC 7518 §4.6.2)."""
    secret = private.exchange(ec.ECDH(), public)
    algorithm = struct.pack(">I", len(_ENC)) + _ENC.encode()
    info = algorithm + struct.pack(">III", 0, 0, 256)
    return sha256(struct.pack(">I", 1) + secret + info).digest()


def _jwk(public: ec.EllipticCurvePublicKey) -> dict[str, str]:
    numbers = public.public_numbers()
    x, y = (_b64(value.to_bytes(32, "big")) for value in (numbers.x, numbers.y))
    return {"kty": "EC", "crv": "P-256", "x": x, "y": y}


def _point(jwk: dict[str, str]) -> ec.EllipticCurvePublicKey:
    if (jwk["kty"], jwk["crv"]) != ("EC", "P-256"):
        raise NotAnIdentity("of another curve")
    x, y = (int.from_bytes(_unb64(jwk[name]), "big") for name in ("x", "y"))
    return ec.EllipticCurvePublicNumbers(x, y, _CURVE).public_key()


def _b64(data: bytes) -> str:
    text = binascii.b2a_base64(data, newline=False).decode().rstrip("=")
    return text.replace("+", "-").replace("/", "_")


def _unb64(text: str) -> bytes:
    plain = text.replace("-", "+").replace("_", "/")
    return binascii.a2b_base64(plain + "=" * (-len(text) % 4))
