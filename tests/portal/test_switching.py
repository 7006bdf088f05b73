"""Wi-Fi calling that is switched on in the network once terms and address are settled.

The network is a simulated BSS over sockets. Who looks, and who acts upon events, are called by
hand: so each state in between can be seen.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from simgrant.config.load import DEFAULT_TENANT
from simgrant.domain.bss_events import BssEvent, Change
from simgrant.domain.eligibility import Eligibility
from simgrant.domain.subscription import Consent, ConsentKind, ConsentStatus, PushRegistration
from simgrant.flows.switching import Switching
from simgrant.identities import Imsi
from simgrant.ports.store import Change as Fields
from simgrant.sim.bss.faults import Fault, Plan
from simgrant.sim.bss.lines import Line
from simgrant.sim.bss.server import Bss
from simgrant.sim.sims import demo_sims
from simgrant.wire.tmf.inventory import ServiceState
from tests.device.harness import IMEI, NO_CONSENT, START, Server, Workbench
from tests.portal.browser import BERLIN, Browser, link, told

ON, OFF, NEVER = ServiceState.ACTIVE, ServiceState.INACTIVE, ServiceState.TERMINATED
A_WHILE = 2_000
"""Seconds after which anything that is tried again is due."""


@dataclass
class World:
    """A server whose lines are switched by a BSS."""

    server: Server
    bss: Bss
    line: Line

    @property
    def switching(self) -> Switching:
        (found,) = (each for each in self.server.parts.links if isinstance(each, Switching))
        return found

    async def settle(self) -> None:
        """Agree to the terms and give an address, on the page."""
        browser = Browser(self.server)
        shown = await browser.open(await link(self.server))
        shown = await browser.press(await browser.press(shown), BERLIN)
        assert shown.call == "changed"
        await self.act()

    async def act(self) -> None:
        """Act upon all events, those among them that wait for each other."""
        self.server.clock.advance(3)
        while await self.server.parts.lifecycle.act():
            pass

    async def look(self, *, after: float = 0) -> int:
        """Have lines looked at that are due, and what came of it acted upon."""
        self.server.clock.advance(after)
        seen = await self.switching.look()
        await self.act()
        return seen

    async def status(self) -> tuple[str, str]:
        """Return what the phone is told: whether it is on, and how far the network is."""
        now = await told(self.server)
        return now["EntitlementStatus"], now["ProvStatus"]

    async def hears(self, change: Change, to: Imsi | None = None, **tells: object) -> None:
        """Bring an event, and act upon it."""
        at = int(self.server.clock.now())
        event = BssEvent(
            event_id=f"{change}-{at}-{tells}",
            change=change,
            at=at,
            imsi=NO_CONSENT,
            new_imsi=to,
            told=Eligibility(**tells),  # type: ignore[arg-type]
        )
        await self.server.parts.events.take(DEFAULT_TENANT, "crm", [event])
        await self.act()

    async def notices(self) -> set[str]:
        """Return the applications that the phone is to be told of; none is left then."""
        claim = self.server.store.real.claim_notices
        found = await claim(now=2**33, again_at=2**33 + 10**6, limit=50)
        return {each.app_id for each in found}


@asynccontextmanager
async def opened(bench: Workbench, more: str = "") -> AsyncIterator[World]:
    bss = Bss([sim for sim in demo_sims() if sim.imsi == NO_CONSENT])
    await bss.up()
    (line,) = bss.lines
    line.vowifi = NEVER
    settings = (
        f'[bss.main]\nurl = "{bss.web.url}"\ntimeout_s = 5.0\n[bss.main.activation]\non = true\n'
    )
    try:
        async with bench.opened(settings + more) as server:
            yield World(server, bss, line)
    finally:
        await bss.down()


@pytest.fixture
async def world(bench: Workbench) -> AsyncIterator[World]:
    async with opened(bench) as found:
        yield found


PROVISIONING, ENABLED, DISABLED, INCOMPATIBLE = "3", "1", "0", "2"


@pytest.mark.spec("TS.43 §3.1.4")
async def test_it_is_on_once_the_network_has_switched_it(world: World) -> None:
    await world.settle()
    assert await world.status() == (PROVISIONING, "3")
    assert world.line.vowifi is NEVER
    registration = PushRegistration(IMEI, "ap2004", "ims", 2, "token", START)
    await world.server.store.real.register_push(DEFAULT_TENANT, NO_CONSENT, [registration])
    assert await world.look() == 1
    assert world.line.vowifi is ON
    assert await world.status() == (ENABLED, "1")
    assert await world.notices() == {"ap2004"}
    assert await world.look(after=A_WHILE) == 0


async def test_what_people_set_is_looked_at_too(world: World) -> None:
    store, now = world.server.store.real, int(world.server.clock.now())
    for kind in ConsentKind:
        consent = Consent(kind, ConsentStatus.GIVEN, at=now)
        await store.set_consent(DEFAULT_TENANT, NO_CONSENT, consent)
    await world.act()
    assert await world.status() == (PROVISIONING, "3")
    await world.look()
    assert (world.line.vowifi, await world.status()) == (ON, (ENABLED, "1"))
    world.server.clock.advance(60)
    await store.change(DEFAULT_TENANT, NO_CONSENT, Fields(plan="basic"), now=now + 60)
    await world.act()
    await world.look()
    assert world.line.vowifi is OFF


async def test_a_monitor_is_watched_until_it_is_done(world: World) -> None:
    world.bss.network.left = 10
    await world.settle()
    for _ in range(3):
        assert await world.look(after=20) == 1
        assert await world.status() == (PROVISIONING, "3")
    assert len(world.bss.network.monitors) == 1
    world.bss.network.hurry()
    assert await world.look(after=20) == 1
    assert await world.status() == (ENABLED, "1")
    assert await world.look(after=A_WHILE) == 0


@pytest.mark.parametrize("fault", [Fault.RESET, Fault.LOST, Fault.BUSY, Fault.NONSENSE, Fault.HUGE])
async def test_a_bss_in_trouble_loses_no_wish(world: World, fault: Fault) -> None:
    await world.settle()
    world.bss.plan = Plan(fault=fault)
    for _ in range(3):
        assert await world.look(after=A_WHILE) == 1
        assert await world.status() == (PROVISIONING, "3")
    # It is not asked again and again.
    assert await world.look() == 0
    world.bss.plan = None
    assert await world.look(after=A_WHILE) == 1
    assert (world.line.vowifi, await world.status()) == (ON, (ENABLED, "1"))


async def test_whoever_dies_the_next_one_goes_on(world: World) -> None:
    await world.settle()
    now = int(world.server.clock.now())
    taken = await world.server.store.real.switches.claim(now=now, again_at=now + 30, limit=5)
    assert len(taken) == 1
    assert await world.look(after=10) == 0
    assert await world.look(after=21) == 1
    assert await world.status() == (ENABLED, "1")


async def test_what_the_network_gives_up_is_tried_again(world: World) -> None:
    world.bss.network.left, world.bss.network.fails = 1, True
    await world.settle()
    await world.look()
    await world.look(after=A_WHILE)
    assert await world.status() == (PROVISIONING, "0")
    world.bss.network.left, world.bss.network.fails = 0, False
    assert await world.look(after=A_WHILE) == 1
    assert await world.status() == (ENABLED, "1")


async def test_withdrawn_consent_switches_it_off(world: World) -> None:
    await world.settle()
    await world.look()
    world.server.clock.advance(60)
    await world.hears(Change.CONSENT_WITHDRAWN)
    assert await world.look() == 1
    assert world.line.vowifi is OFF
    assert await world.status() == (DISABLED, "0")
    # Given again, by an event: at no time is the phone told that it is on while it is not.
    world.server.clock.advance(60)
    await world.hears(Change.CONSENT_GIVEN, terms=ConsentStatus.GIVEN)
    assert await world.status() == (PROVISIONING, "3")
    await world.look()
    assert (world.line.vowifi, await world.status()) == (ON, (ENABLED, "1"))


async def test_a_wish_taken_back_under_way_ends_in_off(world: World) -> None:
    world.bss.network.left = 5
    await world.settle()
    await world.look()
    world.server.clock.advance(5)
    await world.hears(Change.CONSENT_WITHDRAWN)
    world.bss.network.left = 0
    for _ in range(3):
        world.bss.network.hurry()
        await world.look(after=20)
    assert world.line.vowifi is not ON
    assert await world.look(after=A_WHILE) == 0


async def test_a_wish_taken_back_while_it_is_carried_out_ends_in_off(world: World) -> None:
    await world.settle()
    world.line.vowifi = OFF
    world.bss.plan = Plan(fault=Fault.RESET)
    await world.look()
    # One worker finds it off, and is about to switch it on; another one knows better meanwhile.
    world.bss.plan = Plan(fault=Fault.SLOW, times=1, delay_s=0.5)
    world.bss.changed.clear()
    world.server.clock.advance(A_WHILE)
    slow = asyncio.create_task(world.switching.look())
    await world.bss.changed.wait()
    await world.hears(Change.CONSENT_WITHDRAWN)
    assert await world.look() == 1
    assert world.line.vowifi is OFF
    await slow
    assert world.line.vowifi is ON
    assert await world.look() == 1
    assert world.line.vowifi is OFF
    assert await world.look(after=A_WHILE) == 0


async def test_who_is_abroad_keeps_it_and_a_plan_without_it_ends_it(world: World) -> None:
    await world.settle()
    await world.look()
    found = await world.server.store.real.find(DEFAULT_TENANT, imsi=NO_CONSENT)
    assert found is not None
    world.server.clock.advance(60)
    await world.hears(Change.ROAMING_ENTERED, visited_plmn="20801")
    await world.look()
    assert world.line.vowifi is ON
    world.server.clock.advance(60)
    await world.hears(Change.ROAMING_LEFT)
    await world.hears(Change.PLAN_CHANGED, plan="basic")
    await world.look()
    assert world.line.vowifi is OFF
    assert (await world.status())[0] == INCOMPATIBLE
    world.server.clock.advance(60)
    await world.hears(Change.PLAN_CHANGED, plan=found.plan)
    assert await world.status() == (PROVISIONING, "3")
    await world.look()
    assert (world.line.vowifi, await world.status()) == (ON, (ENABLED, "1"))


async def test_an_operator_may_leave_it_on(bench: Workbench) -> None:
    async with opened(bench, "off = false\n") as world:
        await world.settle()
        await world.look()
        world.server.clock.advance(60)
        await world.hears(Change.CONSENT_WITHDRAWN)
        assert await world.look() == 1
        assert world.line.vowifi is ON
        assert await world.look(after=A_WHILE) == 0


async def test_without_the_setting_nothing_is_switched(server: Server, browser: Browser) -> None:
    shown = await browser.open(await link(server))
    await browser.press(await browser.press(shown), BERLIN)
    now = int(server.clock.now()) + A_WHILE
    assert await server.store.real.switches.claim(now=now, again_at=now, limit=5) == []
    assert (await told(server))["EntitlementStatus"] == ENABLED


async def test_it_may_be_ordered(bench: Workbench) -> None:
    async with opened(bench, 'by = "orders"\n') as world:
        await world.settle()
        assert await world.look() == 1
        asked = [(each.method, each.target.partition("?")[0]) for each in world.bss.seen]
        assert asked == [
            ("GET", "/tmf-api/serviceInventory/v4/service"),
            ("POST", "/tmf-api/serviceOrdering/v4/serviceOrder"),
        ]
        # This BSS takes none: the wish stays.
        assert await world.status() == (PROVISIONING, "3")
        assert await world.look(after=A_WHILE) == 1
