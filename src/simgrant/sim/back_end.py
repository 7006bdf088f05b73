"""The back end of an application: gets access tokens of an operator, and asks its APIs (CAMARA).

It is a client as the profile of CAMARA wants one (ICM): it proves itself by assertions that it
signs, names one purpose, and knows nothing of the subscriber but what the app on the phone handed
over. JWTs are PyJWT's, which the server under test does not use.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import field
from enum import StrEnum
from typing import Any, Final
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from simgrant.nouns import named_noun
from simgrant.sim.exchange import Exchange, Leg
from simgrant.sim.http import BadAnswer, Headers, HttpClient, Limits, Url
from simgrant.sim.oauth import ASSERTION
from simgrant.sim.partner import exchanged

JWT_BEARER: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
CIBA: Final = "urn:openid:params:grant-type:ciba"
_JSON: Final = "application/json"
_FORM: Final = "application/x-www-form-urlencoded"
_LIFE_S: Final = 120
_AGENT: Final = ("User-Agent", "application-back-end/1.0")


class Question(StrEnum):
    """What an operator can be asked."""

    VERIFY = "verify"
    NUMBER = "number"
    SIM_SWAP = "sim-swap"
    SIM_SWAP_DATE = "sim-swap-date"
    DEVICE_SWAP = "device-swap"
    DEVICE_SWAP_DATE = "device-swap-date"
    ROAMING = "roaming"
    RECYCLED = "recycled"
    TENURE = "tenure"
    STATUS = "status"


@named_noun
class Call:
    """A call of an API."""

    method: str = "POST"
    path: str
    scope: str
    names_device: bool = False
    """The number is in a ``device`` where it is named at all."""
    own: bool = False
    """The number in it is what is asked about, and not by whom (number-verification)."""


CALLS: Final[Mapping[Question, Call]] = {
    Question.VERIFY: Call(
        path="number-verification/v2/verify", scope="number-verification:verify", own=True
    ),
    Question.NUMBER: Call(
        method="GET",
        path="number-verification/v2/device-phone-number",
        scope="number-verification:device-phone-number:read",
    ),
    Question.SIM_SWAP: Call(path="sim-swap/v2/check", scope="sim-swap:check"),
    Question.SIM_SWAP_DATE: Call(path="sim-swap/v2/retrieve-date", scope="sim-swap:retrieve-date"),
    Question.DEVICE_SWAP: Call(path="device-swap/v1/check", scope="device-swap:check"),
    Question.DEVICE_SWAP_DATE: Call(
        path="device-swap/v1/retrieve-date", scope="device-swap:retrieve-date"
    ),
    Question.ROAMING: Call(
        path="device-roaming-status/v1/retrieve",
        scope="device-roaming-status:read",
        names_device=True,
    ),
    Question.RECYCLED: Call(path="number-recycling/v0.2/check", scope="number-recycling:check"),
    Question.TENURE: Call(path="kyc-tenure/v0.2/check-tenure", scope="kyc-tenure:check-tenure"),
    Question.STATUS: Call(
        path="subscription-status/v0.1/retrive-subscription-status",
        scope="subscription-status:retrive-subscription-status",
    ),
}


class Refused(Exception):
    """The operator did not give what was asked for; the last exchange says why."""


@named_noun
class Contract:
    """What the operator and the application agreed on."""

    issuer: Url
    """Of the authorization server."""
    api_root: Url
    """Of the APIs."""
    client_id: str
    key: bytes = field(repr=False)
    """Private key (PEM; P-256 or RSA)."""
    key_id: str = ""
    purpose: str = "FraudPreventionAndDetection"
    """W3C DPV, without the prefix."""
    redirect_uri: str = ""
    dpop: bool = False
    """Access tokens are bound to a key of this process (RFC 9449)."""


class BackEnd:
    """One back end, and all that it sent and received; close it after use."""

    def __init__(
        self,
        contract: Contract,
        *,
        tls: ssl.SSLContext | None = None,
        limits: Limits | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Raise ValueError where the key is of no use."""
        self.seen: list[Exchange] = []
        self._contract = contract
        self._tls = tls
        self._limits = limits or Limits()
        self._now = now
        self._key, self._algorithm = _read(contract.key)
        self._proof_key = ec.generate_private_key(ec.SECP256R1())
        self._clients: dict[Url, HttpClient] = {}
        self._said: Mapping[str, Any] = {}

    async def __aenter__(self) -> BackEnd:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        for client in self._clients.values():
            await client.aclose()

    async def discover(self) -> Mapping[str, Any]:
        """Return what the authorization server says of itself (OpenID Connect Discovery §4)."""
        if not self._said:
            base = str(self._contract.issuer).rstrip("/")
            self._said = await self._json(
                "GET", Url.parse(f"{base}/.well-known/openid-configuration"), Leg.GRANT
            )
        return self._said

    async def redeem(self, subject: str, *scopes: str, resource: str = "") -> str:
        """Return an access token for a subject such as ``operatortoken:…`` or ``tel:+…``.

        RFC 7523 §2.1 as ICM has it: the assertion names the scopes, and proves the client too.
        """
        endpoint = await self._endpoint("token_endpoint")
        claims = self._claims(endpoint, sub=subject, scope=self._scope(scopes))
        form = {"grant_type": JWT_BEARER, "assertion": self._signed(claims)}
        if resource:
            form["resource"] = resource
        return await self._token(endpoint, form)

    async def by_itself(self, *scopes: str) -> str:
        """Return an access token without any subscriber in it (RFC 6749 §4.4)."""
        endpoint = await self._endpoint("token_endpoint")
        form = {"grant_type": "client_credentials", "scope": self._scope(scopes)}
        return await self._token(endpoint, form | self._proof(endpoint))

    async def ask_back_channel(self, login_hint: str, *scopes: str) -> Mapping[str, Any]:
        """Begin a back-channel authentication; return its answer (CIBA §7.3)."""
        endpoint = await self._endpoint("backchannel_authentication_endpoint")
        scope = f"openid {self._scope(scopes)}"
        form = {"login_hint": login_hint, "scope": scope} | self._proof(endpoint)
        return await self._json("POST", endpoint, Leg.GRANT, form=form)

    async def poll(self, auth_req_id: str) -> str:
        """Return the access token of a back-channel authentication, if it is there by now."""
        endpoint = await self._endpoint("token_endpoint")
        form = {"grant_type": CIBA, "auth_req_id": auth_req_id} | self._proof(endpoint)
        return await self._token(endpoint, form)

    async def by_code(self, *scopes: str) -> str:
        """Return an access token for whoever has this connection (RFC 6749 §4.1, PKCE).

        Nobody is asked anything: the app on the phone opens the address, and the network knows
        whose connection it is. The request is a signed object (RFC 9101).
        """
        endpoint = await self._endpoint("authorization_endpoint")
        verifier, state = secrets.token_urlsafe(48), secrets.token_urlsafe(16)
        asked = {
            "response_type": "code",
            "client_id": self._contract.client_id,
            "redirect_uri": self._contract.redirect_uri,
            "scope": f"openid {self._scope(scopes)}",
        }
        claims = self._claims(Url.parse(self._issuer)) | asked
        claims |= {
            "state": state,
            "nonce": secrets.token_urlsafe(16),
            "prompt": "none",
            "code_challenge": _encode(hashlib.sha256(verifier.encode()).digest()),
            "code_challenge_method": "S256",
        }
        query = urlencode(asked | {"request": self._signed(claims, typ="oauth-authz-req+jwt")})
        seen = await self._send("GET", Url.parse(f"{endpoint}?{query}"), Leg.GRANT)
        told = parse_qs(urlsplit(seen.header("location")).query)
        if seen.status not in (302, 303) or told.get("state") != [state] or "code" not in told:
            raise Refused
        where = await self._endpoint("token_endpoint")
        form = {
            "grant_type": "authorization_code",
            "code": told["code"][0],
            "redirect_uri": self._contract.redirect_uri,
            "code_verifier": verifier,
        }
        return await self._token(where, form | self._proof(where))

    async def ask(
        self,
        question: Question,
        access_token: str,
        *,
        phone_number: str = "",
        extra: Mapping[str, Any] | None = None,
    ) -> Mapping[str, Any]:
        """Ask an API; return its answer. ``phone_number`` is named where it is given."""
        call = CALLS[question]
        url = Url.parse(f"{str(self._contract.api_root).rstrip('/')}/{call.path}")
        body = dict(extra or {})
        if phone_number and call.method != "GET":
            named = {"phoneNumber": phone_number}
            body |= {"device": named} if call.names_device else named
        return await self._json(
            call.method,
            url,
            Leg.API,
            data=None if call.method == "GET" else body,
            access_token=access_token,
        )

    # --- what is sent ---------------------------------------------------------------------------

    @property
    def _issuer(self) -> str:
        return str(self._said["issuer"])

    async def _endpoint(self, name: str) -> Url:
        try:
            return Url.parse((await self.discover())[name])
        except KeyError:
            raise BadAnswer(f"the authorization server has no {name}") from None

    def _scope(self, scopes: tuple[str, ...]) -> str:
        return " ".join((f"dpv:{self._contract.purpose}", *scopes))

    def _claims(self, audience: Url, **more: str) -> dict[str, Any]:
        now = int(self._now())
        return {
            "iss": self._contract.client_id,
            "aud": str(audience),
            "iat": now,
            "exp": now + _LIFE_S,
            "jti": secrets.token_urlsafe(16),
            **more,
        }

    def _proof(self, endpoint: Url) -> dict[str, str]:
        """Return what proves the client (RFC 7523 §2.2)."""
        claims = self._claims(endpoint, sub=self._contract.client_id)
        return {
            "client_id": self._contract.client_id,
            "client_assertion_type": ASSERTION,
            "client_assertion": self._signed(claims),
        }

    def _signed(self, claims: Mapping[str, Any], typ: str = "JWT") -> str:
        headers = {"typ": typ}
        if self._contract.key_id:
            headers["kid"] = self._contract.key_id
        return jwt.encode(dict(claims), self._key, algorithm=self._algorithm, headers=headers)

    def _possession(self, method: str, url: Url, access_token: str) -> str:
        """Return a proof that this process has the key (RFC 9449 §4.2)."""
        public = json.loads(jwt.get_algorithm_by_name("ES256").to_jwk(self._proof_key.public_key()))
        claims = {
            "htm": method,
            "htu": str(url),
            "iat": int(self._now()),
            "jti": secrets.token_urlsafe(16),
        }
        if access_token:
            claims["ath"] = _encode(hashlib.sha256(access_token.encode()).digest())
        headers = {"typ": "dpop+jwt", "jwk": public}
        return jwt.encode(claims, self._proof_key, algorithm="ES256", headers=headers)

    async def _token(self, endpoint: Url, form: Mapping[str, str]) -> str:
        said = await self._json("POST", endpoint, Leg.GRANT, form=form)
        token = said.get("access_token")
        if not (isinstance(token, str) and token):
            raise BadAnswer("the answer holds no access token")
        return token

    async def _json(
        self,
        method: str,
        url: Url,
        leg: Leg,
        *,
        form: Mapping[str, str] | None = None,
        data: Mapping[str, Any] | None = None,
        access_token: str = "",
    ) -> Mapping[str, Any]:
        """Return the members of an answer; raise Refused for another status than 200."""
        seen = await self._send(method, url, leg, form=form, data=data, access_token=access_token)
        if seen.status != 200:
            raise Refused
        try:
            said = json.loads(seen.body)
        except ValueError:
            said = None
        if not isinstance(said, dict):
            raise BadAnswer("the answer is no JSON object")
        return said

    async def _send(
        self,
        method: str,
        url: Url,
        leg: Leg,
        *,
        form: Mapping[str, str] | None = None,
        data: Mapping[str, Any] | None = None,
        access_token: str = "",
    ) -> Exchange:
        body = b""
        headers: list[tuple[str, str]] = [("Accept", _JSON), _AGENT]
        if form is not None:
            headers.append(("Content-Type", _FORM))
            body = urlencode(form).encode()
        elif data is not None:
            headers.append(("Content-Type", _JSON))
            body = json.dumps(data, separators=(",", ":")).encode()
        if access_token:
            headers += [("x-correlator", secrets.token_hex(8))]
        headers += self._authorized(method, url, access_token, asks=form is not None)
        sent: Headers = tuple(headers)
        asked = Exchange(
            leg=leg,
            method=method,
            url=str(url),
            parameters=tuple((form or _flat(data or {})).items()),
            sent=sent,
        )
        client = self._clients.get(url)
        if client is None:
            client = self._clients[url] = HttpClient(url, tls=self._tls, limits=self._limits)
        seen = await exchanged(client, asked, body)
        self.seen.append(seen)
        return seen

    def _authorized(
        self, method: str, url: Url, access_token: str, *, asks: bool
    ) -> list[tuple[str, str]]:
        if not self._contract.dpop:
            return [("Authorization", f"Bearer {access_token}")] if access_token else []
        if not (access_token or asks):
            return []
        proof = [("DPoP", self._possession(method, url, access_token))]
        return [*proof, *([("Authorization", f"DPoP {access_token}")] if access_token else [])]


def _flat(data: Mapping[str, Any]) -> dict[str, str]:
    return {
        name: value if isinstance(value, str) else json.dumps(value) for name, value in data.items()
    }


def _read(pem: bytes) -> tuple[ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, str]:
    key = load_pem_private_key(pem, None)
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key, "ES256"
    if isinstance(key, rsa.RSAPrivateKey):
        return key, "PS256"
    raise ValueError("the key is neither on P-256 nor of RSA")


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
