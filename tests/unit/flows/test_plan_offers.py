"""Plans of a BSS among those of the settings: found, kept, and told of."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from simgrant.domain.order import Source
from simgrant.domain.plan_offer import PlanOffer
from simgrant.errors import PeerUnavailable
from simgrant.flows.esim_means import Esim, Line
from simgrant.flows.plan_offers import PlansOnSale
from tests.virtual_time import LoopClock, run

OURS = PlanOffer("ours", "Ours", profile_type="watch-2")
THEIRS = PlanOffer("theirs", "Theirs")
LINE = Line(Source("main", "watch"), plans=(OURS,))
ESIMS = {
    "blue": Esim({"ap2006": LINE, "ap2011": LINE}),
    "red": Esim({"ap2006": LINE}),
}


@dataclass(eq=False)
class Catalogue:
    """Sells what it is told to, or is away."""

    sold: Sequence[PlanOffer] = (THEIRS,)
    away: bool = False
    asked: list[float] = field(default_factory=list)
    closed: bool = False

    async def offers(self, *, deadline: float) -> Sequence[PlanOffer]:
        self.asked.append(asyncio.get_running_loop().time())
        assert deadline > self.asked[-1]
        if self.away:
            raise PeerUnavailable("bss_unavailable")
        return self.sold

    async def close(self) -> None:
        self.closed = True


def sale(catalogue: Catalogue) -> PlansOnSale:
    return PlansOnSale(
        ESIMS,
        {"blue": catalogue, "red": catalogue},
        takers={"blue": frozenset({"ap2011", "ap2009"})},
        every_s={"blue": 300.0, "red": 300.0},
        clock=LoopClock(),
    )


def plans(esims: PlansOnSale, tenant: str, app_id: str) -> list[str]:
    return [offer.plan_id for offer in esims[tenant].lines[app_id].plans]


def test_plans_follow_those_of_the_settings_where_they_are_wanted() -> None:
    async def story() -> None:
        esims = sale(Catalogue((THEIRS, PlanOffer("ours", "Another of that name"))))
        assert plans(esims, "blue", "ap2011") == ["ours"]
        await esims.look("blue")
        assert plans(esims, "blue", "ap2011") == ["ours", "theirs"]
        assert esims["blue"].lines["ap2011"].plans[0] is OURS
        assert plans(esims, "blue", "ap2006") == plans(esims, "red", "ap2006") == ["ours"]
        assert (list(esims), len(esims)) == (["blue", "red"], 2)

    run(story())


def test_what_was_found_holds_while_nobody_answers_and_ends_when_it_is_not_sold() -> None:
    async def story() -> None:
        catalogue = Catalogue()
        esims = sale(catalogue)
        await esims.look("blue")
        catalogue.away = True
        with pytest.raises(PeerUnavailable):
            await esims.look("blue")
        assert plans(esims, "blue", "ap2011") == ["ours", "theirs"]
        catalogue.away, catalogue.sold = False, ()
        await esims.look("blue")
        assert plans(esims, "blue", "ap2011") == ["ours"]

    run(story())


def test_it_is_looked_at_now_and_then_and_sooner_after_a_failure() -> None:
    async def story() -> None:
        catalogue = Catalogue()
        running = asyncio.create_task(sale(catalogue).run())
        await asyncio.sleep(1)
        assert len(catalogue.asked) == 1, "the first look is not waited for"
        catalogue.away = True
        await asyncio.sleep(300 * 1.2 + 30 * 1.2 + 1)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        first, away, again = catalogue.asked[:3]
        assert 240 <= away - first <= 360
        assert 24 <= again - away <= 36
        assert catalogue.closed

    run(story())


def test_without_anybody_who_takes_plans_nobody_is_asked() -> None:
    async def story() -> None:
        esims = PlansOnSale(ESIMS, {}, takers={}, every_s={}, clock=LoopClock())
        await esims.run()
        assert esims["red"] is ESIMS["red"]

    run(story())
