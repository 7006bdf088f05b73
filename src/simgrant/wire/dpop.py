"""Proofs that somebody has a key, one for each request (DPoP, RFC 9449)."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import Any, Final

from simgrant.nouns import noun
from simgrant.wire.jwt import BadJwt, pull_public_keys, pull_signed

ALGORITHMS: Final = ("ES256", "ES384", "PS256", "RS256", "Ed25519")
LIFE_S: Final = 300
"""Seconds before and after now that ``iat`` may be."""
_MOST_TEXT: Final = 4_096
_MOST_JTI: Final = 256
_MEMBERS: Final = {
    "EC": ("crv", "kty", "x", "y"),
    "OKP": ("crv", "kty", "x"),
    "RSA": ["e", "kty", "n"],
}


@noun
class DpopProof:
    """A proof that is good for one request."""

    thumbprint: bytes
    """SHA-256 thumbprint of its key (RFC 7638)."""
    jti: str
    expires: int
    """Unix seconds from which on it is refused anyway."""


def pull_dpop(text: str, *, method: str, url: str, now: float, access_token: str = "") -> DpopProof:
    """Return what a DPoP header proves (RFC 9449 §4.3); raise `BadJwt`.

    ``url`` is that of the request, without query; with ``access_token`` the proof has to be of it.
    """
    if len(text) > _MOST_TEXT or "," in text:
        raise BadJwt("too long, or two of them")
    jwk = _key(text)
    try:
        keys = pull_public_keys(json.dumps(jwk))
    except ValueError:
        raise BadJwt("no public key in it") from None
    header, claims = pull_signed(text, keys, algorithms=ALGORITHMS)
    jti, iat = claims.get("jti"), claims.get("iat")
    if header.get("typ") != "dpop+jwt":
        raise BadJwt("no DPoP proof")
    if not isinstance(jti, str) or not 0 < len(jti) <= _MOST_JTI:
        raise BadJwt("without a jti")
    if not isinstance(iat, int | float) or isinstance(iat, bool) or abs(now - iat) > LIFE_S:
        raise BadJwt("not of now")
    htu = claims.get("htu")
    if claims.get("htm") != method or not isinstance(htu, str):
        raise BadJwt("of another request")
    if htu.partition("?")[0].partition("#")[0] != url:
        raise BadJwt("of another address")
    if access_token and claims.get("ath") != _encode(sha256(access_token.encode()).digest()):
        raise BadJwt("of another access token")
    return DpopProof(thumbprint(jwk), jti, int(iat) + LIFE_S + 1)


def thumbprint(jwk: dict[str, Any]) -> bytes:
    """Return the SHA-256 thumbprint of a key (RFC 7638); raise `BadJwt` for an unknown kind."""
    names = _MEMBERS.get(jwk.get("kty", ""))
    if names is None:
        raise BadJwt("no key of a kind that is known")
    members = {name: jwk.get(name) for name in names}
    text = json.dumps(members, separators=(",", ":"), sort_keys=True)
    return sha256(text.encode()).digest()


def _key(text: str) -> dict[str, Any]:
    from joserfc import jws
    from joserfc.errors import JoseError

    try:
        header = jws.extract_compact(text.encode()).headers()
    except (JoseError, TypeError, ValueError, RecursionError):
        raise BadJwt("no JWT") from None
    jwk = header.get("jwk")
    if not isinstance(jwk, dict):
        raise BadJwt("without a key")
    # A header that names a key means this one, whatever it calls it.
    name = header.get("kid")
    others = {name: value for name, value in jwk.items() if name not in ("kid", "alg", "key_ops")}
    return others | ({"kid": name} if isinstance(name, str) else {})


def _encode(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")
