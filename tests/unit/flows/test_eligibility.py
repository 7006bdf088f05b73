"""What a BSS says: asked as often as a service wants it, kept meanwhile, never guessed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import structlog
from prometheus_client import CollectorRegistry

from simgrant.adapters.store.sqlite import SqliteConfig, open_store
from simgrant.domain.eligibility import Aspect, Aspects, Eligibility
from simgrant.domain.subscription import Profile, Subscription, SubscriptionStatus
from simgrant.domain.told import SETTLES_S, Freshness
from simgrant.domain.trail import Trail
from simgrant.errors import (
    EcsError,
    PeerMisbehaved,
    PeerTimeout,
    PeerUnavailable,
    UnknownIdentity,
)
from simgrant.flows.eligibility import Desk, Eligibilities
from simgrant.identities import Imsi, Msisdn
from simgrant.ports.network_data import Subscriber
from simgrant.ports.store import Change, NewSubscription, Store
from simgrant.telemetry.metrics import Metrics
from simgrant.telemetry.sources import source_lines
from tests.clocks import StillClock
from tests.databases import make_database

T = "default"
IMSI = Imsi("001010000000001")
FRESH_S, KNOWN_S = 100, 1000
VOICE, PURCHASE, EITHER = "ap2004", "ap2012", ("ap2004", "ap2012")
ALL: Aspects = frozenset({Aspect.STATUS, Aspect.PLAN, Aspect.MSISDN})
ACTIVE = Eligibility(status=SubscriptionStatus.ACTIVE, plan="premium")
START = 10_000


@dataclass
class Bss:
    """Tells what it is told to, or fails; and notes what it is asked."""

    told: Eligibility | None = ACTIVE
    error: EcsError | Exception | None = None
    tells: Aspects = ALL
    asked: list[tuple[Subscriber, Aspects, float]] = field(default_factory=list)
    answers: asyncio.Event = field(default_factory=asyncio.Event)
    """Not set, it takes its time."""
    is_asked: asyncio.Event = field(default_factory=asyncio.Event)
    closed: int = 0

    def __post_init__(self) -> None:
        self.answers.set()

    async def look_up(
        self, who: Subscriber, wants: Aspects, *, deadline: float
    ) -> Eligibility | None:
        self.asked.append((who, wants, deadline))
        self.is_asked.set()
        await self.answers.wait()
        if self.error is not None:
            raise self.error
        return self.told

    async def close(self) -> None:
        self.closed += 1


@dataclass
class World:
    store: Store
    metrics: Metrics
    clock: StillClock = field(default_factory=lambda: StillClock(START))
    bss: Bss = field(default_factory=Bss)
    trail: Trail = field(default_factory=lambda: Trail("r"))

    def __post_init__(self) -> None:
        self.flow = self.worker()

    def worker(self) -> Eligibilities:
        desk = Desk(
            name="bss.main",
            source=self.bss,
            timeout_s=2,
            freshness={VOICE: Freshness(fresh_s=FRESH_S, known_s=KNOWN_S)},
        )
        return Eligibilities(
            self.store.told,
            {T: desk},
            looks_at={T: frozenset(Aspect)},
            clock=self.clock,
            metrics=self.metrics,
        )

    async def ask(self, *apps: str, by: Eligibilities | None = None) -> Profile:
        subscription = await self.store.find(T, imsi=IMSI)
        assert subscription is not None
        profile = Profile(subscription, None, None, None)
        return await (by or self.flow).of(
            profile, apps or (VOICE,), deadline=self.clock.time + 10, trail=self.trail
        )

    async def plan(self, *apps: str) -> str:
        return (await self.ask(*apps)).subscription.plan

    def fails(self, error: EcsError | None = None) -> None:
        self.bss.error = error or PeerTimeout("api_timeout", for_operator="bss.main: too late")


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with opened(tmp_path) as found:
        yield found


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[World]:
    file = make_database(path / "simgrant.db")
    store = await open_store(SqliteConfig(file, timeout_s=60))
    row = Subscription(T, IMSI, Msisdn("447700900001"), SubscriptionStatus.ACTIVE, "basic")
    await store.add(NewSubscription(row))
    try:
        yield World(store, Metrics(CollectorRegistry()))
    finally:
        await store.close()


# --- how often it is asked ---------------------------------------------------------------------


async def test_it_is_asked_once_while_its_answer_is_fresh(world: World) -> None:
    assert await world.plan() == "premium"
    who = Subscriber(IMSI, Msisdn("447700900001"))
    assert world.bss.asked == [(who, ALL, START + 2)]
    world.clock.time += FRESH_S - 1
    assert (await world.ask(by=world.worker())).subscription.plan == "premium"
    assert len(world.bss.asked) == 1
    world.clock.time += 1
    world.bss.told = Eligibility(plan="standard")
    assert await world.plan() == "standard"
    assert len(world.bss.asked) == 2


async def test_what_was_read_along_is_not_read_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile = await world.store.profile(T, IMSI, "imei", "client", told=True)
    assert profile is not None

    async def told(*_: object) -> None:
        raise AssertionError("it is known that nothing was told")

    monkeypatch.setattr(world.store.told, "told", told)
    found = await world.flow.of(profile, (VOICE,), deadline=START + 10, trail=world.trail)
    assert found.subscription.plan == "premium"


@pytest.mark.parametrize("apps", [(PURCHASE,), EITHER])
async def test_it_is_asked_every_time_where_one_service_wants_that(
    world: World, apps: tuple[str, ...]
) -> None:
    for times in (1, 2):
        assert await world.plan(*apps) == "premium"
        assert len(world.bss.asked) == times
    # What it said is good for those that do not ask every time.
    assert await world.plan(VOICE) == "premium"
    assert len(world.bss.asked) == 2


async def test_after_an_event_it_is_asked_by_every_worker(world: World) -> None:
    other = world.worker()
    await world.ask(by=other)
    await world.flow.forget(T, IMSI)
    world.bss.told = Eligibility(plan="standard")
    for times in (2, 3):
        # A BSS may go on for a while to say what was before: it is asked until that is over.
        assert (await world.ask(by=other)).subscription.plan == "standard"
        assert len(world.bss.asked) == times
    world.clock.time += SETTLES_S
    for _ in range(2):
        await world.ask(by=other)
    assert len(world.bss.asked) == 4


async def test_an_answer_from_before_an_event_does_not_stay(world: World) -> None:
    world.bss.answers.clear()
    asking = asyncio.create_task(world.ask())
    await world.bss.is_asked.wait()
    world.clock.time += 1
    await world.worker().forget(T, IMSI)
    world.bss.answers.set()
    await asking
    world.clock.time += SETTLES_S
    world.bss.told = Eligibility(plan="standard")
    assert await world.plan() == "standard"


async def test_those_who_ask_at_once_ask_once(world: World) -> None:
    world.bss.answers.clear()
    asking = [asyncio.create_task(world.plan(PURCHASE)) for _ in range(20)]
    await world.bss.is_asked.wait()
    asking.pop().cancel()
    world.bss.answers.set()
    assert set(await asyncio.gather(*asking)) == {"premium"}
    assert len(world.bss.asked) == 1


async def test_nothing_is_written_that_stands_there(world: World) -> None:
    rows = world.store.told
    for _ in range(3):
        await world.ask(PURCHASE)
        world.clock.time += 1
    kept = await rows.told(T, IMSI)
    assert kept is not None
    assert kept.asked_at == START
    world.clock.time += FRESH_S / 4
    assert (await world.ask(PURCHASE)).told is not None
    kept = await rows.told(T, IMSI)
    assert kept is not None
    assert (kept.changed_at, kept.asked_at) == (START, int(world.clock.time))


# --- while it does not answer --------------------------------------------------------------------


@pytest.mark.parametrize(
    "error",
    [
        PeerTimeout("api_timeout"),
        PeerUnavailable("api_unreachable"),
        PeerMisbehaved("bss_other_subscriber"),
    ],
)
async def test_what_is_known_is_told_up_to_its_bound(world: World, error: EcsError) -> None:
    await world.ask()
    world.fails(error)
    world.clock.time += FRESH_S
    found = await world.ask()
    assert found.subscription.plan == "premium"
    assert world.flow.validity_s(found, 10**6) == KNOWN_S - FRESH_S
    assert world.flow.validity_s(found, 60) == 60
    assert error.reason in world.trail.detail
    world.clock.time = START + KNOWN_S - 1
    assert world.flow.validity_s(await world.ask(), 10**6) == 1
    world.clock.time += 1
    with pytest.raises(type(error)) as refused:
        await world.ask()
    assert refused.value.retry_after is not None
    world.bss.error = None
    assert world.flow.validity_s(await world.ask(), 10**6) == 10**6


@pytest.mark.parametrize("apps", [(PURCHASE,), EITHER])
async def test_who_wants_it_asked_every_time_is_told_nothing_that_is_known(
    world: World, apps: tuple[str, ...]
) -> None:
    await world.ask()
    world.fails()
    with pytest.raises(PeerTimeout):
        await world.ask(*apps)


async def test_where_nothing_is_known_nobody_is_told_anything(world: World) -> None:
    world.fails()
    for app in (VOICE, PURCHASE):
        with pytest.raises(PeerTimeout) as refused:
            await world.ask(app)
        assert refused.value.retry_after == 15


async def test_the_longer_it_is_away_the_later_devices_come_back(world: World) -> None:
    waits = []
    for seconds in (0, 60, 10_000):
        world.clock.time += seconds
        world.fails()
        with pytest.raises(PeerTimeout) as refused:
            await world.ask(PURCHASE)
        waits.append(refused.value.retry_after)
    assert waits == [15, 30, 900]
    world.fails(PeerUnavailable("peer_throttles", retry_after=7))
    with pytest.raises(PeerUnavailable) as throttled:
        await world.ask(PURCHASE)
    assert throttled.value.retry_after == 7


async def test_trouble_is_told_once(world: World) -> None:
    lines = []
    with structlog.testing.capture_logs() as events:
        for error in (PeerTimeout("api_timeout"), PeerTimeout("api_timeout"), None):
            world.bss.error = error
            with suppress(PeerTimeout):
                await world.ask(PURCHASE)
            lines.append(source_lines(world.metrics.registry))
    told = [event["reason"] for event in events if event["event"] == "bss"]
    assert told == ["api_timeout", "it answers again"]
    assert ["away 1" in line for line in lines] == [True, True, False]
    assert lines[-1].startswith("bss.main: okay 1; ")


async def test_a_fault_of_ours_is_no_silence(world: World) -> None:
    await world.ask()
    world.bss.error = ZeroDivisionError()
    world.clock.time += FRESH_S
    with pytest.raises(ZeroDivisionError):
        await world.ask()


# --- what it says --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        (None, "bss_no_subscription"),
        (Eligibility(status=SubscriptionStatus.BARRED), "subscription_barred"),
        (Eligibility(status=SubscriptionStatus.REMOVED), "subscription_removed"),
    ],
)
async def test_who_is_not_served_is_refused(
    world: World, told: Eligibility | None, reason: str
) -> None:
    world.bss.told = told
    for _ in range(2):
        with pytest.raises(UnknownIdentity) as refused:
            await world.ask()
        assert refused.value.reason == reason
    assert len(world.bss.asked) == 1


async def test_what_it_does_not_tell_is_the_store_s(world: World) -> None:
    world.bss.told = Eligibility(status=SubscriptionStatus.SUSPENDED)
    found = (await world.ask()).subscription
    assert (found.status, found.plan) == (SubscriptionStatus.SUSPENDED, "basic")
    assert found.msisdn == Msisdn("447700900001")


async def test_more_than_was_asked_is_not_looked_at(world: World) -> None:
    world.bss.told = Eligibility(plan="premium", prepaid=True)
    found = (await world.ask()).told
    assert found is not None
    assert found.eligibility == Eligibility(plan="premium")


async def test_after_an_event_nothing_old_wakes_a_suspended_line(world: World) -> None:
    """The event may have been that: what was known before it makes nothing of it undone."""
    await world.ask()
    await world.store.change(T, IMSI, Change(status=SubscriptionStatus.SUSPENDED), now=START)
    assert (await world.ask()).subscription.status is SubscriptionStatus.ACTIVE
    await world.flow.forget(T, IMSI)
    world.fails()
    assert (await world.ask()).subscription.status is SubscriptionStatus.SUSPENDED
    world.bss.error = None
    assert (await world.ask()).subscription.status is SubscriptionStatus.ACTIVE


async def test_whoever_has_no_bss_pays_nothing(world: World) -> None:
    flow = Eligibilities(
        world.store.told, {}, looks_at={T: ALL}, clock=world.clock, metrics=world.metrics
    )
    found = await world.store.find(T, imsi=IMSI)
    assert found is not None
    profile = Profile(found, None, None, None)
    assert await flow.of(profile, (VOICE,), deadline=0, trail=world.trail) is profile
    assert flow.validity_s(profile, 5) == 5
    assert not world.trail.peers_us


async def test_closing_lets_go_of_it_once(world: World) -> None:
    await world.flow.close()
    assert world.bss.closed == 1


@pytest.mark.parametrize("refusal", [None, Eligibility(status=SubscriptionStatus.BARRED)])
async def test_a_refusal_of_before_an_event_is_not_repeated(
    world: World, refusal: Eligibility | None
) -> None:
    world.bss.told = refusal
    with pytest.raises(UnknownIdentity):
        await world.ask()
    world.clock.time += FRESH_S
    world.fails()
    with pytest.raises(UnknownIdentity):
        await world.ask()
    await world.flow.forget(T, IMSI)
    with pytest.raises(PeerTimeout):
        await world.ask()
