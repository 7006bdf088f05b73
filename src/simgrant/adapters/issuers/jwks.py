"""Access tokens that are JWTs, checked with the issuer's JWK Set (TS.43 §2.8.3, RFC 9068).

The file is read again when it changed: at the latest ``poll_s`` after, and at once where a token
is signed by a key that is not in it, which is how a rotation shows first. A file that cannot be
read leaves the keys as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from simgrant.errors import BadLentToken, StartRefused
from simgrant.nouns import noun
from simgrant.ports.clock import Clock
from simgrant.ports.issuers import Caller
from simgrant.wire.jwt import SIGNED, BadJwt, Keys, Wanted, issuer_of, pull_jwt, pull_keys

_MOST_BYTES = 1 << 20


@noun
class Config:
    """One issuer."""

    issuer: str
    """``iss`` of its tokens."""
    audience: str
    """``aud`` that they must have."""
    jwks: Path
    """Its JWK Set."""
    tenants: frozenset[str] = frozenset()
    """The tenants that trust it; empty = all."""
    poll_s: float = 5.0


class _Issuer:
    """An issuer and the keys it has now."""

    def __init__(self, config: Config, clock: Clock) -> None:
        self.config = config
        self._clock = clock
        self._stamp: tuple[int, int] | None = None
        self._looked = clock.monotonic()
        try:
            self._keys = self._read()
        except (OSError, ValueError) as error:
            raise StartRefused(f"issuer {config.issuer}: {config.jwks}: {error}") from None

    def caller(self, access_token: str) -> Caller:
        """Return whom a token proves; raise `BadLentToken`."""
        if self._clock.monotonic() - self._looked >= self.config.poll_s:
            self._renew()
        try:
            return self._checked(access_token)
        except BadJwt:
            if not self._renew():
                raise BadLentToken("access_token_bad") from None
        try:
            return self._checked(access_token)
        except BadJwt:
            raise BadLentToken("access_token_bad") from None

    def _checked(self, access_token: str) -> Caller:
        wanted = Wanted(frozenset((self.config.issuer,)), self.config.audience)
        now = self._clock.now()
        claims = pull_jwt(access_token, self._keys, wanted, algorithms=SIGNED, now=now)
        # RFC 9068 §2.2, and what is older than that.
        for name in ("client_id", "azp", "sub"):
            value = claims.get(name)
            if isinstance(value, str) and value:
                return Caller(value)
        raise BadJwt("of no client")

    def _renew(self) -> bool:
        """Read the file if it is another one than before; say whether it was."""
        self._looked = self._clock.monotonic()
        before = self._stamp
        try:
            self._keys = self._read()
        except (OSError, ValueError):
            return False
        return self._stamp != before

    def _read(self) -> Keys:
        stat = self.config.jwks.stat()
        stamp = (stat.st_mtime_ns, stat.st_size)
        if stamp == self._stamp:
            return self._keys
        if stat.st_size > _MOST_BYTES:
            raise ValueError("larger than any JWK Set")
        self._keys = pull_keys(self.config.jwks.read_text("utf-8"))
        self._stamp = stamp
        return self._keys


class JwksIssuers:
    """The issuers of all tenants (the ``Issuers`` port)."""

    def __init__(self, configs: Iterable[Config], *, clock: Clock) -> None:
        self._issuers: Mapping[str, _Issuer] = {
            config.issuer: _Issuer(config, clock) for config in configs
        }

    def trusted(self, tenant: str) -> bool:
        """Say whether the tenant trusts any."""
        return any(_trusts(tenant, issuer) for issuer in self._issuers.values())

    async def caller(self, tenant: str, access_token: str, *, deadline: float) -> Caller | None:
        """Return whom a token proves."""
        del deadline  # Nobody is asked: the keys are here.
        issuer = self._issuers.get(issuer_of(access_token))
        if issuer is None or not _trusts(tenant, issuer):
            return None
        return issuer.caller(access_token)


def _trusts(tenant: str, issuer: _Issuer) -> bool:
    return not issuer.config.tenants or tenant in issuer.config.tenants


def open_issuers(configs: Iterable[Config], *, clock: Clock) -> JwksIssuers:
    """Read every issuer's keys; raise StartRefused."""
    return JwksIssuers(configs, clock=clock)
