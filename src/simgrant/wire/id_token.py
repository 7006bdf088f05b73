"""The ID token of an OpenID provider, checked in full (OpenID Connect Core 1.0 §3.1.3.7).

Stricter than the text where it leaves room: a public key signs, ``iat`` is due and recent, and
whoever is not us among the audiences needs an ``azp`` that is. Each way to be wrong has a name of
its own, since the operator has to tell a clock from an attack.
"""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Mapping
from dataclasses import field
from hashlib import sha256, sha384, sha512
from typing import Any, Final

from joserfc import jws
from joserfc.errors import JoseError

from simgrant.nouns import named_noun
from simgrant.wire.jwt import SIGNED, Keys

ALGORITHMS: Final = SIGNED
"""What may be allowed to sign; neither ``none`` nor a shared secret."""
MAX_TEXT: Final = 16 * 1024
_MOST_SUBJECT: Final = 255
_HASHES: Final = {"256": sha256, "384": sha384, "512": sha512, "DSA": sha512}
"""By the end of the algorithm's name; Ed25519 hashes with SHA-512 (RFC 8032 §5.1)."""
_FRESH_S: Final = 600
"""A token from a code that was just exchanged was made just now."""


class BadIdToken(ValueError):
    """It is not to be believed; ``reason`` says why, and the token is never repeated."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@named_noun
class Expected:
    """What an ID token has to say to be for this sign-in."""

    issuer: str
    client_id: str
    nonce: str = field(repr=False)
    access_token: str = field(repr=False)
    """What came with it, for ``at_hash``; empty = nothing."""
    algorithms: tuple[str, ...] = ("RS256", "ES256")
    skew_s: int = 30
    """Seconds by which the provider's clock may differ from ours."""


def pull_id_token(text: str, keys: Keys, expected: Expected, *, now: float) -> Mapping[str, Any]:
    """Return the claims; raise `BadIdToken`. ``now`` is in Unix seconds."""
    if len(text) > MAX_TEXT:
        raise BadIdToken("id_token_malformed")
    try:
        signed = jws.deserialize_compact(text.encode(), keys, expected.algorithms)
    except (JoseError, TypeError, KeyError, ValueError, RecursionError):
        # No JWT, another algorithm, no such key, or not signed by it.
        raise BadIdToken("id_token_signature") from None
    try:
        claims = json.loads(signed.payload or b"")
    except (ValueError, RecursionError):
        claims = None
    if not isinstance(claims, dict):
        raise BadIdToken("id_token_malformed")
    _check_parties(claims, expected)
    _check_times(claims, expected, now)
    nonce = claims.get("nonce")
    if not (isinstance(nonce, str) and _equal(nonce, expected.nonce)):
        raise BadIdToken("id_token_nonce")
    at_hash = claims.get("at_hash")
    if at_hash is not None:
        wanted = access_token_hash(expected.access_token, str(signed.headers()["alg"]))
        if not (isinstance(at_hash, str) and expected.access_token and _equal(at_hash, wanted)):
            raise BadIdToken("id_token_at_hash")
    subject = claims.get("sub")
    if not (isinstance(subject, str) and 0 < len(subject) <= _MOST_SUBJECT):
        raise BadIdToken("id_token_subject")
    return claims


def access_token_hash(access_token: str, algorithm: str) -> str:
    """Return ``at_hash``: the left half of a hash, base64url (OpenID Connect Core §3.1.3.6)."""
    digest = _HASHES[algorithm[-3:]](access_token.encode()).digest()
    return base64.urlsafe_b64encode(digest[: len(digest) // 2]).decode().rstrip("=")


def _check_parties(claims: Mapping[str, Any], expected: Expected) -> None:
    if claims.get("iss") != expected.issuer:
        raise BadIdToken("id_token_issuer")
    audience = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    if expected.client_id not in audiences:
        raise BadIdToken("id_token_audience")
    # §3.1.3.7: several audiences are for extensions that both sides know of; we know of none.
    if claims.get("azp", None if len(audiences) > 1 else expected.client_id) != expected.client_id:
        raise BadIdToken("id_token_azp")


def _check_times(claims: Mapping[str, Any], expected: Expected, now: float) -> None:
    expires, issued = _time(claims.get("exp")), _time(claims.get("iat"))
    begins = _time(claims.get("nbf", issued))
    if now >= expires + expected.skew_s:
        raise BadIdToken("id_token_expired")
    if max(issued, begins) > now + expected.skew_s:
        raise BadIdToken("id_token_from_the_future")
    if issued + _FRESH_S + expected.skew_s < now:
        raise BadIdToken("id_token_old")


def _time(value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 2**53:
        return value
    raise BadIdToken("id_token_times")


def _equal(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode("utf-8", "surrogatepass"), other.encode())
