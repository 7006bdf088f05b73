"""The port ``LearnedRows`` over any ``Engine``: what core networks said when they were asked."""

from __future__ import annotations

from collections.abc import Mapping

from simgrant.adapters.store.sql import statements
from simgrant.adapters.store.sql.engine import Body, Engine, Run
from simgrant.domain.network_facts import Kind, Learned
from simgrant.identities import Imsi


class SqlLearned:
    """What was learned, in a table (the ``LearnedRows`` port)."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def learned(self, tenant: str, imsi: Imsi) -> Mapping[Kind, Learned]:
        """Return what was learned, of whatever age."""
        found = await self._engine.read(statements.LEARNED, (tenant, imsi.digits))
        return {Kind(kind): Learned(*rest) for kind, *rest in found}

    async def learn(self, tenant: str, imsi: Imsi, learned: Mapping[Kind, Learned]) -> None:
        """Keep what was learned, if there is such a subscription."""

        def body() -> Body[None]:
            for kind, each in sorted(learned.items()):
                own = (kind.value, each.value, each.source, each.at, each.asked_at)
                yield Run(statements.LEARNED_KEPT, (tenant, imsi.digits, *own))

        await self._engine.transact(body)
