"""What partner APIs tell of lines: who is asked, and who is believed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from simgrant.domain.camara.line import Line
from simgrant.domain.eligibility import Aspect, Aspects, Eligibility
from simgrant.domain.holdings import HeldUsage
from simgrant.domain.line_marks import LineMark, MarkName
from simgrant.domain.network_facts import Age, Kind, Kinds
from simgrant.domain.subscription import SubscriptionStatus
from simgrant.errors import PeerTimeout, PeerUnavailable
from simgrant.flows.camara.line_facts import Asking, OwnFacts, Place, Since
from simgrant.flows.camara.problem import Problem
from simgrant.flows.network_data import NetworkFacts, Tellers
from simgrant.ports.network_data import Known, Subscriber
from simgrant.telemetry.metrics import Metrics
from tests.unit.flows.test_eligibility import ALL, IMSI, START, T, World, opened

SUSPENDED = SubscriptionStatus.SUSPENDED
LOCATION = Kinds({Kind.LOCATION})


@dataclass
class Network:
    """Tells where somebody is."""

    plmn: str = ""
    tells: Kinds = LOCATION

    async def ask(self, who: Subscriber, wants: Kinds, *, deadline: float) -> Known:
        assert who.imsi == IMSI
        assert wants == {Kind.LOCATION}
        assert deadline > START
        return Known(visited_plmn=self.plmn, located_s=5)


class Lines(World):
    """A BSS and a network, and one line."""

    def facts(self, *tells: Aspect, told: Eligibility | None = None, plmn: str = "") -> OwnFacts:
        self.bss.tells, self.bss.told = Aspects(tells), told
        tellers = Tellers(
            {"hss": Kinds({Kind.LOCATION})} if plmn else {},
            sources_of=lambda _tenant, _imsi: ("hss",) if plmn else (),
            ages={Kind.LOCATION: Age(fresh_s=60, max_s=3600)},
        )
        network = NetworkFacts(
            self.store,
            tellers,
            {"hss": Network(plmn)},
            rules={T: Kinds()},
            clock=self.clock,
            metrics=Metrics(CollectorRegistry()),
            timeout_s=1,
        )
        return OwnFacts(self.store.camara_lines, self.store, self.worker(), network)

    async def line(self, **fields: object) -> Line:
        found = (await self.store.camara_lines.by_imsi(T, IMSI, token_id=bytes(16))).line
        assert found is not None
        subscription = replace(found.subscription, **fields)  # type: ignore[arg-type]
        return replace(found, subscription=subscription)

    @property
    def asking(self) -> Asking:
        now = int(self.clock.time)
        return Asking(trail=self.trail, now=now, deadline=self.clock.time + 10)


@pytest.fixture
async def lines(tmp_path: Path) -> AsyncIterator[Lines]:
    async with opened(tmp_path) as world:
        yield Lines(world.store, world.metrics)


async def test_whoever_tells_of_the_later_sim_swap_is_believed(lines: Lines) -> None:
    line = replace(await lines.line(created_at=100), sim_since=500)
    for told, at in ((400, 500), (600, 600), (None, 500)):
        facts = lines.facts(Aspect.SIM_SINCE, told=Eligibility(sim_since=told))
        assert await facts.sim_changed_at(line, lines.asking) == at
    assert {wants for _, wants, _ in lines.bss.asked} == {Aspects({Aspect.SIM_SINCE})}
    # It is asked each time, and a BSS that does not tell it never is.
    asked = len(lines.bss.asked)
    assert await lines.facts(Aspect.PLAN).sim_changed_at(line, lines.asking) == 500
    assert len(lines.bss.asked) == asked


async def test_a_bss_that_is_away_is_not_guessed_for(lines: Lines) -> None:
    facts = lines.facts(Aspect.SIM_SINCE)
    lines.fails(PeerTimeout("api_timeout"))
    with pytest.raises(PeerUnavailable):
        await facts.sim_changed_at(await lines.line(), lines.asking)


async def test_whom_the_bss_does_not_know_nobody_knows(lines: Lines) -> None:
    facts = lines.facts(Aspect.SIM_SINCE, told=None)
    with pytest.raises(Problem) as refused:
        await facts.sim_changed_at(await lines.line(), lines.asking)
    assert refused.value.code == "IDENTIFIER_NOT_FOUND"


async def test_what_devices_are_told_of_is_asked_for_along_with_it(lines: Lines) -> None:
    facts = lines.facts(*ALL, Aspect.SIM_SINCE, told=Eligibility(sim_since=7, plan="premium"))
    await facts.sim_changed_at(await lines.line(), lines.asking)
    ((_, wants, _),) = lines.bss.asked
    assert wants == ALL | {Aspect.SIM_SINCE}
    kept = await lines.store.told.told(T, IMSI)
    assert kept is not None
    assert kept.asked == wants


async def test_customers_are_since_the_bss_says_or_at_least_since_they_are_known(
    lines: Lines,
) -> None:
    line = await lines.line(created_at=300)
    told = lines.facts(Aspect.CUSTOMER_SINCE, told=Eligibility(customer_since=200))
    assert await told.customer_since(line, lines.asking) == Since(200, known=True)
    assert await told.number_since(line, lines.asking) == Since(200, known=True)
    # An hour long it is not asked again.
    assert len(lines.bss.asked) == 1
    # Who got another number has that since then, whatever he is a customer since.
    moved = replace(line, number_since=400)
    assert await told.number_since(moved, lines.asking) == Since(400, known=True)
    assert await told.customer_since(moved, lines.asking) == Since(200, known=True)
    silent = lines.facts()
    assert await silent.customer_since(line, lines.asking) == Since(300, known=False)
    assert await silent.number_since(moved, lines.asking) == Since(400, known=True)


async def test_the_newest_place_is_told(lines: Lines) -> None:
    line = await lines.line(visited_plmn="26201", visited_at=START - 100)
    nowhere = await lines.line()
    silent = lines.facts()
    assert await silent.place(nowhere, lines.asking) is None
    assert await silent.place(line, lines.asking) == Place("26201", START - 100)
    told = Eligibility(visited_plmn="20801")
    by_bss = lines.facts(Aspect.VISITED_PLMN, told=told)
    assert await by_bss.place(line, lines.asking) == Place("20801", START)
    later = replace(line.subscription, visited_at=START + 1)
    found = await by_bss.place(replace(line, subscription=later), lines.asking)
    assert found == Place("26201", START + 1)


async def test_a_network_tells_a_place_though_no_rule_asks_for_it(lines: Lines) -> None:
    facts = lines.facts(plmn="23415")
    assert await facts.place(await lines.line(), lines.asking) == Place("23415", START - 5)


async def test_a_place_is_told_though_the_bss_is_away(lines: Lines) -> None:
    facts = lines.facts(Aspect.VISITED_PLMN)
    lines.fails(PeerTimeout("api_timeout"))
    line = await lines.line(visited_plmn="26201", visited_at=5)
    assert await facts.place(line, lines.asking) == Place("26201", 5)


async def test_status_and_kind_are_the_bss_s_or_our_own(lines: Lines) -> None:
    line = await lines.line()
    told = Eligibility(status=SUSPENDED, prepaid=True)
    facts = lines.facts(Aspect.STATUS, Aspect.PREPAID, told=told)
    assert await facts.told(line, lines.asking) == told
    own = await lines.facts().told(line, lines.asking)
    assert own == Eligibility(status=SubscriptionStatus.ACTIVE)
    await lines.store.set_marks(T, IMSI, [LineMark(MarkName.PREPAID, "no", 5)])
    assert (await lines.facts().told(line, lines.asking)).prepaid is False


async def test_a_counter_at_its_end_throttles(lines: Lines) -> None:
    line = await lines.line()
    facts = lines.facts()
    assert not await facts.is_throttled(line)
    for used, throttled in ((99, False), (100, True)):
        await lines.store.set_holding(T, IMSI, HeldUsage("data", used, 100, at=START + used))
        assert await facts.is_throttled(line) is throttled
    await lines.store.set_holding(T, IMSI, HeldUsage("data", 10**9, None, at=START + 500))
    assert not await facts.is_throttled(line)
