"""A client of an authorization server: signs an assertion and is granted an access token.

TS.43 §2.8.3, RFC 7523 §2.2. What a partner's server does before it asks the entitlement server
anything; the JWT is PyJWT's.
"""

from __future__ import annotations

import json
import secrets
import ssl
import time
from collections.abc import Callable
from dataclasses import field
from typing import Final
from urllib.parse import urlencode

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from simgrant.nouns import named_noun, noun
from simgrant.sim.exchange import Exchange, Leg, Outcome
from simgrant.sim.http import HttpClient, HttpError, Limits, Url
from simgrant.sim.oauth import ASSERTION
from simgrant.sim.partner import ended, exchanged

_LIFE_S: Final = 60
_SENT: Final = (
    ("Accept", "application/json"),
    ("Content-Type", "application/x-www-form-urlencoded"),
    ("User-Agent", "partner-server/1.0"),
)


@named_noun
class Applicant:
    """Which client it is, and where it is granted tokens."""

    token_url: Url
    client_id: str
    key: bytes = field(repr=False)
    """Its private key (PEM; P-256 or RSA), or else its secret."""
    key_id: str = ""
    audience: str = ""
    """``aud`` of the assertion; empty = the token endpoint."""
    scope: str = ""

    def assertion(self, *, now: float) -> str:
        """Return a new assertion, good for a minute; raise ValueError where the key is no use."""
        claims = {
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": self.audience or str(self.token_url),
            "jti": secrets.token_urlsafe(16),
            "iat": int(now),
            "exp": int(now) + _LIFE_S,
        }
        header = {"kid": self.key_id} if self.key_id else None
        if not self.key.lstrip().startswith(b"-----BEGIN"):
            return jwt.encode(claims, self.key.strip(), algorithm="HS256", headers=header)
        key = load_pem_private_key(self.key, None)
        if not isinstance(key, EllipticCurvePrivateKey | RSAPrivateKey):
            raise ValueError("the key is neither on P-256 nor of RSA")
        algorithm = "ES256" if isinstance(key, EllipticCurvePrivateKey) else "RS256"
        return jwt.encode(claims, key, algorithm=algorithm, headers=header)


@noun
class Grant:
    """A token, and how it was come by."""

    exchange: Exchange
    access_token: str = field(repr=False)


async def apply(
    applicant: Applicant,
    *,
    tls: ssl.SSLContext | None = None,
    limits: Limits | None = None,
    now: Callable[[], float] = time.time,
) -> Grant | Outcome:
    """Ask for a token once, and return it, or how it ended without one."""
    form = {
        "grant_type": "client_credentials",
        "client_id": applicant.client_id,
        "client_assertion_type": ASSERTION,
        "client_assertion": applicant.assertion(now=now()),
    }
    if applicant.scope:
        form["scope"] = applicant.scope
    asked = Exchange(
        leg=Leg.GRANT,
        method="POST",
        url=str(applicant.token_url),
        parameters=tuple(form.items()),
        sent=_SENT,
    )
    http = HttpClient(applicant.token_url, tls=tls, limits=limits)
    try:
        seen = await exchanged(http, asked, urlencode(form).encode())
    except HttpError as error:
        return ended(asked, error)
    finally:
        await http.aclose()
    if seen.status != 200:
        return ended(seen)
    try:
        token = json.loads(seen.body)["access_token"]
    except (ValueError, KeyError, TypeError):
        token = None
    if not (isinstance(token, str) and token):
        return ended(seen, "the answer holds no access token")
    return Grant(seen, token)
