"""Numbers: the store's, else the network's, which is asked as seldom as may be."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from simgrant.adapters.store import migrate
from simgrant.adapters.store.sqlite import SqliteConfig, open_store
from simgrant.domain.subscription import Subscription, SubscriptionStatus
from simgrant.errors import PeerTimeout
from simgrant.flows.numbers import Knower, Numbers
from simgrant.flows.subscriptions import export
from simgrant.identities import Imsi, Msisdn
from simgrant.keyring.ring import Key, KeyRing, Use
from simgrant.ports.network_events import Effect, NetworkEvent
from simgrant.ports.store import NewSubscription, Store

T = "default"
IMSI, OTHER = Imsi("001010000000001"), Imsi("001010000000002")
OWN, TOLD = Msisdn("447700900001"), Msisdn("447700900002")
MAX_AGE_S = 100


@dataclass
class Clock:
    time: float = 1000.0

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time


@dataclass
class Network:
    """Knows one number, or none, or is away; and counts who asks."""

    told: Msisdn | None = TOLD
    away: bool = False
    asked: list[Imsi] = field(default_factory=list)

    async def number(self, imsi: Imsi, *, deadline: float) -> Msisdn | None:
        assert deadline > 0
        self.asked.append(imsi)
        if self.away:
            raise PeerTimeout("diameter_timeout")
        return self.told


@dataclass
class World:
    store: Store
    network: Network
    clock: Clock
    name: str = "hss.home"

    async def of(self, imsi: Imsi = IMSI) -> Msisdn | None:
        subscription = await self.store.find(T, imsi=imsi)
        assert subscription is not None
        numbers = Numbers(
            self.store.learned,
            asked=lambda _tenant, _imsi: Knower(self.name, self.network, MAX_AGE_S),
            clock=self.clock,
            timeout_s=1,
        )
        return await numbers.of(subscription)


@asynccontextmanager
async def world(path: Path) -> AsyncIterator[World]:
    migrate.upgrade(f"sqlite:///{path / 'simgrant.db'}")
    store = await open_store(SqliteConfig(path / "simgrant.db"))
    for imsi, number in ((IMSI, None), (OTHER, OWN)):
        row = Subscription(T, imsi, number, SubscriptionStatus.ACTIVE, "standard")
        await store.add(NewSubscription(row))
    try:
        yield World(store, Network(), Clock())
    finally:
        await store.close()


async def test_the_store_s_number_is_the_number(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        assert await here.of(OTHER) == OWN
        assert here.network.asked == []


async def test_the_network_is_asked_once_until_its_answer_is_old(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        assert [await here.of(), await here.of()] == [TOLD, TOLD]
        assert len(here.network.asked) == 1
        here.clock.time += MAX_AGE_S + 1
        here.network.told = None
        assert [await here.of(), await here.of()] == [None, None]
        assert len(here.network.asked) == 2


async def test_a_network_that_is_away_costs_the_number_and_nothing_else(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        here.network.away = True
        assert await here.of() is None
        here.network.away = False
        assert await here.of() == TOLD


async def test_another_source_is_asked_anew(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        assert await here.of() == TOLD
        here.name, here.network.told = "hss.other", OWN
        assert await here.of() == OWN


async def test_what_changed_in_the_network_is_asked_anew(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        assert await here.of() == TOLD
        event = NetworkEvent(IMSI, "swx_push_profile", "", Effect.FORGET)
        await here.store.inbox.put([T], event, peer="hss", at=1)
        (entry,) = await here.store.inbox.waiting(limit=1)
        await here.store.inbox.take(entry)
        here.network.told = OWN
        assert await here.of() == OWN


async def test_nothing_is_kept_of_who_was_removed_or_erased(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        assert await here.of() == TOLD
        await here.store.remove(T, IMSI, now=9)
        assert await here.store.learned.learned(T, IMSI) is None


async def test_what_was_learned_is_told_to_whom_it_is_about(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        assert await here.of() == TOLD
        subscription = await here.store.find(T, imsi=IMSI)
        assert subscription is not None
        keys = [Key(f"0000000{n}", use, 0, 0, bytes([n]) * 32) for n, use in enumerate(Use)]
        told = await export(here.store, subscription, KeyRing({T: keys}, accept_for=60))
        network = told["network"]
        assert (network["msisdn"], network["source"]) == (TOLD.e164, "hss.home")
