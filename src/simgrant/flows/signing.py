"""Signs documents with the tenant's newest key, and publishes the keys (RFC 9421, RFC 7517)."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from simgrant.errors import PeerUnavailable
from simgrant.keyring.ring import KeyRing
from simgrant.keyring.signing import Algorithm, SigningKey
from simgrant.ports.clock import Clock
from simgrant.ports.keys import Keys
from simgrant.wire.signature import Signed, push_signature


class Signer:
    """Signs for all tenants; follows the key ring."""

    def __init__(self, algorithm: Algorithm, *, keys: Keys, clock: Clock) -> None:
        self._algorithm = algorithm
        self._keys = keys
        self._clock = clock
        self._ring: KeyRing | None = None
        self._made: dict[str, tuple[SigningKey, ...]] = {}
        """The keys of each tenant, the newest first, as of ``_ring``."""

    def lines(self, tenant: str, signed: Signed) -> bytes:
        """Return the header lines of a signed answer; raise PeerUnavailable without a key."""
        key = self.key(tenant)
        created = int(self._clock.now())
        return push_signature(
            signed, key_id=key.id, algorithm=self._algorithm, created=created, sign=key.sign
        )

    def key(self, tenant: str) -> SigningKey:
        """Return the key that signs now; raise PeerUnavailable without one."""
        keys, now = self._of(tenant), self._clock.now()
        if not keys:
            raise PeerUnavailable("no_signing_key")
        # A ring younger than its activation delay has no active one: then its first.
        return next((each for each in keys if each.active <= now), keys[-1])

    def key_set(self, tenants: Iterable[str]) -> bytes:
        """Return the public keys as a JWKS: all that are on the ring, those to come too."""
        keys = [key.jwk for tenant in tenants for key in self._of(tenant)]
        return msgspec.json.encode({"keys": keys})

    def _of(self, tenant: str) -> tuple[SigningKey, ...]:
        ring = self._keys.ring
        if ring is not self._ring:
            self._ring, self._made = ring, {}
        keys = self._made.get(tenant)
        if keys is None:
            keys = self._made[tenant] = ring.signing_keys(tenant, self._algorithm)
        return keys
