"""PINs of accounts in our own store, as scrypt digests (RFC 7914).

A PIN of few digits is found by trying them all, whatever it is hashed with, by whoever has the
table. So what is hashed is not the PIN but what the key ring makes of it and of the subscription:
the table alone is of no use.
"""

from __future__ import annotations

import asyncio
import os
import re

from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from simgrant.identities import Imsi
from simgrant.nouns import noun
from simgrant.ports.account_pins import PIN_FORMAT, PinRows, PinState
from simgrant.ports.keys import Keys

_looks_right = re.compile(PIN_FORMAT.rstrip("$")).fullmatch
_SALT_BYTES = 16
_KEY_BYTES = 32
_VERSION = b"\x01"
_AT_ONCE = 2
"""Digests take 16 MiB and tenths of a second each."""


class NoPin(ValueError):
    """It does not look like a PIN."""


@noun
class Config:
    """How often a PIN may be tried."""

    tries: int = 5
    lock_s: int = 86_400
    """Seconds from the last try until there are as many again."""
    cost: int = 2**14
    """``N`` of scrypt (RFC 7914 §2), for as long as any digest is kept."""


class EmbeddedPins:
    """PINs in our own store (the ``AccountPins`` port)."""

    def __init__(self, config: Config, *, rows: PinRows, keys: Keys) -> None:
        self._config = config
        self._rows = rows
        self._keys = keys
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def set(self, tenant: str, imsi: Imsi, pin: str | None, *, at: int) -> None:
        """Keep a PIN, None = there is none any more. Raise `NoPin`, and Conflict as the rows do."""
        if pin is None:
            await self._rows.set(tenant, imsi, None, at=at)
            return
        if not _looks_right(pin):
            raise NoPin("a PIN has 4 to 12 digits")
        salt = os.urandom(_SALT_BYTES)
        material = self._material(tenant, imsi, pin)
        key = await asyncio.to_thread(lambda: self._scrypt(salt).derive(material))
        await self._rows.set(tenant, imsi, _VERSION + salt + key, at=at)

    async def state(self, tenant: str, imsi: Imsi, *, at: int) -> PinState:
        """Return whether a PIN may be asked for."""
        kept = await self._rows.find(tenant, imsi)
        if kept is None:
            return PinState.NOT_SET
        used_up = kept.tries >= self._config.tries
        return PinState.LOCKED if used_up and kept.tried_at > self._since(at) else PinState.OPEN

    async def judge(self, tenant: str, imsi: Imsi, pin: str, *, at: int) -> PinState:
        """Return what becomes of a try; what does not look like a PIN is none."""
        if not _looks_right(pin):
            return PinState.WRONG
        async with self._turns:
            digest = await self._rows.take_try(
                tenant, imsi, at=at, most=self._config.tries, since=self._since(at)
            )
            if digest is None:
                return await self.state(tenant, imsi, at=at)
            salt, key = digest[1 : 1 + _SALT_BYTES], digest[1 + _SALT_BYTES :]
            material = self._material(tenant, imsi, pin)
            try:
                await asyncio.to_thread(lambda: self._scrypt(salt).verify(material, key))
            except InvalidKey:
                return PinState.WRONG
        await self._rows.was_right(tenant, imsi, digest)
        return PinState.RIGHT

    def _since(self, at: int) -> int:
        return at - self._config.lock_s

    def _material(self, tenant: str, imsi: Imsi, pin: str) -> bytes:
        return self._keys.ring.derive(tenant, "account-pin", f"{imsi.digits}|{pin}", _KEY_BYTES)

    def _scrypt(self, salt: bytes) -> Scrypt:
        return Scrypt(salt=salt, length=_KEY_BYTES, n=self._config.cost, r=8, p=5)


def open_pins(config: Config, *, rows: PinRows, keys: Keys) -> EmbeddedPins:
    """Return the adapter."""
    return EmbeddedPins(config, rows=rows, keys=keys)
