"""Access tokens that the issuer itself is asked about (OAuth 2.0 Token Introspection, RFC 7662).

For tokens that say nothing, and for issuers that revoke theirs before they end. What was answered
is kept for a short time, and never longer than the token lives; that one is not good is not kept,
since it costs whoever sends it a refusal, and refusals are counted.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
from collections import OrderedDict
from functools import partial
from typing import Any, Final
from urllib.parse import urlencode

from simgrant.errors import BadLentToken, PeerMisbehaved, PeerTimeout, PeerUnavailable
from simgrant.links.client_auth import ClientProof, Credentials
from simgrant.links.http import HttpConfig, HttpLink, HttpRequest, Reply
from simgrant.nouns import named_noun, noun
from simgrant.ports.clock import Clock
from simgrant.ports.issuers import Caller
from simgrant.wire.access_token import Inactive, pull_introspection, scopes_of
from simgrant.wire.jwt import MAX_TEXT, BadJwt

_MOST_KEPT: Final = 10_000
_HEADERS: Final = {
    "accept": "application/json",
    "content-type": "application/x-www-form-urlencoded",
}


@named_noun
class Config:
    """One issuer, and which client of it we are."""

    issuer: str
    """``iss`` that its answers have, if any."""
    audience: str
    """``aud`` that they must have; empty = it is not looked at."""
    scopes: frozenset[str] = frozenset()
    """What its tokens must be good for."""
    url: str
    """Where it is asked."""
    credentials: Credentials
    assertion_audience: str = ""
    """Whom a signed proof of us is for; empty = ``issuer`` (RFC 7523 §3 leaves it open)."""
    cache_s: float = 30.0
    """Seconds for which an answer is kept; 0 = it is asked each time."""
    timeout_s: float = 3.0
    """Seconds that one answer may take."""
    http: HttpConfig = HttpConfig(peer="issuer")


@noun
class _Kept:
    """What was answered of a token."""

    caller: Caller
    until: float
    """Seconds of the monotonic clock."""
    expires: float
    """Unix seconds at which the token ends."""


def open_issuer(config: Config, *, clock: Clock) -> AskedIssuer:
    """Return the issuer; raise StartRefused where a file is no use. Nothing is asked yet."""
    return AskedIssuer(config, clock)


class AskedIssuer:
    """An issuer that says itself which tokens are good (the ``Issuer`` port)."""

    knows_opaque = True

    def __init__(self, config: Config, clock: Clock) -> None:
        self.name = config.issuer
        self._config = config
        self._clock = clock
        self._http = HttpLink(config.http, clock)
        self._proof = ClientProof(config.credentials, clock)
        self._kept: OrderedDict[bytes, _Kept] = OrderedDict()
        self._under_way: dict[bytes, asyncio.Task[Caller]] = {}

    async def caller(self, access_token: str, *, deadline: float) -> Caller:
        """Return whom a token proves (see the port); one request serves all who wait for it."""
        if not (access_token.isascii() and access_token.isprintable()) or (
            len(access_token) > MAX_TEXT
        ):
            # RFC 6749 §A.12: what no issuer can have made is nothing to ask about.
            raise BadLentToken("access_token_bad", for_operator=f"{self.name}: not a token")
        key = hashlib.sha256(access_token.encode()).digest()
        kept = self._kept.get(key)
        if kept is not None and self._is_fresh(kept):
            return kept.caller
        task = self._under_way.get(key)
        if task is None:
            task = asyncio.create_task(self._ask(key, access_token))
            self._under_way[key] = task
            task.add_done_callback(partial(self._ended, key))
        await asyncio.wait({task}, timeout=max(0.0, deadline - self._clock.monotonic()))
        if not task.done():
            raise PeerTimeout(for_operator=f"{self._http.peer}: no answer in time")
        return task.result()

    async def close(self) -> None:
        """Ask no more, and let go of every connection."""
        under_way = tuple(self._under_way.values())
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
        await self._http.close()

    def _ended(self, key: bytes, task: asyncio.Task[Caller]) -> None:
        self._under_way.pop(key, None)
        if not task.cancelled():
            # Whoever wanted to know may have gone; an error that nobody took would be logged.
            task.exception()

    def _is_fresh(self, kept: _Kept) -> bool:
        return self._clock.monotonic() < kept.until and self._clock.now() < kept.expires

    async def _ask(self, key: bytes, access_token: str) -> Caller:
        begun = self._clock.monotonic()
        form = {"token": access_token, "token_type_hint": "access_token"}
        headers = dict(_HEADERS)
        audience = self._config.assertion_audience or self.name
        self._proof.prove(form, headers, audience=audience)
        request = HttpRequest(
            "POST", self._config.url, headers, urlencode(form).encode(), self._proof.repeat
        )
        reply = await self._http.send(request, deadline=begun + self._config.timeout_s)
        caller, expires = self._read(reply)
        self._keep(key, _Kept(caller, begun + self._config.cache_s, expires))
        return caller

    def _read(self, reply: Reply) -> tuple[Caller, float]:
        """Return whom an answer speaks of, and when that ends."""
        config = self._config
        answer = self._answered(reply)
        try:
            client, expires = pull_introspection(
                answer,
                issuer=self.name,
                audience=config.audience,
                scopes=config.scopes,
                now=self._clock.now(),
                life_s=config.cache_s,
            )
        except Inactive:
            raise BadLentToken("access_token_inactive") from None
        except BadJwt as bad:
            raise BadLentToken("access_token_bad", for_operator=f"{self.name}: {bad}") from None
        return Caller(client, scopes_of(answer)), expires

    def _answered(self, reply: Reply) -> dict[str, Any]:
        peer = self._http.peer
        if reply.status in (401, 403):
            raise PeerUnavailable(
                "credentials_refused",
                for_operator=f"{peer}: the issuer does not let us ask as this client",
            )
        if reply.status >= 500 or reply.status == 429:
            pause = reply.retry_after(self._clock.now())
            raise PeerUnavailable(
                for_operator=f"{peer}: introspection answers {reply.status}",
                retry_after=None if pause is None else math.ceil(pause),
            )
        if reply.status != 200:
            raise PeerMisbehaved(for_operator=f"{peer}: introspection answers {reply.status}")
        try:
            return reply.json(dict[str, Any])
        except ValueError:
            raise PeerMisbehaved(for_operator=f"{peer}: introspection gives no JSON") from None

    def _keep(self, key: bytes, kept: _Kept) -> None:
        if not self._config.cache_s:
            return
        self._kept[key] = kept
        self._kept.move_to_end(key)
        while len(self._kept) > _MOST_KEPT:
            self._kept.popitem(last=False)
