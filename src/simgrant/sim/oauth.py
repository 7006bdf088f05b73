"""What simulated authorization servers have in common: their keys, and who their clients are.

JWTs are made and read by PyJWT, which the server under test does not use.
"""

from __future__ import annotations

import base64
import hmac
import json
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qs, unquote_plus

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from simgrant.nouns import noun
from simgrant.sim.web import Answer, Request

ASSERTION: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_JSON: Final = (("content-type", "application/json"), ("cache-control", "no-store"))
_MOST_CLOCKS_DIFFER_S: Final = 5


@dataclass(slots=True)
class Key:
    """A signing key."""

    kid: str
    algorithm: str
    private: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey = field(repr=False)

    @property
    def jwk(self) -> dict[str, Any]:
        """Return the public key."""
        kind = jwt.get_algorithm_by_name(self.algorithm)
        found: dict[str, Any] = json.loads(kind.to_jwk(self.private.public_key()))
        return found | {"kid": self.kid, "use": "sig", "alg": self.algorithm}


def new_key(algorithm: str = "ES256") -> Key:
    """Return a signing key for ES256 or RS256."""
    private: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
    if algorithm == "ES256":
        private = ec.generate_private_key(ec.SECP256R1())
    else:
        private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return Key(secrets.token_hex(4), algorithm, private)


@noun
class Client:
    """A client and what it proves itself with: a key of its own, or else a secret."""

    client_id: str
    secret: str = field(default="", repr=False)
    public_key: str = ""
    """PEM; with it, nothing but a signed assertion counts."""


class Clients:
    """The clients of one server."""

    def __init__(self, clients: Iterable[Client], now: Callable[[], float]) -> None:
        self._by_id = {client.client_id: client for client in clients}
        self._now = now
        self._used: set[tuple[str, str]] = set()

    def proved(
        self, request: Request, form: Mapping[str, str], audiences: Iterable[str]
    ) -> Client | None:
        """Return the client that a request proves, None for none (RFC 6749 §2.3, RFC 7523 §2.2).

        An assertion has to be for one of ``audiences``; TS.43 §2.8.3 asks for no ``jti``, but one
        that comes counts once.
        """
        if "client_assertion" in form:
            if form.get("client_assertion_type") != ASSERTION:
                return None
            client_id = self._asserted(form["client_assertion"], tuple(audiences))
            named = form.get("client_id", client_id)
            return self._by_id[client_id] if client_id and named == client_id else None
        kind, _, text = request.headers.get("authorization", "").partition(" ")
        if kind.lower() == "basic":
            name, _, secret = base64.b64decode(text).decode().partition(":")
            client_id, given = unquote_plus(name), unquote_plus(secret)
        else:
            client_id, given = form.get("client_id", ""), form.get("client_secret", "")
        client = self._by_id.get(client_id)
        if client is None or client.public_key or not client.secret:
            return None
        return client if hmac.compare_digest(given.encode(), client.secret.encode()) else None

    def _asserted(self, assertion: str, audiences: tuple[str, ...]) -> str:
        """Return whom an assertion proves, nobody where it is not good."""
        options: Any = {
            "require": ["exp", "sub"],
            "verify_exp": False,
            "verify_iat": False,
        }
        try:
            claimed = jwt.decode(assertion, options={"verify_signature": False})
            client = self._by_id[str(claimed.get("sub"))]
            claims = jwt.decode(
                assertion,
                client.public_key or client.secret,
                algorithms=["ES256", "RS256"] if client.public_key else ["HS256"],
                audience=audiences,
                issuer=client.client_id,
                options=options,
            )
        except (jwt.PyJWTError, KeyError):
            return ""
        # By the server's own clock, which a test may set.
        now = self._now()
        if now >= claims["exp"] or claims.get("iat", now) > now + _MOST_CLOCKS_DIFFER_S:
            return ""
        if "jti" in claims:
            use = client.client_id, str(claims["jti"])
            if use in self._used:
                return ""
            self._used.add(use)
        return client.client_id


def form_of(text: str) -> dict[str, str]:
    """Return the fields of a form or a query, the last of each name."""
    return {name: values[-1] for name, values in parse_qs(text, keep_blank_values=True).items()}


def json_answer(data: object, status: int = 200) -> Answer:
    """Return an answer in JSON that nobody keeps."""
    return Answer(status, _JSON, json.dumps(data).encode())
