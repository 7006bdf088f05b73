"""The port ``PinRows`` over any ``Engine``: what is kept of the PINs of accounts."""

from __future__ import annotations

from simgrant.adapters.store.sql import statements
from simgrant.adapters.store.sql.engine import Engine
from simgrant.errors import Conflict
from simgrant.identities import Imsi
from simgrant.ports.account_pins import KeptPin


class SqlPins:
    """PINs in a table (the ``PinRows`` port)."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def set(self, tenant: str, imsi: Imsi, digest: bytes | None, *, at: int) -> None:
        """Keep a digest, None = there is no PIN any more; the count of tries begins anew."""
        key = (tenant, imsi.digits)
        if digest is None:
            await self._engine.write(statements.PIN_FORGOTTEN, key)
        elif not await self._engine.write(statements.PIN_SET, (*key, digest, at)):
            raise Conflict("no_subscription", for_operator="it is gone")

    async def find(self, tenant: str, imsi: Imsi) -> KeptPin | None:
        """Return what is kept, None where nothing is."""
        found = await self._engine.read(statements.PIN, (tenant, imsi.digits))
        return KeptPin(*found[0]) if found else None

    async def take_try(
        self, tenant: str, imsi: Imsi, *, at: int, most: int, since: int
    ) -> bytes | None:
        """Count a try and return the digest; None where there is none, or no try is left."""
        params = (tenant, imsi.digits, at, most, since)
        found = await self._engine.write(statements.PIN_TRIED, params)
        return bytes(found[0][0]) if found else None

    async def was_right(self, tenant: str, imsi: Imsi, digest: bytes) -> None:
        """Set the count back, if this still is the digest."""
        await self._engine.write(statements.PIN_RIGHT, (tenant, imsi.digits, digest))
