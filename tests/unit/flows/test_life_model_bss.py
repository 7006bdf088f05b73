"""One subscription's life where a BSS says what it may have, and fails as systems do.

The model knows what the BSS would say if it could be asked. Whatever the sequence of changes, their
events, requests and failures: no device has a service longer than the bound that it may not have,
and once things healed it is told what the BSS says, without anybody's doing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test
from prometheus_client import CollectorRegistry

from simgrant.domain.bss_events import BssEvent, Change
from simgrant.domain.eligibility import NOTHING_TOLD, Aspect, Aspects, Eligibility
from simgrant.domain.life import Life
from simgrant.domain.subscription import SERVED, SubscriptionStatus, Terminal
from simgrant.domain.told import Freshness, Told
from simgrant.domain.trail import Trail
from simgrant.errors import PeerMisbehaved, PeerTimeout, PeerUnavailable, UnknownIdentity
from simgrant.flows.asked_anew import AskedAnew
from simgrant.flows.eligibility import Desk, Eligibilities
from simgrant.nouns import Word
from simgrant.ports.network_data import Subscriber
from simgrant.ports.told import STEADY_S
from simgrant.telemetry.metrics import Metrics
from tests.clocks import StillClock
from tests.examples import examples
from tests.unit.flows.lives import (
    IMSI,
    PHONE,
    SOURCE,
    START,
    WATCH,
    T,
    World,
    another_worker,
    opened,
    registration,
)

R = TypeVar("R")
APPS: Final = ("ap2003", "ap2004")
DEVICES: Final = (PHONE, WATCH)
PLANS: Final = ("basic", "standard", "data")
STATUSES: Final = (
    SubscriptionStatus.ACTIVE,
    SubscriptionStatus.SUSPENDED,
    SubscriptionStatus.BARRED,
)
ASKED: Final[Aspects] = frozenset({Aspect.PLAN, Aspect.STATUS})
FRESH_S, KNOWN_S, HEALS_S, USUAL_S = 20, 60, 10, 200
WAITS_S: Final = 5
"""Seconds that a request has."""
STEP_S: Final = 8.0
SOON_S: Final = 26.0
"""Two leases of a worker that died, and some."""
BOUND_S: Final = USUAL_S + SOON_S
"""A document holds as long as it says where the BSS cannot be asked what came of it."""


class Mood(Word):
    """How a BSS is."""

    WELL = "well"
    DOWN = "down"
    SLOW = "slow"
    WRONG = "wrong"
    FLAPPING = "flapping"
    """Down every other time."""


@dataclass
class Bss:
    """Says what holds, if it is in the mood."""

    clock: StillClock
    says: Eligibility
    tells: Aspects = ASKED
    mood: Mood = Mood.WELL
    times: int = 0

    async def look_up(
        self, who: Subscriber, wants: Aspects, *, deadline: float
    ) -> Eligibility | None:
        assert (who.imsi, wants) == (IMSI, ASKED)
        self.times += 1
        match self.mood:
            case Mood.SLOW:
                self.clock.time = max(self.clock.time, deadline)
                raise PeerTimeout("bss_timeout")
            case Mood.WRONG:
                raise PeerMisbehaved("bss_wrong")
            case Mood.DOWN:
                raise PeerUnavailable("bss_down")
            case Mood.FLAPPING if self.times % 2:
                raise PeerUnavailable("bss_down")
        return self.says

    async def close(self) -> None:
        pass


@dataclass
class Device:
    """What it was told last, and until when that holds; it asks again after a 503."""

    known: dict[str, Any] = field(default_factory=dict)
    until: float = 0
    is_to_ask: bool = True

    def has(self, app: str, *, now: float) -> bool:
        return now < self.until and self.known[app].said.startswith("allowed")

    def learns(self, answers: dict[str, Any], until: float) -> None:
        """Take a document in: one of all services holds as long as it says."""
        if len(answers) == len(APPS):
            self.until, self.is_to_ask = until, False
        self.known |= answers


class LivesOfABss(RuleBasedStateMachine):
    """Changes at a BSS, their events, its failures, requests, deaths and time, in any order."""

    template: Path

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.stack = AsyncExitStack()
        world: World = self.run(self.stack.enter_async_context(opened(self.template)))
        self.world, self.clock = world, world.clock
        self.bss = Bss(self.clock, Eligibility(plan="basic", status=SubscriptionStatus.ACTIVE))
        desk = Desk(
            name="bss.main",
            source=self.bss,
            timeout_s=2,
            freshness=dict.fromkeys(APPS, Freshness(fresh_s=FRESH_S, known_s=KNOWN_S)),
            heals_s=HEALS_S,
        )
        self.eligibilities = Eligibilities(
            world.store.told,
            {T: desk},
            looks_at={T: ASKED},
            clock=self.clock,
            metrics=Metrics(CollectorRegistry()),
        )
        world.asks = AskedAnew(world.store, self.eligibilities, clock=self.clock)
        world.life = another_worker(world)
        self.run(
            world.store.register_push(
                T, IMSI, [registration(each, app) for each in DEVICES for app in APPS]
            )
        )
        self.under_way: list[BssEvent] = []
        self.devices = {each: Device() for each in DEVICES}
        self.refused_since = dict.fromkeys(APPS, float(START))
        """Since when no device may have a service, and we could know it."""
        for each in DEVICES:
            self.run(self.asks(each))

    def run(self, what: Coroutine[Any, Any, R]) -> R:
        return self.runner.run(what)

    # --- what happens ----------------------------------------------------------------------

    @rule(plan=st.sampled_from(PLANS), status=st.sampled_from(STATUSES), tells=st.booleans())
    def it_changes(self, plan: str, status: SubscriptionStatus, tells: bool) -> None:
        """The BSS knows at once; its event is under way, with what holds or without."""
        self.clock.time += 1
        at = int(self.clock.now())
        self.now_says(Eligibility(plan=plan, status=status))
        told = self.bss.says if tells else NOTHING_TOLD
        self.under_way.append(
            BssEvent(event_id=f"e{at}", change=Change.CHANGED, at=at, imsi=IMSI, told=told)
        )

    def now_says(self, says: Eligibility) -> None:
        """Let the BSS say something else; what it allows for a moment only is allowed, too."""
        self.bss.says = says
        self.run(self.nothing_is_had_for_too_long())

    @rule(mood=st.sampled_from(list(Mood)))
    def the_bss_gets_better_or_worse(self, mood: Mood) -> None:
        self.bss.mood = mood

    @precondition(lambda self: self.under_way)
    @rule(data=st.data(), stays=st.booleans())
    def an_event_comes(self, data: st.DataObject, stays: bool) -> None:
        """Any of them, in any order; one that stays under way comes again."""
        place = data.draw(st.integers(0, len(self.under_way) - 1))
        self.deliver(self.under_way[place] if stays else self.under_way.pop(place))

    @rule(mood=st.sampled_from(list(Mood)), plan=st.sampled_from(PLANS))
    def it_tells_and_cannot_be_asked(self, mood: Mood, plan: str) -> None:
        """It is common enough, and rarely found by chance."""
        self.it_changes(plan, SubscriptionStatus.ACTIVE, tells=False)
        self.bss.mood = mood
        self.deliver(self.under_way.pop())
        self.run(self.lives_on(1))

    def deliver(self, event: BssEvent) -> None:
        self.run(self.world.inbox.take(T, SOURCE, [event]))

    # --- what is done ----------------------------------------------------------------------

    @rule()
    def a_worker_acts(self) -> None:
        self.run(self.world.act())

    @rule()
    def a_worker_claims_and_dies(self) -> None:
        now_ms = int(self.clock.now() * 1000)
        self.run(self.world.store.life.claim(now_ms=now_ms, again_ms=now_ms + 10_000, limit=10))
        self.world.life = another_worker(self.world)

    @rule(device=st.sampled_from(DEVICES))
    def a_device_asks(self, device: str) -> None:
        self.run(self.asks(device))

    @rule(device=st.sampled_from(DEVICES), app=st.sampled_from(APPS), plan=st.sampled_from(PLANS))
    def a_device_finds_it_changed(self, device: str, app: str, plan: str) -> None:
        """No event tells of it, and the device asks for one service only."""
        self.bss.mood = Mood.WELL
        self.run(self.lives_on(STEADY_S + 1))
        self.now_says(Eligibility(plan=plan, status=SubscriptionStatus.ACTIVE))
        self.clock.time += FRESH_S
        self.run(self.asks(device, app))

    @rule(seconds=st.floats(0.1, 30))
    def time_passes(self, seconds: float) -> None:
        self.run(self.lives_on(seconds))

    # --- what holds ------------------------------------------------------------------------

    @rule()
    def the_bound_is_over(self) -> None:
        """Whatever came, and however the BSS is."""
        self.deliver_all()
        self.run(self.lives_on(BOUND_S + STEP_S))

    @rule()
    def all_is_well_again(self) -> None:
        self.bss.mood = Mood.WELL
        self.deliver_all()
        self.run(self.lives_on(SOON_S + HEALS_S))
        right = self.run(self.right())
        for each in self.devices.values():
            known = {app: each.known[app].told for app in APPS}
            assert known == {app: right[app].told for app in APPS}, "it was not told"
            assert self.clock.now() < each.until

    def deliver_all(self) -> None:
        while self.under_way:
            self.deliver(self.under_way.pop())

    async def lives_on(self, seconds: float) -> None:
        """Let time pass: workers act, and devices do what they are told to."""
        end = self.clock.now() + seconds
        while (now := self.clock.now()) < end:
            await self.world.pass_time(min(STEP_S, end - now))
            pushed = {terminal for terminal, _ in await self.world.told()}
            for name, each in self.devices.items():
                if name in pushed or each.is_to_ask or self.clock.now() >= each.until:
                    await self.asks(name)
            await self.nothing_is_had_for_too_long()

    async def nothing_is_had_for_too_long(self) -> None:
        right, now = await self.right(), self.clock.now()
        for app in APPS:
            if self.under_way or right[app].said.startswith("allowed"):
                self.refused_since[app] = now
            elif now - self.refused_since[app] > BOUND_S:
                for each in self.devices.values():
                    assert not each.has(app, now=now), f"it may not have {app}"

    async def asks(self, name: str, *apps: str) -> None:
        """Ask as the device path does; what is not known well enough is asked for again."""
        device, apps = self.devices[name], apps or APPS
        profile = await self.world.store.profile(T, IMSI, name, "app", told=True)
        assert profile is not None
        deadline = self.clock.monotonic() + WAITS_S
        try:
            found = await self.eligibilities.of(profile, apps, deadline=deadline, trail=Trail("r"))
        except UnknownIdentity:
            device.learns(await self.answers(None), self.clock.now() + USUAL_S)
        except (PeerUnavailable, PeerMisbehaved):
            device.is_to_ask = True
        else:
            told, good_s = found.told, self.eligibilities.validity_s(found, USUAL_S)
            until = self.clock.now() + good_s
            assert told is not None
            if told.good_s is not None:
                assert until <= told.asked_at + KNOWN_S + WAITS_S, "a stale allow"
            answers = await self.answers(told)
            device.learns({app: answers[app] for app in apps}, until)

    async def right(self) -> dict[str, Any]:
        """Return what the phone is to be told."""
        now = int(self.clock.now())
        if self.bss.says.status not in SERVED:
            return await self.answers(None)
        return await self.answers(
            Told(
                eligibility=self.bss.says,
                asked=ASKED,
                source="bss.main",
                changed_at=now,
                asked_at=now,
            )
        )

    async def answers(self, told: Told | None) -> dict[str, Any]:
        """Return what the phone is told by what a BSS tells; None = that it is not served."""
        store = self.world.store
        profile = await store.profile(T, IMSI, PHONE, "app")
        assert profile is not None
        held = await store.holdings(T, IMSI)
        found = self.world.life._answers[T].of(
            Life(profile.subscription, profile.terms, profile.address, held),
            [Terminal(PHONE, "Vendor", "Model", "1", START, START)],
            now=self.clock.now(),
            told=told,
            gone=told is None,
        )
        return {app: found[PHONE, app] for app in APPS}

    def teardown(self) -> None:
        try:
            self.all_is_well_again()
            self.run(self.lives_on(SOON_S))
            assert self.run(self.world.store.life.waits()) == 0
        finally:
            self.run(self.eligibilities.close())
            self.run(self.stack.aclose())
            self.runner.close()


def test_who_missed_a_change_of_mind_is_told_with_the_next_event(template: Path) -> None:
    """A BSS refuses, serves for a moment that one device sees, refuses again, and serves."""
    life = type("OneLife", (LivesOfABss,), {"template": template})()
    try:
        life.it_changes(plan="basic", status=SubscriptionStatus.BARRED, tells=True)
        life.all_is_well_again()
        life.it_changes(plan="standard", status=SubscriptionStatus.SUSPENDED, tells=False)
        life.a_device_asks(device=WATCH)
        life.it_changes(plan="standard", status=SubscriptionStatus.BARRED, tells=True)
        life.it_changes(plan="standard", status=SubscriptionStatus.SUSPENDED, tells=False)
    finally:
        life.teardown()


def test_who_saw_what_was_over_at_once_is_told(template: Path) -> None:
    """A device finds another plan, and before anybody compares it is the old one again."""
    life = type("OneLife", (LivesOfABss,), {"template": template})()
    try:
        life.a_device_finds_it_changed(device=PHONE, app="ap2003", plan="standard")
        life.it_changes(plan="basic", status=SubscriptionStatus.ACTIVE, tells=True)
    finally:
        life.teardown()


@pytest.mark.slow
def test_no_failure_of_a_bss_leaves_a_device_with_what_it_may_not_have(template: Path) -> None:
    machine = type("OneLife", (LivesOfABss,), {"template": template})
    run_state_machine_as_test(
        machine,
        settings=settings(
            phases=(Phase.explicit, Phase.reuse, Phase.generate),
            max_examples=examples(15),
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
