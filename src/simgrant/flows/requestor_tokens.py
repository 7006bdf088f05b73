"""The TOKEN of a system that asks by itself: what it says, and its sealed form (TS.43 §2.8.3).

It spares the system a new access token for each request. It is not renewed: once it is over, the
issuer has to vouch for the system anew.
"""

from __future__ import annotations

import struct

from simgrant.errors import Unauthenticated
from simgrant.flows.tokens import decode, encode, open_seal
from simgrant.keyring.ring import KeyRing, Purpose
from simgrant.nouns import noun
from simgrant.ports.keys import Keys

_FORMAT = 1
_HEAD = struct.Struct(">BQQ")


@noun
class RequestorClaims:
    """What such a token is bound to. Times are Unix seconds."""

    app_id: str
    client_id: str
    requestor_id: str
    """In lower case, as is the next."""
    enterprise_id: str
    """Empty where the system named none."""
    issued: int
    expires: int


def push_requestor(
    claims: RequestorClaims, ring: KeyRing, tenant: str, *, nonce: bytes, now: float
) -> str:
    """Return the sealed token: base64url without padding."""
    texts = (claims.app_id, claims.client_id, claims.requestor_id, claims.enterprise_id)
    plain = _HEAD.pack(_FORMAT, claims.issued, claims.expires) + "\0".join(texts).encode()
    return encode(ring.seal(Purpose.REQUESTOR_TOKEN, tenant, plain, nonce=nonce, now=now))


def pull_requestor(text: str, keys: Keys, *, now: float) -> tuple[str, RequestorClaims]:
    """Return (tenant, what it says) of a token; raise Unauthenticated for anything else."""
    tenant, plain = open_seal(keys, Purpose.REQUESTOR_TOKEN, decode(text), now=now)
    if plain[0] != _FORMAT:
        raise Unauthenticated("requestor_token_format")
    _, issued, expires = _HEAD.unpack_from(plain)
    if now >= expires:
        raise Unauthenticated("requestor_token_expired")
    app_id, client_id, requestor_id, enterprise_id = plain[_HEAD.size :].decode().split("\0")
    claims = RequestorClaims(app_id, client_id, requestor_id, enterprise_id, issued, expires)
    return tenant, claims
