"""Signed JWTs that others made: the claims of one whose signature and times are good (RFC 7519).

Which algorithms may sign is said by whoever asks, never by the token (RFC 8725 §3.1). The library
is loaded with the first keys: a server without partners, and every other command, starts without.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from simgrant.nouns import noun

if TYPE_CHECKING:
    from joserfc.jwk import KeySet
    from joserfc.jws import CompactSignature

Keys: TypeAlias = "KeySet"

MAX_TEXT: Final = 4096
SIGNED: Final = ("ES256", "ES384", "RS256", "RS384", "RS512", "PS256", "Ed25519")
"""Algorithms with a public key."""
SIGNED_OR_SHARED: Final = (*SIGNED, "HS256")
_MOST_TRIED: Final = 8
"""Keys that are tried for a token that names none."""
_MOST_KEYS: Final = 64
_KINDS: Final = frozenset({"EC", "RSA", "OKP"})
_LEAST_RSA_BITS: Final = 2048
LEEWAY_S: Final = 30
"""Seconds by which another's clock may differ from ours."""


class BadJwt(ValueError):
    """It is no JWT that can be believed; the message never repeats it."""


class NotSigned(BadJwt):
    """No key that is known has signed it; there may be newer keys."""


@noun
class Wanted:
    """What the claims of a JWT have to say."""

    issuers: frozenset[str]
    audience: str = ""
    """One of the values of ``aud``; empty = it is not looked at."""
    longest_s: float = 86_400
    """Seconds that it may still have to live."""


@noun
class Opened:
    """A JWT that was taken apart; nobody has said yet that it is to be believed."""

    signed: CompactSignature = field(repr=False)

    def issuer(self) -> str:
        """Return who it says that made it; empty for nobody."""
        try:
            issuer = json.loads(self.signed.payload)["iss"]
        except (TypeError, KeyError, ValueError, RecursionError):
            return ""
        return issuer if isinstance(issuer, str) else ""


def pull_keys(text: str | bytes) -> Keys:
    """Return the keys of a JWK Set, or of one JWK (RFC 7517); raise ValueError."""
    from joserfc.errors import JoseError
    from joserfc.jwk import KeySet

    try:
        data = json.loads(text)
        if not isinstance(data, dict):
            raise TypeError
        return KeySet.import_key_set(data if "keys" in data else {"keys": [data]})  # type: ignore[arg-type]
    except (JoseError, TypeError, KeyError, ValueError, RecursionError):
        raise ValueError("no JWK or JWK Set with a key that is known") from None


def pull_public_keys(text: str | bytes) -> Keys:
    """Return the keys of a JWK Set, or one JWK, that somebody signs with; raise ValueError.

    Those for something else, and of kinds that are not known, are left out (RFC 7517 §5). A set
    with a private or a shared key in it is none: who publishes that has lost it.
    """
    from joserfc.errors import JoseError
    from joserfc.jwk import KeySet, RSAKey

    try:
        data = json.loads(text)
        members = data.get("keys", [data])
        if len(members) > _MOST_KEYS:
            raise ValueError("more keys than anybody needs")
        if any("d" in each or "k" in each for each in members):
            raise ValueError("there is a private or a shared key in it")
        signing = [
            each
            for each in members
            if each.get("kty") in _KINDS and each.get("use", "sig") == "sig"
        ]
        keys = KeySet.import_key_set({"keys": signing})
    except (JoseError, TypeError, KeyError, AttributeError, RecursionError):
        raise ValueError("no JWK or JWK Set with a key that is known") from None
    if not keys.keys:
        raise ValueError("no key in it that signs")
    for key in keys.keys:
        if isinstance(key, RSAKey) and key.public_key.key_size < _LEAST_RSA_BITS:
            raise ValueError(f"an RSA key of fewer than {_LEAST_RSA_BITS} bits")
    return keys


def public_jwk(pem: str) -> dict[str, Any]:
    """Return a public key in PEM (RFC 7468 §13) as a JWK named by its thumbprint (RFC 7638).

    Raise ValueError for a private key, and for a kind that nobody here signs with.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
    from cryptography.hazmat.primitives.serialization import load_pem_public_key
    from joserfc.jwk import ECKey, OKPKey, RSAKey

    if "PRIVATE KEY-----" in pem:
        raise ValueError("a private key: its owner keeps that, and hands out the public one")
    try:
        found = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("no public key in PEM") from None
    key: ECKey | RSAKey | OKPKey
    match found:
        case ec.EllipticCurvePublicKey():
            key = ECKey.import_key(found)
        case rsa.RSAPublicKey():
            key = RSAKey.import_key(found)
        case ed25519.Ed25519PublicKey():
            key = OKPKey.import_key(found)
        case _:
            raise ValueError("a key of a kind that signs nothing here")
    return {**key.as_dict(private=False), "kid": key.thumbprint()}


def issuer_of(text: str, *, most: int = MAX_TEXT) -> str:
    """Return who a text says that made it, believed or not; empty for what is no JWT."""
    try:
        return opened(text).issuer() if len(text) <= most else ""
    except BadJwt:
        return ""


def opened(text: str) -> Opened:
    """Return a JWT taken apart; raise `BadJwt` for what is none. Whoever calls bounds the length.

    Who has to know whose it is before he looks at the signature reads it once by this.
    """
    from joserfc import jws
    from joserfc.errors import JoseError

    try:
        return Opened(jws.extract_compact(text.encode(errors="replace")))
    except (JoseError, TypeError, ValueError, RecursionError):
        raise BadJwt("no JWT") from None


def pull_jwt(
    text: str, keys: Keys, wanted: Wanted, *, algorithms: tuple[str, ...], now: float
) -> Mapping[str, Any]:
    """Return the claims; raise `BadJwt` where signature, issuer, audience or time are not good."""
    if len(text) > MAX_TEXT:
        raise BadJwt("too long")
    _, claims = pull_signed(text, keys, algorithms=algorithms)
    check_claims(claims, wanted, now=now)
    return claims


def pull_signed(
    text: str | Opened, keys: Keys, *, algorithms: tuple[str, ...]
) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Return header and claims of a JWT that a key has signed, whatever they say.

    Raise `BadJwt`. Whoever calls bounds the length, and looks at issuer, audience and times.
    """
    one = opened(text) if isinstance(text, str) else text
    header, claims = _signed(one.signed, keys, algorithms)
    if not isinstance(claims, dict):
        raise BadJwt("no claims")
    return header, claims


def check_claims(claims: Mapping[str, Any], wanted: Wanted, *, now: float) -> float:
    """Return when they end, in Unix seconds; raise `BadJwt` where anything is not as wanted."""
    issuer = claims.get("iss")
    if not isinstance(issuer, str) or issuer not in wanted.issuers:
        raise BadJwt("of another issuer")
    audience = claims.get("aud")
    if wanted.audience and wanted.audience not in (
        audience if isinstance(audience, list) else [audience]
    ):
        raise BadJwt("for another audience")
    expires, begins = _time(claims.get("exp")), _time(claims.get("nbf", 0))
    if now >= expires + LEEWAY_S:
        raise BadJwt("over")
    if begins > now + LEEWAY_S:
        raise BadJwt("not yet good")
    if expires > now + wanted.longest_s + LEEWAY_S:
        raise BadJwt("good for too long")
    return expires


def _signed(
    signed: CompactSignature, keys: Keys, algorithms: tuple[str, ...]
) -> tuple[Mapping[str, Any], object]:
    """Return header and payload, if a key signed it: the named one, else any (RFC 7515 §D)."""
    from joserfc import jws
    from joserfc.errors import JoseError

    try:
        header = signed.headers()
    except (JoseError, TypeError, ValueError, RecursionError):
        raise BadJwt("no JWT") from None
    for key in (keys,) if "kid" in header else keys.keys[:_MOST_TRIED]:
        try:
            if jws.validate_compact(signed, key, algorithms):
                return header, json.loads(signed.payload)
        except (JoseError, TypeError, ValueError, RecursionError):
            continue
    raise NotSigned("not signed by a key that is known")


def _time(value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 2**53:
        return value
    raise BadJwt("without its times")
