"""Data boosts that are on in the network for as long as somebody has them.

The network is a simulated BSS over sockets; who looks, and who acts upon events, are called by hand
(`test_switching.World`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from simgrant.config.load import DEFAULT_TENANT
from simgrant.domain.bss_events import Change
from simgrant.domain.holdings import HeldBoost, Purchase
from simgrant.errors import StartRefused
from simgrant.identities import Imsi
from simgrant.ports.store import Change as Fields
from simgrant.sim.bss.faults import Fault, Plan
from simgrant.sim.bss.network import Device
from simgrant.sim.bss.server import Bss
from simgrant.sim.sims import demo_sims
from simgrant.spec.ids import ProvStatus
from simgrant.wire.tmf.inventory import ServiceState
from tests.device.harness import NO_CONSENT, START, Workbench
from tests.portal.browser import Browser, held, link, told
from tests.portal.test_switching import A_WHILE, NEVER, ON, World

OTHER = Imsi("001010000000099")
SETTINGS = """
[bss.main]
url = "{url}"
timeout_s = 5.0
[bss.main.activation]
boosts = {boosts}
{more}
"""
BOOSTS = '{ 166 = "boost" }'
PROVISIONING, BOUGHT, FOR_SALE = ("3", "3"), ("1", "1"), ("1", "0")


class Boosted(World):
    """A line whose boost is switched."""

    async def buys(self) -> None:
        """Buy a boost for an hour, on the page."""
        browser = Browser(self.server)
        shown = await browser.open(await link(self.server, "ap2010", boost_type="0"))
        assert (await browser.press(shown, {"offer": "0"})).call == "bought"
        await self.act()

    async def status(self) -> tuple[str, str]:
        """Return what the phone is told of it."""
        found = await told(self.server, "ap2010", boost_type="0")
        return found["EntitlementStatus"], found["ProvStatus"]

    def in_network(self) -> ServiceState | None:
        """How it is there; None = it never was."""
        found = self.bss.network.boosts.get(NO_CONSENT.digits)
        return None if found is None else found.state


@asynccontextmanager
async def opened(bench: Workbench, more: str = "", boosts: str = BOOSTS) -> AsyncIterator[Boosted]:
    bss = Bss([sim for sim in demo_sims() if sim.imsi == NO_CONSENT])
    await bss.up()
    (line,) = bss.lines
    line.vowifi = NEVER
    try:
        async with bench.opened(
            SETTINGS.format(url=bss.web.url, more=more, boosts=boosts)
        ) as server:
            now = int(server.clock.now())
            await server.store.real.change(
                DEFAULT_TENANT, NO_CONSENT, Fields(plan="premium"), now=now
            )
            world = Boosted(server, bss, line)
            await world.act()
            yield world
    finally:
        await bss.down()


@pytest.fixture
async def world(bench: Workbench) -> AsyncIterator[Boosted]:
    async with opened(bench) as found:
        yield found


@pytest.mark.spec("TS.43 §9.9")
async def test_what_is_bought_is_on_until_its_time_is_over(world: Boosted) -> None:
    await world.buys()
    assert await world.status() == PROVISIONING
    assert world.in_network() is None
    assert await world.look() == 1
    assert (world.in_network(), await world.status()) == (ServiceState.ACTIVE, BOUGHT)
    (boost,) = (await held(world.server)).boosts
    assert (boost.purchase, boost.until) == (Purchase.ACTIVE, START + 3 + 3600)
    await world.look()
    world.server.clock.advance(3600)
    await world.act()
    assert await world.status() == FOR_SALE
    assert await world.look() == 1
    assert world.in_network() is ServiceState.INACTIVE
    assert await world.look(after=A_WHILE) == 0


async def test_a_network_in_trouble_is_asked_until_it_is_off(world: Boosted) -> None:
    """Away, giving up, and slow, one after the other; and whoever looked is dead."""
    await world.buys()
    world.bss.network.left = 3
    await world.look()
    assert await world.status() == PROVISIONING
    world.bss.network.hurry()
    await world.look(after=20)
    assert (world.in_network(), await world.status()) == (ServiceState.ACTIVE, BOUGHT)
    await world.look()
    world.server.clock.advance(3600)
    await world.act()
    world.bss.plan = Plan(fault=Fault.RESET)
    assert await world.look() == 1
    world.bss.plan = None
    world.bss.network.left, world.bss.network.fails = 1, True
    assert await world.look(after=A_WHILE) == 1
    assert await world.look(after=A_WHILE) == 1
    now = int(world.server.clock.now()) + A_WHILE
    taken = await world.server.store.real.switches.claim(now=now, again_at=now + 30, limit=5)
    assert [(each.service, each.under_way is not None) for each in taken] == [("boost_166", True)]
    world.bss.network.left, world.bss.network.fails = 0, False
    assert world.in_network() is ServiceState.ACTIVE
    assert await world.look(after=A_WHILE + 31) == 1
    assert world.in_network() is ServiceState.INACTIVE
    assert await world.look(after=A_WHILE) == 0


async def test_a_boost_that_others_had_switched_on_goes_off_at_its_end(world: Boosted) -> None:
    """By the operator's systems, which tell of it and of its end."""
    there = {"imsi": NO_CONSENT.digits}
    boosts = world.bss.network.boosts
    boosts[NO_CONSENT.digits] = Device("boost", there, ServiceState.ACTIVE)
    boost = HeldBoost(166, Purchase.ACTIVE, None, int(world.server.clock.now()))
    hold = world.server.store.real.set_holding
    await hold(DEFAULT_TENANT, NO_CONSENT, boost)
    await world.act()
    await world.look()
    assert world.in_network() is ServiceState.ACTIVE
    await hold(DEFAULT_TENANT, NO_CONSENT, boost, ended=True)
    await world.act()
    await world.look()
    assert world.in_network() is ServiceState.INACTIVE


@pytest.mark.parametrize("how", ["by hand", "ported out", "another IMSI"])
async def test_with_the_line_it_ends(world: Boosted, how: str) -> None:
    await world.buys()
    await world.look()
    await world.look()
    assert world.in_network() is ServiceState.ACTIVE
    store = world.server.store.real
    world.server.clock.advance(60)
    match how:
        case "by hand":
            now = int(world.server.clock.now())
            await store.remove(DEFAULT_TENANT, NO_CONSENT, now=now)
            await world.act()
        case "ported out":
            await world.hears(Change.PORTED_OUT)
        case _:
            await world.hears(Change.IMSI_CHANGED, to=OTHER)
            world.bss.lines.move(world.line, OTHER.digits)
    while await world.look():
        pass
    assert world.in_network() is ServiceState.INACTIVE
    if how == "another IMSI":
        # It was paid for, and goes along.
        assert world.bss.network.boosts[OTHER.digits].state is ServiceState.ACTIVE


async def test_one_that_is_bought_again_is_not_switched_off(world: Boosted) -> None:
    """Whoever is about to switch it off looks at what holds now."""
    await world.buys()
    await world.look()
    await world.look()
    world.server.clock.advance(3600)
    await world.act()
    await world.buys()
    assert await world.look() >= 1
    assert (world.in_network(), await world.status()) == (ServiceState.ACTIVE, BOUGHT)


async def test_who_is_suspended_keeps_it_and_not_beyond_its_end(world: Boosted) -> None:
    await world.buys()
    await world.look()
    await world.look()
    world.server.clock.advance(60)
    await world.hears(Change.SUSPENDED)
    await world.look()
    assert world.in_network() is ServiceState.ACTIVE
    world.server.clock.advance(3600)
    await world.act()
    await world.look()
    assert world.in_network() is ServiceState.INACTIVE


async def test_boosts_of_other_types_are_not_the_network_s(world: Boosted) -> None:
    boost = HeldBoost(2, Purchase.IN_PROGRESS, None, int(world.server.clock.now()))
    await world.server.store.real.set_holding(DEFAULT_TENANT, NO_CONSENT, boost)
    await world.act()
    assert await world.look(after=A_WHILE) == 0
    assert (await held(world.server)).boosts == (boost,)


@pytest.mark.parametrize("how", ["by hand", "ported out", "another IMSI"])
async def test_wi_fi_calling_ends_with_the_line_too(bench: Workbench, how: str) -> None:
    async with opened(bench, "on = true") as world:
        await World.settle(world)
        await world.look()
        assert world.line.vowifi is ON
        store = world.server.store.real
        world.server.clock.advance(60)
        if how == "by hand":
            await store.remove(DEFAULT_TENANT, NO_CONSENT, now=int(world.server.clock.now()))
            await world.act()
        elif how == "ported out":
            await world.hears(Change.PORTED_OUT)
        else:
            await world.hears(Change.IMSI_CHANGED, to=OTHER)
        while await world.look():
            pass
        assert world.line.vowifi is ServiceState.INACTIVE
        found = await store.find(DEFAULT_TENANT, imsi=NO_CONSENT)
        assert found is not None
        assert found.provisioning is ProvStatus.PROVISIONED, "a tombstone is not told of anything"


async def test_what_is_found_by_a_number_alone_is_left_on(bench: Workbench) -> None:
    """The number may be its next owner's by then."""
    more = 'imsi = ""\non = true'
    async with opened(bench, more, boosts="{}") as world:
        await World.settle(world)
        await world.look()
        assert world.line.vowifi is ON
        world.server.clock.advance(60)
        await world.hears(Change.PORTED_OUT)
        assert await world.look() == 1
        assert (world.line.vowifi, await world.look(after=A_WHILE)) == (ON, 0)


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ("", "'gaming' is no boost type"),
        ('imsi = ""', "imsi must have a name"),
    ],
)
async def test_settings_that_cannot_be(bench: Workbench, more: str, problem: str) -> None:
    table = SETTINGS.format(url="http://127.0.0.1:1", more=more, boosts=BOOSTS)
    table = table if more else table.replace("166 =", "gaming =")
    with pytest.raises(StartRefused, match=problem):
        async with bench.opened(table):
            pass
