"""Plans that a BSS sells, looked up now and then, for whoever chooses one with an eSIM.

What was found holds while the BSS is away, since a catalogue changes seldom and a device that
chooses would have to wait for it. Until it was asked for the first time there are the plans of the
settings alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Final

import structlog

from simgrant.domain.plan_offer import PlanOffer
from simgrant.flows.esim_means import Esim
from simgrant.flows.for_ever import Pace, keep_looking
from simgrant.nouns import replace
from simgrant.ports.clock import Clock
from simgrant.ports.plan_offers import PlanOffers

_PATIENCE_S: Final = 10.0
_AFTER_FAILURE_S: Final = 30.0


class PlansOnSale(Mapping[str, Esim]):
    """What each tenant offers of eSIMs at this moment, by its name. To be run."""

    def __init__(
        self,
        esims: Mapping[str, Esim],
        sources: Mapping[str, PlanOffers],
        *,
        takers: Mapping[str, frozenset[str]],
        every_s: Mapping[str, float],
        clock: Clock,
    ) -> None:
        """``esims`` is what the settings offer; ``takers`` are the applications (AppID) of each
        tenant that offer the plans of its BSS besides."""
        self._settings = esims
        self._now = dict(esims)
        self._sources = {tenant: sources[tenant] for tenant in takers if tenant in sources}
        self._takers = takers
        self._every_s = every_s
        self._clock = clock
        self._said: dict[str, int] = {}

    def __getitem__(self, tenant: str) -> Esim:
        return self._now[tenant]

    def __iter__(self) -> Iterator[str]:
        return iter(self._now)

    def __len__(self) -> int:
        return len(self._now)

    async def run(self) -> None:
        """Look plans up until cancelled; then let go of every connection."""
        try:
            async with asyncio.TaskGroup() as group:
                for tenant in self._sources:
                    group.create_task(
                        keep_looking(
                            partial(self.look, tenant),
                            Pace(every_s=self._every_s[tenant], away_s=_AFTER_FAILURE_S),
                            failed="plan_offers",
                            again="plan_offers_again",
                            tenant=tenant,
                            at_once=True,
                        )
                    )
        finally:
            for source in {*self._sources.values()}:
                await source.close()

    async def look(self, tenant: str) -> None:
        """Look the plans of one tenant up; raise PeerUnavailable where its BSS is away."""
        deadline = self._clock.monotonic() + _PATIENCE_S
        found = await self._sources[tenant].offers(deadline=deadline)
        self._sell(tenant, found)
        if self._said.get(tenant) != len(found):
            self._said[tenant] = len(found)
            structlog.get_logger().info("plan_offers", tenant=tenant, plans=len(found))

    def _sell(self, tenant: str, found: Sequence[PlanOffer]) -> None:
        esim = self._settings[tenant]
        lines = dict(esim.lines)
        for app_id in self._takers[tenant] & lines.keys():
            line = lines[app_id]
            named = {offer.plan_id for offer in line.plans}
            more = tuple(offer for offer in found if offer.plan_id not in named)
            lines[app_id] = replace(line, plans=(*line.plans, *more))
        self._now[tenant] = replace(esim, lines=lines)
