"""A consumer of partner APIs: who it is, and what its back end sends."""

from __future__ import annotations

import itertools
import json
from urllib.parse import urlencode

from cryptography.hazmat.primitives.asymmetric import ec

from simgrant.domain.camara.consumer import Consumer, GrantType, Permission
from tests.jwts import EcSigner

PURPOSE = "FraudPreventionAndDetection"
SCOPE = "number-verification:verify"
_SIGNER = EcSigner("bank-1", ec.derive_private_key(43, ec.SECP256R1()))
"""The same in every process of a run."""
CONSUMER = Consumer(
    client_id="bank",
    name="Bank",
    jwks=json.dumps({"keys": [_SIGNER.jwk]}),
    permissions=(
        Permission(
            api="number-verification", scopes=frozenset({SCOPE}), purposes=frozenset({PURPOSE})
        ),
    ),
)
_numbers = itertools.count(1)


def token_request(temporary: str, *, url: str, now: int) -> bytes:
    """Return the request of an access token for a temporary token; ``url`` is the issuer's."""
    claims = {
        "iss": CONSUMER.client_id,
        "sub": f"operatortoken:{temporary}",
        "aud": f"{url}/oauth2/token",
        "iat": now,
        "exp": now + 300,
        "jti": f"{next(_numbers)}.{now}",
        "scope": f"dpv:{PURPOSE} {SCOPE}",
    }
    form = {"grant_type": GrantType.JWT_BEARER.value, "assertion": _SIGNER.sign(claims)}
    return _post("/oauth2/token", "application/x-www-form-urlencoded", urlencode(form))


def verify_request(token: str, number: str) -> bytes:
    """Return the request whether a number (E.164 with +) is that of whom a token is about."""
    body = json.dumps({"phoneNumber": number})
    more = f"Authorization: Bearer {token}\r\nx-correlator: {number[1:]}\r\n"
    return _post("/number-verification/v2/verify", "application/json", body, more)


def _post(path: str, kind: str, body: str, more: str = "") -> bytes:
    return (
        f"POST {path} HTTP/1.1\r\nHost: api.example.net\r\n{more}"
        f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    ).encode()
