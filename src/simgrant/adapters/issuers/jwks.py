"""Access tokens that are JWTs, checked with the issuer's JWK Set (TS.43 §2.8.3, RFC 9068).

The set is a file, or comes from an address. Either is looked at again from time to time, and where
a token is signed by a key that is not in it, which is how a rotation shows first; an address not
more often than every few seconds, or whoever sends rubbish would decide how often we ask. A set
that cannot be read leaves the keys as they are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import Protocol, TypeAlias

from simgrant.errors import BadLentToken, EcsError, PeerTimeout, PeerUnavailable, StartRefused
from simgrant.nouns import noun
from simgrant.ports.clock import Clock
from simgrant.ports.issuers import Caller
from simgrant.wire.jwt import SIGNED, BadJwt, Keys, Wanted, issuer_of, pull_jwt, pull_keys

_MOST_BYTES = 1 << 20

Fetch: TypeAlias = Callable[[str, float], Awaitable[bytes]]
"""Returns what is at an address, by a deadline of the monotonic clock; raises an `EcsError`."""


@noun
class Config:
    """One issuer."""

    issuer: str
    """``iss`` of its tokens."""
    audience: str
    """``aud`` that they must have."""
    jwks: Path | str
    """Its JWK Set: a file, or an address."""
    tenants: frozenset[str] = frozenset()
    """The tenants that trust it; empty = all."""
    poll_s: float = 5.0
    """Seconds between two looks at a file, and at least between two at an address."""
    keep_s: float = 300.0
    """Seconds after which an address is asked again, while tokens are checked with what we have."""
    fetch_s: float = 3.0
    """Seconds that an address may take."""


class _Source(Protocol):
    """Where the keys of an issuer come from."""

    async def current(self, *, deadline: float) -> Keys:
        """Return the keys; PeerUnavailable if there never were any."""

    async def look_again(self, *, deadline: float) -> bool:
        """Look for newer ones now, if that is due; say whether there were any."""


class _File:
    """Keys in a file."""

    def __init__(self, config: Config, path: Path, clock: Clock) -> None:
        self._path = path
        self._poll_s = config.poll_s
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

    def _read(self) -> Keys:
        stat = self._path.stat()
        stamp = (stat.st_mtime_ns, stat.st_size)
        if stamp == self._stamp:
            return self._keys
        if stat.st_size > _MOST_BYTES:
            raise ValueError("larger than any JWK Set")
        self._keys = pull_keys(self._path.read_text("utf-8"))
        self._stamp = stamp
        return self._keys


class _Address:
    """Keys at an address, asked for by one at a time for all who wait."""

    def __init__(self, config: Config, address: str, fetch: Fetch, clock: Clock) -> None:
        self._config = config
        self._address = address
        self._fetch = fetch
        self._clock = clock
        self._text = b""
        self._keys: Keys | None = None
        self._asked = -float("inf")
        self._under_way: asyncio.Task[bool] | None = None

    async def current(self, *, deadline: float) -> Keys:
        """Return the keys we have, while newer ones are asked for if they are old."""
        if self._keys is None:
            await self._awaited(deadline)
        elif self._clock.monotonic() - self._asked >= self._config.keep_s:
            self._ask()
        if self._keys is None:
            raise PeerUnavailable("issuer_unavailable")
        return self._keys

    async def look_again(self, *, deadline: float) -> bool:
        """Ask for newer ones, if nobody did so just now."""
        return await self._awaited(deadline)

    async def _awaited(self, deadline: float) -> bool:
        task = self._ask()
        if task is None:
            return False
        try:
            async with asyncio.timeout(max(0.0, deadline - self._clock.monotonic())):
                return await asyncio.shield(task)
        except TimeoutError:
            raise PeerTimeout("issuer_timeout") from None

    def _ask(self) -> asyncio.Task[bool] | None:
        """Return the one request under way, or begin one if it is due."""
        if self._under_way is None:
            now = self._clock.monotonic()
            if now - self._asked < self._config.poll_s:
                return None
            self._asked = now
            self._under_way = asyncio.create_task(self._renewed(now + self._config.fetch_s))
            self._under_way.add_done_callback(self._is_over)
        return self._under_way

    def _is_over(self, _task: asyncio.Task[bool]) -> None:
        self._under_way = None

    async def _renewed(self, deadline: float) -> bool:
        try:
            async with asyncio.timeout(self._config.fetch_s):
                text = await self._fetch(self._address, deadline)
            if text == self._text or len(text) > _MOST_BYTES:
                return False
            self._keys = pull_keys(text.decode())
        except (EcsError, TimeoutError, ValueError):
            return False
        self._text = text
        return True


class _Issuer:
    """An issuer and where its keys come from."""

    def __init__(self, config: Config, source: _Source, clock: Clock) -> None:
        self.config = config
        self._source = source
        self._clock = clock
        self._wanted = Wanted(frozenset((config.issuer,)), config.audience)

    async def caller(self, access_token: str, *, deadline: float) -> Caller:
        """Return whom a token proves; raise `BadLentToken`."""
        try:
            return self._checked(access_token, await self._source.current(deadline=deadline))
        except BadJwt:
            if not await self._source.look_again(deadline=deadline):
                raise BadLentToken("access_token_bad") from None
        try:
            return self._checked(access_token, await self._source.current(deadline=deadline))
        except BadJwt:
            raise BadLentToken("access_token_bad") from None

    def _checked(self, access_token: str, keys: Keys) -> Caller:
        now = self._clock.now()
        claims = pull_jwt(access_token, keys, self._wanted, algorithms=SIGNED, now=now)
        # RFC 9068 §2.2, and what is older than that.
        for name in ("client_id", "azp", "sub"):
            value = claims.get(name)
            if isinstance(value, str) and value:
                return Caller(value)
        raise BadJwt("of no client")


class JwksIssuers:
    """The issuers of all tenants (the ``Issuers`` port)."""

    def __init__(self, issuers: Mapping[str, _Issuer]) -> None:
        self._issuers = issuers

    def trusted(self, tenant: str) -> bool:
        """Say whether the tenant trusts any."""
        return any(_trusts(tenant, issuer) for issuer in self._issuers.values())

    async def caller(self, tenant: str, access_token: str, *, deadline: float) -> Caller | None:
        """Return whom a token proves."""
        issuer = self._issuers.get(issuer_of(access_token))
        if issuer is None or not _trusts(tenant, issuer):
            return None
        return await issuer.caller(access_token, deadline=deadline)


def _trusts(tenant: str, issuer: _Issuer) -> bool:
    return not issuer.config.tenants or tenant in issuer.config.tenants


def open_issuers(
    configs: Iterable[Config], *, clock: Clock, fetch: Fetch | None = None
) -> JwksIssuers:
    """Read the keys that are in files; raise StartRefused.

    ``fetch`` is for those at an address.
    """
    made: dict[str, _Issuer] = {}
    for config in configs:
        source: _Source
        if isinstance(config.jwks, Path):
            source = _File(config, config.jwks, clock)
        elif fetch is None:
            raise StartRefused(f"issuer {config.issuer}: its JWK Set must be a file")
        else:
            source = _Address(config, config.jwks, fetch, clock)
        made[config.issuer] = _Issuer(config, source, clock)
    return JwksIssuers(made)
