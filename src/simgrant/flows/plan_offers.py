"""Plans that a BSS sells, looked up now and then, for whoever chooses one with an eSIM.

What was found holds while the BSS is away, since a catalogue changes seldom and a device that
chooses would have to wait for it. Until it was asked for the first time there are the plans of the
settings alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

import structlog

from simgrant.domain.plan_offer import PlanOffer
from simgrant.errors import EcsError
from simgrant.flows.esim_means import Esim
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
        chance: Callable[[], float],
    ) -> None:
        """``esims`` is what the settings offer; ``takers`` are the applications (AppID) of each
        tenant that offer the plans of its BSS besides."""
        self._settings = esims
        self._now = dict(esims)
        self._sources = {tenant: sources[tenant] for tenant in takers if tenant in sources}
        self._takers = takers
        self._every_s = every_s
        self._clock = clock
        self._chance = chance
        self._said: dict[str, tuple[int, str]] = {}

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
                    group.create_task(self._keep(tenant))
        finally:
            for source in {*self._sources.values()}:
                await source.close()

    async def look(self, tenant: str) -> bool:
        """Look the plans of one tenant up; say whether they are known anew."""
        deadline = self._clock.monotonic() + _PATIENCE_S
        try:
            found = await self._sources[tenant].offers(deadline=deadline)
        except EcsError as error:
            self._say(tenant, -1, error.for_operator or error.reason)
            return False
        self._sell(tenant, found)
        self._say(tenant, len(found), "")
        return True

    async def _keep(self, tenant: str) -> None:
        while True:
            known = await self.look(tenant)
            pause = self._every_s[tenant] if known else _AFTER_FAILURE_S
            await asyncio.sleep(pause * (0.8 + 0.4 * self._chance()))

    def _sell(self, tenant: str, found: Sequence[PlanOffer]) -> None:
        esim = self._settings[tenant]
        lines = dict(esim.lines)
        for app_id in self._takers[tenant] & lines.keys():
            line = lines[app_id]
            named = {offer.plan_id for offer in line.plans}
            more = tuple(offer for offer in found if offer.plan_id not in named)
            lines[app_id] = replace(line, plans=(*line.plans, *more))
        self._now[tenant] = replace(esim, lines=lines)

    def _say(self, tenant: str, plans: int, problem: str) -> None:
        """Log what has changed; of a BSS that is away it is said once."""
        if self._said.get(tenant) == (plans, problem):
            return
        self._said[tenant] = (plans, problem)
        log = structlog.get_logger()
        if problem:
            log.warning("plan_offers", tenant=tenant, reason=problem)
        else:
            log.info("plan_offers", tenant=tenant, plans=plans)
