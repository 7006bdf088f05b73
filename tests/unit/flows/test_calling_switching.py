"""Wi-Fi calling of lines that are gone goes off, and of whoever has the IMSI next it is his own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from simgrant.domain.bss_events import Change
from simgrant.domain.eligibility import Eligibility
from simgrant.domain.subscription import (
    Consent,
    ConsentKind,
    ConsentStatus,
    SubscriptionStatus,
)
from simgrant.domain.tenant import Plmn, Tenant
from simgrant.errors import PeerTimeout
from simgrant.flows.calling_wishes import CallingWishes, Rules
from simgrant.flows.eligibility import Eligibilities
from simgrant.flows.switching import Desk, Switching
from simgrant.identities import Iccid
from simgrant.ports.activation import Switched
from simgrant.ports.network_data import Subscriber
from simgrant.ports.store import NewSubscription
from simgrant.ports.switching import VOWIFI
from simgrant.spec.ids import ProvStatus
from simgrant.telemetry.metrics import Metrics
from tests.unit.flows.lives import IMSI, Keys, T, World, another_worker, opened, subscription

SWITCHED = frozenset({VOWIFI})
NOT_REQUIRED, PROVISIONED = ProvStatus.NOT_REQUIRED, ProvStatus.PROVISIONED


@dataclass
class Network:
    """Has Wi-Fi calling of one line; the first answer may be lost."""

    on: bool = False
    lost: int = 0
    asked: list[bool] = field(default_factory=list)

    async def switch(
        self, who: Subscriber, *, on: bool, deadline: float, iccid: Iccid | None = None
    ) -> Switched:
        assert (who.imsi, iccid) == (IMSI, None)
        assert deadline > 0
        self.asked.append(on)
        if self.lost:
            self.lost -= 1
            raise PeerTimeout("bss_late")
        self.on = on
        return Switched(status=PROVISIONED if on else ProvStatus.NOT_PROVISIONED)

    async def progress(self, watch: str, *, on: bool, deadline: float) -> Switched:
        raise NotImplementedError

    async def close(self) -> None: ...


@dataclass
class Line:
    """A line whose Wi-Fi calling a network switches."""

    world: World
    network: Network
    rules: Rules = field(default_factory=lambda: Rules(off=True, by_imsi=True))

    def __post_init__(self) -> None:
        world = self.world
        world.life = another_worker(world, switched={T: SWITCHED})
        wishes = CallingWishes(
            world.store,
            {T: self.rules},
            inbox=world.inbox,
            bss=Eligibilities(
                world.store.told,
                {},
                looks_at={},
                clock=world.clock,
                metrics=Metrics(CollectorRegistry()),
            ),
            tenants={T: Tenant(T, plmns=(Plmn("001", "01"),))},
            policies=world.policies,
            keys=Keys(),
            clock=world.clock,
        )
        desk = Desk(name="bss.x", activations={VOWIFI: self.network}, look_every_s=10)
        self.switching = Switching(
            world.store.switches,
            {T: desk},
            lambda _: wishes,
            clock=world.clock,
            chance=lambda: 0.5,
        )

    async def agrees(self) -> None:
        """Have all be settled that Wi-Fi calling needs."""
        now = int(self.world.clock.now())
        for kind in ConsentKind:
            given = Consent(kind, ConsentStatus.GIVEN, "1", now)
            await self.world.store.set_consent(T, IMSI, given)
        await self.passes()

    async def passes(self) -> None:
        """Let all be done that waits."""
        for _ in range(4):
            await self.world.pass_time(3)
            await self.switching.look()
            self.world.clock.time += 20

    async def gone(self, how: str) -> None:
        """Have the line be gone, and perhaps another come at once, before anybody acted."""
        store, now = self.world.store, int(self.world.clock.now())
        if how.startswith("erased"):
            await store.erase(T, IMSI, [], now=now, switched=SWITCHED)
        else:
            await store.remove(T, IMSI, now=now, switched=SWITCHED)
        if "then" in how:
            status = SubscriptionStatus(how.split()[-1])
            another = replace(subscription("standard"), created_at=now, changed_at=now)
            await store.add(NewSubscription(replace(another, status=status)))

    async def waits(self) -> bool:
        """Say whether somebody has still to look at it."""
        found = await self.world.store.switches.claim(now=2**33, again_at=2**33, limit=9)
        return bool(found)


@pytest.fixture
async def line(template: Path) -> AsyncIterator[Line]:
    async with opened(template) as world:
        yield Line(world, Network())


async def on(line: Line) -> None:
    await line.world.tell(Change.PLAN_CHANGED, told=Eligibility(plan="standard"))
    await line.passes()
    await line.agrees()
    assert line.network.on
    assert (await line.world.state()).provisioning is PROVISIONED


@pytest.mark.parametrize("lost", [0, 1])
@pytest.mark.parametrize(
    "how",
    [
        "removed",
        "erased",
        *(f"{how} then {s}" for how in ("removed", "erased") for s in ("active", "suspended")),
    ],
)
async def test_of_whoever_is_gone_it_goes_off(line: Line, how: str, lost: int) -> None:
    await on(line)
    line.network.lost = lost
    await line.gone(how)
    await line.passes()
    assert not line.network.on
    assert line.network.asked[: lost + 2] == [True, *[False] * (lost + 1)]
    assert not any(line.network.asked[1:])
    if "then" in how:
        assert (await line.world.state()).provisioning is NOT_REQUIRED, "of it nobody is told"
    assert not await line.waits()


async def test_who_comes_next_may_have_it_all_the_same(line: Line) -> None:
    await on(line)
    await line.gone("removed then active")
    await line.agrees()
    assert line.network.on
    assert (await line.world.state()).provisioning is PROVISIONED
    assert not await line.waits()


async def test_where_it_never_was_on_the_network_is_not_asked(line: Line) -> None:
    await line.gone("erased then active")
    await line.passes()
    assert (line.network.asked, await line.waits()) == ([], False)


@pytest.mark.parametrize("rules", [Rules(off=False, by_imsi=True), Rules(off=True, by_imsi=False)])
@pytest.mark.parametrize("how", ["erased", "removed then suspended", "erased then active"])
async def test_what_may_not_be_switched_off_stays_and_is_forgotten(
    template: Path, rules: Rules, how: str
) -> None:
    async with opened(template) as world:
        line = Line(world, Network(), rules)
        await on(line)
        await line.gone(how)
        await line.passes()
        assert (line.network.asked, await line.waits()) == ([True], False)
