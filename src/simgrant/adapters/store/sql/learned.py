"""The port ``LearnedRows`` over any ``Engine``: what core networks said when they were asked."""

from __future__ import annotations

from simgrant.adapters.store.sql import statements
from simgrant.adapters.store.sql.engine import Engine
from simgrant.identities import Imsi, Msisdn
from simgrant.ports.network_data import Learned


class SqlLearned:
    """What was learned, in a table (the ``LearnedRows`` port)."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def learned(self, tenant: str, imsi: Imsi) -> Learned | None:
        """Return what was learned, of whatever age."""
        found = await self._engine.read(statements.LEARNED, (tenant, imsi.digits))
        if not found:
            return None
        number, source, at = found[0]
        return Learned(Msisdn(number) if number else None, source, at)

    async def learn(self, tenant: str, imsi: Imsi, learned: Learned) -> None:
        """Keep what was learned, if there is such a subscription."""
        number = learned.msisdn.digits if learned.msisdn else ""
        params = (tenant, imsi.digits, number, learned.source, learned.at)
        await self._engine.write(statements.LEARNED_KEPT, params)
