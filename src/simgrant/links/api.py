"""An API in JSON over HTTP: where it is, and how each request proves who we are.

By an access token (OAuth 2.0 client credentials), by a key in a header, by name and password, by
the certificate of the connection, or by several of these at once.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

from simgrant.errors import PeerUnavailable
from simgrant.links.bearer import Bearer, Token, send_as
from simgrant.links.client_auth import ClientProof, Credentials
from simgrant.links.http import HttpConfig, HttpLink, HttpRequest, Repeat, Reply
from simgrant.links.oauth import FORM, granted
from simgrant.links.secret_file import SecretFile, read_text
from simgrant.nouns import named_noun
from simgrant.ports.clock import Clock

_UNAUTHORIZED: Final = 401
_FORBIDDEN: Final = 403
_THROTTLED: Final = 429


@named_noun
class OAuthConfig:
    """Where access tokens come from (RFC 6749 §4.4)."""

    token_url: str
    credentials: Credentials
    scope: str = ""
    """Empty = none is asked for."""


@named_noun
class ApiConfig:
    """One API, or several of one peer's."""

    root: str
    """Scheme, host and port, and what all paths begin with; without a slash at the end."""
    http: HttpConfig
    oauth: OAuthConfig | None = None
    key_header: str = "x-api-key"
    key_file: Path | None = None
    """File with the key for that header; read again when it changes."""
    user: str = ""
    password_file: Path | None = None
    """With ``user``: by name and password (RFC 7617)."""
    headers: Mapping[str, str] = field(default_factory=dict, hash=False)
    """What each request has besides."""


class ApiLink:
    """The API. To be made and used within one event loop."""

    def __init__(self, config: ApiConfig, clock: Clock) -> None:
        """Raise StartRefused where a file is no use."""
        self._config = config
        self._clock = clock
        self._http = HttpLink(config.http, clock)
        self._key = SecretFile(config.key_file, read_text) if config.key_file else None
        self._password = (
            SecretFile(config.password_file, read_text) if config.password_file else None
        )
        self._bearer: Bearer | None = None
        if config.oauth is not None:
            # A link of its own: a token endpoint that is away is no reason to leave the API alone.
            self._tokens = HttpLink(config.http, clock)
            self._proof = ClientProof(config.oauth.credentials, clock)
            self._bearer = Bearer(self._fetch, clock)

    @property
    def peer(self) -> str:
        """Return what the operator calls it, for errors."""
        return self._http.peer

    async def send(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        *,
        headers: Mapping[str, str] | None = None,
        repeat: Repeat = Repeat.NEVER_SENT,
        deadline: float,
    ) -> Reply:
        """Return what is answered to ``path`` (with its query) by ``deadline``.

        Errors: those of `HttpLink.send`; PeerUnavailable where it takes none of our proofs, and
        where it is asked too often. Other answers that say no are answers.
        """
        told = {"accept": "application/json", **self._config.headers, **(headers or {})}
        if body:
            told.setdefault("content-type", "application/json")
        if self._key is not None:
            told[self._config.key_header] = self._key.value()
        if self._password is not None:
            pair = f"{self._config.user}:{self._password.value()}"
            told["authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        url = f"{self._config.root}{path}"

        def request(token: str) -> HttpRequest:
            proof = {"authorization": f"Bearer {token}"} if token else {}
            return HttpRequest(method, url, told | proof, body, repeat)

        if self._bearer is None:
            reply = await self._http.send(request(""), deadline=deadline)
        else:
            reply = await send_as(
                self._bearer,
                self._http,
                request,
                deadline=deadline,
            )
        if reply.status in (_UNAUTHORIZED, _FORBIDDEN):
            raise PeerUnavailable(
                "credentials_refused", for_operator=f"{self.peer}: it answers {reply.status}"
            )
        if reply.status == _THROTTLED:
            wait = reply.retry_after(self._clock.now())
            raise PeerUnavailable(
                "peer_throttles",
                for_operator=f"{self.peer}: it is asked too often",
                retry_after=None if wait is None else math.ceil(wait),
            )
        return reply

    async def close(self) -> None:
        """Let go of every connection."""
        if self._bearer is not None:
            await self._bearer.close()
            await self._tokens.close()
        await self._http.close()

    async def _fetch(self, deadline: float) -> Token:
        oauth = self._config.oauth
        assert oauth is not None  # noqa: S101 - there is a bearer because of it
        form, headers = {"grant_type": "client_credentials"}, dict(FORM)
        if oauth.scope:
            form["scope"] = oauth.scope
        self._proof.prove(form, headers, audience=oauth.token_url)
        request = HttpRequest(
            "POST", oauth.token_url, headers, urlencode(form).encode(), self._proof.repeat
        )
        return granted(await self._tokens.send(request, deadline=deadline), self.peer)
