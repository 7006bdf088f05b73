"""What networks know: kept while it is good, asked for as seldom as may be, never missed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from simgrant.adapters.store.sqlite import SqliteConfig, open_store
from simgrant.domain.network_facts import Age, Heard, Kind, Kinds, Learned, Registration
from simgrant.domain.subscription import Subscription, SubscriptionStatus
from simgrant.errors import PeerTimeout
from simgrant.flows.network_data import NetworkFacts, Tellers
from simgrant.flows.subscriptions import export
from simgrant.identities import Imsi, Msisdn
from simgrant.keyring.ring import Key, KeyRing, Use
from simgrant.ports.network_data import Known, Subscriber
from simgrant.ports.network_events import Effect, NetworkEvent
from simgrant.ports.store import NewSubscription, Store
from simgrant.telemetry.metrics import Metrics
from tests.clocks import StillClock
from tests.databases import make_database

T = "default"
IMSI, OTHER = Imsi("001010000000001"), Imsi("001010000000002")
OWN, TOLD = Msisdn("447700900001"), Msisdn("447700900002")
FRESH_S, MAX_S = 10, 100
AGES = {
    Kind.NUMBER: Age(fresh_s=MAX_S, max_s=MAX_S),
    Kind.LOCATION: Age(fresh_s=FRESH_S, max_s=MAX_S),
    Kind.REGISTRATION: Age(fresh_s=FRESH_S, max_s=MAX_S),
}
EVERYTHING = Kinds(Kind)
FACTS = Kinds({Kind.LOCATION, Kind.REGISTRATION})
ABROAD = Known(number=TOLD, visited_plmn="26201", located_s=5, registration=Registration.REGISTERED)


@dataclass
class Network:
    """Tells what it is told to, or is away; and notes what it is asked."""

    told: Known = ABROAD
    away: bool = False
    tells: Kinds = EVERYTHING
    asked: list[tuple[Subscriber, Kinds]] = field(default_factory=list)
    answers: asyncio.Event = field(default_factory=asyncio.Event)
    """Not set, it takes its time."""

    def __post_init__(self) -> None:
        self.answers.set()

    async def ask(self, who: Subscriber, wants: Kinds, *, deadline: float) -> Known:
        assert deadline > 0
        self.asked.append((who, wants))
        await self.answers.wait()
        if self.away:
            raise PeerTimeout("diameter_timeout")
        return self.told


@dataclass
class World:
    store: Store
    networks: dict[str, Network]
    clock: StillClock
    metrics: Metrics
    route: tuple[str, ...] = ("hss.home",)

    @property
    def network(self) -> Network:
        return self.networks["hss.home"]

    def facts(self, wants: Kinds = FACTS) -> NetworkFacts:
        tells = {name: each.tells for name, each in self.networks.items()}
        tellers = Tellers(tells, sources_of=lambda _tenant, _imsi: self.route, ages=AGES)
        return NetworkFacts(
            self.store,
            tellers,
            dict(self.networks),
            rules={T: wants},
            clock=self.clock,
            metrics=self.metrics,
            timeout_s=1,
        )

    async def subscription(self, imsi: Imsi = IMSI) -> Subscription:
        found = await self.store.find(T, imsi=imsi)
        assert found is not None
        return found

    async def number(self, imsi: Imsi = IMSI) -> Msisdn | None:
        return await self.facts().number(await self.subscription(imsi))

    async def heard(self, wants: Kinds = FACTS) -> Heard:
        return await self.facts(wants).heard(await self.subscription())

    async def place(self) -> str:
        location = (await self.heard()).location
        return "" if location is None else location.value

    async def tell(self, effect: Effect) -> None:
        event = NetworkEvent(IMSI, "swx_push_profile", "", effect)
        await self.store.inbox.put([T], event, peer="hss", at=1)
        (entry,) = await self.store.inbox.waiting(limit=1)
        await self.store.inbox.take(entry)


@asynccontextmanager
async def world(path: Path) -> AsyncIterator[World]:
    file = make_database(path / "simgrant.db")
    store = await open_store(SqliteConfig(file, timeout_s=60))
    for imsi, number in ((IMSI, None), (OTHER, OWN)):
        row = Subscription(T, imsi, number, SubscriptionStatus.ACTIVE, "standard")
        await store.add(NewSubscription(row))
    try:
        metrics = Metrics(CollectorRegistry())
        yield World(store, {"hss.home": Network()}, StillClock(), metrics)
    finally:
        await store.close()


# --- numbers ---------------------------------------------------------------------------------


async def test_the_store_s_number_is_the_number(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        assert await here.number(OTHER) == OWN
        assert here.network.asked == []


async def test_the_network_is_asked_once_until_its_answer_is_old(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        assert [await here.number(), await here.number()] == [TOLD, TOLD]
        assert here.network.asked == [(Subscriber(IMSI), Kinds({Kind.NUMBER}))]
        here.clock.time += MAX_S + 1
        here.network.told = Known()
        assert [await here.number(), await here.number()] == [None, None]
        assert len(here.network.asked) == 2


async def test_a_network_that_is_away_costs_the_number_and_nothing_else(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        here.network.away = True
        assert await here.number() is None
        here.network.away = False
        assert await here.number() == TOLD


async def test_another_source_is_asked_anew(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        assert await here.number() == TOLD
        here.networks["hss.other"] = Network(Known(number=OWN))
        here.route = ("hss.other",)
        assert await here.number() == OWN


async def test_a_number_is_not_told_any_more_that_may_have_changed(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        assert await here.number() == TOLD
        await here.tell(Effect.FORGET)
        here.network.away = True
        assert await here.number() is None
        here.network.away, here.network.told = False, Known(number=OWN)
        assert await here.number() == OWN


# --- facts -----------------------------------------------------------------------------------


async def test_what_is_fresh_is_not_asked_for_again(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        first = await here.heard()
        assert first.location == Learned("26201", "hss.home", 995, 1000)
        assert first.registration == Learned("registered", "hss.home", 1000, 1000)
        here.clock.time += FRESH_S
        assert await here.heard() == first
        assert [wants for _, wants in here.network.asked] == [FACTS]


async def test_only_what_is_wanted_is_asked_for(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        assert await here.heard(Kinds()) == Heard()
        assert (await here.heard(Kinds({Kind.LOCATION}))).registration is None
        assert [wants for _, wants in here.network.asked] == [Kinds({Kind.LOCATION})]


async def test_what_is_no_longer_fresh_is_asked_for_again(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        assert await here.place() == "26201"
        here.clock.time += FRESH_S + 1
        here.network.told = Known(visited_plmn="00101")
        assert await here.place() == "00101"


@pytest.mark.parametrize("silence", [{"away": True}, {"told": Known()}], ids=["away", "nothing"])
async def test_whoever_tells_nothing_changes_nothing_until_it_is_too_old(
    tmp_path: Path, silence: dict[str, object]
) -> None:
    async with world(tmp_path) as here:
        assert await here.place() == "26201"
        for name, value in silence.items():
            setattr(here.network, name, value)
        # It was so five seconds before it was asked.
        for later, place in ((FRESH_S + 1, "26201"), (MAX_S - 5, "26201"), (MAX_S - 4, "")):
            here.clock.time = 1000 + later
            assert await here.place() == place


async def test_that_nothing_is_told_is_kept_too(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        here.network.told = Known()
        assert [await here.place(), await here.place()] == ["", ""]
        assert len(here.network.asked) == 1


async def test_an_event_makes_it_be_asked_anew_and_forgets_no_place(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        assert await here.place() == "26201"
        await here.tell(Effect.FORGET)
        here.network.away = True
        assert await here.place() == "26201"
        here.network.away, here.network.told = False, Known(visited_plmn="00101")
        assert await here.place() == "00101"


async def test_nothing_is_known_of_a_subscription_that_ended(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        assert await here.place() == "26201"
        await here.tell(Effect.REVOKE)
        here.network.away = True
        assert await here.heard() == Heard()


async def test_each_kind_is_asked_of_the_first_who_tells_it(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        here.network.tells = Kinds({Kind.LOCATION})
        here.networks["udm.home"] = Network(Known(registration=Registration.NOT_REGISTERED))
        here.route = ("hlr.old", "hss.home", "udm.home")
        heard = await here.heard()
        assert heard.location is not None
        assert heard.registration is not None
        assert (heard.location.source, heard.registration.source) == ("hss.home", "udm.home")
        assert heard.registration.value == "not_registered"


async def test_one_that_is_away_keeps_nothing_from_another(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        here.network.tells, here.network.away = Kinds({Kind.LOCATION}), True
        here.networks["udm.home"] = Network(tells=Kinds({Kind.REGISTRATION}))
        here.route = ("hss.home", "udm.home")
        heard = await here.heard()
        assert heard.location is None
        assert heard.registration is not None


async def test_nobody_is_asked_where_nobody_tells(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        here.networks.clear()
        assert here.facts().wanted == {T: Kinds()}
        assert await here.heard() == Heard()
        assert await here.number() is None


async def test_a_number_in_the_store_is_what_people_are_named_by(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        await here.facts().heard(await here.subscription(OTHER))
        assert [who for who, _ in here.network.asked] == [Subscriber(OTHER, OWN)]


# --- looking ahead ---------------------------------------------------------------------------


async def test_who_was_asked_about_ahead_is_not_asked_about_again(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        facts, subscription = here.facts(), await here.subscription()
        here.network.answers.clear()
        for _ in range(3):
            facts.look_ahead(T, IMSI)
        waiting = [asyncio.create_task(facts.heard(subscription)) for _ in range(3)]
        await asyncio.sleep(0)
        waiting.pop().cancel()
        here.network.answers.set()
        for heard in await asyncio.gather(*waiting):
            assert heard.location is not None
            assert heard.location.value == "26201"
        assert len(here.network.asked) == 1
        # What was found is there for other workers too.
        assert (await here.facts().heard(subscription)).location is not None
        assert len(here.network.asked) == 1


async def test_nobody_is_asked_about_strangers_and_those_who_left(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        facts = here.facts()
        await here.store.remove(T, OTHER, now=9)
        before = asyncio.all_tasks()
        for imsi in (Imsi("001010000000009"), OTHER):
            facts.look_ahead(T, imsi)
        looking = asyncio.all_tasks() - before
        assert len(looking) == 2
        await asyncio.gather(*looking)
        assert here.network.asked == []


async def test_nothing_is_looked_for_that_no_rule_looks_at(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        facts = here.facts(Kinds())
        facts.look_ahead(T, IMSI)
        await facts.close()
        assert here.network.asked == []


async def test_a_server_that_stops_waits_for_nobody(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        facts = here.facts()
        here.network.answers.clear()
        facts.look_ahead(T, IMSI)
        await facts.close()
        assert await here.store.learned.learned(T, IMSI) == {}


async def test_a_network_that_fails_ahead_is_asked_when_it_is_needed(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        facts, subscription = here.facts(), await here.subscription()
        here.network.away = True
        facts.look_ahead(T, IMSI)
        assert await facts.heard(subscription) == Heard()
        here.network.away = False
        assert (await facts.heard(subscription)).location is not None


# --- what is kept ----------------------------------------------------------------------------


async def test_nothing_is_kept_of_who_was_removed_or_erased(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        assert await here.number() == TOLD
        await here.store.remove(T, IMSI, now=9)
        assert await here.store.learned.learned(T, IMSI) == {}
        facts = {Kind.NUMBER: Learned("447700900002", "hss.home", 1, 1)}
        await here.store.learned.learn(T, IMSI, facts)
        assert await here.store.learned.learned(T, IMSI) == {}


async def test_what_was_learned_is_told_to_whom_it_is_about(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        assert await here.number() == TOLD
        await here.heard()
        keys = [Key(f"0000000{n}", use, 0, 0, bytes([n]) * 32) for n, use in enumerate(Use)]
        ring = KeyRing({T: keys}, accept_for=60)
        told = await export(here.store, await here.subscription(), ring)
        network = told["network"]
        assert list(network) == ["location", "number", "registration"]
        assert (network["number"]["value"], network["number"]["source"]) == (
            TOLD.digits,
            "hss.home",
        )


def test_values_are_in_no_repr() -> None:
    assert "26201" not in repr(Learned("26201", "hss.home", 1, 1))
    assert "26201" not in repr(ABROAD)
    assert TOLD.digits not in repr(ABROAD)
