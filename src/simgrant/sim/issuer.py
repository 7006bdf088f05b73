"""Plays an authorization server: access tokens for clients' assertions, its keys, introspection.

TS.43 §2.8.3 with RFC 7523, RFC 9068, RFC 7662 and RFC 8414. It tells one lie at a time: in the
tokens that it makes, and in what it answers about them. Its JWTs are PyJWT's.
"""

from __future__ import annotations

import secrets
import ssl
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import jwt

from simgrant.sim.lies import TokenLie
from simgrant.sim.oauth import Client, Clients, Key, form_of, json_answer, new_key
from simgrant.sim.web import Answer, Break, Request, WebServer

TOKEN: Final = "/token"  # noqa: S105 - a path
KEYS: Final = "/jwks"
INTROSPECTION: Final = "/introspect"
_STRANGER: Final = "somebody-else"
_FAULTS: Final = {
    TokenLie.REFUSED: json_answer({"error": "invalid_client"}, 401),
    TokenLie.BROKEN: Answer(500),
    TokenLie.BUSY: Answer(429, (("retry-after", "7"),)),
    TokenLie.NONSENSE: Answer(200, (("content-type", "application/json"),), b"<html>"),
    TokenLie.LIST: json_answer([{"active": True}]),
    TokenLie.LONG: json_answer({"active": True, "more": "x" * 1_000_000}),
    TokenLie.REDIRECT: Answer(307, (("location", "/elsewhere"),)),
    TokenLie.SLOW: Answer(fault=Break.SILENT),
    TokenLie.RESET: Answer(fault=Break.RESET),
}
"""What keys and answers about tokens are replaced by."""


class AuthorizationServer:
    """One issuer, the clients that it grants tokens to, and the servers that ask about them."""

    def __init__(
        self,
        *,
        audience: str,
        clients: Iterable[Client] = (),
        servers: Iterable[Client] = (),
        scope: str = "",
        opaque: bool = False,
        life_s: int = 300,
        tls: ssl.SSLContext | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Its tokens are JWTs for ``audience`` with ``scope``, or ``opaque``."""
        self.lie = TokenLie.NONE
        self.asked: list[str] = []
        """Paths that were asked for, in their order."""
        self._audience = audience
        self._scope = scope
        self._opaque = opaque
        self._life_s = life_s
        self._now = now
        self._clients = Clients(clients, now)
        self._servers = Clients(servers, now)
        self._key, self._unpublished = new_key(), new_key()
        self._issued: dict[str, dict[str, Any]] = {}
        self.web = WebServer(self._answer, tls)

    @property
    def issuer(self) -> str:
        """Return the issuer identifier."""
        return self.web.url

    @property
    def key_set(self) -> dict[str, Any]:
        """Return the keys that it publishes."""
        return {"keys": [self._key.jwk]}

    async def up(self) -> None:
        """Listen."""
        await self.web.up()

    async def down(self) -> None:
        """Listen no more."""
        await self.web.down()

    def rotate(self) -> None:
        """Sign with a new key from now on, and publish the old one no more."""
        self._key = new_key()

    def issue(self, client_id: str) -> str:
        """Return a token for a client, as the token endpoint does."""
        now = int(self._now())
        claims = {
            "iss": self.issuer,
            "aud": self._audience,
            "sub": client_id,
            "client_id": client_id,
            "iat": now,
            "exp": now + self._life_s,
            "jti": secrets.token_urlsafe(16),
        }
        if self._scope:
            claims["scope"] = self._scope
        token = secrets.token_urlsafe(32) if self._opaque else self._signed(self._told(claims))
        self._issued[token] = claims
        return token

    def revoke(self, token: str) -> None:
        """Say of a token that it is not good, from now on."""
        self._issued.pop(token, None)

    def _answer(self, request: Request) -> Answer:
        path = urlsplit(request.target).path
        self.asked.append(path)
        match request.method, path:
            case "GET", "/.well-known/oauth-authorization-server":
                return json_answer(self._metadata())
            case "POST", "/token":
                return self._grant(request, form_of(request.body.decode()))
            case "GET", "/jwks":
                return _FAULTS.get(self.lie) or json_answer(self.key_set)
            case "POST", "/introspect":
                answer = self._introspected(request, form_of(request.body.decode()))
                return _FAULTS.get(self.lie) or answer
        return Answer(404)

    def _metadata(self) -> dict[str, Any]:
        ways = ["client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt"]
        return {
            "issuer": self.issuer,
            "token_endpoint": self.issuer + TOKEN,
            "jwks_uri": self.issuer + KEYS,
            "introspection_endpoint": self.issuer + INTROSPECTION,
            "grant_types_supported": ["client_credentials"],
            "response_types_supported": [],
            "token_endpoint_auth_methods_supported": ways,
            "introspection_endpoint_auth_methods_supported": ways,
        }

    def _grant(self, request: Request, form: Mapping[str, str]) -> Answer:
        client = self._clients.proved(request, form, (self.issuer, self.issuer + TOKEN))
        if client is None:
            return json_answer({"error": "invalid_client"}, 401)
        # Figure 6 of TS.43 has no grant_type.
        if form.get("grant_type", "client_credentials") != "client_credentials":
            return json_answer({"error": "unsupported_grant_type"}, 400)
        granted = {
            "access_token": self.issue(client.client_id),
            "token_type": "Bearer",
            "expires_in": self._life_s,
        }
        return json_answer(granted | ({"scope": self._scope} if self._scope else {}))

    def _introspected(self, request: Request, form: Mapping[str, str]) -> Answer:
        endpoint = self.issuer + INTROSPECTION
        if self._servers.proved(request, form, (self.issuer, endpoint)) is None:
            return json_answer({"error": "invalid_client"}, 401)
        claims = self._issued.get(form.get("token", ""))
        if claims is None or self._now() >= claims["exp"] or self.lie is TokenLie.INACTIVE:
            # Nothing is said of why (RFC 7662 §2.2).
            return json_answer({"active": False})
        active = "true" if self.lie is TokenLie.ACTIVE_TEXT else True
        return json_answer({"active": active, "token_type": "Bearer"} | self._told(claims))

    def _told(self, claims: Mapping[str, Any]) -> dict[str, Any]:
        """Return what is said of a token."""
        told, now = dict(claims), int(self._now())
        match self.lie:
            case TokenLie.ISSUER:
                told["iss"] = "https://login.example.org"
            case TokenLie.AUDIENCE:
                told["aud"] = [_STRANGER]
            case TokenLie.NO_AUDIENCE:
                del told["aud"]
            case TokenLie.SCOPE:
                told["scope"] = "something-else"
            case TokenLie.EXPIRED:
                told |= {"iat": now - 400, "exp": now - 100}
            case TokenLie.FUTURE:
                told |= {"nbf": now + 3600, "exp": now + 7200}
            case TokenLie.CLIENT:
                told["client_id"] = _STRANGER
            case TokenLie.NO_CLIENT:
                del told["client_id"]
        return told

    def _signed(self, claims: dict[str, Any]) -> str:
        key: Key = self._key
        header = {"kid": key.kid, "typ": "at+jwt"}
        if self.lie in (TokenLie.KEY, TokenLie.UNKNOWN_KEY):
            key = self._unpublished
        if self.lie is TokenLie.UNKNOWN_KEY:
            header["kid"] = key.kid
        return jwt.encode(claims, key.private, algorithm=key.algorithm, headers=header)
