"""An OpenID provider, found by its discovery document (OpenID Connect Core and Discovery 1.0).

Authorization code flow with PKCE (RFC 7636) for a confidential client: by secret, in the header or
the form, or by a JWT that it signs (RFC 7523). The provider's keys are kept and looked for again
where a token is signed by another; a code is sent once, whatever becomes of it.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import msgspec

from simgrant.errors import PeerMisbehaved, PeerUnavailable, Unauthenticated
from simgrant.links.client_auth import ClientProof, Credentials
from simgrant.links.fetched import Fetched, FetchRules
from simgrant.links.http import HttpConfig, HttpLink, HttpRequest, Reply, read_json
from simgrant.nouns import named_noun
from simgrant.ports.clock import Clock
from simgrant.ports.identity_provider import Attempt, Person
from simgrant.wire.id_token import BadIdToken, Expected, pull_id_token
from simgrant.wire.jwt import Keys, pull_keys

_WELL_KNOWN: Final = "/.well-known/openid-configuration"
_JSON: Final = {"accept": "application/json"}
_FORM: Final = _JSON | {"content-type": "application/x-www-form-urlencoded"}


@named_noun
class Config:
    """One provider, and which client of it we are."""

    issuer: str
    credentials: Credentials
    redirect_uri: str
    scopes: tuple[str, ...] = ("openid",)
    algorithms: tuple[str, ...] = ("RS256", "ES256")
    """What may sign ID tokens."""
    skew_s: int = 30
    http: HttpConfig = HttpConfig(peer="identity provider")
    rules: FetchRules = FetchRules()


class _Metadata(msgspec.Struct, frozen=True):
    """What we need of a discovery document."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str = ""
    authorization_response_iss_parameter_supported: bool = False


class _Tokens(msgspec.Struct, frozen=True):
    id_token: str
    access_token: str = ""

    def __repr__(self) -> str:
        return "_Tokens(…)"


class _Failure(msgspec.Struct, frozen=True):
    error: str = ""


def open_provider(config: Config, *, clock: Clock) -> OidcProvider:
    """Return the provider; raise StartRefused where the secret's file is no use.

    Nothing is asked yet: a provider that is away must not keep the server from starting.
    """
    return OidcProvider(config, clock)


class OidcProvider:
    """One provider (the ``IdentityProvider`` port)."""

    def __init__(self, config: Config, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self._http = HttpLink(config.http, clock)
        self._metadata = Fetched(self._http, self._read_metadata, clock, config.rules)
        self._keys = Fetched(self._http, pull_keys, clock, config.rules)
        self._proof = ClientProof(config.credentials, clock)

    async def authorization_url(
        self, attempt: Attempt, *, languages: tuple[str, ...], deadline: float
    ) -> str:
        """Return where a person signs in (see the port)."""
        found = await self._found(deadline)
        challenge = sha256(attempt.verifier.encode()).digest()
        query = {
            "response_type": "code",
            "scope": " ".join(self._config.scopes),
            "client_id": self._config.credentials.client_id,
            "redirect_uri": self._config.redirect_uri,
            "state": attempt.state,
            "nonce": attempt.nonce,
            "code_challenge": base64.urlsafe_b64encode(challenge).decode().rstrip("="),
            "code_challenge_method": "S256",
        }
        if languages:
            query["ui_locales"] = " ".join(languages)
        endpoint = found.authorization_endpoint
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(query)}"

    async def identify(
        self, code: str, attempt: Attempt, *, issuer: str, wanted: frozenset[str], deadline: float
    ) -> Person:
        """Return who signed in (see the port)."""
        found = await self._found(deadline)
        if issuer != found.issuer and (
            issuer or found.authorization_response_iss_parameter_supported
        ):
            raise Unauthenticated("callback_of_another_issuer")
        tokens = await self._exchanged(code, attempt, found, deadline)
        claims = await self._believed(tokens, attempt, found, deadline)
        complete = wanted <= claims.keys()
        if not complete and found.userinfo_endpoint and tokens.access_token:
            told = await self._userinfo(found.userinfo_endpoint, tokens.access_token, deadline)
            if told.get("sub") != claims["sub"]:
                # OpenID Connect Core §5.3.2: claims about somebody else.
                raise Unauthenticated("userinfo_of_another_subject")
            claims = {**told, **claims}
        return Person(claims)

    async def close(self) -> None:
        """Let go of every connection."""
        await self._metadata.close()
        await self._keys.close()
        await self._http.close()

    async def _found(self, deadline: float) -> _Metadata:
        url = self._config.issuer.rstrip("/") + _WELL_KNOWN
        return await self._metadata.current(url, deadline=deadline)

    def _read_metadata(self, data: bytes) -> _Metadata:
        found = read_json(data, _Metadata)
        if found.issuer != self._config.issuer:
            raise ValueError("the discovery document is of another issuer")
        allowed = ("https", "http") if self._config.http.plain else ("https",)
        endpoints = [found.authorization_endpoint, found.token_endpoint, found.jwks_uri]
        for url in [*endpoints, *filter(None, (found.userinfo_endpoint,))]:
            parts = urlsplit(url)
            if parts.scheme not in allowed or not parts.hostname or parts.fragment:
                raise ValueError("the discovery document has an address that is no use")
            if not url.isascii() or not url.isprintable() or " " in url:
                raise ValueError("the discovery document has an address that is none")
        return found

    async def _exchanged(
        self, code: str, attempt: Attempt, found: _Metadata, deadline: float
    ) -> _Tokens:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._config.redirect_uri,
            "code_verifier": attempt.verifier,
        }
        headers = dict(_FORM)
        self._proof.prove(form, headers, audience=found.token_endpoint)
        request = HttpRequest("POST", found.token_endpoint, headers, urlencode(form).encode())
        reply = await self._http.send(request, deadline=deadline)
        if reply.status == 200:
            try:
                return reply.json(_Tokens)
            except ValueError:
                raise self._misbehaved("the token endpoint gives no ID token") from None
        error = _error(reply)
        if reply.status == 400 and error == "invalid_grant":
            raise Unauthenticated("code_refused")
        if reply.status == 401 or error in ("invalid_client", "unauthorized_client"):
            raise PeerUnavailable(
                "credentials_refused",
                for_operator=f"{self._http.peer}: the provider does not know us as this client",
            )
        if reply.status >= 500 or reply.status == 429:
            raise PeerUnavailable(
                for_operator=f"{self._http.peer}: the token endpoint answers {reply.status}"
            )
        raise self._misbehaved(f"the token endpoint answers {reply.status}")

    async def _believed(
        self, tokens: _Tokens, attempt: Attempt, found: _Metadata, deadline: float
    ) -> Mapping[str, Any]:
        """Return the claims of an ID token; a key that is not known may be a new one."""
        try:
            try:
                return self._checked(tokens, attempt, await self._current_keys(found, deadline))
            except BadIdToken as bad:
                if bad.reason != "id_token_signature":
                    raise
                if not await self._keys.look_again(deadline=deadline):
                    raise
            return self._checked(tokens, attempt, await self._current_keys(found, deadline))
        except BadIdToken as bad:
            raise Unauthenticated(bad.reason) from None

    async def _current_keys(self, found: _Metadata, deadline: float) -> Keys:
        return await self._keys.current(found.jwks_uri, deadline=deadline)

    def _checked(self, tokens: _Tokens, attempt: Attempt, keys: Keys) -> Mapping[str, Any]:
        expected = Expected(
            issuer=self._config.issuer,
            client_id=self._config.credentials.client_id,
            nonce=attempt.nonce,
            access_token=tokens.access_token,
            algorithms=self._config.algorithms,
            skew_s=self._config.skew_s,
        )
        return pull_id_token(tokens.id_token, keys, expected, now=self._clock.now())

    async def _userinfo(self, url: str, access_token: str, deadline: float) -> dict[str, Any]:
        headers = _JSON | {"authorization": f"Bearer {access_token}"}
        reply = await self._http.send(HttpRequest("GET", url, headers), deadline=deadline)
        if reply.status >= 500 or reply.status == 429:
            raise PeerUnavailable(for_operator=f"{self._http.peer}: userinfo: {reply.status}")
        try:
            if reply.status != 200:
                raise ValueError
            return reply.json(dict[str, Any])
        except ValueError:
            raise self._misbehaved("userinfo gives no claims in JSON") from None

    def _misbehaved(self, what: str) -> PeerMisbehaved:
        return PeerMisbehaved("provider_misbehaved", for_operator=f"{self._http.peer}: {what}")


def _error(reply: Reply) -> str:
    try:
        return reply.json(_Failure).error
    except ValueError:
        return ""
