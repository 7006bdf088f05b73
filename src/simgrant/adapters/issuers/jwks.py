"""Access tokens that are JWTs, checked with the issuer's JWK Set (TS.43 §2.8.3, RFC 9068).

The set is a file, or comes from an address. Either is looked at again from time to time, and where
a token is signed by a key that is not in it, which is how a rotation shows first; an address not
more often than every few seconds, or whoever sends rubbish would decide how often we ask. A set
that cannot be read leaves the keys as they are; those of an address for a bounded time.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, Protocol

from simgrant.errors import BadLentToken, StartRefused
from simgrant.links.fetched import Fetched, FetchRules
from simgrant.links.http import HttpConfig, HttpLink
from simgrant.nouns import named_noun, replace
from simgrant.ports.clock import Clock
from simgrant.ports.issuers import Caller
from simgrant.wire.access_token import client_of, scopes_of
from simgrant.wire.jwt import SIGNED, BadJwt, Keys, NotSigned, Wanted, pull_jwt, pull_keys

_MOST_BYTES: Final = 256 * 1024


@named_noun
class Config:
    """One issuer."""

    issuer: str
    """``iss`` of its tokens."""
    audience: str
    """``aud`` that they must have."""
    scopes: frozenset[str] = frozenset()
    """What they must be good for."""
    jwks: Path | str
    """Its JWK Set: a file, or an address."""
    http: HttpConfig = HttpConfig(peer="issuer")
    """How an address is reached."""
    rules: FetchRules = FetchRules()
    """How often an address is asked, and a file is looked at (``gap_s``)."""


class _Source(Protocol):
    """Where the keys of an issuer come from."""

    async def current(self, *, deadline: float) -> Keys:
        """Return the keys; an error of the peer where there are none to go by."""

    async def look_again(self, *, deadline: float) -> bool:
        """Look for newer ones now, if that is due; say whether there were any."""

    async def close(self) -> None:
        """Look no more."""


class _File:
    """Keys in a file."""

    def __init__(self, config: Config, path: Path, clock: Clock) -> None:
        self._path = path
        self._poll_s = config.rules.gap_s
        self._clock = clock
        self._stamp: tuple[int, int] | None = None
        self._looked = clock.monotonic()
        try:
            self._keys = self._read()
        except (OSError, ValueError) as error:
            raise StartRefused(f"issuer {config.issuer}: {path}: {error}") from None

    async def current(self, *, deadline: float) -> Keys:
        """Return the keys as of a few seconds ago at most."""
        if self._clock.monotonic() - self._looked >= self._poll_s:
            await self.look_again(deadline=deadline)
        return self._keys

    async def look_again(self, *, deadline: float) -> bool:
        """Read the file if it is another one than before."""
        del deadline
        self._looked = self._clock.monotonic()
        before = self._stamp
        try:
            self._keys = self._read()
        except (OSError, ValueError):
            return False
        return self._stamp != before

    async def close(self) -> None:
        """Do nothing: no file is kept open."""

    def _read(self) -> Keys:
        stat = self._path.stat()
        stamp = (stat.st_mtime_ns, stat.st_size)
        if stamp == self._stamp:
            return self._keys
        if stat.st_size > _MOST_BYTES:
            raise ValueError("larger than any JWK Set")
        self._keys = pull_keys(self._path.read_bytes())
        self._stamp = stamp
        return self._keys


class _Address:
    """Keys at an address."""

    def __init__(self, config: Config, url: str, clock: Clock) -> None:
        self._url = url
        self._http = HttpLink(replace(config.http, most_bytes=_MOST_BYTES), clock)
        self._keys = Fetched(self._http, pull_keys, clock, config.rules)

    async def current(self, *, deadline: float) -> Keys:
        return await self._keys.current(self._url, deadline=deadline)

    async def look_again(self, *, deadline: float) -> bool:
        return await self._keys.look_again(deadline=deadline)

    async def close(self) -> None:
        await self._keys.close()
        await self._http.close()


def open_issuer(config: Config, *, clock: Clock) -> JwksIssuer:
    """Return the issuer; raise StartRefused where its file, or a file of the link's, is no use.

    An address is not asked yet: an issuer that is away must not keep the server from starting.
    """
    if isinstance(config.jwks, Path):
        return JwksIssuer(config, _File(config, config.jwks, clock), clock)
    return JwksIssuer(config, _Address(config, config.jwks, clock), clock)


class JwksIssuer:
    """An issuer whose tokens say everything themselves (the ``Issuer`` port)."""

    knows_opaque = False

    def __init__(self, config: Config, source: _Source, clock: Clock) -> None:
        self.name = config.issuer
        self._scopes = config.scopes
        self._source = source
        self._clock = clock
        self._wanted = Wanted(frozenset((config.issuer,)), config.audience)

    async def caller(self, access_token: str, *, deadline: float) -> Caller:
        """Return whom a token proves (see the port)."""
        try:
            try:
                return self._checked(access_token, await self._source.current(deadline=deadline))
            except NotSigned:
                if not await self._source.look_again(deadline=deadline):
                    raise
            return self._checked(access_token, await self._source.current(deadline=deadline))
        except BadJwt as bad:
            raise BadLentToken("access_token_bad", for_operator=f"{self.name}: {bad}") from None

    async def close(self) -> None:
        """Look at no keys any more."""
        await self._source.close()

    def _checked(self, access_token: str, keys: Keys) -> Caller:
        now = self._clock.now()
        claims = pull_jwt(access_token, keys, self._wanted, algorithms=SIGNED, now=now)
        return Caller(client_of(claims, self._scopes), scopes_of(claims))
