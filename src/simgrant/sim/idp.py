"""Plays an OpenID provider: discovery, sign-in without a page, tokens, keys, userinfo.

Whoever comes is signed in as the one person it knows. It checks its client as a provider should,
and tells one lie at a time. Its JWTs are made and read by PyJWT, which the server does not use.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import jwt

from simgrant.sim.lies import Lie
from simgrant.sim.oauth import Client, Clients, Key, form_of, json_answer, new_key
from simgrant.sim.web import Answer, Request, WebServer

_CODE_LIFE_S: Final = 60
_LIFE_S: Final = 300
_STRANGER: Final = "somebody-else"


@dataclass(slots=True)
class _Issued:
    """A code that was given."""

    redirect_uri: str
    nonce: str
    challenge: str
    until: float


class OpenIdProvider:
    """One provider with one client and one person."""

    def __init__(
        self,
        *,
        client_id: str = "simgrant",
        client_secret: str = "",
        client_key: str = "",
        redirect_uri: str,
        phone_number: str,
        in_userinfo: bool = False,
        algorithm: str = "ES256",
        now: Callable[[], float] = time.time,
    ) -> None:
        """``client_key`` is a public key in PEM; with it, the client has to sign.

        With ``in_userinfo`` the number is told by userinfo and not in ID tokens.
        """
        self.client_id = client_id
        self.client_secret = client_secret or secrets.token_urlsafe(16)
        self.redirect_uri = redirect_uri
        self.phone_number = phone_number
        self.lie = Lie.NONE
        self.asked: list[str] = []
        """Paths that were asked for, in their order."""
        client = Client(client_id, self.client_secret, client_key)
        self._clients = Clients((client,), now)
        self._in_userinfo = in_userinfo
        self._now = now
        self._keys = [new_key(algorithm)]
        self._unpublished = new_key(algorithm)
        self._codes: dict[str, _Issued] = {}
        self._access_tokens: set[str] = set()
        self.web = WebServer(self._answer, None)

    @property
    def issuer(self) -> str:
        """Return the issuer identifier."""
        return self.web.url

    def rotate(self) -> None:
        """Sign with a new key from now on, and publish the old one no more."""
        self._keys = [new_key(self._keys[0].algorithm)]

    async def up(self) -> None:
        """Listen."""
        await self.web.up()

    async def down(self) -> None:
        """Listen no more."""
        await self.web.down()

    def _answer(self, request: Request) -> Answer:
        parts = urlsplit(request.target)
        self.asked.append(parts.path)
        match request.method, parts.path:
            case "GET", "/.well-known/openid-configuration":
                return json_answer(self._discovery())
            case "GET", "/jwks":
                return json_answer({"keys": [key.jwk for key in self._keys]})
            case "GET", "/authorize":
                return self._authorize(form_of(parts.query))
            case "POST", "/token":
                return self._token(request, form_of(request.body.decode()))
            case "GET", "/userinfo":
                return self._userinfo(request)
        return Answer(404)

    def _discovery(self) -> dict[str, Any]:
        url = self.issuer
        strange = self.lie is Lie.DISCOVERY_ADDRESS
        return {
            "issuer": "http://127.0.0.2" if self.lie is Lie.DISCOVERY_ISSUER else url,
            "authorization_endpoint": f"{url}/authorize",
            "token_endpoint": "ftp://127.0.0.1/token" if strange else f"{url}/token",
            "jwks_uri": f"{url}/jwks",
            "userinfo_endpoint": f"{url}/userinfo",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [self._keys[0].algorithm],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": [
                "client_secret_basic",
                "client_secret_post",
                "private_key_jwt",
            ],
            "authorization_response_iss_parameter_supported": True,
        }

    def _authorize(self, query: Mapping[str, str]) -> Answer:
        if (query.get("client_id"), query.get("redirect_uri")) != (
            self.client_id,
            self.redirect_uri,
        ):
            # Nobody is sent to an address that was not registered (RFC 6749 §4.1.2.1).
            return Answer(400, body=b"no such client or redirect_uri")
        back = {"state": query.get("state", "")}
        back["iss"] = self.issuer
        if self.lie is Lie.CALLBACK_ISSUER:
            back["iss"] = "https://idp.example.org"
        if self.lie in (Lie.NO_CALLBACK_ISSUER, Lie.LONE_STATE):
            del back["iss"]
        problem = _missing(query)
        if self.lie is Lie.DENIED:
            back |= {"error": "access_denied", "error_description": "The person said no"}
        elif self.lie is Lie.STRANGE_ERROR:
            back["error"] = "<script>alert(1)</script>"
        elif problem:
            back |= {"error": "invalid_request", "error_description": problem}
        elif self.lie is not Lie.LONE_STATE:
            code = secrets.token_urlsafe(16)
            self._codes[code] = _Issued(
                query["redirect_uri"],
                query["nonce"],
                query["code_challenge"],
                self._now() + _CODE_LIFE_S,
            )
            back["code"] = code
        joint = "&" if "?" in self.redirect_uri else "?"
        return Answer(302, (("location", f"{self.redirect_uri}{joint}{urlencode(back)}"),))

    def _token(self, request: Request, form: Mapping[str, str]) -> Answer:
        if self._clients.proved(request, form, (f"{self.issuer}/token",)) is None:
            return json_answer({"error": "invalid_client"}, 401)
        if self.lie is Lie.BROKEN:
            return Answer(500)
        if self.lie is Lie.NONSENSE:
            return Answer(200, (("content-type", "application/json"),), b"<html>")
        issued = self._codes.pop(form.get("code", ""), None)
        verifier = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        if (
            form.get("grant_type") != "authorization_code"
            or issued is None
            or self._now() > issued.until
            or issued.redirect_uri != form.get("redirect_uri")
            or issued.challenge != _b64(verifier)
            or self.lie is Lie.CODE
        ):
            return json_answer({"error": "invalid_grant"}, 400)
        access_token = secrets.token_urlsafe(16)
        self._access_tokens.add(access_token)
        answer = {"access_token": access_token, "token_type": "Bearer", "expires_in": _LIFE_S}
        if self.lie is not Lie.NO_ID_TOKEN:
            answer["id_token"] = self._id_token(issued, access_token)
        return json_answer(answer)

    def _id_token(self, issued: _Issued, access_token: str) -> str:
        now, key = int(self._now()), self._keys[0]
        half = hashlib.sha256(access_token.encode()).digest()[:16]
        claims: dict[str, Any] = {
            "iss": self.issuer,
            "sub": "person-1",
            "aud": self.client_id,
            "exp": now + _LIFE_S,
            "iat": now,
            "nonce": issued.nonce,
            "at_hash": _b64(half),
        }
        if not self._in_userinfo:
            claims |= self._number()
        match self.lie:
            case Lie.ISSUER:
                claims["iss"] = "https://idp.example.org"
            case Lie.AUDIENCE:
                claims["aud"] = _STRANGER
            case Lie.TWO_AUDIENCES:
                claims["aud"] = [self.client_id, _STRANGER]
            case Lie.AZP:
                claims["azp"] = _STRANGER
            case Lie.NONCE:
                claims["nonce"] = secrets.token_urlsafe(16)
            case Lie.NO_NONCE:
                del claims["nonce"]
            case Lie.EXPIRED:
                claims |= {"iat": now - 400, "exp": now - 100}
            case Lie.FUTURE:
                claims |= {"iat": now + 3600, "exp": now + 7200}
            case Lie.OLD:
                claims |= {"iat": now - 7200, "exp": now + 3600}
            case Lie.NO_TIMES:
                del claims["iat"]
            case Lie.NO_SUBJECT:
                del claims["sub"]
            case Lie.AT_HASH:
                claims["at_hash"] = _b64(secrets.token_bytes(16))
        return self._signed(claims, key)

    def _signed(self, claims: dict[str, Any], key: Key) -> str:
        header = {"kid": key.kid}
        match self.lie:
            case Lie.ALG_NONE:
                return jwt.encode(claims, "", algorithm="none", headers=header)
            case Lie.ALG_SHARED:
                secret = self.client_secret.ljust(32, "=")
                return jwt.encode(claims, secret, algorithm="HS256", headers=header)
            case Lie.KEY:
                key = self._unpublished
            case Lie.UNKNOWN_KEY:
                key = self._unpublished
                header = {"kid": key.kid}
        text = jwt.encode(claims, key.private, algorithm=key.algorithm, headers=header)
        if self.lie is Lie.CHANGED:
            head, _, signature = text.split(".")
            changed = json.dumps(claims | {"phone_number": "+15550100"}).encode()
            return f"{head}.{_b64(changed)}.{signature}"
        return text

    def _number(self) -> dict[str, Any]:
        if self.lie is Lie.NO_NUMBER:
            return {}
        verified = self.lie is not Lie.UNVERIFIED
        return {"phone_number": self.phone_number, "phone_number_verified": verified}

    def _userinfo(self, request: Request) -> Answer:
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer" or token not in self._access_tokens:
            return Answer(401)
        subject = "person-2" if self.lie is Lie.USERINFO_SUBJECT else "person-1"
        return json_answer({"sub": subject} | self._number())


def _missing(query: Mapping[str, str]) -> str:
    """Say what an authorization request lacks."""
    if query.get("response_type") != "code" or "openid" not in query.get("scope", "").split():
        return "response_type or scope"
    if query.get("code_challenge_method") != "S256" or not query.get("code_challenge"):
        return "code_challenge"
    return "" if query.get("nonce") and query.get("state") else "nonce or state"


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
