"""Whatever happens to a boost and to its line: in the end it is on where somebody has it, else off.

Over a real store, with a network that fails, is slow, or dies with its answer on the way.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pytest
from structlog.testing import capture_logs

from simgrant.domain.bss_events import Change
from simgrant.domain.holdings import HeldBoost, Purchase
from simgrant.domain.subscription import SubscriptionStatus
from simgrant.errors import Conflict, PeerTimeout, PeerUnavailable
from simgrant.flows.boost_wishes import BoostWishes
from simgrant.flows.switching import Desk, Switching
from simgrant.identities import Iccid, Imsi
from simgrant.nouns import replace
from simgrant.ports.activation import Switched
from simgrant.ports.network_data import Subscriber
from simgrant.ports.store import NewSubscription
from simgrant.ports.switching import LEFT_FOR_S
from simgrant.spec.ids import ProvStatus
from tests.unit.flows.lives import IMSI, START, T, World, another_worker, opened, subscription

BOOST = "boost_166"
SWITCHED = frozenset({BOOST})
OTHERS = [Imsi(f"00101000000009{number}") for number in range(10)]


@dataclass
class Network:
    """Has boosts by IMSI."""

    chance: Random
    on: dict[str, bool] = field(default_factory=dict)
    later: dict[str, tuple[str, bool]] = field(default_factory=dict)
    trouble: bool = True
    away: bool = False

    async def switch(
        self, who: Subscriber, *, on: bool, deadline: float, iccid: Iccid | None = None
    ) -> Switched:
        del deadline
        assert iccid is None
        imsi = who.imsi.digits
        fate = self.chance.random() if self.trouble else 1.0
        if self.away or fate < 0.15:
            raise PeerUnavailable("bss_away")
        if fate < 0.3:
            watch = f"m{len(self.later)}"
            self.later[watch] = imsi, on
            return Switched(status=ProvStatus.IN_PROGRESS, watch=watch)
        self.on[imsi] = on
        if fate < 0.4:
            raise PeerTimeout("bss_late")
        return self._done(on=on)

    async def progress(self, watch: str, *, on: bool, deadline: float) -> Switched:
        del deadline
        imsi, wanted = self.later[watch]
        assert wanted is on
        if self.trouble and self.chance.random() < 0.3:
            return Switched(status=self._done(on=not on).status, failed=True)
        self.on[imsi] = on
        return self._done(on=on)

    async def close(self) -> None: ...

    def _done(self, *, on: bool) -> Switched:
        return Switched(status=ProvStatus.PROVISIONED if on else ProvStatus.NOT_PROVISIONED)


@dataclass
class Boosts:
    """A line, its boost, and the network."""

    world: World
    network: Network
    imsi: Imsi = IMSI
    free: list[Imsi] = field(default_factory=lambda: [*OTHERS])

    def __post_init__(self) -> None:
        desk = Desk(name="bss.x", activations={BOOST: self.network}, look_every_s=10)
        wishes = BoostWishes(self.world.store, clock=self.world.clock)
        self.switching = Switching(
            self.world.store.switches,
            {T: desk},
            lambda _: wishes,
            clock=self.world.clock,
            chance=self.network.chance.random,
        )
        self.world.life = another_worker(self.world, switched={T: SWITCHED})

    async def one_of_all(self, chance: Random) -> None:
        """Let something happen, or not yet be acted upon."""
        now, store = int(self.world.clock.now()), self.world.store
        state = await self.state()
        match chance.choice(["buy", "buy", "end", "hour", "act", "act", "look", "look", "line"]):
            case "buy" if state is not SubscriptionStatus.REMOVED:
                purchase = chance.choice([*Purchase])
                until = chance.choice([None, now + 600])
                await store.set_holding(T, self.imsi, HeldBoost(166, purchase, until, now))
            case "end":
                boost = HeldBoost(166, Purchase.ACTIVE, None, now)
                try:
                    await store.set_holding(T, self.imsi, boost, ended=True)
                except Conflict:
                    return
            case "hour":
                self.world.clock.time += chance.choice([1, 5, 700])
            case "act":
                await self.world.pass_time(3)
            case "look":
                await self.switching.look()
            case "line" if state is not SubscriptionStatus.REMOVED:
                await self._line(chance)
            case "line" if chance.random() < 0.7:
                # Whoever has this IMSI now, it is somebody else.
                again = replace(subscription(), imsi=self.imsi, created_at=now, changed_at=now)
                await store.add(NewSubscription(again))

    async def _line(self, chance: Random) -> None:
        tell = self.world.tell
        store, now = self.world.store, int(self.world.clock.now())
        match chance.choice(
            ["suspend", "resume", "resume", "move", "move", "remove", "gone", "erase"]
        ):
            case "suspend":
                await tell(Change.SUSPENDED, imsi=self.imsi)
            case "resume":
                await tell(Change.RESUMED, imsi=self.imsi)
            case "move" if self.free:
                to = self.free.pop()
                await tell(Change.IMSI_CHANGED, imsi=self.imsi, new_imsi=to)
                await self.world.pass_time(3)
                if await self.world.store.find(T, imsi=to) is not None:
                    self.imsi = to
            case "remove" if chance.random() < 0.3:
                await store.remove(T, self.imsi, now=now, switched=SWITCHED)
            case "erase" if chance.random() < 0.5:
                await store.erase(T, self.imsi, [], now=now, switched=SWITCHED)
                assert await store.export(T, self.imsi) is None
            case "gone" if chance.random() < 0.3:
                await tell(Change.PORTED_OUT, imsi=self.imsi)

    async def heal(self) -> None:
        """Let all be well, and all be done that waits."""
        self.network.trouble = False
        await self.world.pass_time(3)
        if await self.state() is SubscriptionStatus.SUSPENDED:
            await self.world.tell(Change.RESUMED, imsi=self.imsi)
        for _ in range(12):
            await self.world.pass_time(3)
            await self.switching.look()
            self.world.clock.time += 1_500

    async def state(self) -> SubscriptionStatus:
        """Return the status of the line; of one that was erased, that it is gone."""
        found = await self.world.store.find(T, imsi=self.imsi)
        return SubscriptionStatus.REMOVED if found is None else found.status

    async def wanted(self) -> bool:
        """Say whether somebody has it."""
        status = await self.state()
        held = await self.world.store.holdings(T, self.imsi)
        now = self.world.clock.now()
        alive = [each for each in held.boosts if each.state(now) is not Purchase.EXPIRED]
        return bool(alive) and status is SubscriptionStatus.ACTIVE


@pytest.mark.parametrize("seed", range(24))
async def test_in_the_end_it_is_on_where_somebody_has_it(template: Path, seed: int) -> None:
    chance = Random(seed)
    async with opened(template) as world:
        boosts = Boosts(world, Network(chance))
        for _ in range(60):
            await boosts.one_of_all(chance)
        await boosts.heal()
        on = {imsi for imsi, is_on in boosts.network.on.items() if is_on}
        assert on == ({boosts.imsi.digits} if await boosts.wanted() else set())
        held = (await world.store.holdings(T, boosts.imsi)).boosts
        now = world.clock.now()
        assert Purchase.IN_PROGRESS not in [each.state(now) for each in held]
        assert world.clock.now() > START
        assert await world.store.switches.claim(now=2**33, again_at=2**33, limit=9) == []


@pytest.mark.parametrize("how", ["erased", "comes back"])
@pytest.mark.parametrize("seed", range(3))
async def test_it_goes_off_though_nobody_acted_upon_the_removal(
    template: Path, how: str, seed: int
) -> None:
    async with opened(template) as world:
        boosts = Boosts(world, Network(Random(seed)))
        now = int(world.clock.now())
        await world.store.set_holding(T, IMSI, HeldBoost(166, Purchase.ACTIVE, None, now))
        await boosts.heal()
        assert boosts.network.on == {IMSI.digits: True}
        boosts.network.trouble = True
        now = int(world.clock.now())
        if how == "erased":
            await world.store.erase(T, IMSI, [], now=now, switched=SWITCHED)
        else:
            await world.store.remove(T, IMSI, now=now, switched=SWITCHED)
            await world.store.add(NewSubscription(subscription()))
        await boosts.switching.look()
        await boosts.heal()
        assert boosts.network.on == {IMSI.digits: False}


async def test_what_nobody_switches_off_is_forgotten_in_the_end(template: Path) -> None:
    """Of somebody who was erased nothing is kept for ever, however long the network is away."""
    async with opened(template) as world:
        boosts = Boosts(world, Network(Random(1)))
        now = int(world.clock.now())
        await world.store.set_holding(T, IMSI, HeldBoost(166, Purchase.ACTIVE, None, now))
        gone = await world.store.erase(T, IMSI, [], now=now, switched=SWITCHED)
        assert gone.left == 1
        boosts.network.away = True
        for _ in range(int(LEFT_FOR_S / 86_400) - 1):
            await boosts.switching.look()
            world.clock.time += 86_400
        (due,) = await world.store.switches.claim(now=2**33, again_at=now, limit=9)
        assert due.imsi == IMSI
        world.clock.time += 2 * 86_400
        with capture_logs() as logs:
            await boosts.switching.look()
        assert [each["log_level"] for each in logs if each.get("reason") == "left_on"] == ["error"]
        assert await world.store.switches.claim(now=2**33, again_at=2**33, limit=9) == []
