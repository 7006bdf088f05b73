"""What a core network tells by itself: devices are told where its answer changes theirs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from simgrant.domain.bss_events import BssEvent, Change
from simgrant.domain.eligibility import Eligibility
from simgrant.domain.network_facts import NO_KINDS, Age, Kind, Kinds, Learned
from simgrant.domain.policy import parse_policy
from simgrant.errors import PeerTimeout
from simgrant.flows.heard_anew import HeardAnew, Hearing
from simgrant.flows.network_data import NetworkFacts, Tellers
from simgrant.identities import Imsi
from simgrant.ports.life import NETWORK
from simgrant.ports.network_data import Known, Subscriber
from simgrant.ports.network_events import Effect, NetworkEvent
from simgrant.telemetry.metrics import Metrics
from tests.unit.flows.lives import IMSI, PHONE, WATCH, T, World, opened, registration

ABROAD, HOME = Known(visited_plmn="26201"), Known(visited_plmn="00101")
FACTS = Kinds({Kind.LOCATION, Kind.REGISTRATION})
PHONE_S = {(PHONE, "ap2004")}
AT_HOME = """
[plans.basic]
features = ["vowifi"]
[plans.poor]
features = []
[[rule]]
id = "abroad"
when = { area = "roaming" }
result = "denied"
reason = "not_abroad"
[[rule]]
id = "own"
when = { in_plan = true }
result = "allowed"
[[rule]]
id = "all"
result = "denied"
reason = "not_bought"
"""


class Network:
    """Tells what it is set to, or is away."""

    tells: Kinds = FACTS

    def __init__(self) -> None:
        self.told, self.away, self.asked = ABROAD, False, 0

    async def ask(self, who: Subscriber, wants: Kinds, *, deadline: float) -> Known:
        assert (who.imsi, wants) == (IMSI, FACTS)
        assert deadline > 0
        self.asked += 1
        if self.away:
            raise PeerTimeout("diameter_timeout")
        return self.told


class Heard:
    """A subscription's life in a tenant whose rules look at where people are."""

    def __init__(self, world: World, wants: Kinds = FACTS) -> None:
        self.world, self.network = world, Network()
        ages = {kind: Age(fresh_s=300, max_s=86_400) for kind in Kind}
        self.facts = NetworkFacts(
            world.store,
            Tellers({"hss.home": FACTS}, sources_of=lambda *_: ("hss.home",), ages=ages),
            {"hss.home": self.network},
            rules={T: wants},
            clock=world.clock,
            metrics=Metrics(CollectorRegistry()),
            timeout_s=0.5,
        )
        world.life._hears = HeardAnew(world.store, self.facts)
        world.policies[T] = parse_policy(AT_HOME)

    async def device_asks(self) -> None:
        """Ask as a device's request does."""
        await self.facts.heard(await self.world.state())

    async def tells(self, effect: Effect = Effect.FORGET, name: str = "swx_push_profile") -> None:
        """Take over an event of the network, and do what it says."""
        event = NetworkEvent(IMSI, name, "", effect)
        await self.world.store.inbox.put(
            [T], event, peer="hss.home", at=int(self.world.clock.now())
        )
        (entry,) = await self.world.store.inbox.waiting(limit=5)
        assert await self.world.store.inbox.take(entry) is not None


@pytest.fixture
async def heard(template: Path) -> AsyncIterator[Heard]:
    async with opened(template) as world:
        found = Heard(world)
        await found.device_asks()
        world.clock.time += 10
        yield found


@pytest.mark.parametrize("effect", Effect)
async def test_who_came_home_is_told_at_once(heard: Heard, effect: Effect) -> None:
    version = (await heard.world.state()).changed_at
    heard.network.told = HOME
    await heard.tells(effect)
    await heard.world.act()
    assert await heard.world.told() == PHONE_S
    assert (await heard.world.state()).changed_at > version
    (record,) = heard.world.records
    assert (record["change"], record["outcome"], record["peer"]) == ("network", "changed", NETWORK)
    assert record["before"]["ap2004"] == "denied not_abroad"
    assert record["after"]["ap2004"] != record["before"]["ap2004"]
    assert IMSI.digits not in str(record)


async def test_who_is_where_he_was_is_not_disturbed(heard: Heard) -> None:
    version = (await heard.world.state()).changed_at
    await heard.tells()
    await heard.world.act()
    assert heard.network.asked == 2
    assert await heard.world.told() == set()
    assert (await heard.world.state()).changed_at == version
    assert heard.world.outcomes() == [("network", "unchanged")]


async def test_a_network_that_does_not_answer_disturbs_nobody(heard: Heard) -> None:
    heard.network.away = True
    await heard.tells()
    await heard.world.act()
    assert await heard.world.told() == set()
    assert heard.world.outcomes() == [("network", "unchanged")]


async def test_of_whom_all_was_forgotten_what_is_not_known_is_told(heard: Heard) -> None:
    heard.network.away = True
    await heard.tells(Effect.REVOKE)
    await heard.world.act()
    assert await heard.world.told() == PHONE_S
    assert heard.world.outcomes() == [("network", "changed")]


async def test_a_device_that_asks_first_takes_the_news_from_no_other(heard: Heard) -> None:
    await heard.world.store.register_push(T, IMSI, [registration(WATCH, "ap2004")])
    heard.network.told = HOME
    await heard.tells()
    await heard.device_asks()
    await heard.world.act()
    assert await heard.world.told() == PHONE_S | {(WATCH, "ap2004")}
    assert heard.network.asked == 2


async def test_of_several_events_the_first_knows_what_devices_were_told(heard: Heard) -> None:
    heard.network.told = HOME
    await heard.tells(Effect.REVOKE)
    await heard.device_asks()
    heard.world.clock.time += 1
    await heard.tells(name="swx_registration_termination")
    await heard.world.act()
    assert await heard.world.told() == PHONE_S
    assert heard.world.outcomes() == [("network", "changed")] * 2


async def test_whom_no_device_was_told_of_nobody_asks_about(template: Path) -> None:
    async with opened(template) as world:
        heard = Heard(world)
        await heard.tells()
        await world.act()
        assert heard.network.asked == 0
        assert world.outcomes() == []


async def test_where_no_rule_looks_any_more_nobody_is_asked(heard: Heard) -> None:
    other = Heard(heard.world, wants=NO_KINDS)
    await other.tells()
    await heard.world.act()
    assert other.network.asked == 0
    assert heard.world.outcomes() == [("network", "unchanged")]


async def test_where_nobody_is_asked_any_more_nobody_is_disturbed(heard: Heard) -> None:
    heard.world.life._hears = None
    await heard.tells()
    await heard.world.act()
    assert heard.world.outcomes() == [("network", "unchanged")]


async def test_other_events_are_compared_by_what_the_network_said(heard: Heard) -> None:
    await heard.world.tell(Change.PLAN_CHANGED, told=Eligibility(plan="poor"))
    await heard.world.act()
    assert heard.network.asked == 1, "another's event says nothing of where he is"
    assert await heard.world.told() == set(), "abroad he is refused with either plan"


async def test_what_came_after_the_network_was_asked_is_told_to_all(heard: Heard) -> None:
    class Late:
        async def of(self, tenant: str, imsi: Imsi, events: Sequence[BssEvent]) -> Hearing:
            assert (tenant, imsi, len(events)) == (T, IMSI, 1)
            return Hearing()

    heard.world.life._hears = Late()
    await heard.tells()
    await heard.world.act()
    assert await heard.world.told() == PHONE_S


async def test_who_was_removed_meanwhile_leaves_nothing_for_people(heard: Heard) -> None:
    await heard.world.tell(Change.PORTED_OUT)
    await heard.tells()
    await heard.world.act()
    assert ("network", "set_aside") not in heard.world.outcomes()
    assert await heard.world.store.life.aside(T, limit=5) == []


async def test_what_devices_were_told_by_is_kept_with_the_event(heard: Heard) -> None:
    await heard.tells(Effect.REVOKE)
    now_ms = int(heard.world.clock.now() * 1000)
    claims = await heard.world.store.life.claim(now_ms=now_ms, again_ms=now_ms, limit=5)
    ((imsi, waiting),) = await heard.world.store.life.peek(claims)
    at = int(heard.world.clock.now()) - 10
    assert (imsi, waiting.event.learned) == (
        IMSI,
        {
            Kind.LOCATION: Learned("26201", "hss.home", at, at),
            Kind.REGISTRATION: Learned("", "hss.home", at, at),
        },
    )
